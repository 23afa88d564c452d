import { formatEndpoint } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Hook } from '../../src/hook.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import { eth0, FakeHost, packet } from '../netfilter/fake-host.ts';

const sets = `
set full { type ipv4_addr; elements = { 10.0.0.2, 10.0.0.3 } }
set empty { type ipv4_addr; }
set learned { type ipv4_addr; flags dynamic,timeout; timeout 1m; }
map ways { type inet_service : verdict; elements = { 80 : drop, 81 : goto last, 82 : jump last } }
map no-ways { type inet_service : verdict; }
`;

/** Rules of all that may make one idle, and of all that may not. */
const statements = [
  'ip daddr @full',
  'ip daddr 10.0.0.2',
  'ip daddr @empty',
  'ip daddr != @empty',
  'ip daddr @learned',
  'udp dport vmap @ways',
  'udp dport vmap @no-ways',
  'update @learned { ip daddr }',
  'numgen random mod 2 == 0',
  'numgen inc mod 3 == 0',
  'meta l4proto udp',
  'meta mark set meta mark | 0x10',
  'limit rate 2/second burst 2 packets',
  'counter',
  'log prefix "seen "',
] as const;
const isVerdictMap = (statement: string): boolean => statement.includes('vmap');

/** A chain's rules; jumps lead to chains with a higher number only. */
const chain = (number: number): fc.Arbitrary<string[]> =>
  fc.array(
    fc
      .record({
        first: fc.array(fc.constantFrom(...statements), { maxLength: 3 }),
        end: fc.constantFrom('', 'accept', 'drop', 'return', 'continue', 'jump', 'goto', 'dnat to 10.9.9.9'),
        to: fc.integer({ min: number + 1, max: 3 }),
      })
      .map(({ first, end, to }) => {
        const maps = first.filter(isVerdictMap);
        const before = first.filter((statement) => !isVerdictMap(statement));
        const nat = end.startsWith('dnat') && number > 0 ? '' : end;
        const verdict = nat === 'jump' || nat === 'goto' ? `${nat} ${to === 3 ? 'last' : `c${to}`}` : nat;
        const parts: string[] = [...before, maps[0] ?? verdict];
        return parts.filter((part) => part !== '').join(' ') || 'counter';
      }),
    { maxLength: 4 },
  );

test('rules that can do nothing are left out, and nothing else changes', () => {
  fc.assert(
    fc.property(
      fc.tuple(chain(0), chain(0), chain(1), chain(2)),
      fc.constantFrom('accept', 'drop'),
      fc.array(fc.record({ to: fc.integer({ min: 2, max: 5 }), dport: fc.integer({ min: 79, max: 83 }) }), {
        minLength: 10,
        maxLength: 20,
      }),
      ([nat, filter, c1, c2], policy, packets) => {
        const text = `table ip t {
${sets}
chain last { meta mark set meta mark | 0x20 }
chain c2 { ${c2.join('\n')} }
chain c1 { ${c1.join('\n')} }
chain nat { type nat hook prerouting priority dstnat; policy accept; ${nat.join('\n')} }
chain filter { type filter hook prerouting priority 0; policy ${policy}; ${filter.filter((rule) => !rule.includes('dnat')).join('\n')} }
}`;
        const outcomes = [false, true].map((plainWalk) => {
          const host = new FakeHost();
          const netfilter = new Netfilter(host, { plainWalk });
          netfilter.applyNft(text);
          const fates = packets.map(({ to, dport }, i) => {
            const skb = packet({ dst: `10.0.0.${to}`, dport, sport: 1000 + i });
            const verdict = netfilter.hook(Hook.PREROUTING, skb, eth0, null);
            return `${verdict} ${formatEndpoint(skb.dst, skb.dport)} mark ${skb.mark}`;
          });
          return [...fates, ...host.logged];
        });
        expect(outcomes[0]).toEqual(outcomes[1]);
      },
    ),
    { numRuns: 300 },
  );
});

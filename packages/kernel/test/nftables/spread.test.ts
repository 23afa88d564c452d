import { formatEndpoint, parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Hook } from '../../src/hook.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import { SeededRandom } from '../../src/random.ts';
import { eth0, FakeHost, packet } from '../netfilter/fake-host.ts';

/** A service chain as kube-proxy writes it, and chains that only look like one. */
interface Service {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** What the chain asks for; another protocol than the map's: it does nothing. */
  readonly asks: 'tcp' | 'udp' | 'sctp';
  readonly verdict: 'goto' | 'jump';
  readonly ends: number;
  /** Ways that the map has fewer than numgen draws, and the number of the first. */
  readonly missing: number;
  readonly offset: number;
  readonly more: 'nothing' | 'a counter' | 'a rule before' | 'a rule behind' | 'a flag';
}

const protocol = fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const);
const service: fc.Arbitrary<Service> = fc
  .record({
    protocol,
    other: fc.option(protocol, { freq: 4, nil: undefined }),
    verdict: fc.constantFrom('goto' as const, 'jump' as const),
    ends: fc.integer({ min: 1, max: 5 }),
    missing: fc.constantFrom(0, 0, 0, 1),
    offset: fc.constantFrom(0, 0, 3),
    more: fc.constantFrom(
      'nothing' as const,
      'nothing' as const,
      'a counter',
      'a rule before',
      'a rule behind',
      'a flag',
    ),
  })
  .map(({ other, ...rest }) => ({ ...rest, asks: other ?? rest.protocol }) as Service);

function rules(services: readonly Service[], family: 'ip' | 'ip6' | 'inet', v6: boolean): string {
  const ip = v6 ? 'ip6' : 'ip';
  const address = (net: number, host: number): string => (v6 ? `fd00:${net}::${host}` : `10.${net}.0.${host}`);
  const elements = services.map((one, i) => `${address(96, i)} . ${one.protocol} . 80 : ${one.verdict} service-${i}`);
  const chains = services.map((one, i) => {
    const ways = Array.from(
      { length: Math.max(1, one.ends - one.missing) },
      (_, way) => `${way + one.offset} : ${address(20 + i, way)} . ${8000 + way}`,
    );
    const draw = `numgen random mod ${one.ends}${one.offset === 0 ? '' : ` offset ${one.offset}`}`;
    const counter = one.more === 'a counter' ? 'counter ' : '';
    const flag = one.more === 'a flag' ? ' random' : '';
    return `chain service-${i} {
  ${one.more === 'a rule before' ? 'meta mark set 0x4000' : ''}
  meta l4proto ${one.asks} ${counter}dnat ${ip} to ${draw} map { ${ways.join(', ')} }${flag}
  ${one.more === 'a rule behind' ? 'meta mark set 0x8000' : ''}
}`;
  });
  return `table ${family} t {
map services-map { type ${v6 ? 'ipv6_addr' : 'ipv4_addr'} . inet_proto . inet_service : verdict; elements = { ${elements.join(', ')} } }
${chains.join('\n')}
chain services {
  ${ip} daddr . meta l4proto . th dport vmap @services-map
  meta mark set 0x1
}
chain prerouting {
  type nat hook prerouting priority dstnat; policy accept;
  jump services
  meta mark set meta mark | 0x2
}
}`;
}

test('a chain that only spreads connections does in its flat form what its rules say', () => {
  fc.assert(
    fc.property(
      fc.array(service, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('ip' as const, 'inet' as const),
      fc.boolean(),
      fc.array(fc.record({ to: fc.nat(7), protocol }), { minLength: 20, maxLength: 60 }),
      (services, family, v6, packets) => {
        const text = rules(services, family === 'ip' && v6 ? 'ip6' : family, v6);
        const outcomes = [false, true].map((plainWalk) => {
          const host = new FakeHost();
          host.random = new SeededRandom(7);
          const netfilter = new Netfilter(host, { plainWalk });
          netfilter.applyNft(text);
          return packets.map(({ to, protocol: name }, i) => {
            const skb = packet({
              src: v6 ? 'fd00:1::1' : '10.0.0.1',
              dst: v6 ? `fd00:96::${to}` : `10.96.0.${to}`,
              sport: 1000 + i,
              protocol: name,
            });
            const verdict = netfilter.hook(Hook.PREROUTING, skb, eth0, null);
            return `${verdict} ${formatEndpoint(skb.dst, skb.dport)} mark ${skb.mark}`;
          });
        });
        expect(outcomes[0]).toEqual(outcomes[1]);
      },
    ),
  );
});

test('packets of a service whose map was changed go to the new ends', () => {
  const host = new FakeHost();
  const netfilter = new Netfilter(host);
  const table = (end: string): string => `flush ruleset
table ip t {
map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . udp . 80 : goto s } }
chain s { meta l4proto udp dnat ip to numgen random mod 1 map { 0 : ${end} . 8080 } }
chain prerouting { type nat hook prerouting priority dstnat; ip daddr . meta l4proto . th dport vmap @services; }
}`;
  const ends = ['10.0.1.1', '10.0.1.2'].flatMap((end, change) => {
    netfilter.applyNft(table(end));
    return Array.from({ length: 5 }, (_, i) => {
      const skb = packet({ dst: '10.96.0.1', sport: 1000 + change * 10 + i });
      netfilter.hook(Hook.PREROUTING, skb, eth0, null);
      return skb.dst;
    });
  });
  expect(ends).toEqual([...new Array(5).fill(parseIp('10.0.1.1')), ...new Array(5).fill(parseIp('10.0.1.2'))]);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import { ChainIndex, IndexCursor } from '../../src/netfilter/iptables/chain-index.ts';
import { parseIptablesSave } from '../../src/netfilter/iptables/restore.ts';
import type { Skb } from '../../src/skb.ts';
import { forward, packet, world } from './fake-host.ts';

const address = fc.integer({ min: 1, max: 4 }).map((n) => `10.0.0.${n}`);
const prefix = fc.oneof(
  { weight: 4, arbitrary: address.map((ip) => `${ip}/32`) },
  fc.constantFrom('10.0.0.0/24', '10.0.0.0/30', '10.0.0.2/31', '127.255.255.255/32'),
);
const address6 = fc.integer({ min: 1, max: 4 }).map((n) => `fd00::${n}`);
const prefix6 = fc.oneof(
  { weight: 4, arbitrary: address6.map((ip) => `${ip}/128`) },
  fc.constantFrom('fd00::/64', 'fd00::2/127'),
);
const not = fc.constantFrom('', '', '', '! ');
const ports = fc.constantFrom('80', '81', '80:81', '53');
const protocol = fc.constantFrom('tcp', 'udp');
const chains = ['A', 'B', 'C'];

/** A rule that may jump only to chains after its own, so that there is no loop. */
function rule(chain: number, block: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const later = chains.slice(chain);
  return fc
    .record({
      source: fc.option(fc.tuple(not, block), { freq: 2 }),
      destination: fc.option(fc.tuple(not, block), { freq: 1 }),
      protocol: fc.option(protocol, { freq: 1 }),
      notProtocol: fc.constantFrom(false, false, false, true),
      dport: fc.option(fc.tuple(not, ports), { freq: 1 }),
      mark: fc.option(fc.constantFrom('0x1', '0x0/0x2'), { freq: 4 }),
      target: fc.constantFrom(
        '',
        '',
        'ACCEPT',
        'DROP',
        'RETURN',
        'MARK --set-xmark 0x1/0x1',
        'MARK --set-xmark 0x2/0x2',
        ...later,
        ...later,
      ),
      goto: fc.boolean(),
    })
    .map((r) => {
      let text = '';
      if (r.source !== null) text += ` ${r.source[0]}-s ${r.source[1]}`;
      if (r.destination !== null) text += ` ${r.destination[0]}-d ${r.destination[1]}`;
      if (r.protocol !== null) {
        if (r.notProtocol) text += ` ! -p ${r.protocol}`;
        else {
          text += ` -p ${r.protocol}`;
          if (r.dport !== null) text += ` -m ${r.protocol} ${r.dport[0]}--dport ${r.dport[1]}`;
        }
      }
      if (r.mark !== null) text += ` -m mark --mark ${r.mark}`;
      if (r.target === '') return text;
      return `${text} ${r.goto && chains.includes(r.target) ? '-g' : '-j'} ${r.target}`;
    });
}

function ruleset(block: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const list = (chain: number, name: string) =>
    fc
      .array(rule(chain, block), { minLength: 0, maxLength: 24 })
      .map((rules) => rules.map((text) => `-A ${name}${text}`));
  return fc
    .tuple(list(0, 'FORWARD'), list(1, 'A'), list(2, 'B'), list(3, 'C'), fc.constantFrom('ACCEPT', 'DROP'))
    .map(([f, a, b, c, policy]) =>
      [
        '*filter',
        `:FORWARD ${policy} [0:0]`,
        ':A - [0:0]',
        ':B - [0:0]',
        ':C - [0:0]',
        ...f,
        ...a,
        ...b,
        ...c,
        'COMMIT',
        '',
      ].join('\n'),
    );
}

const packets = (ip: fc.Arbitrary<string>) =>
  fc.array(
    fc.record({
      src: ip,
      dst: ip,
      dport: fc.constantFrom(80, 81, 53),
      protocol: fc.constantFrom('tcp', 'udp', 'icmp', 'sctp' as const),
    }),
    { minLength: 1, maxLength: 12 },
  );

interface Outcome {
  readonly verdicts: unknown;
  readonly steps: unknown;
}

function outcome(plainWalk: boolean, rules: string, v6: boolean, make: () => Skb[], listener = true): Outcome {
  const { host, netfilter, steps } = world(v6 ? '' : rules, v6 ? { plainWalk, rules6: rules } : { plainWalk });
  if (!listener) host.tracer = null;
  const verdicts = make().map((skb) => {
    skb.trackId = 1;
    return [netfilter.hook(Hook.FORWARD, skb, null, null), skb.mark];
  });
  return { verdicts, steps };
}

test('an indexed chain meets the same rules, in the same order, as a walk of every rule (IPv4)', () => {
  fc.assert(
    fc.property(ruleset(prefix), packets(fc.oneof(address, fc.constant('127.255.255.255'))), (rules, fields) => {
      const make = () => fields.map((f) => packet({ ...f, protocol: f.protocol as 'tcp' }));
      const plain = outcome(true, rules, false, make);
      expect(outcome(false, rules, false, make)).toEqual(plain);
      expect(outcome(false, rules, false, make, false).verdicts).toEqual(plain.verdicts);
    }),
    { numRuns: 150 },
  );
});

test('an indexed chain meets the same rules, in the same order, as a walk of every rule (IPv6)', () => {
  fc.assert(
    fc.property(ruleset(prefix6), packets(address6), (rules, fields) => {
      const make = () =>
        fields.map((f) => packet({ ...f, protocol: f.protocol === 'icmp' ? 'udp' : (f.protocol as 'tcp') }));
      const plain = outcome(true, rules, true, make);
      expect(outcome(false, rules, true, make)).toEqual(plain);
      expect(outcome(false, rules, true, make, false).verdicts).toEqual(plain.verdicts);
    }),
    { numRuns: 60 },
  );
});

test('of ten thousand services only the one asked for is looked at', () => {
  const count = 10_000;
  const lines = Array.from(
    { length: count },
    (_, i) => `-A FORWARD -d 10.96.${i >> 8}.${i & 255}/32 -p tcp -m tcp --dport 80 -j DROP`,
  );
  const text = ['*filter', ...lines, '-A FORWARD -p udp -j DROP', 'COMMIT', ''].join('\n');
  const index = ChainIndex.of(parseIptablesSave(text, 4).tables.get('filter')!.chains.get('FORWARD')!.rules)!;
  const cursor = new IndexCursor();
  const met: number[][] = [];
  for (let i = 0; i < count; i++) {
    index.seek(packet({ protocol: 'tcp', dst: `10.96.${i >> 8}.${i & 255}`, dport: 80 }), cursor);
    const numbers: number[] = [];
    for (let rule = cursor.next(); rule >= 0; rule = cursor.next()) numbers.push(rule);
    met.push(numbers);
  }
  // Its own rule, and the last one, which no index can tell apart.
  expect(met).toEqual(lines.map((_, i) => [i, count]));
});

test('a packet that could meet rules without end is dropped with its own reason', () => {
  // Each chain jumps to the next eight times: 8^14 rules.
  const rules = ['*filter', '-A FORWARD -j C0'];
  for (let i = 0; i < 14; i++) rules.push(`:C${i} - [0:0]`);
  for (let i = 0; i < 13; i++) for (let j = 0; j < 8; j++) rules.push(`-A C${i} -j C${i + 1}`);
  const { netfilter } = world([rules[0], ...rules.slice(2, 16), rules[1], ...rules.slice(16), 'COMMIT', ''].join('\n'));
  const skb = packet({});
  expect(forward(netfilter, skb)).toBe(Verdict.DROP);
  expect(skb.dropReason).toBe('NETSIM_RULE_BUDGET');
});

import { parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import type { Device } from '../../src/net/device.ts';
import type { Skb } from '../../src/skb.ts';
import { answer, eth0, eth1, forward, fresh, packet, type World, world } from './fake-host.ts';

// What the packet before met is kept for the next one (src/netfilter/pass.ts). Here it is held against a plain walk.

const eth2 = { name: 'eth2' } as Device;
const devices = [null, eth0, eth1, eth2];

const matches = fc.constantFrom(
  '',
  '',
  '',
  '-s 10.0.0.1/32',
  '-d 10.0.0.2/32',
  '! -d 10.0.0.2/32',
  '-p udp -m udp --dport 80',
  '-p udp -m udp --sport 1001',
  '-p tcp -m tcp --tcp-flags SYN SYN',
  '-p udp -m multiport --ports 80,1002',
  '-m conntrack --ctstate NEW',
  '-m conntrack --ctstate ESTABLISHED',
  '-m conntrack --ctstate DNAT',
  '-m conntrack --ctstatus SEEN_REPLY',
  '-m conntrack --ctstatus ASSURED',
  '-m conntrack --ctdir REPLY',
  '-m conntrack --ctorigdst 10.96.0.1/32',
  '-m mark --mark 0x1/0x1',
  '-m mark ! --mark 0x2/0x2',
  '-m connmark --mark 0x4/0x4',
  '-m addrtype --dst-type LOCAL',
  '-m statistic --mode nth --every 3 --packet 1',
  '-m statistic --mode random --probability 0.5',
  '-m limit --limit 1/sec --limit-burst 2',
  '-m recent --rcheck --seconds 30 --hitcount 3 --name seen --mask 255.255.255.255 --rsource',
  '-m recent --set --name seen --mask 255.255.255.255 --rsource',
  '-m physdev --physdev-in eth2',
);
const acts = ['', 'MARK --set-xmark 0x1/0x1', 'MARK --set-xmark 0x2/0x2', 'MARK --set-xmark 0x4/0x0'];
const connmarks = ['CONNMARK --set-xmark 0x4/0x4', 'CONNMARK --restore-mark --nfmask 0x4 --ctmask 0x4'];

function rules(chain: string, targets: readonly string[], inOrOut: readonly string[] = ['']): fc.Arbitrary<string[]> {
  return fc.array(
    fc
      .tuple(fc.constantFrom(...inOrOut), matches, fc.constantFrom(...targets))
      .map(([dev, match, target]) => `-A ${chain} ${dev} ${match}${target === '' ? '' : ` -j ${target}`}`),
    { maxLength: 6 },
  );
}
const some = (...targets: string[]) => [...acts, ...connmarks, ...targets];
const rulesets = fc
  .tuple(
    rules('PREROUTING', some('ACCEPT')),
    rules('POSTROUTING', some('ACCEPT')),
    rules('FORWARD', some('DROP', 'ACCEPT', 'USER', 'USER', 'LOG'), ['', '', '-i eth2', '-o eth1']),
    rules('USER', some('RETURN', 'ACCEPT', 'DROP', 'REJECT')),
    fc.boolean(),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([pre, post, fwd, user, dnat, masquerade, raw]) =>
    [
      ...(raw ? ['*raw', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -s 10.0.0.3/32 -j CT --notrack', 'COMMIT'] : []),
      ...['*mangle', ':PREROUTING ACCEPT [0:0]', ':POSTROUTING ACCEPT [0:0]', ...pre, ...post, 'COMMIT'],
      ...['*nat', ':PREROUTING ACCEPT [0:0]', ':POSTROUTING ACCEPT [0:0]'],
      ...(dnat ? ['-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination 10.0.0.2'] : []),
      ...(masquerade ? ['-A POSTROUTING -s 10.0.0.1/32 -o eth1 -j MASQUERADE'] : []),
      ...['COMMIT', '*filter', ':FORWARD ACCEPT [0:0]', ':USER - [0:0]', ...fwd, ...user, 'COMMIT', ''],
    ].join('\n'),
  );

/** What happens next: mostly another packet of one of a few flows, now and then a change of the machine. */
const events = fc.array(
  fc.oneof(
    {
      weight: 30,
      arbitrary: fc.record({
        kind: fc.constant('packet' as const),
        src: fc.constantFrom('10.0.0.1', '10.0.0.1', '10.0.0.3'),
        dst: fc.constantFrom('10.96.0.1', '10.96.0.1', '10.0.0.2'),
        sport: fc.constantFrom(1001, 1001, 1002),
        reply: fc.constantFrom(false, false, true),
        flags: fc.constantFrom(2, 16),
        protocol: fc.constantFrom('udp', 'udp', 'udp', 'tcp'),
        times: fc.integer({ min: 1, max: 12 }),
        mark: fc.constantFrom(0, 0, 1, 2),
        inDev: fc.constantFrom(1, 1, 1, 3),
        outDev: fc.constantFrom(2, 2, 2, 3),
        phys: fc.constantFrom(0, 0, 0, 3),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(500, 3_000, 40_000) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('local' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const), text: rulesets }) },
  ),
  { minLength: 5, maxLength: 40 },
);
type Event = (typeof events extends fc.Arbitrary<infer T> ? T : never)[number];

function hook(at: World, which: Hook, skb: Skb, inDev: Device | null, outDev: Device | null): Verdict {
  return at.netfilter.hook(which, skb, inDev, outDev);
}

/** Everything that somebody outside can see of these events. */
function history(plainWalk: boolean, text: string, happening: readonly Event[]): unknown[] {
  const at = world(text, { plainWalk });
  const seen: unknown[] = [];
  const replies = new Map<string, Skb>();
  for (const event of happening) {
    switch (event.kind) {
      case 'wait':
        at.host.time += event.ms;
        break;
      case 'local': {
        const ip = parseIp('10.0.0.2');
        if (!at.host.local.delete(ip)) at.host.local.add(ip);
        at.host.fibGeneration++;
        break;
      }
      case 'flush':
        at.netfilter.flushConnections();
        break;
      case 'reload':
        at.netfilter.restore(event.text, 4);
        break;
      case 'packet':
        for (let i = 0; i < event.times; i++) {
          const key = `${event.src} ${event.dst} ${event.sport} ${event.protocol}`;
          const before = replies.get(key);
          const reply = event.reply && before !== undefined;
          const skb = reply
            ? answer(before, 16)
            : packet({ ...event, protocol: event.protocol as 'udp', mark: event.mark });
          if (event.phys !== 0) skb.physIn = devices[event.phys]!;
          skb.mark = event.mark;
          const inDev = devices[reply ? event.outDev : event.inDev]!;
          const outDev = devices[reply ? event.inDev : event.outDev]!;
          const verdicts = [hook(at, Hook.PREROUTING, skb, inDev, null)];
          if (verdicts[0] === Verdict.ACCEPT) verdicts.push(hook(at, Hook.FORWARD, skb, inDev, outDev));
          if (verdicts[1] === Verdict.ACCEPT) verdicts.push(hook(at, Hook.POSTROUTING, skb, inDev, outDev));
          seen.push([
            verdicts,
            skb.src,
            skb.dst,
            skb.sport,
            skb.dport,
            skb.mark,
            skb.ctInfo,
            skb.ct?.mark,
            skb.ct?.status,
          ]);
          if (verdicts[2] === Verdict.ACCEPT && !reply) replies.set(key, skb);
        }
    }
  }
  seen.push(at.host.logged, at.host.rejected.length);
  return seen;
}

test('packets of a connection fare the same whether or not what the one before met is kept', () => {
  fc.assert(
    fc.property(rulesets, events, (text, happening) => {
      expect(history(false, text, happening)).toEqual(history(true, text, happening));
    }),
    { numRuns: 250 },
  );
});

const established = ['*filter', ':FORWARD ACCEPT [0:0]', '-A FORWARD -m conntrack --ctstate INVALID -j DROP'];

function warm(at: World, count = 30): Skb {
  let skb = packet({});
  for (let i = 0; i < count; i++) {
    skb = packet({});
    expect(forward(at.netfilter, skb)).toBe(Verdict.ACCEPT);
  }
  return skb;
}

test('a rule that is new is met by the very next packet of a connection', () => {
  const at = world([...established, 'COMMIT', ''].join('\n'));
  warm(at);
  at.netfilter.restore([...established, '-A FORWARD -p udp -j DROP', 'COMMIT', ''].join('\n'), 4);
  expect(forward(at.netfilter, packet({}))).toBe(Verdict.DROP);
});

test('a limit counts every packet of a connection', () => {
  const at = world(
    [
      ...established,
      '-A FORWARD -m limit --limit 1/hour --limit-burst 20 -j ACCEPT',
      '-A FORWARD -j DROP',
      'COMMIT',
      '',
    ].join('\n'),
  );
  warm(at, 20);
  expect(forward(at.netfilter, packet({}))).toBe(Verdict.DROP);
});

test('once a connection is warm its rules are not asked again', () => {
  const at = world([...established, '-A FORWARD -m addrtype --dst-type LOCAL -j DROP', 'COMMIT', ''].join('\n'));
  let asked = 0;
  at.host.addressType = () => {
    asked++;
    return 'UNICAST';
  };
  warm(at, 30);
  expect(asked).toBeGreaterThan(0);
  const before = asked;
  warm(at, 100);
  expect(asked).toBe(before);
});

test('a traced packet of a warm connection tells of every rule', () => {
  const at = world([...established, '-A FORWARD -p udp -j ACCEPT', 'COMMIT', ''].join('\n'));
  const skb = fresh(warm(at));
  skb.trackId = 1;
  at.steps.length = 0;
  expect(forward(at.netfilter, skb)).toBe(Verdict.ACCEPT);
  expect(at.steps.filter((step) => step.kind === 'rule')).toHaveLength(1);
});

test('a warm connection meets the rule for its mark, its bridge port or its address once they change', () => {
  const at = world(
    [
      ...established,
      '-A FORWARD -m connmark --mark 0x4/0x4 -j DROP',
      '-A FORWARD -m physdev --physdev-in eth2 -j DROP',
      '-A FORWARD -m addrtype --dst-type LOCAL -j DROP',
      'COMMIT',
      '',
    ].join('\n'),
  );
  const conn = warm(at).ct!;
  conn.mark = 4;
  expect(forward(at.netfilter, packet({}))).toBe(Verdict.DROP);
  conn.mark = 0;
  warm(at);
  const bridged = packet({});
  bridged.physIn = eth2;
  expect(forward(at.netfilter, bridged)).toBe(Verdict.DROP);
  warm(at);
  at.host.local.add(packet({}).dst);
  at.host.fibGeneration++;
  expect(forward(at.netfilter, packet({}))).toBe(Verdict.DROP);
});

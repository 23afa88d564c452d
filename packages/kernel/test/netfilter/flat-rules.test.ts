import type { Ip } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../src/random.ts';
import { forward, packet, world } from './fake-host.ts';

const ADDRESSES = { 4: ['10.96.0.', '10.244.0.', '10.244.0.0/24'], 6: ['fd96::', 'fd24::', 'fd24::/64'] } as const;

/** What kube-proxy writes for a service, and now and then what another program might have put among it. */
const service = fc.record({
  protocol: fc.constantFrom('tcp', 'udp'),
  port: fc.constantFrom(80, 81),
  masquerade: fc.boolean(),
  endpoints: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
  affinity: fc.boolean(),
  odd: fc.option(
    fc.constantFrom(
      '-m mark ! --mark 0x4000/0x4000 -j RETURN',
      '-i eth0 -j MARK --set-xmark 0x8/0x8',
      '! -i eth0 -j RETURN',
      '-m statistic --mode random --probability 0.5 -m mark --mark 0x4000/0x4000 -j RETURN',
      '-m mark --mark 0x4000/0x4000 -m statistic --mode random --probability 0.5 -j RETURN',
      '-m statistic --mode random ! --probability 0.75 -j LOG --log-prefix drawn',
      '-m statistic --mode nth --every 2 --packet 0 -j RETURN',
      '-p tcp -m tcp --dport 80:81 -j EMPTY',
      '-p tcp -m tcp ! --dport 80 -j RETURN',
      '-p tcp -m tcp --sport 1000 --dport 80 -g MASQ',
      '-p udp -m statistic --mode random --probability 0.5 -m udp --dport 80 -j RETURN',
      '-m addrtype --dst-type LOCAL -j RETURN',
      '-p tcp -g EMPTY',
      '-p udp -j REDIRECT --to-ports 9000',
    ),
    { freq: 2 },
  ),
  translation: fc.constantFrom('', '', '', 'no port', 'ports', 'addresses'),
});
type Service = typeof service extends fc.Arbitrary<infer T> ? T : never;

function rulesOf(services: readonly Service[], family: 4 | 6): string {
  const [vip, pod, cidr] = ADDRESSES[family];
  const full = family === 4 ? '/32' : '/128';
  const head: string[] = [];
  const chains: string[] = ['SERVICES', 'MASQ', 'EMPTY'];
  const body: string[] = [];
  services.forEach((of, i) => {
    const { protocol, endpoints } = of;
    head.push(`-A SERVICES -d ${vip}${i + 1}${full} -p ${protocol} -m ${protocol} --dport ${of.port} -j SVC${i}`);
    chains.push(`SVC${i}`);
    if (of.masquerade)
      body.push(
        `-A SVC${i} ! -s ${cidr} -d ${vip}${i + 1}${full} -p ${protocol} -m ${protocol} --dport ${of.port} -j MASQ`,
      );
    if (of.odd !== null) body.push(`-A SVC${i} ${of.odd}`);
    endpoints.forEach((endpoint, e) => {
      const name = `SEP${i}.${e}`;
      const ip = `${pod}${endpoint}`;
      const [open, close] = family === 4 ? ['', ''] : ['[', ']'];
      const last = `${pod}${endpoint + 2}`;
      const to = {
        '': `${open}${ip}${close}:8080`,
        'no port': ip,
        ports: `${open}${ip}${close}:8080-8082`,
        addresses: `${open}${ip}-${last}${close}:8080`,
      }[of.translation];
      chains.push(name);
      if (of.affinity) body.push(`-A SVC${i} -m recent --rcheck --seconds 10 --name ${name} --rsource -j ${name}`);
      body.push(`-A ${name} -s ${ip}${full} -j MASQ`);
      const affinity = of.affinity ? `-m recent --set --name ${name} --rsource ` : '';
      body.push(`-A ${name} -p ${protocol} ${affinity}-m ${protocol} -j DNAT --to-destination ${to}`);
    });
    endpoints.forEach((_, e) => {
      const left = endpoints.length - e;
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : '';
      body.push(`-A SVC${i} ${chance}-j SEP${i}.${e}`);
    });
  });
  return [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ...chains.map((name) => `:${name} - [0:0]`),
    '-A PREROUTING -j SERVICES',
    '-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    '-A POSTROUTING -j MASQUERADE --random-fully',
    '-A MASQ -j MARK --set-xmark 0x4000/0x4000',
    ...head,
    ...body,
    'COMMIT',
    '',
  ].join('\n');
}

const packets = fc.array(
  fc.record({
    from: fc.constantFrom(1, 2, 3, 300),
    to: fc.integer({ min: 1, max: 12 }),
    sport: fc.constantFrom(1000, 1001),
    port: fc.constantFrom(80, 80, 81, 53),
    protocol: fc.constantFrom('tcp', 'udp', 'sctp' as const),
    mark: fc.constantFrom(0, 0x4000, 0xf0000001),
  }),
  { minLength: 1, maxLength: 16 },
);

/** All that a walk does: to packets, to the log, and the draws that it makes. */
function walks(
  rules: string,
  family: 4 | 6,
  sent: readonly Sent[],
  how: 'plain' | 'listener' | 'nobody listens',
): unknown {
  const options = { plainWalk: how === 'plain' };
  const { host, netfilter } = world(family === 4 ? rules : '', family === 6 ? { ...options, rules6: rules } : options);
  if (how !== 'listener') host.tracer = null;
  const draws: [number, string][] = [];
  const random = new SeededRandom(7);
  host.random = {
    chance: (probability, what) => {
      draws.push([probability, JSON.stringify(what)]);
      return random.chance(probability);
    },
    choose: (n) => random.choose(n),
    below: (bound) => random.below(bound),
  };
  const [vip, pod] = ADDRESSES[family];
  const after = sent.map(({ from, to, sport, port, protocol, mark }): unknown => {
    const src = from === 300 ? (family === 4 ? '172.16.0.1' : 'fd16::1') : `${pod}${from}`;
    const skb = packet({ src, dst: `${vip}${to}`, sport, dport: port, protocol: protocol as 'tcp', mark });
    const verdict = forward(netfilter, skb);
    host.time += 700;
    const seen: (Ip | null)[] = [skb.src, skb.dst, skb.sport, skb.dport, skb.mark];
    return [verdict, ...seen, skb.dropReason];
  });
  return {
    after,
    draws,
    logged: host.logged,
    connections: netfilter.connections().map(({ original, reply }) => [original, reply]),
  };
}
type Sent = typeof packets extends fc.Arbitrary<(infer T)[]> ? T : never;

for (const family of [4, 6] as const) {
  test(`rules of services do to IPv${family} packets what a walk of every rule does, listened to or not`, () => {
    fc.assert(
      fc.property(fc.array(service, { minLength: 1, maxLength: 12 }), packets, (services, sent) => {
        const rules = rulesOf(services, family);
        const plain = walks(rules, family, sent, 'plain');
        expect(walks(rules, family, sent, 'nobody listens')).toEqual(plain);
        expect(walks(rules, family, sent, 'listener')).toEqual(plain);
      }),
      { numRuns: 300 },
    );
  });
}

test('a packet that nobody follows, too, is dropped before it meets rules without end', () => {
  const names = Array.from({ length: 15 }, (_, i) => `C${i}`);
  const jumps = names.slice(1).flatMap((name, i) => Array.from({ length: 8 }, () => `-A C${i} -j ${name}`));
  const rules = ['*filter', ...names.slice(0, 14).map((name) => `:${name} - [0:0]`), '-A FORWARD -j C0'];
  const { host, netfilter } = world(
    [...rules, ...jumps.filter((rule) => !rule.endsWith('C14')), 'COMMIT', ''].join('\n'),
  );
  host.tracer = null;
  const skb = packet({});
  forward(netfilter, skb);
  expect(skb.dropReason).toBe('NETSIM_RULE_BUDGET');
});

import { parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import {
  formatRoute,
  formatRouteOf,
  type NetnsConfig,
  Nud,
  parseIptablesSave,
  RouteTable,
  World,
} from '../src/index.ts';
import { ip } from './support/flannel.ts';

/** Two nodes that route to each other's pods directly; pods `a` and `b` on the first, `c` on the second. */
function twoNodes6(): World {
  const node = (index: number, pods: readonly string[]): NetnsConfig => ({
    name: `n${index}`,
    machine: `n${index}`,
    label: 'host',
    sysctls: { 'net.ipv6.conf.all.forwarding': 1 },
    links: [
      { kind: 'physical', name: 'eth0', mac: `52:54:00:00:00:0${index}`, segment: 'nodes' },
      { kind: 'bridge', name: 'cni0', mac: `0a:58:0a:f4:0${index}:01`, mtu: 1450 },
      ...pods.map((pod) => ({
        kind: 'veth' as const,
        name: `v${pod}`,
        master: 'cni0',
        hairpin: true,
        mtu: 1450,
        peer: { netns: pod, name: 'eth0', mtu: 1450 },
      })),
    ],
    addresses: [
      { dev: 'eth0', address: ip(`fd00:1::10${index}`), prefixLength: 64 },
      { dev: 'cni0', address: ip(`fd01:${index}::1`), prefixLength: 64 },
    ],
    routes: [{ destination: parsePrefix(`fd01:${3 - index}::/64`), via: ip(`fd00:1::10${3 - index}`) }],
  });
  const pod = (name: string, index: number, last: number): NetnsConfig => ({
    name,
    machine: `n${index}`,
    label: name,
    links: [],
    addresses: [{ dev: 'eth0', address: ip(`fd01:${index}::${last}`), prefixLength: 64 }],
    routes: [{ via: ip(`fd01:${index}::1`) }],
  });
  const world = new World();
  world.loadNetns([node(1, ['a', 'b']), node(2, ['c']), pod('a', 1, 2), pod('b', 1, 3), pod('c', 2, 2)]);
  return world;
}

function ping(world: World, netns: string, to: string, ttl?: number): string {
  const socket = world.requireNetns(netns).ping({ dst: ip(to), ttl });
  const error = socket.send(1);
  if (error !== '') return error;
  world.runUntil(() => socket.answers.length > 0, 4_000);
  const answer = socket.answers[0];
  if (answer === undefined) return 'nothing';
  return answer.kind === 'reply'
    ? `reply ttl ${answer.ttl}`
    : `${answer.icmp} from ${(answer.from as bigint).toString(16)}`;
}

const hex = (text: string): string => (ip(text) as bigint).toString(16);

describe('IPv6, with the answers that Linux gave in the same network', () => {
  test.each([
    ['a', 'fd01:1::3', 'reply ttl 64'],
    ['a', 'fd01:2::2', 'reply ttl 62'],
    ['a', 'fd01:1::1', 'reply ttl 64'],
    ['a', 'fd01:2::1', 'reply ttl 63'],
    ['a', 'fd00:1::101', 'reply ttl 64'],
    ['a', 'fd00:1::102', 'reply ttl 63'],
    ['a', 'fd01:2::77', `addr-unreachable from ${hex('fd00:1::102')}`],
    ['a', 'fd01:1::77', `addr-unreachable from ${hex('fd01:1::2')}`],
    ['a', 'fd09::9', `no-route from ${hex('fd01:1::1')}`],
    ['a', '::1', 'reply ttl 64'],
    ['n1', 'fd09::9', 'ENETUNREACH'],
  ])('ping from %s to %s: %s', (from, to, answer) => {
    expect(ping(twoNodes6(), from, to)).toBe(answer);
  });

  test.each([
    [1, `hop-limit-exceeded from ${hex('fd01:1::1')}`],
    [2, `hop-limit-exceeded from ${hex('fd00:1::102')}`],
  ])('with a hop limit of %i: %s', (ttl, answer) => {
    expect(ping(twoNodes6(), 'a', 'fd01:2::2', ttl)).toBe(answer);
  });

  test('an error comes from the device by which the packet came in, whichever way the error takes', () => {
    const links = [1, 2].map((i) => ({ kind: 'physical' as const, name: `eth${i}`, segment: `s${i}` }));
    const machine = (name: string, host: number): NetnsConfig => ({
      name,
      machine: name,
      label: 'host',
      sysctls: { 'net.ipv6.conf.all.forwarding': 1 },
      links,
      addresses: [1, 2].map((i) => ({ dev: `eth${i}`, address: ip(`fd0${i}::${host}`), prefixLength: 64 })),
      routes: [],
    });
    const world = new World();
    world.loadNetns([
      { ...machine('sender', 1), routes: [{ destination: parsePrefix('fd99::/64'), via: ip('fd01::2') }] },
      { ...machine('router', 2), routes: [{ destination: parsePrefix('fd01::1/128'), via: ip('fd02::1') }] },
    ]);
    expect(ping(world, 'sender', 'fd99::9')).toBe(`no-route from ${hex('fd01::2')}`);
  });

  test.each([
    ['unreachable', 'no-route', 'EHOSTUNREACH'],
    ['prohibit', 'adm-prohibited', 'EACCES'],
    ['blackhole', 'nothing', 'EINVAL'],
    ['throw', 'no-route', 'ENETUNREACH'],
  ] as const)('a route of type %s: a pod behind it is told %s, a local sender %s', (type, remote, local) => {
    const world = twoNodes6();
    world.requireNetns('n1').addRoute({ destination: parsePrefix('fd50::/64'), type });
    expect(ping(world, 'a', 'fd50::1')).toBe(remote === 'nothing' ? remote : `${remote} from ${hex('fd01:1::1')}`);
    expect(ping(world, 'n1', 'fd50::1')).toBe(local);
  });

  test.each([
    ['fd96::1', 'reply ttl 64'],
    ['fd96::2', 'reply ttl 62'],
    ['fd96::4', `addr-unreachable from ${hex('fd96::4')}`],
  ])('DNAT on the first node: ping %s: %s', (to, answer) => {
    const world = twoNodes6();
    const rules = [
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':INPUT ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':POSTROUTING ACCEPT [0:0]',
      '-A PREROUTING -d fd96::1/128 -j DNAT --to-destination fd01:1::3',
      '-A PREROUTING -d fd96::2/128 -j DNAT --to-destination fd01:2::2',
      '-A PREROUTING -d fd96::4/128 -j DNAT --to-destination fd01:1::77',
      'COMMIT',
      '',
    ];
    world.requireNetns('n1').loadRuleset(parseIptablesSave(rules.join('\n'), 6));
    expect(ping(world, 'a', to)).toBe(answer);
  });

  test('a router has anycast routes for its subnets, and every device a link-local address', () => {
    const netns = twoNodes6().requireNetns('n1');
    const local = netns.routes(RouteTable.LOCAL, 6).map((route) => formatRouteOf(route, RouteTable.LOCAL));
    expect(local).toContain('anycast fd01:1:: dev cni0 proto kernel metric 0 pref medium');
    expect(local).toContain('local fe80::858:aff:fef4:101 dev cni0 proto kernel metric 0 pref medium');
    expect(local).toContain('multicast ff00::/8 dev cni0 proto kernel metric 256 pref medium');
    expect(netns.routes(RouteTable.MAIN, 6).map((route) => formatRoute(route))).toContain(
      'fd01:2::/64 via fd00:1::102 dev eth0 metric 1024 pref medium',
    );
  });

  test('neighbours are found by solicitation: REACHABLE for who asked, DELAY for who was asked and answers', () => {
    const world = twoNodes6();
    ping(world, 'a', 'fd01:1::3');
    const states = (name: string): number[] =>
      world
        .requireNetns(name)
        .neighbours()
        .map((neigh) => neigh.currentState());
    expect(states('a')).toEqual([Nud.REACHABLE]);
    expect(states('b')).toEqual([Nud.DELAY]);
  });
});

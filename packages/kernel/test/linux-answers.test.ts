import { parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { parseIptablesSave, type World } from '../src/index.ts';
import { ip, twoNodes } from './support/flannel.ts';

/** What ping printed on Linux 6.18 for the same two nodes, made with `ip` and `bridge`. */
function ping(world: World, netns: string, to: string, options: { ttl?: number; size?: number } = {}): string {
  const socket = world.requireNetns(netns).ping({ dst: ip(to), ...options });
  const error = socket.send(1);
  if (error !== '') return error;
  world.runUntil(() => socket.answers.length > 0, 4_000);
  const answer = socket.answers[0];
  if (answer === undefined) return 'nothing';
  const from = formatFrom(answer.from);
  return answer.kind === 'reply' ? `reply from ${from} ttl ${answer.ttl}` : `${answer.icmp} from ${from}`;
}
const formatFrom = (from: number | bigint): string =>
  typeof from === 'number' ? [24, 16, 8, 0].map((shift) => (from >>> shift) & 255).join('.') : String(from);

describe('answers that Linux gave in the same network', () => {
  test.each([
    ['a', '10.244.1.3', 'reply from 10.244.1.3 ttl 64'],
    ['a', '10.244.2.2', 'reply from 10.244.2.2 ttl 62'],
    ['a', '10.244.1.1', 'reply from 10.244.1.1 ttl 64'],
    ['a', '10.244.2.1', 'reply from 10.244.2.1 ttl 63'],
    ['a', '192.168.1.101', 'reply from 192.168.1.101 ttl 64'],
    ['a', '192.168.1.102', 'reply from 192.168.1.102 ttl 63'],
    ['a', '10.244.2.77', 'host-unreachable from 10.244.2.0'],
    ['a', '10.244.1.77', 'host-unreachable from 10.244.1.2'],
    ['a', '10.9.9.9', 'net-unreachable from 10.244.1.1'],
    ['w1', '10.244.2.2', 'reply from 10.244.2.2 ttl 63'],
    ['w1', '10.9.9.9', 'ENETUNREACH'],
    ['a', '127.0.0.1', 'reply from 127.0.0.1 ttl 64'],
    ['a', '10.244.1.2', 'reply from 10.244.1.2 ttl 64'],
  ])('ping from %s to %s: %s', (from, to, answer) => {
    expect(ping(twoNodes(), from, to)).toBe(answer);
  });

  test.each([
    [1, 'ttl-exceeded from 10.244.1.1'],
    [2, 'ttl-exceeded from 10.244.2.0'],
    [3, 'reply from 10.244.2.2 ttl 62'],
  ])('with a TTL of %i to a pod two routers away: %s', (ttl, answer) => {
    expect(ping(twoNodes(), 'a', '10.244.2.2', { ttl })).toBe(answer);
  });

  test.each([
    ['unreachable', 'host-unreachable from 10.244.1.1', 'EHOSTUNREACH'],
    ['prohibit', 'admin-prohibited from 10.244.1.1', 'EACCES'],
    ['blackhole', 'nothing', 'EINVAL'],
    ['throw', 'net-unreachable from 10.244.1.1', 'ENETUNREACH'],
  ] as const)('a route of type %s: a pod behind it is told %s, a local sender %s', (type, remote, local) => {
    const world = twoNodes();
    world.requireNetns('w1').addRoute({ destination: parsePrefix('10.50.0.0/16'), type });
    expect(ping(world, 'a', '10.50.0.1')).toBe(remote);
    expect(ping(world, 'w1', '10.50.0.1')).toBe(local);
  });

  test('a packet longer than the tunnel allows is refused by the router, and the sender learns the MTU', () => {
    const world = twoNodes();
    for (const [netns, dev] of [
      ['a', 'eth0'],
      ['w1', 'veth-a'],
      ['w1', 'cni0'],
    ] as const) {
      world.requireNetns(netns).requireDevice(dev).mtu = 1500;
    }
    expect(ping(world, 'a', '10.244.2.2', { size: 1472 })).toBe('fragmentation-needed from 10.244.1.1');
    expect(world.requireNetns('a').pathMtu(ip('10.244.2.2'), world.requireNetns('a').requireDevice('eth0'))).toBe(1450);
    expect(ping(world, 'a', '10.244.2.2', { size: 1472 })).toBe('EMSGSIZE');
    expect(ping(world, 'a', '10.244.2.2', { size: 1422 })).toBe('reply from 10.244.2.2 ttl 62');
  });

  describe('with a REJECT in filter OUTPUT of the node, it tells itself', () => {
    const rejecting = (destination: string): { world: World; told: () => string[] } => {
      const world = twoNodes();
      const text = `*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d ${destination} -j REJECT --reject-with icmp-admin-prohibited\nCOMMIT\n`;
      const node = world.requireNetns('w1');
      node.loadRuleset(parseIptablesSave(text, 4));
      const errors: string[] = [];
      world.frameListener = (netns, dev, direction, skb) => {
        if (netns === node && dev === node.lo && direction === 'in') errors.push(`${skb.icmpType}/${skb.icmpCode}`);
      };
      return { world, told: () => errors };
    };

    test('of its own echo request', () => {
      const { world, told } = rejecting('10.244.1.2');
      expect(ping(world, 'w1', '10.244.1.2')).toBe('EPERM');
      world.run();
      expect(told()).toEqual(['3/13']);
    });

    test('nothing of an echo reply: it makes no ICMP message while it sends one', () => {
      const { world, told } = rejecting('10.244.1.2');
      expect(ping(world, 'a', '10.244.1.1')).toBe('nothing');
      expect(told()).toEqual([]);
    });

    test("nothing of the overlay's datagram around an echo reply, but of that around a pod's packet", () => {
      const reply = rejecting('192.168.1.102');
      expect(ping(reply.world, 'c', '192.168.1.101')).toBe('nothing');
      expect(reply.told()).toEqual([]);
      const request = rejecting('192.168.1.102');
      expect(ping(request.world, 'a', '10.244.2.2')).toBe('nothing');
      expect(request.told()).toEqual(['3/13']);
    });
  });

  describe('with DNAT on the first node', () => {
    const rules = parseIptablesSave(
      [
        '*nat',
        ':PREROUTING ACCEPT [0:0]',
        ':INPUT ACCEPT [0:0]',
        ':OUTPUT ACCEPT [0:0]',
        ':POSTROUTING ACCEPT [0:0]',
        '-A PREROUTING -d 10.96.0.1/32 -p icmp -j DNAT --to-destination 10.244.1.3',
        '-A PREROUTING -d 10.96.0.2/32 -p icmp -j DNAT --to-destination 10.244.2.2',
        '-A PREROUTING -d 10.96.0.3/32 -p icmp -j DNAT --to-destination 10.244.1.2',
        '-A PREROUTING -d 10.96.0.4/32 -p icmp -j DNAT --to-destination 10.244.1.77',
        '-A POSTROUTING -s 10.244.1.2/32 -d 10.244.1.2/32 -j MASQUERADE',
        'COMMIT',
        '',
      ].join('\n'),
      4,
    );

    test.each([
      ['a pod of the same node, by the bridge and with its TTL whole', '10.96.0.1', 'reply from 10.96.0.1 ttl 64'],
      ['a pod of the other node', '10.96.0.2', 'reply from 10.96.0.2 ttl 62'],
      ['the sender itself, by hairpin', '10.96.0.3', 'reply from 10.96.0.3 ttl 64'],
      ['an address that nobody has: the error is translated too', '10.96.0.4', 'host-unreachable from 10.96.0.4'],
    ])('%s', (_what, to, answer) => {
      const world = twoNodes();
      world.requireNetns('w1').loadRuleset(rules);
      expect(ping(world, 'a', to)).toBe(answer);
      expect(ping(world, 'a', to)).toBe(answer);
    });
  });

  test('a source that is an address of the router is a martian', () => {
    const world = twoNodes();
    const b = world.requireNetns('b');
    b.addAddress({ dev: 'lo', address: ip('10.244.1.1'), prefixLength: 32 });
    const socket = b.ping({ dst: ip('10.244.2.2'), src: ip('10.244.1.1') });
    const drops: string[] = [];
    world.watcher = { dropped: (netns, _skb, reason) => drops.push(`${netns.name} ${reason}`) };
    socket.send(1);
    world.advance(4_000);
    expect(socket.answers).toEqual([]);
    expect(drops).toEqual(['w1 IP_INVALID_SOURCE']);
  });
});

import { describe, expect, test } from 'vitest';
import { Nud, nudName, parseIptablesSave, type UdpSocket, type World } from '../src/index.ts';
import { ip, twoNodes } from './support/flannel.ts';
import { Recorder } from './support/recorder.ts';

function stateOf(world: World, netns: string, dev: string, address: string): string {
  const neigh = world.requireNetns(netns).requireDevice(dev).neighbours.get(ip(address));
  return neigh === undefined ? 'none' : nudName(neigh.currentState());
}

describe('the life of a neighbour entry', () => {
  test('it is REACHABLE, grows STALE, is probed when it is used again, and is confirmed', () => {
    const world = twoNodes();
    const a = world.requireNetns('a');
    const send = (): void => {
      (a.sockets.udp.list()[0] as UdpSocket).send({ dst: ip('10.244.1.3'), dport: 9 });
      world.run();
    };
    a.bindUdp();
    send();
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('REACHABLE');
    world.advance(30_001);
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('STALE');
    send();
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('DELAY');
    world.advance(5_000);
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('REACHABLE');
  });

  test('it goes to FAILED when the other end is gone, eight seconds after it was needed', () => {
    const world = twoNodes();
    const a = world.requireNetns('a');
    const socket = a.bindUdp() as UdpSocket;
    socket.send({ dst: ip('10.244.1.3'), dport: 9 });
    world.advance(31_000);
    world.requireNetns('b').setDown('eth0');
    socket.send({ dst: ip('10.244.1.3'), dport: 9 });
    world.advance(7_999);
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('PROBE');
    world.advance(2);
    expect(stateOf(world, 'a', 'eth0', '10.244.1.3')).toBe('FAILED');
  });

  test('packets wait for it, a hundred and one of them; the oldest make room', () => {
    const world = twoNodes();
    const server = world.requireNetns('b').bindUdp({ port: 9 }) as UdpSocket;
    const socket = world.requireNetns('a').bindUdp() as UdpSocket;
    const drops: string[] = [];
    world.watcher = { dropped: (_netns, _skb, reason) => drops.push(reason) };
    for (let at = 0; at < 110; at++) socket.send({ dst: ip('10.244.1.3'), dport: 9 });
    world.run();
    expect(server.received).toBe(101);
    expect(drops).toEqual(new Array(9).fill('NEIGH_QUEUEFULL'));
  });

  test('a permanent entry is never asked for and never changed', () => {
    const world = twoNodes();
    const a = world.requireNetns('a');
    a.addNeighbour({ dev: 'eth0', ip: ip('10.244.1.3'), mac: '02:00:00:00:00:99' });
    const recorder = new Recorder(world);
    const socket = a.bindUdp() as UdpSocket;
    socket.send({ dst: ip('10.244.1.3'), dport: 9, trackId: 500 });
    world.advance(60_000);
    expect(recorder.of(500)).toEqual([
      'a send eth0',
      'a route output 10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.2',
      'a neighbor resolved 10.244.1.3',
      'w1 receive veth-a',
      'w1 bridge flood cni0',
      'b drop OTHERHOST',
    ]);
    expect(a.requireDevice('eth0').neighbours.get(ip('10.244.1.3'))?.state).toBe(Nud.PERMANENT);
  });
});

describe('the bridge', () => {
  test('forgets a learned address after five minutes', () => {
    const world = twoNodes();
    const ping = world.requireNetns('a').ping({ dst: ip('10.244.1.3') });
    ping.send();
    world.run();
    const learned = (): string[] =>
      world
        .requireNetns('w1')
        .fdb()
        .filter((entry) => entry.master === 'cni0' && !entry.permanent)
        .map((entry) => entry.dev)
        .sort();
    expect(learned()).toEqual(['veth-a', 'veth-b']);
    // Five seconds after the ping the two ask for each other once more.
    world.advance(305_001);
    expect(learned()).toEqual([]);
  });

  test('sends a frame back out of its port only with hairpin on', () => {
    const rules = parseIptablesSave(
      '*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.3/32 -j DNAT --to-destination 10.244.1.2\n-A POSTROUTING -s 10.244.1.2/32 -d 10.244.1.2/32 -j MASQUERADE\nCOMMIT\n',
      4,
    );
    const reach = (hairpin: boolean): unknown => {
      const world = twoNodes();
      const w1 = world.requireNetns('w1');
      w1.loadRuleset(rules);
      w1.setMaster('veth-a', 'cni0', hairpin);
      return world.requireNetns('a').sendProbe({ protocol: 'icmp', dst: ip('10.96.0.3') }).fate;
    };
    expect(reach(true)).toMatchObject({ kind: 'delivered', src: ip('10.244.1.1') });
    expect(reach(false)).toMatchObject({ kind: 'dropped', reason: 'BRIDGE_NO_EGRESS_PORT' });
  });
});

describe('the reverse path filter', () => {
  test.each([
    [0, 'delivered'],
    [1, 'dropped'],
    [2, 'delivered'],
  ])('rp_filter %i, where the way back is by another device: %s', (mode, kind) => {
    const world = twoNodes();
    const w2 = world.requireNetns('w2');
    w2.replaceRoute({ destination: { address: ip('10.244.1.0'), length: 24 }, dev: 'cni0' });
    w2.setSysctl('net.ipv4.conf.all.rp_filter', mode);
    world.requireNetns('c').bindUdp({ port: 9 });
    const result = world.requireNetns('a').sendProbe({ protocol: 'udp', dst: ip('10.244.2.2'), dport: 9 });
    expect(result.fate).toMatchObject(kind === 'dropped' ? { kind, reason: 'IP_RPFILTER' } : { kind });
  });
});

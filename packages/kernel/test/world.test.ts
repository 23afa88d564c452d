import { describe, expect, test } from 'vitest';
import { KernelError, parseIptablesSave, World } from '../src/index.ts';
import { flannelConfigs, ip, twoNodes } from './support/flannel.ts';

describe('a world', () => {
  test('is made of a plan: namespaces, rules, listeners', () => {
    const world = new World();
    const ruleset = parseIptablesSave(
      '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 81 -j DROP\nCOMMIT\n',
      4,
    );
    world.load({
      netns: flannelConfigs([[{ name: 'a', ip: '10.244.1.2' }], [{ name: 'c', ip: '10.244.2.2' }]]),
      rulesets: [{ netns: 'c', ruleset }],
      listeners: [
        { netns: 'c', protocol: 'tcp', port: 80, program: 'web' },
        { netns: 'c', protocol: 'tcp', port: 81, program: 'web' },
      ],
    });
    const probe = (dport: number) =>
      world.requireNetns('a').sendProbe({ protocol: 'tcp', dst: ip('10.244.2.2'), dport, timeoutMs: 2_000 });
    expect(probe(80)).toMatchObject({ outcome: 'answered' });
    expect(probe(81)).toMatchObject({ outcome: 'timeout', fate: { kind: 'dropped', reason: 'NETFILTER_DROP' } });
  });

  test('follows a pod that is deleted and made again', () => {
    const world = twoNodes();
    const reach = () => world.requireNetns('a').sendProbe({ protocol: 'icmp', dst: ip('10.244.2.2') });
    expect(reach().outcome).toBe('answered');
    world.deleteNetns('c');
    expect(world.requireNetns('w2').device('veth-c')).toBeUndefined();
    expect(world.netns('c')).toBeUndefined();
    // The neighbour entry is believed for as long as Linux believes it; then the address is nobody's.
    expect(reach().outcome).toBe('timeout');
    world.advance(60_000);
    expect(reach().outcome).toBe('timeout');
    world.advance(10_000);
    expect(reach()).toMatchObject({ outcome: 'error', error: 'EHOSTUNREACH' });
    world.createNetns({
      name: 'c2',
      machine: 'w2',
      label: 'default/c2',
      links: [],
      addresses: [],
      routes: [],
    });
    const w2 = world.requireNetns('w2');
    w2.addLink({ kind: 'veth', name: 'veth-c2', mtu: 1450, peer: { netns: 'c2', name: 'eth0', mtu: 1450 } });
    w2.setMaster('veth-c2', 'cni0', true);
    w2.setUp('veth-c2');
    const c2 = world.requireNetns('c2');
    c2.setUp('eth0');
    c2.addAddress({ dev: 'eth0', address: ip('10.244.2.2'), prefixLength: 24 });
    c2.addRoute({ via: ip('10.244.2.1') });
    expect(reach().outcome).toBe('answered');
  });

  test('an overlay neighbour without FDB entry, and one without a route, are told apart', () => {
    const world = twoNodes();
    const reach = () =>
      world.requireNetns('a').sendProbe({ protocol: 'icmp', dst: ip('10.244.2.2'), timeoutMs: 100 }).fate;
    const w1 = world.requireNetns('w1');
    const entry = { dev: 'flannel.1', mac: '0e:00:00:00:0f:02', dst: ip('192.168.1.102') };
    w1.delFdb(entry);
    expect(reach()).toMatchObject({ kind: 'dropped', reason: 'VXLAN_NO_REMOTE' });
    w1.addFdb(entry);
    expect(reach()).toMatchObject({ kind: 'delivered' });
    w1.delRoute({ destination: { address: ip('10.244.2.0'), length: 24 } });
    expect(reach()).toMatchObject({ kind: 'dropped', reason: 'IP_INNOROUTES' });
  });

  test('refuses what the real tools refuse', () => {
    const world = twoNodes();
    const w1 = world.requireNetns('w1');
    expect(() => w1.addLink({ kind: 'bridge', name: 'cni0' })).toThrow(KernelError);
    expect(() => w1.setUp('eth7')).toThrow('Cannot find device "eth7"');
    expect(() => w1.setMaster('veth-a', 'eth0')).toThrow('not a bridge');
    expect(() => w1.addAddress({ dev: 'eth0', address: ip('192.168.1.101'), prefixLength: 24 })).toThrow('already');
    expect(() => w1.delLink('lo')).toThrow('lo');
    expect(() => world.addNetns('w1', 'w1', 'host')).toThrow('exists already');
  });

  test('shows each frame at each device to who captures', () => {
    const world = twoNodes();
    world
      .requireNetns('a')
      .ping({ dst: ip('10.244.2.2') })
      .send();
    world.run();
    const seen: string[] = [];
    world.frameListener = (netns, dev, direction, skb) => {
      seen.push(`${netns.name}/${dev.name} ${direction} ${skb.length}`);
    };
    world
      .requireNetns('a')
      .sockets.ping.open({ dst: ip('10.244.2.2') })
      .send();
    world.run();
    expect(seen.slice(0, 10)).toEqual([
      'a/eth0 out 84',
      'w1/veth-a in 84',
      'w1/cni0 in 84',
      'w1/flannel.1 out 84',
      'w1/eth0 out 134',
      'w2/eth0 in 134',
      'w2/flannel.1 in 84',
      'w2/cni0 out 84',
      'w2/veth-c out 84',
      'c/eth0 in 84',
    ]);
  });

  test('one seed, one history', () => {
    const history = (seed: number): string[] => {
      const world = twoNodes({ seed });
      const lines: string[] = [];
      world.frameListener = (netns, dev, direction, skb) => {
        lines.push(`${netns.name} ${dev.name} ${direction} ${skb.sport} ${skb.seq}`);
      };
      world.requireNetns('a').sendProbe({ protocol: 'tcp', dst: ip('10.244.2.2'), dport: 80 });
      return lines;
    };
    expect(history(3)).toEqual(history(3));
    expect(history(3)).not.toEqual(history(4));
  });
});

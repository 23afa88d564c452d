import { parsePrefix } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type UdpSocket, World, type WorldOptions } from '../src/index.ts';
import { flannelConfigs, ip, twoNodes } from './support/flannel.ts';

/** Bridges of one netns each, joined by veth pairs as the list says, with a host on the first and one on the last. */
function bridges(count: number, cables: readonly (readonly [number, number])[], options: WorldOptions = {}): World {
  const world = new World(options);
  for (let at = 0; at < count; at++) {
    const netns = world.addNetns(`s${at}`, `s${at}`, 'host');
    netns.addLink({ kind: 'bridge', name: 'br0' });
    netns.setUp('br0');
  }
  cables.forEach(([a, b], at) => {
    const near = world.requireNetns(`s${a}`);
    near.addLink({ kind: 'veth', name: `c${at}a`, peer: { netns: `s${b}`, name: `c${at}b` } });
    near.setMaster(`c${at}a`, 'br0');
    world.requireNetns(`s${b}`).setMaster(`c${at}b`, 'br0');
    near.setUp(`c${at}a`);
    world.requireNetns(`s${b}`).setUp(`c${at}b`);
  });
  for (const [host, at] of [
    ['h1', 0],
    ['h2', count - 1],
  ] as const) {
    const netns = world.addNetns(host, host, 'host');
    netns.addLink({ kind: 'veth', name: 'eth0', peer: { netns: `s${at}`, name: host } });
    world.requireNetns(`s${at}`).setMaster(host, 'br0');
    world.requireNetns(`s${at}`).setUp(host);
    netns.setUp('lo');
    netns.setUp('eth0');
    netns.addAddress({ dev: 'eth0', address: ip(host === 'h1' ? '10.0.0.1' : '10.0.0.2'), prefixLength: 24 });
  }
  return world;
}

describe('nothing goes on for ever', () => {
  test('a chain of bridges carries a ping', () => {
    const world = bridges(3, [
      [0, 1],
      [1, 2],
    ]);
    const ping = world.requireNetns('h1').ping({ dst: ip('10.0.0.2') });
    ping.send();
    world.run();
    expect(ping.answers).toMatchObject([{ kind: 'reply', ttl: 64 }]);
  });

  test('a broadcast in a ring of bridges ends at the hop budget', () => {
    const world = bridges(2, [
      [0, 1],
      [0, 1],
    ]);
    const ping = world.requireNetns('h1').ping({ dst: ip('10.0.0.77') });
    ping.send();
    world.run();
    world.advance(10_000);
    expect(world.frames).toBeGreaterThan(1_000);
    expect(world.frames).toBeLessThan(1_000_000);
  });

  test('a storm in a mesh of bridges ends at the budget of one run, when the frames that wait are dropped', () => {
    const cables = [
      [0, 1],
      [0, 1],
      [1, 2],
      [1, 2],
      [0, 2],
    ] as const;
    const world = bridges(3, cables, { runLimit: 100_000 });
    world
      .requireNetns('h1')
      .ping({ dst: ip('10.0.0.77') })
      .send();
    world.run();
    // No more wait at once than the queue holds.
    expect(world.frames).toBeGreaterThan(100_000);
    expect(world.frames).toBeLessThanOrEqual(100_000 + 65_536);
  });

  test('bridges joined anyhow come to rest', () => {
    const cable = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })).filter(([a, b]) => a !== b);
    fc.assert(
      fc.property(fc.array(cable, { maxLength: 3 }), (cables) => {
        const world = bridges(4, cables, { runLimit: 100_000 });
        world
          .requireNetns('h1')
          .ping({ dst: ip('10.0.0.2') })
          .send();
        world.run();
        // The budget of one run, and as many as may wait when it is spent.
        expect(world.frames).toBeLessThanOrEqual(100_000 + 65_536);
      }),
      { numRuns: 20 },
    );
  });

  test('a routing loop between two nodes ends when the TTL does, and the sender is told', () => {
    const world = twoNodes();
    world.requireNetns('w1').addRoute({ destination: parsePrefix('10.99.0.0/16'), via: ip('192.168.1.102') });
    world.requireNetns('w2').addRoute({ destination: parsePrefix('10.99.0.0/16'), via: ip('192.168.1.101') });
    const ping = world.requireNetns('a').ping({ dst: ip('10.99.0.1') });
    ping.send();
    world.run();
    // 64 routers: the even ones are w2, which answers by the overlay.
    expect(ping.answers).toMatchObject([{ kind: 'error', icmp: 'ttl-exceeded', from: ip('10.244.2.0') }]);
  });

  test('two programs that answer each other stop at the budget of one run', () => {
    const world = twoNodes();
    for (const name of ['a', 'b']) {
      world.requireNetns(name).bindUdp({
        port: 7,
        onMessage: (message, socket) => socket.send({ dst: message.src, dport: message.sport }),
      });
    }
    const starter = world.requireNetns('a').sockets.udp.list()[0] as UdpSocket;
    starter.send({ dst: ip('10.244.1.3'), dport: 7 });
    world.run();
    expect(world.frames).toBeGreaterThan(1_000_000);
    expect(world.frames).toBeLessThan(1_100_000);
  });
});

describe('machines that are built when they are needed', () => {
  function lazyWorld(): { world: World; built: string[] } {
    const world = new World();
    const built: string[] = [];
    const configs = flannelConfigs([
      [{ name: 'a', ip: '10.244.1.2' }],
      [{ name: 'c', ip: '10.244.2.2' }],
      [{ name: 'd', ip: '10.244.3.2' }],
    ]);
    world.loadNetns(configs.slice(0, 2));
    for (const index of [2, 3]) {
      const names = [`w${index}`, index === 2 ? 'c' : 'd'];
      world.addLazyNode({
        ports: [{ segment: 'nodes', mac: `52:54:00:00:00:0${index}`, addresses: [ip(`192.168.1.10${index}`)] }],
        names,
        materialize: () => {
          built.push(`w${index}`);
          world.loadNetns(configs.filter((config) => names.includes(config.name)));
        },
      });
    }
    return { world, built };
  }

  test('an ARP request for its address builds a node, and no other', () => {
    const { world, built } = lazyWorld();
    const ping = world.requireNetns('a').ping({ dst: ip('10.244.2.2') });
    ping.send();
    world.run();
    expect(ping.answers).toMatchObject([{ kind: 'reply', ttl: 62 }]);
    expect(built).toEqual(['w2']);
  });

  test('asking for its netns by name builds a node, once', () => {
    const { world, built } = lazyWorld();
    expect(world.netns('d')?.machine).toBe('w3');
    expect(world.materialize('w3')).toBe(false);
    expect(built).toEqual(['w3']);
    expect(world.netns('nobody')).toBeUndefined();
  });
});

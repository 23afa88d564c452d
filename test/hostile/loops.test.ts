import { applyRestore, parseIptablesSave, printIptablesSave, World } from '@netsim/kernel';
import { parseIp, parsePrefix } from '@netsim/wire';
import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

/** Configurations that would go round for ever. Each ends after a bounded number of steps, and says what went wrong and where. */

test.each([
  ['two chains that jump to each other', '-A INPUT -j A\n-A A -j B\n-A B -j A', 7],
  ['a chain that goes to itself', '-A INPUT -j A\n-A A -g A', 6],
])('rules with a jump loop (%s) are refused with their line, and the rules before stay', (_what, rules, line) => {
  const before = parseIptablesSave('*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n', 4);
  const kept = printIptablesSave(before);
  const text = `*filter\n:INPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n${rules}\nCOMMIT\n`;
  const parse = () => parseIptablesSave(text, 4);
  expect(parse).toThrow(`line ${line}: `);
  expect(parse).toThrow(/makes a loop/);
  expect(() => applyRestore(before, text)).toThrow(/makes a loop/);
  expect(printIptablesSave(before)).toBe(kept);
});

test('a routing loop between two nodes ends when the TTL does; the trace says so and where', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  // Builds the nodes, so that there are tables to spoil.
  for (const node of ['w1-k8s', 'w2-k8s']) await cluster.exec(`node/${node}`, ['ip', 'route']);
  // Within the pod network, where nothing is masqueraded.
  const destination = parsePrefix('10.244.99.0/24');
  cluster.world.requireNetns('w1-k8s').addRoute({ destination, via: parseIp('192.168.1.102') });
  cluster.world.requireNetns('w2-k8s').addRoute({ destination, via: parseIp('192.168.1.101') });
  const { paths } = cluster.trace({ from: 'pod-a', to: '10.244.99.1:80' });
  expect(paths[0]).toMatchObject({ disposition: 'TTL_EXPIRED' });
  expect(paths[0]!.reason).toMatch(/w[12]-k8s/);
  const nodes = new Set(paths[0]!.request.hops.map(({ node }) => node));
  expect([...nodes].sort()).toEqual(['w1-k8s', 'w2-k8s']);
  expect(paths[0]!.request.hops.length).toBeLessThan(200);
});

test('a loop of two bridges ends at the hop budget, and the way is free for what comes after', () => {
  const world = new World();
  const one = world.addNetns('s1', 's1', 'host');
  const two = world.addNetns('s2', 's2', 'host');
  for (const netns of [one, two]) {
    netns.addLink({ kind: 'bridge', name: 'br0' });
    netns.setUp('br0');
  }
  one.addAddress({ dev: 'br0', address: parseIp('10.0.0.1'), prefixLength: 24 });
  for (const cable of ['c0', 'c1']) {
    one.addLink({ kind: 'veth', name: cable, peer: { netns: 's2', name: cable } });
    for (const netns of [one, two]) {
      netns.setMaster(cable, 'br0');
      netns.setUp(cable);
    }
  }
  one.ping({ dst: parseIp('10.0.0.77') }).send();
  world.run();
  world.advance(10_000);
  // It did go round, and came to rest.
  expect(world.frames).toBeGreaterThan(1_000);
  expect(world.frames).toBeLessThan(1_000_000);
  const before = world.frames;
  world.run();
  expect(world.frames).toBe(before);
});

test('a service whose endpoint is its own address ends', async () => {
  const yaml = `
apiVersion: v1
kind: Pod
metadata: { name: a }
spec: { containers: [{ name: c, image: nginx }] }
---
apiVersion: v1
kind: Service
metadata: { name: self }
spec: { clusterIP: 10.96.7.7, ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: self-1, labels: { kubernetes.io/service-name: self } }
addressType: IPv4
endpoints: [{ addresses: [10.96.7.7] }]
ports: [{ name: "", port: 80 }]
`;
  const cluster = await Cluster.load({ yaml });
  const before = cluster.world.frames;
  const { paths } = cluster.trace({ from: 'a', to: 'svc/self' });
  expect(cluster.world.frames - before).toBeLessThan(200);
  // DNAT is done once for a connection: the packet leaves for the address it was sent to.
  expect(paths[0]!.disposition).toBe('EXITS_CLUSTER');
});

import type { NetnsConfig } from '@netsim/kernel';
import { formatIp, formatPrefix, parseIp, parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import type { CniConfig } from '../src/index.ts';
import { defaultCniConfig, NetworkPlanner, podNetnsName, printIpCommands } from '../src/index.ts';
import { clusterNodes, pod } from './support.ts';

const podA = pod('pod-a', 'w1-k8s', '10.244.1.5');
const podB = pod('pod-b', 'w2-k8s', '10.244.2.7');

function planner(config: CniConfig = defaultCniConfig()): NetworkPlanner {
  return new NetworkPlanner({ nodes: clusterNodes(3), pods: [podA, podB], config });
}

function routesOf(netns: NetnsConfig): string[] {
  return printIpCommands(netns)
    .filter((line) => / route add /.test(line))
    .map((line) => line.replace(/ip (-6 )?route add /, ''));
}

describe('flannel in VXLAN mode', () => {
  const node = planner().node('w1-k8s');
  const host = node.netns[0]!;

  test('a node has its uplink, the VTEP, the bridge and a veth for each pod', () => {
    expect(host.links.map((link) => `${link.kind} ${link.name} ${link.mtu}`)).toEqual([
      'physical eth0 1500',
      'vxlan flannel.1 1450',
      'bridge cni0 1450',
      expect.stringMatching(/^veth veth[0-9a-f]{8} 1450$/),
    ]);
  });

  test('every other node is one onlink route, one permanent neighbour and one FDB entry', () => {
    expect(routesOf(host)).toEqual([
      'default via 192.168.1.1 dev eth0',
      '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
      '10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink',
    ]);
    expect(host.neighbours?.map(({ ip, dev, state }) => `${formatIp(ip)} ${dev} ${state}`)).toEqual([
      '10.244.2.0 flannel.1 permanent',
      '10.244.3.0 flannel.1 permanent',
    ]);
    expect(host.fdb?.map(({ dst, dev }) => `${formatIp(dst!)} ${dev}`)).toEqual([
      '192.168.1.102 flannel.1',
      '192.168.1.103 flannel.1',
    ]);
  });

  test('neighbour and FDB entry name the MAC that the other VTEP really has', () => {
    const other = planner().node('w2-k8s').netns[0]!;
    const vtep = other.links.find((link) => link.kind === 'vxlan')!;
    expect(host.neighbours?.[0]?.mac).toBe(vtep.mac);
    expect(host.fdb?.[0]?.mac).toBe(vtep.mac);
  });

  test('the VTEP has the first address of the block with a host mask, the bridge the next one with the mask of the block', () => {
    const addresses = host.addresses.map(
      ({ dev, address, prefixLength }) => `${dev} ${formatIp(address)}/${prefixLength}`,
    );
    expect(addresses).toEqual(['eth0 192.168.1.101/24', 'flannel.1 10.244.1.0/32', 'cni0 10.244.1.1/24']);
  });

  test('a pod has its address, the default route and the route of the cluster by the bridge', () => {
    const netns = node.netns[1]!;
    expect(netns.name).toBe('w1-k8s/default/pod-a');
    expect(netns.label).toBe('default/pod-a');
    expect(netns.addresses).toEqual([{ dev: 'eth0', address: parseIp('10.244.1.5'), prefixLength: 24 }]);
    expect(routesOf(netns)).toEqual(['default via 10.244.1.1 dev eth0', '10.244.0.0/16 via 10.244.1.1 dev eth0']);
  });

  test('a pod interface shows its address in its MAC and its port has the hairpin flag', () => {
    const veth = host.links.find((link) => link.kind === 'veth')!;
    expect(veth).toMatchObject({
      master: 'cni0',
      hairpin: true,
      peer: { netns: 'w1-k8s/default/pod-a', name: 'eth0', mac: '0a:58:0a:f4:01:05', mtu: 1450 },
    });
  });

  test('a node without pods has no bridge yet', () => {
    const empty = planner().node('w3-k8s').netns[0]!;
    expect(empty.links.map((link) => link.name)).toEqual(['eth0', 'flannel.1']);
  });

  test('flannel writes the rules of its masquerade and forward chains', () => {
    const [ruleset] = node.rulesets;
    expect([...ruleset!.tables.keys()]).toEqual(['filter', 'nat']);
    expect(ruleset!.tables.get('nat')!.chains.get('FLANNEL-POSTRTG')!.rules).toHaveLength(6);
    expect(ruleset!.tables.get('filter')!.chains.get('FLANNEL-FWD')!.rules).toHaveLength(2);
  });

  test('directRouting leaves the tunnel out between nodes of one subnet', () => {
    const direct = planner({ ...defaultCniConfig(), directRouting: true }).node('w1-k8s').netns[0]!;
    expect(routesOf(direct)).toContain('10.244.2.0/24 via 192.168.1.102 dev eth0');
    expect(direct.fdb).toEqual([]);
  });
});

test('flannel in host-gw mode routes by the other nodes and keeps the full MTU', () => {
  const host = planner({ ...defaultCniConfig(), backend: 'host-gw' }).node('w1-k8s').netns[0]!;
  expect(routesOf(host)).toEqual([
    'default via 192.168.1.1 dev eth0',
    '10.244.2.0/24 via 192.168.1.102 dev eth0',
    '10.244.3.0/24 via 192.168.1.103 dev eth0',
  ]);
  expect(host.links.find((link) => link.name === 'cni0')?.mtu).toBe(1500);
  expect(host.links.some((link) => link.kind === 'vxlan')).toBe(false);
});

test('the bridge plugin writes no rules, and a pod gets a default route only where it is told', () => {
  const config: CniConfig = {
    plugin: 'bridge',
    networks: [parsePrefix('10.244.0.0/16')],
    bridge: 'br0',
    hairpinMode: false,
    promiscMode: false,
    isGateway: true,
    isDefaultGateway: false,
    routes: [parsePrefix('10.244.0.0/16')],
  };
  const node = planner(config).node('w1-k8s');
  expect(node.rulesets).toEqual([]);
  expect(routesOf(node.netns[1]!)).toEqual(['10.244.0.0/16 via 10.244.1.1 dev eth0']);
  const told = planner({ ...config, routes: [parsePrefix('0.0.0.0/0')] }).node('w1-k8s');
  expect(routesOf(told.netns[1]!)).toEqual(['default via 10.244.1.1 dev eth0']);
});

test('both families have their own tunnel, block and rules', () => {
  const networks = [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:10:244::/56')];
  const dual = new NetworkPlanner({
    nodes: clusterNodes(2, 'dual'),
    pods: [pod('pod-a', 'w1-k8s', '10.244.1.5', 'fd00:10:244:1::5')],
    config: defaultCniConfig(networks),
  }).node('w1-k8s');
  const host = dual.netns[0]!;
  expect(host.links.map((link) => link.name).slice(0, 4)).toEqual(['eth0', 'flannel.1', 'flannel-v6.1', 'cni0']);
  expect(routesOf(host)).toContain('fd00:10:244:2::/64 via fd00:10:244:2:: dev flannel-v6.1 onlink');
  expect(routesOf(dual.netns[1]!)).toContain('fd00:10:244::/56 via fd00:10:244:1::1 dev eth0');
  expect(dual.rulesets.map((ruleset) => ruleset.family)).toEqual([4, 6]);
});

describe('changes', () => {
  test('a pod that comes brings its veth, and the first of a node the bridge as well', () => {
    const network = planner();
    const first = network.addPod(pod('pod-c', 'w3-k8s', '10.244.3.2'))!;
    expect(first.node).toBe('w3-k8s');
    expect(first.links.map((link) => link.kind)).toEqual(['bridge', 'veth']);
    expect(first.addresses.map((address) => formatIp(address.address))).toEqual(['10.244.3.1']);
    const second = network.addPod(pod('pod-d', 'w3-k8s', '10.244.3.3'))!;
    expect(second.links.map((link) => link.kind)).toEqual(['veth']);
  });

  test('after any change the plan of a node is that of a planner made anew', () => {
    const network = planner();
    network.addPod(pod('pod-c', 'w1-k8s', '10.244.1.6'));
    network.removePod('default', 'pod-a', 'w1-k8s');
    const anew = new NetworkPlanner({
      nodes: clusterNodes(3),
      pods: [podB, pod('pod-c', 'w1-k8s', '10.244.1.6')],
      config: defaultCniConfig(),
    });
    expect(network.node('w1-k8s')).toEqual(anew.node('w1-k8s'));
  });

  test('the bridge stays when the last pod goes', () => {
    const network = planner();
    network.removePod('default', 'pod-a', 'w1-k8s');
    expect(network.node('w1-k8s').netns[0]!.links.map((link) => link.name)).toContain('cni0');
  });

  test('hostNetwork pods have the netns of their node and add nothing', () => {
    const network = planner();
    const host = { ...pod('proxy', 'w1-k8s', '192.168.1.101'), hostNetwork: true };
    expect(network.addPod(host)).toBeUndefined();
    expect(podNetnsName(host)).toBe('w1-k8s');
  });
});

test('a pod with an address of another block, as in a dump of a cluster with another plugin, is routed on its own', () => {
  const stray = pod('stray', 'w2-k8s', '172.16.103.4');
  const network = new NetworkPlanner({ nodes: clusterNodes(2), pods: [stray], config: defaultCniConfig() });
  expect(routesOf(network.node('w2-k8s').netns[0]!)).toContain('172.16.103.4/32 dev cni0 scope link');
  expect(routesOf(network.node('w1-k8s').netns[0]!)).toContain('172.16.103.4/32 via 10.244.2.0 dev flannel.1 onlink');
});

test('the router has the first address of the nodes subnet and what it sends to the world leaves by wan0', () => {
  const { netns, subnets } = planner().underlay;
  expect(
    subnets.map((subnet) => `${formatPrefix(subnet.prefix)} ${formatIp(subnet.gateway)} ${formatIp(subnet.external)}`),
  ).toEqual(['192.168.1.0/24 192.168.1.1 192.168.1.200']);
  expect(netns.map((config) => [config.name, ...routesOf(config)])).toEqual([
    ['router', 'default via 100.64.0.1 dev wan0'],
    ['external', 'default via 192.168.1.1 dev eth0'],
  ]);
});

test('the router and the machine outside keep clear of the addresses of nodes', () => {
  const nodes = ['192.168.1.1', '192.168.1.200'].map((ip, i) => ({
    name: `n${i}`,
    addresses: [parseIp(ip)],
    podCIDRs: [],
  }));
  const { subnets } = new NetworkPlanner({ nodes, pods: [], config: defaultCniConfig() }).underlay;
  expect(subnets.map((subnet) => [formatIp(subnet.gateway), formatIp(subnet.external)])).toEqual([
    ['192.168.1.254', '192.168.1.199'],
  ]);
});

test('one node of a thousand is planned at the cost of one route for each other node', () => {
  const nodes = Array.from({ length: 1000 }, (_, i) => ({
    name: `n${i}`,
    addresses: [parseIp(`10.0.${i >> 8}.${i & 255}`)],
    podCIDRs: [parsePrefix(`10.${128 + (i >> 8)}.${i & 255}.0/24`)],
  }));
  const network = new NetworkPlanner({ nodes, pods: [], config: defaultCniConfig([parsePrefix('10.128.0.0/9')]) });
  const host = network.node('n7').netns[0]!;
  expect(host.neighbours).toHaveLength(999);
  // The entries themselves are shared by all plans.
  expect(network.node('n8').netns[0]!.neighbours!.at(-1)).toBe(host.neighbours!.at(-1));
});

import type { KubeObject } from '@netsim/manifest';
import type { Dice } from './dice.ts';

const LISTEN_ANNOTATION = 'netsim.dev/listen';

/** How kube-proxy writes its rules; `mixed`: as the dice say. */
export type LabProxyMode = 'iptables' | 'nftables' | 'mixed';
/** Address families of a cluster; `mixed`: as the dice say. */
export type LabIpFamily = 'ipv4' | 'ipv6' | 'dual' | 'mixed';

export interface RandomClusterOptions {
  /** Default `mixed`. */
  readonly proxyMode?: LabProxyMode;
  /** Default `mixed`. */
  readonly ipFamily?: LabIpFamily;
}

type Families = readonly ('IPv4' | 'IPv6')[];

/** Networks of the clusters, by family. */
const POD_NETWORK = { IPv4: '10.244.0.0/16', IPv6: 'fd00:10:244::/48' } as const;
const SERVICE_NETWORK = { IPv4: '10.96.0.0/12', IPv6: 'fd00:10:96::/112' } as const;
/** Addresses that an endpoint written by hand may have: pods, the machine outside, one far away, one where nobody is. */
const HAND_WRITTEN = {
  IPv4: ['10.244.1.2', '10.244.1.3', '10.244.2.2', '192.168.1.200', '11.11.11.11', '192.168.1.77'],
  IPv6: [
    'fd00:10:244:1::2',
    'fd00:10:244:1::3',
    'fd00:10:244:2::2',
    'fd00:192:168:1::c8',
    '2001:db8::11',
    'fd00:192:168:1::77',
  ],
} as const;
/** Addresses of load balancers and external addresses begin with these. */
const EXTERNAL_PREFIX = { IPv4: '203.0.113.', IPv6: '2001:db8:5::' } as const;
/** Whom a load balancer may be told to let in: the machine outside, its network, pods, strangers. */
const SOURCE_RANGES = {
  IPv4: ['192.168.1.200/32', '192.168.1.0/24', '10.244.0.0/16', '10.244.1.0/24', '198.51.100.0/24'],
  IPv6: ['fd00:192:168:1::c8/128', 'fd00:192:168:1::/64', 'fd00:10:244::/48', 'fd00:10:244:1::/64', '2001:db8:9::/48'],
} as const;
/** How kube-proxy tells traffic of pods from other traffic. */
const LOCAL_DETECTION = {
  default: {},
  node: { detectLocalMode: 'NodeCIDR' },
  bridge: { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'cni0' } },
  prefix: { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'cni' } },
} as const;
const apps = ['web', 'api', 'db'] as const;
/** Host ports of pods: this and those after it, each on the node of one pod. */
const FIRST_HOST_PORT = 18_000;

/**
 * Kubernetes objects of a random cluster: one to three nodes, kube-proxy in one of its modes, addresses of one family or both,
 * pods that listen on something or nothing, services of every type that select them rightly, wrongly or not at all. The same
 * seed gives the same cluster.
 */
export function randomCluster(dice: Dice, options: RandomClusterOptions = {}): KubeObject[] {
  const { proxyMode = 'mixed', ipFamily = 'mixed' } = options;
  const nodes = Array.from({ length: dice.between(1, 3) }, (_, i) => `w${i + 1}`);
  // The dice are thrown whatever was asked for, so that a seed's clusters are alike in every mode and family.
  const diceFamily = dice.weighted({ ipv4: 45, ipv6: 25, dual: 30 });
  const diceMode = dice.weighted({ iptables: 50, nftables: 50 });
  const families = familiesOf[ipFamily === 'mixed' ? diceFamily : ipFamily];
  const zones = dice.percent(50);
  const objects = nodes.map((name, i) => node(name, i, families, zones));
  objects.push(kubeadmConfig(families), proxyConfig(dice, proxyMode === 'mixed' ? diceMode : proxyMode));
  objects.push(flannelConfig(dice.percent(35) ? 'host-gw' : 'vxlan', families));
  const pods = Array.from({ length: dice.between(2, 6) }, (_, i) => randomPod(dice, i, dice.pick(nodes)));
  objects.push(...pods);
  // Most services look for what some pod is.
  const found = [...apps, ...pods.flatMap(({ metadata }) => Array<string>(3).fill(metadata.labels?.app ?? 'web'))];
  for (let i = dice.between(1, 5); i > 0; i--) objects.push(...randomService(dice, i, families, found, nodes));
  return objects;
}

const familiesOf: Readonly<Record<'ipv4' | 'ipv6' | 'dual', Families>> = {
  ipv4: ['IPv4'],
  ipv6: ['IPv6'],
  dual: ['IPv4', 'IPv6'],
};

/** `zones`: the first is in one zone, the others in another. */
function node(name: string, i: number, families: Families, zones: boolean): KubeObject {
  const podCIDR = { IPv4: `10.244.${i + 1}.0/24`, IPv6: `fd00:10:244:${i + 1}::/64` };
  const address = { IPv4: `192.168.1.${101 + i}`, IPv6: `fd00:192:168:1::${101 + i}` };
  const podCIDRs = families.map((family) => podCIDR[family]);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(zones ? { labels: { 'topology.kubernetes.io/zone': zoneOf(i) } } : {}) },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: { addresses: families.map((family) => ({ type: 'InternalIP', address: address[family] })) },
  } as KubeObject;
}

function zoneOf(node: number): string {
  return node === 0 ? 'zone-a' : 'zone-b';
}

/** What kubeadm leaves in a cluster. */
function kubeadmConfig(families: Families): KubeObject {
  const networking = {
    podSubnet: families.map((family) => POD_NETWORK[family]).join(','),
    serviceSubnet: families.map((family) => SERVICE_NETWORK[family]).join(','),
  };
  const configuration = { apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'ClusterConfiguration', networking };
  return configMap('kubeadm-config', { ClusterConfiguration: JSON.stringify(configuration) });
}

/** What kube-proxy is told, now and then something that few change. */
function proxyConfig(dice: Dice, mode: 'iptables' | 'nftables'): KubeObject {
  const remote = dice.percent(10);
  const configuration = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode,
    [mode]: {
      ...(dice.percent(10) ? { masqueradeAll: true } : {}),
      ...(dice.percent(10) ? { masqueradeBit: 9 } : {}),
      ...(mode === 'iptables' && remote ? { localhostNodePorts: false } : {}),
    },
    ...(dice.percent(10) ? { nodePortAddresses: ['primary'] } : {}),
    ...LOCAL_DETECTION[dice.weighted({ default: 70, node: 10, bridge: 10, prefix: 10 })],
  };
  return configMap('kube-proxy', { 'config.conf': JSON.stringify(configuration) });
}

function configMap(name: string, data: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data } as KubeObject;
}

function flannelConfig(backend: 'vxlan' | 'host-gw', families: Families): KubeObject {
  const network = {
    ...(families.includes('IPv4') ? { Network: POD_NETWORK.IPv4 } : { EnableIPv4: false }),
    ...(families.includes('IPv6') ? { EnableIPv6: true, IPv6Network: POD_NETWORK.IPv6 } : {}),
    Backend: { Type: backend },
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-flannel-cfg', namespace: 'kube-flannel' },
    data: { 'net-conf.json': JSON.stringify(network) },
  } as KubeObject;
}

function randomPod(dice: Dice, number: number, nodeName: string): KubeObject {
  const name = `p${number}`;
  const httpPort = dice.pick([8080, 8081, 9000]);
  const listen = dice.weighted({ declared: 55, more: 20, localhost: 8, other: 10, none: 7 });
  const listenText = {
    declared: `${httpPort}, ${httpPort}/udp`,
    more: `${httpPort}, ${httpPort}/udp, 80, 53/udp`,
    localhost: `127.0.0.1:${httpPort}, 53/udp`,
    other: '7000, 7000/udp',
    none: 'none',
  }[listen];
  const ready = !dice.percent(20);
  const hostNetwork = dice.percent(10);
  const hostPort = FIRST_HOST_PORT + number;
  const hostPorts = !hostNetwork && dice.percent(20);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      labels: { app: dice.pick(apps), tier: dice.pick(['1', '2']) },
      annotations: { [LISTEN_ANNOTATION]: listenText },
    },
    spec: {
      nodeName,
      ...(hostNetwork ? { hostNetwork } : {}),
      containers: [
        {
          name: 'main',
          image: 'example/server',
          ports: [
            { name: 'http', containerPort: httpPort, ...(hostPorts ? { hostPort } : {}) },
            { name: 'dns', containerPort: httpPort, protocol: 'UDP', ...(hostPorts ? { hostPort } : {}) },
          ],
        },
      ],
    },
    ...(ready ? {} : { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] } }),
  } as KubeObject;
}

function randomService(
  dice: Dice,
  number: number,
  cluster: Families,
  found: readonly string[],
  nodes: readonly string[],
): KubeObject[] {
  const name = `s${number}`;
  const kind = dice.weighted({ selector: 70, manual: 11, slice: 11, nothing: 8 });
  const byHand = kind === 'manual' || kind === 'slice';
  const ports = [{ name: 'a', protocol: 'TCP', port: 80, targetPort: targetPort(dice, 'http') }];
  if (dice.percent(60)) ports.push({ name: 'b', protocol: 'UDP', port: 53, targetPort: targetPort(dice, 'dns') });
  if (dice.percent(25)) ports.push({ name: 'c', protocol: 'TCP', port: 8080, targetPort: targetPort(dice, 'http') });
  // This machine's kernel has no SCTP to ask, but its rules stand among the others.
  if (dice.percent(10)) ports.push({ name: 'd', protocol: 'SCTP', port: 80, targetPort: 8080 });
  const selector: Record<string, string> = { app: dice.pick(found) };
  if (dice.percent(20)) selector.tier = dice.pick(['1', '2']);
  if (kind === 'nothing') selector.app = 'nobody';
  const choice = cluster.length > 1 ? dice.weighted({ both: 60, first: 25, second: 15 }) : 'first';
  const families = choice === 'both' ? cluster : [choice === 'second' ? cluster[1]! : cluster[0]!];
  const fixed =
    cluster[0] === 'IPv4' ? `10.96.${dice.between(1, 200)}.${number}` : `fd00:10:96::${dice.between(1, 200)}:${number}`;
  const type = dice.weighted({ ClusterIP: 40, NodePort: 30, LoadBalancer: 30 });
  const external = (host: number): string[] => families.map((family) => `${EXTERNAL_PREFIX[family]}${host}`);
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      type,
      ports,
      ...(byHand ? {} : { selector }),
      ...(choice === 'both' ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      ...(choice === 'second' ? { ipFamilies: ['IPv6'] } : {}),
      ...(choice === 'first' && dice.percent(30) ? { clusterIP: fixed } : {}),
      ...(dice.percent(25) ? { sessionAffinity: 'ClientIP' } : {}),
      ...(dice.percent(15) ? { internalTrafficPolicy: 'Local' } : {}),
      ...(dice.percent(10) ? { publishNotReadyAddresses: true } : {}),
      ...(dice.percent(15) ? { trafficDistribution: dice.pick(['PreferSameZone', 'PreferSameNode']) } : {}),
      ...(dice.percent(15) ? { externalIPs: external(100 + number) } : {}),
      ...(type === 'ClusterIP' ? {} : outsideTraffic(dice, type, families)),
    },
    ...(type === 'LoadBalancer' && dice.percent(85)
      ? { status: { loadBalancer: { ingress: external(10 + number).map((ip) => ({ ip, ...ipMode(dice) })) } } }
      : {}),
  } as KubeObject;
  if (kind === 'manual') return [service, manualEndpoints(dice, name, ports, families[0]!)];
  if (kind === 'slice') return [service, ...families.map((family) => manualSlice(dice, name, ports, family, nodes))];
  return [service];
}

/** How traffic from outside is taken. */
function outsideTraffic(dice: Dice, type: 'NodePort' | 'LoadBalancer', families: Families): object {
  const local = {
    ...(dice.percent(40) ? { externalTrafficPolicy: 'Local' } : {}),
    ...(type === 'LoadBalancer' && dice.percent(10) ? { allocateLoadBalancerNodePorts: false } : {}),
  };
  if (type !== 'LoadBalancer' || !dice.percent(35)) return local;
  const ranges = Array.from({ length: dice.between(1, 2) }, () => dice.pick(SOURCE_RANGES[dice.pick(families)]));
  return { ...local, loadBalancerSourceRanges: [...new Set(ranges)] };
}

/** Now and then the load balancer answers itself, and nodes know nothing of its address. */
function ipMode(dice: Dice): object {
  return dice.percent(15) ? { ipMode: 'Proxy' } : {};
}

function targetPort(dice: Dice, named: string): number | string {
  return dice.percent(70) ? named : dice.pick([8080, 8081, 9000, 80]);
}

/** Written by hand: pods, a machine outside, an address far away, an address where nobody is. */
function manualEndpoints(
  dice: Dice,
  name: string,
  ports: readonly { readonly name: string; readonly protocol: string }[],
  family: 'IPv4' | 'IPv6',
): KubeObject {
  const ips = new Set(Array.from({ length: dice.between(1, 3) }, () => dice.pick<string>(HAND_WRITTEN[family])));
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace: 'default' },
    subsets: [
      {
        addresses: [...ips].map((ip) => ({ ip })),
        ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, port: dice.pick([8080, 9000, 7000]) })),
      },
    ],
  } as KubeObject;
}

/** Written by hand as somebody's own controller may: endpoints that come and go, on nodes, with hints. */
function manualSlice(
  dice: Dice,
  name: string,
  ports: readonly { readonly name: string; readonly protocol: string }[],
  family: 'IPv4' | 'IPv6',
  nodes: readonly string[],
): KubeObject {
  const ips = new Set(Array.from({ length: dice.between(1, 4) }, () => dice.pick<string>(HAND_WRITTEN[family])));
  const endpoints = [...ips].map((ip) => {
    const node = dice.between(0, nodes.length - 1);
    return {
      addresses: [ip],
      conditions: { ...CONDITIONS[dice.weighted({ ready: 45, leaving: 30, gone: 15, starting: 10 })] },
      ...(dice.percent(70) ? { nodeName: nodes[node]! } : {}),
      ...(dice.percent(50) ? { hints: { forZones: [{ name: zoneOf(node) }] } } : {}),
    };
  });
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${family.toLowerCase()}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: family,
    endpoints,
    ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, port: dice.pick([8080, 9000, 7000]) })),
  } as KubeObject;
}

const CONDITIONS = {
  ready: { ready: true, serving: true, terminating: false },
  leaving: { ready: false, serving: true, terminating: true },
  gone: { ready: false, serving: false, terminating: true },
  starting: { ready: false, serving: false, terminating: false },
} as const;

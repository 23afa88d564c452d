import type { KubeObject } from '@netsim/manifest';
import type { Dice } from './dice.ts';

const LISTEN_ANNOTATION = 'netsim.dev/listen';

/** An address on the nodes' network where nobody is. */
const NOBODY = '192.168.1.77';
const apps = ['web', 'api', 'db'] as const;

/**
 * Kubernetes objects of a random cluster: one to three nodes, pods that listen on something or nothing, services that
 * select them rightly, wrongly or not at all. The same seed gives the same cluster.
 */
export function randomCluster(dice: Dice): KubeObject[] {
  const nodes = Array.from({ length: dice.between(1, 3) }, (_, i) => `w${i + 1}`);
  const dual = dice.percent(30);
  const objects = nodes.map((name, i) => node(name, i, dual));
  if (dual) objects.push(dualStackConfig());
  const hostGateway = dice.percent(35);
  if (dual || hostGateway) objects.push(flannelConfig(hostGateway ? 'host-gw' : 'vxlan', dual));
  const pods = Array.from({ length: dice.between(2, 6) }, (_, i) => randomPod(dice, `p${i}`, dice.pick(nodes)));
  objects.push(...pods);
  for (let i = dice.between(1, 5); i > 0; i--) objects.push(...randomService(dice, `s${i}`, dual));
  return objects;
}

function node(name: string, i: number, dual: boolean): KubeObject {
  const podCIDRs = [`10.244.${i + 1}.0/24`, ...(dual ? [`fd00:10:244:${i + 1}::/64`] : [])];
  const addresses = [`192.168.1.${101 + i}`, ...(dual ? [`fd00:192:168:1::${101 + i}`] : [])];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  } as KubeObject;
}

/** What kubeadm leaves in a cluster with both families. */
function dualStackConfig(): KubeObject {
  const networking = {
    podSubnet: '10.244.0.0/16,fd00:10:244::/48',
    serviceSubnet: '10.96.0.0/12,fd00:10:96::/112',
  };
  const configuration = { apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'ClusterConfiguration', networking };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
    data: { ClusterConfiguration: JSON.stringify(configuration) },
  } as KubeObject;
}

function flannelConfig(backend: 'vxlan' | 'host-gw', dual: boolean): KubeObject {
  const network = {
    Network: '10.244.0.0/16',
    ...(dual ? { EnableIPv6: true, IPv6Network: 'fd00:10:244::/48' } : {}),
    Backend: { Type: backend },
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-flannel-cfg', namespace: 'kube-flannel' },
    data: { 'net-conf.json': JSON.stringify(network) },
  } as KubeObject;
}

function randomPod(dice: Dice, name: string, nodeName: string): KubeObject {
  const httpPort = dice.pick([8080, 8081, 9000]);
  const listen = dice.weighted({ declared: 45, more: 20, localhost: 10, other: 15, none: 10 });
  const listenText = {
    declared: `${httpPort}, ${httpPort}/udp`,
    more: `${httpPort}, ${httpPort}/udp, 80, 53/udp`,
    localhost: `127.0.0.1:${httpPort}, 53/udp`,
    other: '7000, 7000/udp',
    none: 'none',
  }[listen];
  const ready = !dice.percent(20);
  const hostNetwork = dice.percent(10);
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
            { name: 'http', containerPort: httpPort },
            { name: 'dns', containerPort: httpPort, protocol: 'UDP' },
          ],
        },
      ],
    },
    ...(ready ? {} : { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] } }),
  } as KubeObject;
}

function randomService(dice: Dice, name: string, dual: boolean): KubeObject[] {
  const kind = dice.weighted({ selector: 70, manual: 20, nothing: 10 });
  const ports = [{ name: 'a', protocol: 'TCP', port: 80, targetPort: targetPort(dice, 'http') }];
  if (dice.percent(60)) ports.push({ name: 'b', protocol: 'UDP', port: 53, targetPort: targetPort(dice, 'dns') });
  if (dice.percent(25)) ports.push({ name: 'c', protocol: 'TCP', port: 8080, targetPort: targetPort(dice, 'http') });
  const selector: Record<string, string> = { app: dice.pick(apps) };
  if (dice.percent(20)) selector.tier = dice.pick(['1', '2']);
  if (kind === 'nothing') selector.app = 'nobody';
  const families = dual ? dice.weighted({ both: 60, first: 25, second: 15 }) : 'first';
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      ports,
      ...(kind === 'manual' ? {} : { selector }),
      ...(families === 'both' ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      ...(families === 'second' ? { ipFamilies: ['IPv6'] } : {}),
      ...(families === 'first' && dice.percent(30)
        ? { clusterIP: `10.96.${dice.between(1, 200)}.${name.slice(1)}` }
        : {}),
      ...(dice.percent(25) ? { sessionAffinity: 'ClientIP' } : {}),
      ...(dice.percent(15) ? { internalTrafficPolicy: 'Local' } : {}),
      ...(dice.percent(10) ? { publishNotReadyAddresses: true } : {}),
    },
  } as KubeObject;
  return kind === 'manual' ? [service, manualEndpoints(dice, name, ports, families === 'second')] : [service];
}

function targetPort(dice: Dice, named: string): number | string {
  return dice.percent(50) ? named : dice.pick([8080, 8081, 9000, 80]);
}

/** Written by hand: pods, a machine outside, an address far away, an address where nobody is. */
function manualEndpoints(
  dice: Dice,
  name: string,
  ports: readonly { readonly name: string; readonly protocol: string }[],
  v6: boolean,
): KubeObject {
  const candidates = v6
    ? ['fd00:10:244:1::2', 'fd00:10:244:2::2', 'fd00:192:168:1::77', '2001:db8::11']
    : ['10.244.1.2', '10.244.1.3', '10.244.2.2', '192.168.1.200', '11.11.11.11', NOBODY];
  const ips = new Set(Array.from({ length: dice.between(1, 3) }, () => dice.pick(candidates)));
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

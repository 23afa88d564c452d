import { ControlPlane, configFromObjects, controlFindings, defaultClusterConfig } from '@netsim/control';
import {
  type AnyObject,
  type EndpointSlice,
  type Endpoints,
  type Namespace,
  type Node,
  ObjectStore,
  type Service,
} from '@netsim/manifest';
import { formatIp, formatPrefix, parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { cluster } from './support/cluster.ts';
import { deployment, node, pod, service } from './support/objects.ts';

describe('nodes', () => {
  test('a cluster without nodes gets one control-plane node and three workers, with a /24 each', () => {
    const { store } = cluster([]);
    const nodes = store.list<Node>('Node');
    expect(
      nodes.map(({ metadata, spec, status }) => [metadata.name, status?.addresses?.[0]?.address, spec?.podCIDR]),
    ).toEqual([
      ['m-k8s', '192.168.1.10', '10.244.0.0/24'],
      ['w1-k8s', '192.168.1.101', '10.244.1.0/24'],
      ['w2-k8s', '192.168.1.102', '10.244.2.0/24'],
      ['w3-k8s', '192.168.1.103', '10.244.3.0/24'],
    ]);
    expect(nodes[0]?.spec?.taints).toEqual([{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }]);
  });

  test('a pod CIDR that is given is kept, and others go around it', () => {
    const { store } = cluster([node('a'), node('b', { spec: { podCIDR: '10.244.0.0/24' } }), node('c')]);
    const cidrs = store.list<Node>('Node').map(({ spec }) => spec?.podCIDRs);
    expect(cidrs).toEqual([['10.244.1.0/24'], ['10.244.0.0/24'], ['10.244.2.0/24']]);
  });

  test('a node with no InternalIP gets a free one of each family of the cluster', () => {
    const { store } = cluster(
      [node('a', { status: { addresses: [{ type: 'InternalIP', address: '192.168.1.101' }] } }), node('b')],
      { podCIDRs: [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:10:244::/56')] },
    );
    const addresses = store.get<Node>('Node', undefined, 'b')?.status?.addresses?.map(({ address }) => address);
    expect(addresses).toEqual(['192.168.1.102', 'fd00:192:168:1::102', 'b']);
    expect(store.get<Node>('Node', undefined, 'b')?.spec?.podCIDRs).toEqual(['10.244.1.0/24', 'fd00:10:244:1::/64']);
  });

  test('a pod network with too few blocks leaves the last nodes without one, and says so', () => {
    const config = { ...defaultClusterConfig(), podCIDRs: [parsePrefix('10.244.0.0/23')] };
    const { store, plane } = cluster([node('a'), node('b'), node('c')], config);
    expect(store.get<Node>('Node', undefined, 'c')?.spec?.podCIDR).toBeUndefined();
    expect(plane.findings()).toMatchObject([{ code: 'pod-cidr-too-small', object: { kind: 'Node', name: 'c' } }]);
  });
});

describe('what every cluster has', () => {
  test('the namespaces of a new cluster and those that objects mention, labelled with their name', () => {
    const { store } = cluster([{ ...pod('p'), metadata: { name: 'p', namespace: 'shop' } }]);
    const names = store.list<Namespace>('Namespace').map(({ metadata }) => metadata.labels);
    expect(names.map((labels) => labels?.['kubernetes.io/metadata.name']).sort()).toEqual([
      'default',
      'kube-node-lease',
      'kube-public',
      'kube-system',
      'shop',
    ]);
  });

  test('the Service kubernetes has the first service address and the control-plane node behind it', () => {
    const { store } = cluster([]);
    expect(store.get<Service>('Service', 'default', 'kubernetes')?.spec.clusterIP).toBe('10.96.0.1');
    expect(store.get<Endpoints>('Endpoints', 'default', 'kubernetes')?.subsets).toEqual([
      { addresses: [{ ip: '192.168.1.10' }], ports: [{ name: 'https', port: 6443, protocol: 'TCP' }] },
    ]);
    const slices = store.list<EndpointSlice>('EndpointSlice', 'default');
    expect(slices.map(({ metadata, endpoints }) => [metadata.name, endpoints?.[0]?.addresses])).toEqual([
      ['kubernetes', ['192.168.1.10']],
    ]);
  });

  test('every object has a UID and a creation time, the same ones for the same seed', () => {
    const one = cluster([pod('p')]).store;
    const other = cluster([pod('p')]).store;
    const seeded = cluster([pod('p')], { seed: 2 }).store;
    const uid = (store: ObjectStore) => store.get('Pod', 'default', 'p')?.metadata.uid;
    expect(uid(one)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(uid(one)).toBe(uid(other));
    expect(uid(one)).not.toBe(uid(seeded));
    expect(one.get('Pod', 'default', 'p')?.metadata.creationTimestamp).toBe('2026-01-01T00:00:00Z');
  });
});

test('a dump of a settled cluster is at rest: nothing in it changes', () => {
  const { store } = cluster([
    deployment('kubia', 3),
    service('kubia', { selector: { app: 'kubia' } }),
    service('outside', { type: 'NodePort' }),
    pod('bare'),
    pod('nowhere', {}, { nodeSelector: { gpu: 'true' } }),
  ]);
  const dump = new ObjectStore();
  for (const object of store.kinds().flatMap((kind) => store.list(kind))) dump.put(object);
  const changes: string[] = [];
  dump.watch('*', ({ type, object }) => changes.push(`${type} ${object.kind} ${object.metadata.name}`));
  const plane = new ControlPlane({
    store: dump,
    config: defaultClusterConfig(),
    now: () => Date.UTC(2030, 0, 1),
    seed: 7,
  });
  plane.settle();
  expect(changes).toEqual([]);
});

describe('configuration', () => {
  function configOf(...objects: AnyObject[]) {
    const store = new ObjectStore();
    for (const object of objects) store.put(object);
    return configFromObjects(store);
  }

  test('kubeadm: subnets, domain, mask size, node port range', () => {
    const { config, findings } = configOf({
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'ClusterConfiguration',
      metadata: { name: '' },
      networking: { podSubnet: '172.16.0.0/16,fd00::/48', serviceSubnet: '10.32.0.0/16', dnsDomain: 'corp.local' },
      controllerManager: { extraArgs: [{ name: 'node-cidr-mask-size-ipv4', value: '26' }] },
      apiServer: { extraArgs: [{ name: 'service-node-port-range', value: '20000-22767' }] },
    });
    expect(findings).toEqual([]);
    expect(config.podCIDRs.map(formatPrefix)).toEqual(['172.16.0.0/16', 'fd00::/48']);
    expect(config.serviceCIDRs.map(formatPrefix)).toEqual(['10.32.0.0/16']);
    expect(config.clusterDNS.map(formatIp)).toEqual(['10.32.0.10']);
    expect(config.nodeMaskSize).toEqual({ 4: 26, 6: 64 });
    expect(config.nodePortRange).toEqual({ from: 20000, to: 22767 });
    expect(config.clusterDomain).toBe('corp.local');
  });

  test('kubeadm: the ConfigMap of a live cluster', () => {
    const { config } = configOf({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
      data: {
        ClusterConfiguration:
          'apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nnetworking:\n  podSubnet: 10.8.0.0/16\n',
      },
    });
    expect(config.podCIDRs.map(formatPrefix)).toEqual(['10.8.0.0/16']);
  });

  test('kind: dual stack by name, nodes by role', () => {
    const { config, nodes } = configOf({
      apiVersion: 'kind.x-k8s.io/v1alpha4',
      kind: 'Cluster',
      metadata: { name: '' },
      name: 'demo',
      networking: { ipFamily: 'dual' },
      nodes: [{ role: 'control-plane' }, { role: 'worker' }, { role: 'worker', labels: { tier: 'x' } }],
    });
    expect(config.podCIDRs.map(formatPrefix)).toEqual(['10.244.0.0/16', 'fd00:10:244::/56']);
    expect(nodes.map(({ metadata }) => metadata.name)).toEqual(['demo-control-plane', 'demo-worker', 'demo-worker2']);
    expect(nodes[2]?.metadata.labels?.tier).toBe('x');
    expect(nodes[1]?.status?.addresses?.[0]?.address).toBe('172.18.0.3');
  });

  test('a subnet that is none is an error, and the default stands', () => {
    const { config, findings } = configOf({
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'ClusterConfiguration',
      metadata: { name: '' },
      networking: { podSubnet: '10.244.0.0' },
    });
    expect(findings).toMatchObject([{ severity: 'error', code: 'invalid-cidr', path: ['networking', 'podSubnet'] }]);
    expect(config.podCIDRs.map(formatPrefix)).toEqual(['10.244.0.0/16']);
  });

  test('a plain cluster has nothing to complain about', () => {
    const { store } = cluster([]);
    expect(controlFindings(store, defaultClusterConfig())).toEqual([]);
  });
});

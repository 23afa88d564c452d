import { createHash } from 'node:crypto';
import { electionOrder, l2Announcer, loadBalancerPlan } from '@netsim/control';
import { type AnyObject, checkObject, type KubeObject, loadManifests, type Node, type Service } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { deployment, node, pod, service } from './support/objects.ts';

function metallb(kind: string, name: string, spec: Record<string, unknown> = {}): AnyObject {
  return { apiVersion: 'metallb.io/v1beta1', kind, metadata: { name, namespace: 'metallb-system' }, spec };
}

const pool = metallb('IPAddressPool', 'first', { addresses: ['192.168.1.11-192.168.1.13'] });
const l2 = metallb('L2Advertisement', 'l2');

function balanced(
  name: string,
  spec: Partial<Service['spec']> = {},
  annotations: Record<string, string> = {},
): Service {
  const made = service(name, { type: 'LoadBalancer', selector: { app: 'kubia' }, ...spec });
  return { ...made, metadata: { ...made.metadata, annotations } };
}

function read({ store }: TestCluster, name: string): Service {
  return store.get<Service>('Service', 'default', name)!;
}

function addresses(it: TestCluster, name: string): string[] {
  return (read(it, name).status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip!);
}

function codes(it: TestCluster): string[] {
  return it.plane.findings().map(({ code }) => code);
}

/** The order of MetalLB's election, by another SHA-256. */
function elected(nodes: readonly string[], ip: string): string[] {
  const hash = (name: string) => createHash('sha256').update(`${name}#${ip}`).digest('hex');
  return [...nodes].sort((a, b) => (hash(a) < hash(b) ? -1 : 1));
}

const workers = ['w1-k8s', 'w2-k8s', 'w3-k8s'];

describe('MetalLB', () => {
  test('gives the addresses of a pool in order, with ipMode VIP and the name of the pool', () => {
    const it = cluster([pool, l2, deployment('kubia', 3), balanced('a'), balanced('b')]);
    expect(read(it, 'a').status).toEqual({ loadBalancer: { ingress: [{ ip: '192.168.1.11', ipMode: 'VIP' }] } });
    expect(read(it, 'a').metadata.annotations).toEqual({ 'metallb.io/ip-allocated-from-pool': 'first' });
    expect(addresses(it, 'b')).toEqual(['192.168.1.12']);
    expect(codes(it)).toEqual([]);
  });

  test('a service waits when the pool is used up, and gets the address of one that goes', () => {
    const it = cluster([pool, l2, deployment('kubia', 1), ...['a', 'b', 'c', 'd'].map((name) => balanced(name))]);
    expect(addresses(it, 'd')).toEqual([]);
    expect(it.plane.findings()).toMatchObject([
      {
        code: 'load-balancer-pending',
        message: 'service "default/d": its external IP stays <pending>: MetalLB: no available IPs',
      },
    ]);
    it.store.delete('Service', 'default', 'b');
    it.plane.settle();
    expect(addresses(it, 'd')).toEqual(['192.168.1.12']);
    expect(codes(it)).toEqual([]);
  });

  test.each([
    ['a CIDR counts from its first address on', { addresses: ['10.9.0.0/24'] }, '10.9.0.0'],
    ['avoidBuggyIPs leaves out .0 and .255', { addresses: ['10.9.0.0/24'], avoidBuggyIPs: true }, '10.9.0.1'],
    ['ranges are used in the order they are written', { addresses: ['10.9.1.5-10.9.1.6', '10.9.0.1/32'] }, '10.9.1.5'],
  ])('%s', (_, spec, expected) => {
    const it = cluster([metallb('IPAddressPool', 'p', spec), l2, balanced('a')]);
    expect(addresses(it, 'a')).toEqual([expected]);
  });

  test.each<[string, Partial<Service['spec']>, Record<string, string>, string[], string | undefined]>([
    ['spec.loadBalancerIP', { loadBalancerIP: '192.168.1.13' }, {}, ['192.168.1.13'], undefined],
    [
      'the annotation loadBalancerIPs',
      {},
      { 'metallb.io/loadBalancerIPs': '192.168.1.12' },
      ['192.168.1.12'],
      undefined,
    ],
    ['its old name', {}, { 'metallb.universe.tf/loadBalancerIPs': '192.168.1.12' }, ['192.168.1.12'], undefined],
    ['a pool that is not assigned by itself', {}, { 'metallb.io/address-pool': 'manual' }, ['172.30.0.1'], undefined],
    ['an address of no pool', { loadBalancerIP: '192.168.1.99' }, {}, [], '"192.168.1.99" is not allowed in config'],
    ['a pool that is not there', {}, { 'metallb.io/address-pool': 'fist' }, [], 'unknown pool "fist"'],
    [
      'both the field and the annotation',
      { loadBalancerIP: '192.168.1.12' },
      { 'metallb.io/loadBalancerIPs': '192.168.1.12' },
      [],
      'service can not have both',
    ],
    [
      'an address of another pool than the one asked for',
      { loadBalancerIP: '192.168.1.12' },
      { 'metallb.io/address-pool': 'manual' },
      [],
      'is not in the requested address pool "manual"',
    ],
  ])('a service may ask for %s', (_, spec, annotations, expected, error) => {
    const manual = metallb('IPAddressPool', 'manual', { addresses: ['172.30.0.1/32'], autoAssign: false });
    const it = cluster([pool, manual, l2, deployment('kubia', 1), balanced('a', spec, annotations)]);
    expect(addresses(it, 'a')).toEqual(expected);
    const messages = it.plane.findings().map(({ message }) => message);
    if (error === undefined) expect(messages).toEqual([]);
    else expect(messages).toEqual([expect.stringContaining(error)]);
  });

  test('an unknown pool is answered with the nearest name', () => {
    const it = cluster([pool, l2, deployment('kubia', 1), balanced('a', {}, { 'metallb.io/address-pool': 'fist' })]);
    expect(it.plane.findings()[0]?.suggestion).toBe('did you mean "first"?');
  });

  test('services with one sharing key and other ports share an address, those with the same port do not', () => {
    const key = { 'metallb.io/allow-shared-ip': 'k' };
    const ip = { loadBalancerIP: '192.168.1.11' };
    const port = (number: number) => ({ ports: [{ port: number, targetPort: 8080, protocol: 'TCP' as const }] });
    const it = cluster([
      pool,
      l2,
      deployment('kubia', 1),
      balanced('a', { ...ip, ...port(80) }, key),
      balanced('b', { ...ip, ...port(443) }, key),
      balanced('c', { ...ip, ...port(443) }, key),
      balanced('d', { ...ip, ...port(9000) }),
    ]);
    expect(['a', 'b', 'c', 'd'].map((name) => addresses(it, name).length)).toEqual([1, 1, 0, 0]);
    expect(it.plane.findings().map(({ message }) => message)).toEqual([
      expect.stringContaining('port tcp/443 is already in use on "192.168.1.11"'),
      expect.stringContaining('can\'t change sharing key for "default/d"'),
    ]);
  });

  test('pools kept for a namespace or for labelled services come first, by priority, and serve nobody else', () => {
    const kept = (name: string, address: string, serviceAllocation: Record<string, unknown>) =>
      metallb('IPAddressPool', name, { addresses: [`${address}/32`], serviceAllocation });
    const gold = balanced('gold');
    const it = cluster([
      pool,
      kept('late', '172.30.0.2', { priority: 50, serviceSelectors: [{ matchLabels: { tier: 'gold' } }] }),
      kept('soon', '172.30.0.1', {
        priority: 20,
        namespaces: ['default'],
        serviceSelectors: [{ matchLabels: { tier: 'gold' } }],
      }),
      kept('others', '172.30.0.3', { namespaces: ['elsewhere'] }),
      l2,
      { ...gold, metadata: { ...gold.metadata, labels: { tier: 'gold' } } },
      balanced('plain'),
      { ...balanced('second'), metadata: { ...gold.metadata, name: 'second', labels: { tier: 'gold' } } } as KubeObject,
    ]);
    expect(addresses(it, 'gold')).toEqual(['172.30.0.1']);
    expect(addresses(it, 'plain')).toEqual(['192.168.1.11']);
    expect(addresses(it, 'second')).toEqual(['172.30.0.2']);
  });

  test('a dual-stack service gets one address of each family, from one pool', () => {
    const it = cluster(
      [
        metallb('IPAddressPool', 'both', { addresses: ['192.168.1.11/32', 'fd00:1::10-fd00:1::1f'] }),
        pool,
        l2,
        balanced('a', { ipFamilyPolicy: 'RequireDualStack' }),
      ],
      { serviceCIDRs: [parsePrefix('10.96.0.0/16'), parsePrefix('fd00:10:96::/112')] },
    );
    expect(addresses(it, 'a')).toEqual(['192.168.1.11', 'fd00:1::10']);
  });

  test('takes the address away from a service that is no load balancer any more, and from one whose pool goes', () => {
    const it = cluster([pool, l2, balanced('a'), balanced('b')]);
    change(it, read(it, 'a'), { spec: { ...read(it, 'a').spec, type: 'ClusterIP' } });
    expect(read(it, 'a').status).toEqual({ loadBalancer: {} });
    expect(read(it, 'a').metadata.annotations).toBeUndefined();
    it.store.put(metallb('IPAddressPool', 'first', { addresses: ['192.168.1.200/32'] }));
    it.plane.settle();
    expect(addresses(it, 'b')).toEqual(['192.168.1.200']);
  });

  test('the same manifest applied again keeps its address', () => {
    const it = cluster([pool, l2, balanced('a'), balanced('b')]);
    it.store.delete('Service', 'default', 'a');
    it.plane.settle();
    it.store.put(balanced('b'));
    it.plane.settle();
    expect(addresses(it, 'b')).toEqual(['192.168.1.12']);
  });

  test('reads the ConfigMap of the time before 0.13, and says that it is old', () => {
    const text =
      'address-pools:\n- name: nginx-ip-range\n  protocol: layer2\n  addresses:\n  - 192.168.1.11-192.168.1.19\n';
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'config', namespace: 'metallb-system' },
      data: { config: text },
    };
    const it = cluster([map, deployment('kubia', 1), balanced('a')]);
    expect(addresses(it, 'a')).toEqual(['192.168.1.11']);
    expect(loadBalancerPlan(it.store)).toMatchObject([{ mode: 'l2', pool: 'nginx-ip-range' }]);
    expect(codes(it)).toEqual(['removed-api']);
  });

  test('objects read from a file point at their lines', () => {
    const text = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bad, namespace: metallb-system}
spec:
  addresses:
  - 192.168.1.5-192.168.1.1
  - 10.244.1.0/24
  - 192.168.1.101/32
`;
    const objects = loadManifests([{ file: 'pool.yaml', text }]).objects.map((each) => checkObject(each).object);
    expect(cluster(objects).plane.findings()).toMatchObject([
      { code: 'invalid-address-pool', file: 'pool.yaml', line: 6 },
      { code: 'address-pool-clash', message: expect.stringContaining('the pod network') },
      { code: 'address-pool-clash', message: expect.stringContaining('192.168.1.101 of node "w1-k8s"') },
    ]);
  });

  test('pools that overlap are told of', () => {
    const it = cluster([pool, metallb('IPAddressPool', 'second', { addresses: ['192.168.1.13/32'] }), l2]);
    expect(codes(it)).toEqual(['address-pools-overlap']);
  });
});

describe('the way in', () => {
  test('in layer 2 is one node, the first by the hash of node and address', () => {
    const it = cluster([pool, l2, deployment('kubia', 3), balanced('a'), balanced('b')]);
    const [a, b] = loadBalancerPlan(it.store);
    expect(a).toMatchObject({ service: { namespace: 'default', name: 'a' }, ip: '192.168.1.11', mode: 'l2' });
    expect(a?.candidates).toEqual(elected(workers, '192.168.1.11'));
    expect(a?.nodes).toEqual(elected(workers, '192.168.1.11').slice(0, 1));
    expect(b?.nodes).toEqual(elected(workers, '192.168.1.12').slice(0, 1));
    expect(l2Announcer(it.store, read(it, 'a'))).toBe(a?.nodes[0]);
  });

  test('the election agrees with another SHA-256 for all lengths of names', () => {
    for (let length = 1; length < 150; length++) {
      const nodes = ['a', 'b', 'é', 'd'].map((letter) => letter.repeat(length));
      expect(electionOrder(nodes, '192.168.1.11')).toEqual(elected(nodes, '192.168.1.11'));
    }
  });

  test('moves to the next in the election when the node is not ready, and comes back', () => {
    const it = cluster([pool, l2, deployment('kubia', 3), balanced('a')]);
    const [first, second] = elected(workers, '192.168.1.11');
    const winner = it.store.get<Node>('Node', undefined, first!)!;
    const condition = (status: string) => ({
      status: { ...winner.status, conditions: [{ type: 'Ready', status }] },
    });
    change(it, winner, condition('Unknown'));
    expect(loadBalancerPlan(it.store)[0]?.nodes).toEqual([second]);
    change(it, it.store.get<Node>('Node', undefined, first!)!, condition('True'));
    expect(loadBalancerPlan(it.store)[0]?.nodes).toEqual([first]);
  });

  test('leaves out nodes with the label exclude-from-external-load-balancers, and says so where all have it', () => {
    const excluded = (name: string) =>
      node(name, { metadata: { name, labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } } });
    const some = cluster([excluded('n1'), node('n2'), pool, l2, pod('p', { app: 'kubia' }), balanced('a')]);
    expect(loadBalancerPlan(some.store)[0]?.candidates).toEqual(['n2']);
    const none = cluster([excluded('n1'), pool, l2, pod('p', { app: 'kubia' }), balanced('a')]);
    expect(loadBalancerPlan(none.store)[0]?.nodes).toEqual([]);
    expect(none.plane.findings()).toMatchObject([
      { code: 'load-balancer-silent', message: expect.stringContaining('every node has the label') },
    ]);
  });

  test('nobody answers while the service has no ready endpoint', () => {
    const it = cluster([pool, l2, pod('p', { app: 'kubia' }), balanced('a')]);
    it.plane.setReady({ namespace: 'default', name: 'p' }, false);
    it.plane.settle();
    expect(loadBalancerPlan(it.store)).toMatchObject([{ nodes: [], why: 'the service has no ready endpoint' }]);
  });

  test('with externalTrafficPolicy Local only nodes with a ready endpoint take part', () => {
    const it = cluster([
      pool,
      l2,
      pod('p', { app: 'kubia' }, { nodeName: 'w2-k8s' }),
      balanced('a', { externalTrafficPolicy: 'Local' }),
    ]);
    expect(loadBalancerPlan(it.store)[0]?.nodes).toEqual(['w2-k8s']);
    it.plane.setReady({ namespace: 'default', name: 'p' }, false);
    it.plane.settle();
    expect(loadBalancerPlan(it.store)[0]?.nodes).toEqual([]);
  });

  test('an L2Advertisement may be for some pools and some nodes', () => {
    const some = metallb('L2Advertisement', 'l2', {
      ipAddressPools: ['first'],
      nodeSelectors: [{ matchLabels: { 'kubernetes.io/hostname': 'w3-k8s' } }],
    });
    const it = cluster([pool, some, deployment('kubia', 1), balanced('a')]);
    expect(loadBalancerPlan(it.store)[0]?.nodes).toEqual(['w3-k8s']);
    it.store.put(metallb('L2Advertisement', 'l2', { ipAddressPools: ['fist'] }));
    it.plane.settle();
    expect(it.plane.findings()).toMatchObject([
      { code: 'unknown-address-pool', suggestion: 'did you mean "first"?' },
      { code: 'load-balancer-silent', message: expect.stringContaining('no L2Advertisement or BGPAdvertisement') },
    ]);
  });

  test('in BGP mode is every node; with policy Local every node with an endpoint', () => {
    const bgp = metallb('BGPAdvertisement', 'bgp');
    const peer = metallb('BGPPeer', 'router', { myASN: 64500, peerASN: 64501, peerAddress: '192.168.1.1' });
    const it = cluster([
      pool,
      bgp,
      peer,
      pod('p', { app: 'kubia' }, { nodeName: 'w2-k8s' }),
      balanced('a'),
      balanced('b', { externalTrafficPolicy: 'Local' }),
    ]);
    expect(loadBalancerPlan(it.store)).toMatchObject([
      { mode: 'bgp', nodes: workers },
      { mode: 'bgp', nodes: ['w2-k8s'] },
    ]);
    expect(codes(it)).toEqual([]);
    it.store.delete('BGPPeer', 'metallb-system', 'router');
    it.plane.settle();
    expect(codes(it)).toEqual(['no-bgp-peer']);
  });
});

describe("a cloud's load balancer", () => {
  const clouded = (name: string) => node(name, { spec: { providerID: `gce://project/zone/${name}` } });

  test('gives an address where the nodes say that they are in a cloud; kind is none', () => {
    const it = cluster([clouded('n1'), clouded('n2'), deployment('kubia', 2), balanced('a'), balanced('b')]);
    expect([...addresses(it, 'a'), ...addresses(it, 'b')]).toEqual(['203.0.113.1', '203.0.113.2']);
    expect(loadBalancerPlan(it.store)).toMatchObject([
      { mode: 'cloud', nodes: ['n1', 'n2'], healthCheck: { port: 10256, path: '/healthz' } },
      { mode: 'cloud' },
    ]);
    const kind = cluster([node('n1', { spec: { providerID: 'kind://docker/kind/n1' } }), balanced('a')]);
    expect(addresses(kind, 'a')).toEqual([]);
  });

  test('gives the address that the service asks for, and one that a dump brings stays', () => {
    const dumped = { ...balanced('b'), status: { loadBalancer: { ingress: [{ ip: '34.27.67.137' }] } } };
    const it = cluster([clouded('n1'), balanced('a', { loadBalancerIP: '34.1.2.3' }), dumped]);
    expect(addresses(it, 'a')).toEqual(['34.1.2.3']);
    expect(read(it, 'b').status).toEqual({ loadBalancer: { ingress: [{ ip: '34.27.67.137', ipMode: 'VIP' }] } });
  });

  test('asks healthCheckNodePort with policy Local, and only nodes with a ready endpoint pass', () => {
    const it = cluster([
      clouded('n1'),
      clouded('n2'),
      pod('p', { app: 'kubia' }, { nodeName: 'n2' }),
      balanced('a', { externalTrafficPolicy: 'Local' }),
    ]);
    const port = read(it, 'a').spec.healthCheckNodePort!;
    expect(loadBalancerPlan(it.store)).toMatchObject([
      { nodes: ['n2'], candidates: ['n1', 'n2'], healthCheck: { port, path: '/healthz' } },
    ]);
  });
});

describe('without a load balancer', () => {
  test('the address stays pending, with a finding that says what to add', () => {
    const it = cluster([deployment('kubia', 1), balanced('a')]);
    expect(read(it, 'a').status).toEqual({ loadBalancer: {} });
    const [finding] = it.plane.findings();
    expect(finding).toMatchObject({ code: 'load-balancer-pending', path: ['spec', 'type'] });
    expect(finding?.message).toContain('no MetalLB IPAddressPool is given, and no node is in a cloud');
    expect(finding?.suggestion).toContain('IPAddressPool and an L2Advertisement');
  });

  test('an address of a dump stays, and counts as a cloud', () => {
    const dumped = { ...balanced('a'), status: { loadBalancer: { ingress: [{ ip: '34.27.67.137' }] } } };
    const it = cluster([deployment('kubia', 1), dumped]);
    expect(addresses(it, 'a')).toEqual(['34.27.67.137']);
    expect(loadBalancerPlan(it.store)).toMatchObject([{ mode: 'cloud', nodes: workers }]);
    expect(codes(it)).toEqual([]);
  });

  test('a loadBalancerClass is left to whoever serves it, even with MetalLB there', () => {
    const it = cluster([pool, l2, deployment('kubia', 1), balanced('a', { loadBalancerClass: 'example.com/lb' })]);
    expect(addresses(it, 'a')).toEqual([]);
    expect(it.plane.findings()[0]?.message).toContain('loadBalancerClass "example.com/lb"');
  });

  test('allocateLoadBalancerNodePorts false leaves the node ports out', () => {
    const it = cluster([pool, l2, balanced('a', { allocateLoadBalancerNodePorts: false })]);
    expect(read(it, 'a').spec.ports?.[0]?.nodePort).toBeUndefined();
    expect(addresses(it, 'a')).toEqual(['192.168.1.11']);
  });
});

import type { EndpointSlice, Endpoints, Pod, Service } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { pod, service } from './support/objects.ts';

function spec({ store }: TestCluster, name: string): Service['spec'] {
  return store.get<Service>('Service', 'default', name)!.spec;
}

function slices({ store }: TestCluster, name: string): EndpointSlice[] {
  return store
    .list<EndpointSlice>('EndpointSlice', 'default')
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
}

const dual = {
  podCIDRs: [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:10:244::/56')],
  serviceCIDRs: [parsePrefix('10.96.0.0/16'), parsePrefix('fd00:10:96::/112')],
};

describe('cluster IPs', () => {
  test('a given one is kept, a free one comes from the high band and depends on the seed and name alone', () => {
    const it = cluster([service('a', { clusterIP: '10.96.0.77' }), service('b')]);
    expect(spec(it, 'a').clusterIPs).toEqual(['10.96.0.77']);
    const ip = spec(it, 'b').clusterIP;
    expect(ip).toMatch(/^10\.(9[6-9]|10[0-9]|11[01])\./);
    expect(ip).not.toMatch(/^10\.96\.0\./);
    expect(spec(cluster([service('b')]), 'b').clusterIP).toBe(ip);
  });

  test('none is given twice, and none is that of DNS', () => {
    const tiny = { serviceCIDRs: [parsePrefix('10.96.0.0/28')], clusterDNS: [] };
    const it = cluster(
      Array.from({ length: 14 }, (_, i) => service(`s${i}`)),
      tiny,
    );
    const ips = it.store.list<Service>('Service').map((each) => each.spec.clusterIP);
    expect(ips.filter((ip) => ip !== undefined)).toHaveLength(14);
    expect(new Set(ips).size).toBe(15);
    expect(it.plane.findings()).toMatchObject([{ severity: 'error', code: 'service-cidr-full' }]);
  });

  test('kube-dns may ask for the address that is kept for it', () => {
    const it = cluster([service('dns', { clusterIP: '10.96.0.10' })]);
    expect(spec(it, 'dns').clusterIP).toBe('10.96.0.10');
    expect(it.plane.findings()).toEqual([]);
  });

  test('the same manifest applied again keeps the addresses and node ports', () => {
    const it = cluster([service('a', { type: 'NodePort' })]);
    const before = it.store.get('Service', 'default', 'a');
    it.store.put(service('a', { type: 'NodePort' }));
    it.plane.settle();
    expect(it.store.get('Service', 'default', 'a')).toEqual(before);
  });

  test('a deleted service gives its address back', () => {
    const it = cluster([service('a', { clusterIP: '10.96.0.77' })]);
    it.store.delete('Service', 'default', 'a');
    it.plane.settle();
    it.store.put(service('b', { clusterIP: '10.96.0.77' }));
    it.plane.settle();
    expect(it.plane.findings()).toEqual([]);
  });

  test('headless and ExternalName services have none', () => {
    const it = cluster([
      service('h', { clusterIP: 'None', selector: { app: 'x' } }),
      service('e', { type: 'ExternalName', externalName: 'example.com' }),
      pod('p', { app: 'x' }),
    ]);
    expect(spec(it, 'h').clusterIPs).toEqual(['None']);
    expect(spec(it, 'e').clusterIP).toBeUndefined();
    expect(it.plane.findings()).toEqual([]);
  });

  test('a dual-stack cluster gives what ipFamilyPolicy asks for', () => {
    const it = cluster(
      [
        service('single'),
        service('prefer', { ipFamilyPolicy: 'PreferDualStack' }),
        service('six', { ipFamilies: ['IPv6'] }),
      ],
      dual,
    );
    expect(spec(it, 'single').ipFamilies).toEqual(['IPv4']);
    expect(spec(it, 'prefer').ipFamilies).toEqual(['IPv4', 'IPv6']);
    expect(spec(it, 'prefer').clusterIPs).toEqual([
      expect.stringMatching(/^10\.96\./),
      expect.stringMatching(/^fd00:10:96::/),
    ]);
    expect(spec(it, 'six').clusterIPs).toEqual([expect.stringMatching(/^fd00:10:96::/)]);
  });

  test('RequireDualStack in a cluster of one family is an error', () => {
    const it = cluster([service('a', { ipFamilyPolicy: 'RequireDualStack' })]);
    expect(it.plane.findings()).toMatchObject([{ severity: 'error', code: 'service-families' }]);
  });

  test('a clash and an address out of range are errors at the field', () => {
    const it = cluster([
      service('a', { clusterIP: '10.96.0.77' }),
      service('b', { clusterIP: '10.96.0.77' }),
      service('c', { clusterIP: '192.168.0.1' }),
    ]);
    expect(it.plane.findings()).toMatchObject([
      { code: 'service-ip-out-of-range', object: { name: 'c' }, path: ['spec', 'clusterIP'] },
      { code: 'service-ip-clash', object: { name: 'b' }, path: ['spec', 'clusterIP'] },
    ]);
  });
});

describe('node ports', () => {
  test('are kept where given and else come from the high band of the range', () => {
    const it = cluster([
      service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30123 }, { port: 81 }] }),
      service('b', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
    ]);
    const [given, free] = spec(it, 'a').ports!.map(({ nodePort }) => nodePort);
    expect(given).toBe(30123);
    expect(free).toBeGreaterThanOrEqual(30086);
    expect(free).toBeLessThanOrEqual(32767);
    expect(spec(it, 'b').healthCheckNodePort).toBeGreaterThanOrEqual(30086);
    expect(it.plane.findings().map(({ code }) => code)).toEqual(['load-balancer-pending']);
  });

  test('one port of two protocols has one number', () => {
    const ports = [
      { name: 'tcp', port: 53, protocol: 'TCP' as const },
      { name: 'udp', port: 53, protocol: 'UDP' as const },
    ];
    const [tcp, udp] = spec(cluster([service('dns', { type: 'NodePort', ports })]), 'dns').ports!;
    expect(udp?.nodePort).toBe(tcp?.nodePort);
  });

  test('a clash and a number out of range are errors', () => {
    const it = cluster([
      service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30123 }] }),
      service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30123 }] }),
      service('c', { type: 'NodePort', ports: [{ port: 80, nodePort: 8080 }] }),
    ]);
    expect(it.plane.findings()).toMatchObject([
      { code: 'node-port-clash', object: { name: 'b' }, path: ['spec', 'ports', 0, 'nodePort'] },
      { code: 'node-port-out-of-range', object: { name: 'c' } },
    ]);
  });
});

describe('endpoints', () => {
  test('follow readiness, labels and deletion', () => {
    const it = cluster([service('kubia', { selector: { app: 'kubia' } }), pod('a', { app: 'kubia' }), pod('b')]);
    const ready = () =>
      slices(it, 'kubia').flatMap(({ endpoints }) =>
        (endpoints ?? []).filter(({ conditions }) => conditions?.ready).map(({ targetRef }) => targetRef?.name),
      );
    expect(ready()).toEqual(['a']);
    const b = it.store.get<Pod>('Pod', 'default', 'b')!;
    it.store.put({ ...b, metadata: { ...b.metadata, labels: { app: 'kubia' } } });
    it.plane.settle();
    expect(ready()).toEqual(['a', 'b']);
    it.plane.setReady({ name: 'a', namespace: 'default' }, false);
    it.plane.settle();
    expect(ready()).toEqual(['b']);
    it.plane.deletePod({ name: 'b', namespace: 'default' });
    it.plane.settle();
    expect(ready()).toEqual([]);
  });

  test('pods that give a named port different numbers go to different slices', () => {
    const ports = [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' as const }];
    const other = { containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 9090 }] }] };
    const it = cluster([
      service('s', { selector: { app: 'x' }, ports }),
      pod('a', { app: 'x' }),
      pod('b', { app: 'x' }, other),
    ]);
    expect(
      slices(it, 's').map(({ ports, endpoints }) => [
        ports?.[0]?.port,
        endpoints?.map(({ targetRef }) => targetRef?.name),
      ]),
    ).toEqual([
      [8080, ['a']],
      [9090, ['b']],
    ]);
  });

  test('more than a hundred fill further slices, and one more changes one slice only', () => {
    const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, { app: 'x' }));
    const it = cluster([service('s', { selector: { app: 'x' } }), ...pods]);
    const sizes = () => slices(it, 's').map(({ endpoints }) => endpoints?.length);
    expect(sizes()).toEqual([100, 100, 50]);
    const before = slices(it, 's');
    it.store.put(pod('one-more', { app: 'x' }));
    it.plane.settle();
    expect(sizes()).toEqual([100, 100, 51]);
    expect(slices(it, 's').filter((slice, i) => slice !== before[i])).toHaveLength(1);
  });

  test('hand-made Endpoints of a service without selector are mirrored', () => {
    const endpoints: Endpoints = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'external', namespace: 'default' },
      subsets: [{ addresses: [{ ip: '11.11.11.11' }, { ip: '22.22.22.22' }], ports: [{ port: 80 }] }],
    };
    const it = cluster([service('external'), endpoints]);
    expect(slices(it, 'external')).toMatchObject([
      {
        addressType: 'IPv4',
        metadata: {
          labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' },
        },
        endpoints: [
          { addresses: ['11.11.11.11'], conditions: { ready: true } },
          { addresses: ['22.22.22.22'], conditions: { ready: true } },
        ],
        ports: [{ name: '', port: 80, protocol: 'TCP' }],
      },
    ]);
    change(it, it.store.get<Endpoints>('Endpoints', 'default', 'external')!, { subsets: [] });
    expect(slices(it, 'external')).toEqual([]);
  });

  test('a hand-made slice is left alone', () => {
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'mine', namespace: 'default', labels: { 'kubernetes.io/service-name': 'external' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['11.11.11.11'] }],
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
    };
    const it = cluster([service('external'), slice]);
    expect(slices(it, 'external')).toMatchObject([{ endpoints: slice.endpoints, ports: slice.ports }]);
  });

  test('the slices of a dump are adopted when its pods are there, and kept when they are not', () => {
    const first = cluster([service('s', { selector: { app: 'x' } }), pod('a', { app: 'x' })]);
    const dump = first.store.kinds().flatMap((kind) => first.store.list(kind));
    const again = cluster(dump);
    expect(slices(again, 's')).toEqual(slices(first, 's'));
    const partial = cluster(dump.filter(({ kind }) => kind !== 'Pod'));
    expect(slices(partial, 's')).toEqual(slices(first, 's'));
    expect(partial.plane.findings()).toEqual([]);
  });

  test('a deleted service leaves neither slices nor Endpoints', () => {
    const it = cluster([service('s', { selector: { app: 'x' } }), pod('a', { app: 'x' })]);
    it.store.delete('Service', 'default', 's');
    it.plane.settle();
    expect([...slices(it, 's'), it.store.get('Endpoints', 'default', 's')]).toEqual([undefined]);
  });

  test('one change costs a few objects, however many there are', () => {
    const objects = Array.from({ length: 200 }, (_, i) => [
      service(`s${i}`, { selector: { app: `a${i}` } }),
      ...['x', 'y', 'z'].map((suffix) => pod(`p${i}${suffix}`, { app: `a${i}` })),
    ]).flat();
    const it = cluster(objects);
    const changed: string[] = [];
    it.store.watch('*', ({ object }) => changed.push(object.kind));
    it.plane.setReady({ name: 'p77x', namespace: 'default' }, false);
    it.plane.settle();
    expect(changed.sort()).toEqual(['EndpointSlice', 'Endpoints', 'Pod']);
  });
});

describe('findings about selectors and ports', () => {
  test.each([
    [{ app: 'kubai' }, 'did you mean "app: kubia"?'],
    [{ ap: 'kubia' }, 'did you mean the label "app"?'],
    [{ app: 'something-else' }, 'pods have "app: kubia"'],
  ])('a selector %j that selects nothing names the nearest label', (selector, suggestion) => {
    const it = cluster([service('s', { selector }), pod('p', { app: 'kubia' })]);
    expect(it.plane.findings()).toMatchObject([
      {
        severity: 'warning',
        code: 'selector-matches-nothing',
        path: ['spec', 'selector', Object.keys(selector)[0]],
        suggestion,
      },
    ]);
  });

  test('a target port that no pod names, or only some', () => {
    const ports = [{ port: 80, targetPort: 'htpp', protocol: 'TCP' as const }];
    const it = cluster([service('s', { selector: { app: 'x' }, ports }), pod('p', { app: 'x' })]);
    expect(it.plane.findings()).toMatchObject([
      { code: 'target-port-not-found', path: ['spec', 'ports', 0, 'targetPort'], suggestion: 'did you mean "http"?' },
    ]);
    const named = { containers: [{ name: 'c', ports: [{ name: 'htpp', containerPort: 1 }] }] };
    it.store.put(pod('q', { app: 'x' }, named));
    it.plane.settle();
    expect(it.plane.findings()).toMatchObject([{ code: 'target-port-not-in-all-pods' }]);
  });

  test('Endpoints whose name is that of no service', () => {
    const endpoints: Endpoints = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'externel', namespace: 'default' },
      subsets: [{ addresses: [{ ip: '11.11.11.11' }], ports: [{ port: 80 }] }],
    };
    const it = cluster([service('external'), endpoints]);
    expect(it.plane.findings()).toMatchObject([
      { code: 'endpoints-without-service', suggestion: 'did you mean "external"?' },
    ]);
  });
});

import type { Service } from '@netsim/manifest';
import { assertTraceInvariants, type Path, type Trace } from '@netsim/trace';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { coreDnsConfigMap, coreDnsPods } from './coredns-of.ts';
import { MANY_ADDRESSES } from './many-addresses.ts';

const kubia = (): Promise<Cluster> => Cluster.load({ demo: 'kubia' });
const pods = (cluster: Cluster): string[] =>
  cluster.store.list('Pod', 'kube-system').map(({ metadata }) => metadata.labels?.['k8s-app'] ?? '');
const client = (extra: string): string => `apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  containers: [{ name: c, image: debian, command: [sleep, inf] }]
${extra}`;
const queriesOf = (cluster: Cluster, pod: string, name: string): string[] =>
  cluster
    .pod(pod)
    .lookup(name)
    .queries.map((query) => `${query.name} ${query.type} ${query.rcode ?? '-'}`);

describe('CoreDNS of a cluster', () => {
  test('is made where the manifests say nothing of one', async () => {
    const cluster = await kubia();
    expect(pods(cluster)).toEqual(['kube-dns', 'kube-dns']);
    expect(cluster.store.get('Service', 'kube-system', 'kube-dns')).toMatchObject({
      spec: { clusterIP: '10.96.0.10' },
    });
    expect(cluster.findings).toEqual([]);
  });

  test('is not made where a service has the address of the cluster DNS', async () => {
    const cluster = await Cluster.load({
      yaml: `apiVersion: v1
kind: Service
metadata: { name: other, namespace: kube-system }
spec: { clusterIP: 10.96.0.10, ports: [{ port: 53, protocol: UDP }] }`,
    });
    expect(pods(cluster)).toEqual([]);
    expect(cluster.store.get('ConfigMap', 'kube-system', 'coredns')).toBeUndefined();
  });

  test('is not made where pods of its label are there', async () => {
    const cluster = await Cluster.load({
      yaml: `apiVersion: v1
kind: Pod
metadata: { name: mine, namespace: kube-system, labels: { k8s-app: kube-dns } }
spec: { containers: [{ name: c, image: coredns/coredns }] }`,
    });
    expect(pods(cluster)).toEqual(['kube-dns']);
    expect(cluster.store.get('Service', 'kube-system', 'kube-dns')).toBeUndefined();
  });

  test('answers as its Corefile says', async () => {
    const cluster = await Cluster.load({ yaml: `${client('')}${corefile('hosts { 1.2.3.4 special.example\n }')}` });
    expect(cluster.pod('client').lookup('special.example.').addresses).toEqual(['1.2.3.4']);
    expect(cluster.pod('client').lookup('kubernetes').addresses).toEqual([]);
  });

  test('does not listen with a Corefile that it would not start with', async () => {
    const cluster = await Cluster.load({ yaml: `${client('')}${corefile('nonsense')}` });
    const { queries, error } = cluster.pod('client').lookup('kubernetes.default.svc.cluster.local.');
    expect(error).toBe('EAI_AGAIN');
    expect(queries[0]).toMatchObject({ error: 'ECONNREFUSED' });
  });
});

function corefile(plugin: string): string {
  return `\n---\n${coreDnsConfigMap(`.:53 {\n${plugin}\n}`)}`;
}

describe('a look-up from a pod', () => {
  test('asks by packets: the queries are in conntrack, translated to a CoreDNS pod', async () => {
    const cluster = await kubia();
    expect(cluster.pod('pod-a').lookup('kubia').addresses).toHaveLength(1);
    const { stdout } = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'udp', '--dport', '53']);
    expect(stdout).toMatch(/src=10\.244\.1\.2 dst=10\.96\.0\.10 sport=\d+ dport=53 src=10\.244\.0\.[23] dst=/);
  });

  test('finds a short name at the first entry of the search list', async () => {
    const cluster = await kubia();
    expect(queriesOf(cluster, 'pod-a', 'kubia')).toEqual([
      'kubia.default.svc.cluster.local. A NOERROR',
      'kubia.default.svc.cluster.local. AAAA NOERROR',
    ]);
  });

  test('finds a service of another namespace by name.namespace, at the second entry', async () => {
    const cluster = await kubia();
    expect(queriesOf(cluster, 'pod-a', 'kube-dns.kube-system').filter((query) => query.includes(' A '))).toEqual([
      'kube-dns.kube-system.default.svc.cluster.local. A NXDOMAIN',
      'kube-dns.kube-system.svc.cluster.local. A NOERROR',
    ]);
    expect(cluster.pod('pod-a').lookup('kube-dns').addresses).toEqual([]);
  });

  test('gives the addresses of all ready pods of a headless service, over TCP where they do not fit', async () => {
    const cluster = await Cluster.load({
      yaml: `${client('')}
---
${MANY_ADDRESSES}`,
    });
    const { addresses, queries } = cluster.pod('client').lookup('many');
    expect(addresses).toHaveLength(60);
    expect(queries.map(({ transport }) => transport)).toContain('tcp');
  });

  test('takes virtual time where nobody answers, and ends', async () => {
    const cluster = await Cluster.load({ yaml: client('') });
    cluster.scale('deploy/coredns.kube-system', 0);
    const { error, elapsedMs } = cluster.pod('client').lookup('kubernetes');
    expect(error).toBe('EAI_AGAIN');
    expect(elapsedMs).toBeLessThan(60_000);
  });

  test('asks nobody for what /etc/hosts has', async () => {
    const cluster = await Cluster.load({
      yaml: client('  hostAliases: [{ ip: 10.9.9.9, hostnames: [legacy] }]'),
    });
    expect(cluster.pod('client').lookup('legacy')).toMatchObject({ addresses: ['10.9.9.9'], queries: [] });
    expect(cluster.pod('client').lookup('client').addresses).toEqual([cluster.pod('client').ip]);
  });

  test('does not know the cluster with dnsPolicy Default', async () => {
    const cluster = await Cluster.load({ yaml: client('  dnsPolicy: Default') });
    const { queries, addresses } = cluster.pod('client').lookup('kubernetes.default.svc.cluster.local');
    expect(addresses).toEqual([]);
    expect(queries[0]).toMatchObject({ server: '8.8.8.8' });
  });
});

describe('a trace to a name', () => {
  test('tells the queries, and goes on to the service', async () => {
    const trace = (await kubia()).trace({ from: 'pod-a', to: 'http://kubia/' });
    assertTraceInvariants(trace);
    expect(trace.destination).toMatchObject({ kind: 'Service', name: 'kubia', port: 80 });
    expect(trace.resolution).toMatchObject({ name: 'kubia', address: trace.destination.ip });
    expect(trace.resolution!.queries[0]).toEqual({
      server: '10.96.0.10',
      name: 'kubia.default.svc.cluster.local.',
      type: 'A',
      rcode: 'NOERROR',
      answers: [`A ${trace.destination.ip}`],
    });
    expect(trace.paths[0]!.disposition).toBe('DELIVERED');
  });

  test('ends as NAME_NOT_FOUND where there is no such name', async () => {
    const trace = (await kubia()).trace({ from: 'pod-a', to: 'kubai.default.svc.cluster.local.:80' });
    assertTraceInvariants(trace);
    expect(trace.paths).toMatchObject([{ disposition: 'NAME_NOT_FOUND', advice: 'did you mean "kubia"?' }]);
    expect(trace.paths[0]!.reason).toMatch(/10\.96\.0\.10 answers NXDOMAIN/);
  });

  test.each(['node/w1-k8s', 'external'])('%s does not know names of the cluster', async (from) => {
    const trace = (await kubia()).trace({ from, to: 'kubia:80' });
    assertTraceInvariants(trace);
    expect(trace.paths[0]!.disposition).toBe('NAME_NOT_FOUND');
  });

  test('to svc/NAME asks no name server', async () => {
    expect((await kubia()).trace({ from: 'pod-a', to: 'svc/kubia' }).resolution).toBeUndefined();
  });
});

describe('a trace with the packets of its look-up', () => {
  const withQueries = async (
    { yaml = '', from = 'client', to = 'kubernetes:443' },
    change: (cluster: Cluster) => void = () => {},
  ): Promise<Trace> => {
    const cluster = await Cluster.load({ yaml: `${client('')}${yaml}` });
    change(cluster);
    const trace = cluster.trace({ from, to, dns: true });
    assertTraceInvariants(trace);
    return trace;
  };
  const stepsOf = (path: Path | undefined, leg: 'request' | 'reply' = 'request') =>
    path?.[leg]?.hops.flatMap(({ steps }) => steps) ?? [];

  test('each query goes to the address of the cluster DNS, is translated to a CoreDNS pod, and has a reply', async () => {
    const { resolution, paths } = await withQueries({});
    expect(resolution!.queries.map(({ type, path }) => [type, path?.disposition])).toEqual([
      ['A', 'DELIVERED'],
      ['AAAA', 'DELIVERED'],
    ]);
    for (const { path } of resolution!.queries) {
      expect(path!.backend).toMatchObject({ kind: 'Pod', namespace: 'kube-system', port: 53 });
      expect(path!.backend!.name).toMatch(/^coredns-/);
      expect(stepsOf(path).find(({ kind }) => kind === 'nat')).toMatchObject({ from: '10.96.0.10:53' });
      expect(stepsOf(path, 'reply').at(-1)).toMatchObject({ kind: 'socket', action: 'delivered' });
    }
    expect(paths[0]!.disposition).toBe('DELIVERED');
  });

  describe('to an object asks the name that a program would use', () => {
    const objects = `---
apiVersion: v1
kind: Namespace
metadata: { name: other }
---
apiVersion: v1
kind: Pod
metadata: { name: far, namespace: other }
spec: { containers: [{ name: c, image: debian, command: [sleep, inf] }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { clusterIP: None, selector: { app: db }, ports: [{ name: web, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { selector: { app: db }, ports: [{ name: web, port: 8080, targetPort: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: alias }
spec: { type: ExternalName, externalName: front.default.svc.cluster.local }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  replicas: 1
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: c, image: nginx, ports: [{ containerPort: 80 }] }] }
`;
    test.each([
      ['a service of the own namespace', 'client', 'svc/front', 'front', 'front', 8080],
      ['a service of another namespace', 'other/far', 'svc/front', 'front.default', 'front', 8080],
      ['a service by the name of its port', 'client', 'default/front:web', 'front', 'front', 8080],
      ['a UDP port by its name', 'client', 'kube-system/kube-dns:dns', 'kube-dns.kube-system', 'kube-dns', 53],
      ['a headless service, which leads to a pod', 'client', 'svc/db:web', 'db', 'db-0', 80],
      ['an ExternalName, which leads to what it names', 'client', 'svc/alias:8080', 'alias', 'front', 8080],
      ['a pod of a StatefulSet', 'client', 'pod/db-0', 'db-0.db', 'db-0', 80],
      ['such a pod from another namespace', 'other/far', 'pod/db-0', 'db-0.db.default', 'db-0', 80],
    ])('%s', async (_, from, to, asked, object, port) => {
      const { resolution, destination, paths } = await withQueries({ yaml: objects, from, to });
      expect(resolution?.name).toBe(asked);
      expect(resolution!.queries.map(({ path }) => path?.disposition)).not.toContain(undefined);
      expect(destination).toMatchObject({ text: to, name: object, port, ip: resolution!.address });
      expect(paths.map(({ disposition }) => disposition)).toEqual(['DELIVERED']);
    });

    test('a pod without hostname and subdomain has none', async () => {
      expect((await withQueries({ yaml: objects, to: 'pod/far.other:80' })).resolution).toBeUndefined();
    });

    test('a machine does not ask: the cluster has the names, and it knows the addresses', async () => {
      const { resolution, paths } = await withQueries({ yaml: objects, from: 'node/w1-k8s', to: 'svc/front' });
      expect(resolution).toBeUndefined();
      expect(paths[0]!.disposition).toBe('DELIVERED');
    });

    test('and ends there where the name is not found, as for the program', async () => {
      const dnsless = client('  dnsPolicy: Default\n').replace('name: client', 'name: deaf');
      const { paths } = await withQueries({ yaml: `${objects}---\n${dnsless}`, from: 'deaf', to: 'svc/front' });
      expect(paths[0]!.disposition).toBe('NAME_NOT_FOUND');
      expect(paths[0]!.request.hops).toEqual([]);
    });
  });

  test('without it there are no paths of queries', async () => {
    const cluster = await kubia();
    const { resolution } = cluster.trace({ from: 'pod-a', to: 'kubia:80' });
    expect(resolution!.queries.map(({ path }) => path)).toEqual([undefined, undefined]);
  });

  test('without a CoreDNS that is ready each query is refused by kube-proxy, and the name is not found', async () => {
    const { resolution, paths } = await withQueries({}, (cluster) => {
      for (const { object } of coreDnsPods(cluster)) cluster.setReady(`kube-system/${object.metadata.name}`, false);
    });
    expect(new Set(resolution!.queries.map(({ path }) => path?.disposition))).toEqual(new Set(['NO_ENDPOINTS']));
    expect(paths[0]!.disposition).toBe('NAME_NOT_FOUND');
    expect(paths[0]!.reason).toMatch(/gives no answer .*all 2 pods of service "kube-dns" .* are not ready/);
  });

  test('a query that waits for a resolver outside has its reply too', async () => {
    const { resolution } = await withQueries({ to: 'nobody.invalid.:80' });
    expect(resolution!.queries.map(({ rcode }) => rcode)).toEqual(['NXDOMAIN', 'NXDOMAIN']);
    for (const { path } of resolution!.queries) expect(path!.reply!.hops.length).toBeGreaterThan(0);
  });

  test('from a machine the queries leave the cluster', async () => {
    const { resolution } = await withQueries({ from: 'node/w1-k8s', to: 'kubernetes:443' });
    expect(resolution!.queries.map(({ path }) => path?.disposition)).toEqual(['EXITS_CLUSTER', 'EXITS_CLUSTER']);
  });

  test('a reply that is cut is asked for again over TCP, by a connection of its own', async () => {
    const { resolution } = await withQueries({
      to: 'many:80',
      yaml: `
---
${MANY_ADDRESSES}`,
    });
    const tcp = resolution!.queries.find(({ transport }) => transport === 'tcp');
    expect(tcp?.path).toMatchObject({ disposition: 'DELIVERED' });
    expect(stepsOf(tcp?.path)[0]).toMatchObject({ packet: { protocol: 'tcp', info: 'SYN' } });
  });

  test('an address asks nobody, with it or without', async () => {
    expect((await withQueries({ to: '10.96.0.1:443' })).resolution).toBeUndefined();
  });
});

describe('a name that no message can carry is refused', () => {
  test.each([
    [
      '254 octets',
      ['a', 'b', 'c', 'd']
        .map((letter) => letter.repeat(63))
        .join('.')
        .slice(1),
      'the name has 254 octets',
    ],
    ['a label of 64', 'a'.repeat(64), 'has 64 octets; a label has at most 63'],
    ['an empty label', 'a..b', '"a..b" has an empty label'],
  ])('%s', async (_, name, text) => {
    const cluster = await kubia();
    for (const dns of [false, true]) {
      expect(() => cluster.trace({ from: 'pod-a', to: `${name}:80`, dns })).toThrow(text);
    }
    expect(() => cluster.lookup({ from: 'pod-a', name })).toThrow(text);
    expect(() => cluster.diagnose({ to: `${name}:80`, from: 'pod-a' })).toThrow(text);
  });

  test('and the root is a name', async () => {
    expect((await kubia()).lookup({ from: 'pod-a', name: '.', type: 'NS' }).queries).toHaveLength(1);
  });
});

describe('services and pods by address', () => {
  test('follow the changes of the cluster', async () => {
    const cluster = await kubia();
    const service = cluster.store.get<Service>('Service', 'default', 'kubia')!;
    const ip = service.spec.clusterIP!;
    expect(cluster.addresses.service(ip)?.metadata.name).toBe('kubia');
    cluster.delete(service);
    expect(cluster.addresses.service(ip)).toBeUndefined();
    const pod = cluster.pod('pod-a');
    const address = pod.ip!;
    expect(cluster.addresses.pod(address)?.metadata.name).toBe('pod-a');
    cluster.delete('pod/pod-a');
    expect(cluster.addresses.pod(address)).toBeUndefined();
  });
});

import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const client = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: c, image: debian, command: [sleep, inf] }] }
`;
const endpoint = (endpoints: string): string => `---
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: world }
spec:
  endpoints: ${endpoints}
`;
const load = (yaml: string): Promise<Cluster> => Cluster.load({ yaml: client + yaml });
const rcodes = (cluster: Cluster, from: string, name: string, type: string): string[] =>
  cluster.lookup({ from, name, type }).queries.map(({ rcode }) => rcode);

describe('the name servers of the world outside', () => {
  test('answer what a DNSEndpoint says, aliases followed, to pods by CoreDNS and to machines at once', async () => {
    const cluster = await load(
      endpoint(`
  - { dnsName: www.example.com, recordType: CNAME, targets: [web.example.net] }
  - { dnsName: web.example.net, recordType: A, targets: [203.0.113.7] }`),
    );
    for (const from of ['client', 'node/w1-k8s', 'external']) {
      expect(cluster.lookup({ from, name: 'www.example.com.' })).toMatchObject({ answers: ['203.0.113.7'] });
    }
    expect(cluster.lookup({ from: 'external', name: 'www.example.com.' }).queries[0]).toMatchObject({
      server: '8.8.8.8',
      answers: ['CNAME web.example.net', 'A 203.0.113.7'],
    });
  });

  test.each([
    ['a service with the annotation of external-dns', 'api.example.com', '192.168.1.11'],
    ['the host of an Ingress that has an address', 'shop.example.com', '192.168.1.12'],
    ['a wildcard', 'any.apps.example.com', '203.0.113.9'],
  ])('know %s', async (_, name, address) => {
    const cluster = await load(`---
apiVersion: v1
kind: Service
metadata: { name: api, annotations: { external-dns.alpha.kubernetes.io/hostname: api.example.com } }
spec: { type: LoadBalancer, ports: [{ port: 80 }], selector: { app: api } }
status: { loadBalancer: { ingress: [{ ip: 192.168.1.11 }] } }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec:
  rules:
  - host: shop.example.com
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: api, port: { number: 80 } } } }] }
status: { loadBalancer: { ingress: [{ ip: 192.168.1.12 }] } }
${endpoint('[{ dnsName: "*.apps.example.com", recordType: A, targets: [203.0.113.9] }]')}`);
    expect(cluster.lookup({ from: 'external', name }).answers).toEqual([address]);
  });

  test('answer NXDOMAIN where the root zone has no such top-level domain', async () => {
    const cluster = await load('');
    expect(rcodes(cluster, 'external', 'kubia', 'A')).toEqual(['NXDOMAIN']);
    expect(rcodes(cluster, 'external', 'kubernetes.default', 'A')).toEqual(['NXDOMAIN']);
  });

  test('answer SERVFAIL where the manifests do not say, and a trace says what is missing', async () => {
    const cluster = await load('');
    expect(rcodes(cluster, 'external', 'www.example.com', 'A')).toEqual(['SERVFAIL']);
    const [path] = cluster.trace({ from: 'client', to: 'http://www.example.com/' }).paths;
    expect(path).toMatchObject({ disposition: 'INSUFFICIENT_INFO' });
    expect(path!.advice).toMatch(/DNSEndpoint .*dnsName: www\.example\.com/);
  });

  test('an ExternalName with a name outside that nobody told of is INSUFFICIENT_INFO too', async () => {
    const cluster = await load(`---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { type: ExternalName, externalName: db.example.com }`);
    const [path] = cluster.trace({ from: 'client', to: 'db:5432' }).paths;
    expect(path).toMatchObject({ disposition: 'INSUFFICIENT_INFO' });
    expect(path!.reason).toMatch(/^db\.example\.com is a name of the world outside/);
  });

  test('follow a change of the manifests', async () => {
    const cluster = await load('');
    const name = 'new.example.com';
    expect(rcodes(cluster, 'external', name, 'A')).toEqual(['SERVFAIL']);
    cluster.apply(endpoint(`[{ dnsName: ${name}, recordType: A, targets: [203.0.113.8] }]`).slice(4));
    expect(cluster.lookup({ from: 'external', name }).answers).toEqual(['203.0.113.8']);
  });

  test('nonsense in a DNSEndpoint is passed over, and a loop of aliases ends', async () => {
    const cluster = await load(
      endpoint(`
  - { dnsName: a.example.com, recordType: CNAME, targets: [b.example.com] }
  - { dnsName: b.example.com, recordType: CNAME, targets: [a.example.com] }
  - { dnsName: c.example.com, recordType: A, targets: [nonsense] }
  - null
  - 7`),
    );
    expect(rcodes(cluster, 'external', 'a.example.com', 'A')).toEqual(['SERVFAIL']);
    expect(cluster.lookup({ from: 'external', name: 'c.example.com', type: 'A' }).answers).toEqual([]);
  });

  test('their machine is still outside: what else is sent there leaves the cluster', async () => {
    const cluster = await load('');
    const [path] = cluster.trace({ from: 'client', to: '8.8.8.8:443' }).paths;
    expect(path).toMatchObject({ disposition: 'EXITS_CLUSTER' });
    expect(path!.request.hops.at(-1)!.node).toBe(cluster.datapath.routerName);
  });

  test('nodes come and go, and the resolver stays', async () => {
    const cluster = await load(endpoint('[{ dnsName: a.example.com, recordType: A, targets: [203.0.113.8] }]'));
    expect(cluster.lookup({ from: 'external', name: 'a.example.com' }).answers).toHaveLength(1);
    cluster.delete('node/w3-k8s');
    expect(cluster.lookup({ from: 'external', name: 'a.example.com' }).answers).toHaveLength(1);
  });
});

test('a machine that is known by its address has no search list of its digits', async () => {
  const { queries } = (await load('')).lookup({ from: '198.51.100.7', name: 'no.example.com' });
  expect([...new Set(queries.map(({ name }) => name))]).toEqual(['no.example.com.']);
});

describe('why a query is sent', () => {
  const reasons = (cluster: Cluster, from: string, name: string): (string | undefined)[] =>
    cluster.lookup({ from, name }).queries.map(({ reason }) => reason);

  test.each([
    ['kubernetes', ['kubernetes has 0 dots, ndots is 5: entry 1 of the search list, default.svc.cluster.local']],
    ['kubernetes.default.svc.cluster.local.', ['the name ends with a dot: it is asked as it is, and no other']],
    [
      'kube-dns.kube-system',
      [
        'kube-dns.kube-system has 1 dot, ndots is 5: entry 1 of the search list, default.svc.cluster.local',
        'there is no such name: entry 2 of the search list, svc.cluster.local',
      ],
    ],
  ])('%s', async (name, wanted) => {
    const cluster = await load('');
    expect(reasons(cluster, 'client', name).filter((reason) => reason !== undefined)).toEqual(wanted);
  });

  test('a server that does not answer is asked once more', async () => {
    const cluster = await load('');
    cluster.scale('deploy/coredns.kube-system', 0);
    expect(reasons(cluster, 'client', 'a.').join(' ')).toMatch(/10\.96\.0\.10 (does not answer|cannot be reached)/);
  });
});

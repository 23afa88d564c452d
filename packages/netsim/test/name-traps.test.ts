import { Cluster, type Lookup } from 'netsim';
import { describe, expect, test } from 'vitest';

const client = (image: string, more = ''): string => `apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  containers: [{ name: c, image: ${image}, command: [sleep, inf] }]
${more}---
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: world }
spec:
  endpoints:
  - { dnsName: www.example.com, recordType: A, targets: [203.0.113.7] }
  - { dnsName: api.dev, recordType: A, targets: [203.0.113.8] }
---
apiVersion: v1
kind: Service
metadata: { name: api, namespace: dev }
spec: { selector: { app: api }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: legacy }
spec: { type: ExternalName, externalName: 10.9.9.9 }
`;
const load = (image = 'debian', more = ''): Promise<Cluster> => Cluster.load({ yaml: client(image, more) });
const codes = ({ findings }: Pick<Lookup, 'findings'>): string[] => findings.map(({ code }) => code);

describe('traps of a look-up', () => {
  test('an outside name of few dots costs the whole search list', async () => {
    const found = (await load()).lookup({ from: 'client', name: 'www.example.com' });
    expect(found.answers).toEqual(['203.0.113.7']);
    expect(codes(found)).toEqual(['ndots-look-ups']);
    expect(found.findings[0]!.message).toMatch(/^4 names were asked, in 8 queries/);
  });

  test.each([
    ['with a dot at its end', 'www.example.com.', 'debian', ''],
    ['with ndots 1', 'www.example.com', 'debian', '  dnsConfig: { options: [{ name: ndots, value: "1" }] }\n'],
  ])('it does not %s', async (_, name, image, more) => {
    const found = (await load(image, more)).lookup({ from: 'client', name });
    expect([found.queries.length, codes(found)]).toEqual([2, []]);
  });

  test('a name outside that is also NAME.NAMESPACE of a service is captured by the search list', async () => {
    const found = (await load()).lookup({ from: 'client', name: 'api.dev' });
    expect(found.queries.at(-1)!.name).toBe('api.dev.svc.cluster.local.');
    expect(codes(found)).toEqual(['search-list-captures']);
  });

  test('a wildcard in a search domain captures names outside', async () => {
    const cluster = await load('debian', '  dnsConfig: { searches: [corp.example.com] }\n');
    cluster.apply(`apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: corp }
spec: { endpoints: [{ dnsName: "*.corp.example.com", recordType: A, targets: [203.0.113.9] }] }`);
    const found = cluster.lookup({ from: 'client', name: 'www.example.com' });
    expect([found.answers, codes(found)]).toEqual([['203.0.113.9'], ['search-list-captures']]);
  });

  test('a service of another namespace is named in full', async () => {
    const found = (await load()).lookup({ from: 'client', name: 'api' });
    expect(codes(found)).toEqual(['service-elsewhere']);
    expect(found.findings[0]!.suggestion).toBe('did you mean "api.dev"?');
  });

  test('an ExternalName that is an address is not found', async () => {
    const found = (await load()).lookup({ from: 'client', name: 'legacy' });
    expect([found.answers, codes(found)]).toEqual([[], ['external-name-ip']]);
  });

  test('a name that is found at once has none', async () => {
    expect(codes((await load()).lookup({ from: 'client', name: 'kubernetes' }))).toEqual([]);
  });
});

describe('traps in the manifests', () => {
  const searches = Array.from({ length: 20 }, (_, i) => `domain-${i}.example.com`).join(', ');
  const of = (cluster: Cluster): string[] =>
    cluster.findings.flatMap(({ code, line }) => (code === 'selector-matches-nothing' ? [] : [`${code} ${line}`]));

  test('an address as externalName', async () => {
    expect(of(await load())).toEqual(['external-name-ip 23']);
  });

  test('a search list that musl does not read, and what it costs', async () => {
    const cluster = await load('busybox', `  dnsConfig: { searches: [${searches}] }\n`);
    expect(of(cluster)).toEqual(['search-list-too-long 6', 'external-name-ip 24']);
    expect(cluster.lookup({ from: 'client', name: 'kubernetes' }).answers).toEqual([]);
  });

  test('the same list with glibc is read', async () => {
    const cluster = await load('debian', `  dnsConfig: { searches: [${searches}] }\n`);
    expect(of(cluster)).toEqual(['external-name-ip 24']);
    expect(cluster.lookup({ from: 'client', name: 'kubernetes' }).answers).toHaveLength(1);
  });

  test('more name servers than the kubelet writes', async () => {
    const cluster = await load('debian', '  dnsConfig: { nameservers: [9.9.9.1, 9.9.9.2, 9.9.9.3] }\n');
    expect(of(cluster)).toContain('dns-nameserver-limit 6');
  });
});

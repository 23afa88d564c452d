import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { coreDnsConfigMap } from './coredns-of.ts';

const client = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: c, image: alpine, command: [sleep, inf] }] }
---
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: web }
spec: { endpoints: [{ dnsName: web.example.com, recordType: A, targets: [203.0.113.7] }] }
`;
/** A Corefile that sends the names below corp.example elsewhere. */
const stub = (upstreams: string, option = 'max_fails 2'): string => `---
${coreDnsConfigMap(`.:53 {
  kubernetes cluster.local
  forward . /etc/resolv.conf
  cache 30
}
corp.example:53 {
  forward . ${upstreams} {
    ${option}
  }
}`)}`;

const load = (yaml = ''): Promise<Cluster> => Cluster.load({ yaml: client + yaml });
const forwardsOf = (cluster: Cluster, name: string) =>
  cluster
    .trace({ from: 'client', to: `${name}.:80`, dns: true })
    .resolution!.queries.map(({ type, rcode, forwards = [] }) => ({
      type,
      rcode,
      forwards: forwards.map(({ netns, server, transport, answered, path }) => {
        return [netns.replace(/coredns-.*/, 'coredns'), server, transport, answered, path.disposition].join(' ');
      }),
    }));

describe('what CoreDNS asks others', () => {
  test('is a packet from its pod by its node to the world, for each query', async () => {
    const cluster = await load();
    const outside = ['kube-system/coredns 8.8.8.8 udp true EXITS_CLUSTER'];
    expect(forwardsOf(cluster, 'web.example.com')).toEqual([
      { type: 'A', rcode: 'NOERROR', forwards: outside },
      { type: 'AAAA', rcode: 'NOERROR', forwards: outside },
    ]);
    // Either CoreDNS has it in its cache at last.
    for (let asked = 0; asked < 8; asked++) forwardsOf(cluster, 'web.example.com');
    expect(forwardsOf(cluster, 'web.example.com').flatMap(({ forwards }) => forwards)).toEqual([]);
  });

  test('leaves with the address of its node', async () => {
    const cluster = await load();
    const trace = cluster.trace({ from: 'client', to: 'web.example.com.:80', dns: true });
    const [forward] = trace.resolution!.queries[0]!.forwards!;
    const steps = forward!.path.request.hops.flatMap((hop) => hop.steps);
    expect(
      steps.some((step) => step.kind === 'nat' && step.direction === 'src' && step.to.startsWith('192.168.1.')),
    ).toBe(true);
    expect(forward!.path.request.hops[0]!.node).toBe(forward!.node);
  });

  test('asks one server after the other where none answers, two seconds each, and the client gives up first', async () => {
    const [a] = forwardsOf(await load(stub('10.150.0.1 172.16.0.53', 'policy sequential')), 'db.corp.example');
    expect(a).toMatchObject({ type: 'A', rcode: 'TIMEOUT' });
    expect(a!.forwards.slice(0, 2)).toEqual([
      'kube-system/coredns 10.150.0.1 udp false EXITS_CLUSTER',
      'kube-system/coredns 172.16.0.53 udp false EXITS_CLUSTER',
    ]);
  });

  test('fails at once where the server is a pod that does not listen', async () => {
    const yaml = `---
apiVersion: v1
kind: Pod
metadata: { name: dns, annotations: { netsim.dev/listen: "80" } }
spec: { nodeName: w3-k8s, containers: [{ name: c, image: example.org/dns }] }
status: { podIP: 10.244.3.77, podIPs: [{ ip: 10.244.3.77 }] }
${stub('10.244.3.77')}`;
    const [a] = forwardsOf(await load(yaml), 'db.corp.example');
    expect(a!.rcode).toBe('SERVFAIL');
    expect(a!.forwards[0]).toBe('kube-system/coredns 10.244.3.77 udp false NO_LISTENER');
  });

  test('follows a stub domain to another CoreDNS in the cluster, and from there on', async () => {
    const yaml = `---
apiVersion: v1
kind: ConfigMap
metadata: { name: corp, namespace: corp }
data:
  Corefile: |
    corp.example:53 {
      hosts {
        10.9.9.9 db.corp.example
        fallthrough
      }
      forward . 8.8.8.8
    }
---
apiVersion: v1
kind: Pod
metadata: { name: dns, namespace: corp, labels: { app: dns } }
spec:
  containers:
  - name: coredns
    image: registry.k8s.io/coredns/coredns:v1.11.1
    args: [-conf, /etc/coredns/Corefile]
    volumeMounts: [{ name: config, mountPath: /etc/coredns }]
  volumes: [{ name: config, configMap: { name: corp } }]
---
apiVersion: v1
kind: Service
metadata: { name: dns, namespace: corp }
spec: { clusterIP: 10.96.9.9, selector: { app: dns }, ports: [{ port: 53, protocol: UDP }] }
${stub('10.96.9.9')}`;
    const cluster = await load(yaml);
    expect(forwardsOf(cluster, 'db.corp.example')[0]).toEqual({
      type: 'A',
      rcode: 'NOERROR',
      forwards: ['kube-system/coredns 10.96.9.9 udp true DELIVERED'],
    });
    expect(forwardsOf(cluster, 'other.corp.example')[0]!.forwards.slice(0, 2)).toEqual([
      'kube-system/coredns 10.96.9.9 udp true DELIVERED',
      'corp/dns 8.8.8.8 udp true EXITS_CLUSTER',
    ]);
  });

  test('is told by a look-up where that is wanted', async () => {
    const cluster = await load();
    const { queries } = cluster.lookup({ from: 'client', name: 'web.example.com.', forwards: true });
    expect(queries.map(({ forwards }) => forwards?.[0]?.server)).toEqual(['8.8.8.8', '8.8.8.8']);
    expect(cluster.lookup({ from: 'client', name: 'web.example.com.' }).queries[0]).not.toHaveProperty('forwards');
  });

  test('goes from NodeLocal DNSCache to CoreDNS over TCP', async () => {
    const example = new URL('../../../examples/', import.meta.url).pathname;
    const cluster = await Cluster.load({
      files: [`${example}kubia/kubia.yaml`, `${example}node-local-dns/node-local-dns.yaml`],
    });
    const { resolution } = cluster.trace({ from: 'pod-a', to: 'kubia:80', dns: true });
    const [forward, ...more] = resolution!.queries[0]!.forwards!;
    expect(forward).toMatchObject({ netns: 'host', transport: 'tcp', port: 53, answered: true });
    expect(forward!.path).toMatchObject({
      disposition: 'DELIVERED',
      backend: { kind: 'Pod', namespace: 'kube-system' },
    });
    expect(more).toEqual([]);
  });
});

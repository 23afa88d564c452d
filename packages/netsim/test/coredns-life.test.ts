import { ClusterIndexes, encodeMessage, queryMessage } from '@netsim/dns';
import type { EndpointSlice } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { CoreDnsProgram } from '../src/dns/serve.ts';
import { coreDnsConfigMap as configMap, coreDnsPods } from './coredns-of.ts';

const CLIENT = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: c, image: debian, command: [sleep, inf] }] }
`;
/** A server that answers one address for every name. */
const answering = (ip: string, extra = ''): string =>
  `.:53 {\n    ${extra}\n    hosts {\n        ${ip} who.example\n    }\n}`;

async function clusterWith(corefile: string): Promise<Cluster> {
  return Cluster.load({ yaml: `${CLIENT}---\n${configMap(corefile)}` });
}
const addresses = (cluster: Cluster): readonly string[] => cluster.pod('client').lookup('who.example.').addresses;
const readyAddresses = (cluster: Cluster): number =>
  cluster.store
    .list<EndpointSlice>('EndpointSlice', 'kube-system')
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready).length;
const waitingReason = (cluster: Cluster): (string | undefined)[] =>
  coreDnsPods(cluster).map((pod) => {
    const { state } = pod.object.status!.containerStatuses![0]!;
    return (state as { waiting?: { reason: string } }).waiting?.reason;
  });

describe('a ConfigMap that changes', () => {
  test('is read by plugin reload within its interval and half of its jitter', async () => {
    const cluster = await clusterWith(answering('1.1.1.1', 'reload 10s 4s'));
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.apply(configMap(answering('2.2.2.2', 'reload 10s 4s')));
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.clock.advance('12s');
    expect(addresses(cluster)).toEqual(['2.2.2.2']);
    expect(coreDnsPods(cluster).flatMap((pod) => pod.logs())).toContain('[INFO] Reloading complete');
  });

  test('is not read without plugin reload, until the pod is made anew', async () => {
    const cluster = await clusterWith(answering('1.1.1.1'));
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.apply(configMap(answering('2.2.2.2')));
    cluster.clock.advance('10m');
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    for (const pod of coreDnsPods(cluster)) cluster.delete(pod.object);
    expect(addresses(cluster)).toEqual(['2.2.2.2']);
  });

  test('is not read any more once plugin reload is gone from it', async () => {
    const cluster = await clusterWith(answering('1.1.1.1', 'reload 10s 4s'));
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.apply(configMap(answering('2.2.2.2')));
    cluster.clock.advance('12s');
    cluster.apply(configMap(answering('3.3.3.3', 'reload 10s 4s')));
    cluster.clock.advance('1m');
    expect(addresses(cluster)).toEqual(['2.2.2.2']);
  });

  test('that is wrong leaves the old one in force, said in the log and as a finding', async () => {
    const cluster = await clusterWith(answering('1.1.1.1', 'reload 10s 4s'));
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.apply(configMap(answering('2.2.2.2', 'banana')));
    cluster.clock.advance('1m');
    expect(addresses(cluster)).toEqual(['1.1.1.1']);
    expect(readyAddresses(cluster)).toBeGreaterThan(0);
    const errors = coreDnsPods(cluster).flatMap((pod) => pod.logs().filter((line) => line.includes('reload failed')));
    expect(errors).not.toEqual([]);
    for (const line of errors) {
      expect(line).toBe(
        "[ERROR] plugin/reload: Corefile changed but reload failed: starting with listener file descriptors: /etc/coredns/Corefile:2 - Error during parsing: Unknown directive 'banana'",
      );
    }
    expect(cluster.findings).toMatchObject([{ code: 'corefile', object: { kind: 'ConfigMap', name: 'coredns' } }]);
    cluster.apply(configMap(answering('4.4.4.4', 'reload 10s 4s')));
    cluster.clock.advance('12s');
    expect(addresses(cluster)).toEqual(['4.4.4.4']);
  });

  test('lets answers of the old configuration be forgotten, its cache too', async () => {
    const cached = (ip: string): string => answering(ip, 'reload 10s 4s\n    cache 3600');
    const cluster = await clusterWith(cached('1.1.1.1'));
    for (let i = 0; i < 4; i++) expect(addresses(cluster)).toEqual(['1.1.1.1']);
    cluster.apply(configMap(cached('2.2.2.2')));
    cluster.clock.advance('12s');
    for (let i = 0; i < 4; i++) expect(addresses(cluster)).toEqual(['2.2.2.2']);
  });
});

describe('a CoreDNS that does not stay up', () => {
  test('with a Corefile that it cannot start with: CrashLoopBackOff, no endpoints, and the line in the manifest', async () => {
    const cluster = await clusterWith('.:53 {\n    nonsense\n}');
    expect(waitingReason(cluster)).toEqual(['CrashLoopBackOff', 'CrashLoopBackOff']);
    expect(readyAddresses(cluster)).toBe(0);
    const { queries, error } = cluster.pod('client').lookup('kubernetes.default.svc.cluster.local.');
    expect([error, queries[0]!.error]).toEqual(['EAI_AGAIN', 'ECONNREFUSED']);
    // The ConfigMap begins on line 6 of the text, its Corefile on line 11.
    expect(cluster.findings).toMatchObject([{ severity: 'error', code: 'corefile', line: 12 }]);
    expect(cluster.findings[0]!.message).toMatch(/Unknown directive 'nonsense'/);
  });

  test('with several mistakes: all are found, and CoreDNS itself tells of the first', async () => {
    const cluster = await clusterWith(answering('1.1.1.1', 'reload 10s 4s'));
    cluster.apply(configMap('.:53 {\n    nonsense\n    cache 0\n}'));
    cluster.clock.advance('12s');
    expect(cluster.findings).toHaveLength(2);
    const failed = coreDnsPods(cluster).flatMap((pod) => pod.logs().filter((line) => line.includes('Restart failed')));
    expect(failed).toHaveLength(2);
    for (const line of failed) {
      expect(line).toBe(
        "[ERROR] Restart failed: /etc/coredns/Corefile:2 - Error during parsing: Unknown directive 'nonsense'",
      );
    }
  });

  test('with a mistake in a file of the ConfigMap that the Corefile imports: the line of that file', async () => {
    const files = `apiVersion: v1
kind: ConfigMap
metadata: { name: files, namespace: kube-system }
data:
  Corefile: |
    .:53 {
        import /c/*.part
    }
  log.part: |
    errors
    log . {
        clas all
    }
---
apiVersion: v1
kind: Pod
metadata: { name: dns, namespace: kube-system }
spec:
  containers:
  - { name: dns, image: coredns/coredns, args: [-conf, /c/Corefile], volumeMounts: [{ name: c, mountPath: /c }] }
  volumes: [{ name: c, configMap: { name: files } }]
`;
    const cluster = await Cluster.load({ yaml: files });
    expect(cluster.findings).toMatchObject([
      { code: 'corefile', line: 12, column: 9, path: ['data', 'log.part'], suggestion: 'did you mean "class"?' },
    ]);
  });

  test('with a Corefile in quotes: the line of its key', async () => {
    const quoted = `apiVersion: v1
kind: ConfigMap
metadata: { name: coredns, namespace: kube-system }
data:
  Corefile: ".:53 {\\n    errors\\n    nonsense\\n}"
`;
    const cluster = await Cluster.load({ yaml: `${CLIENT}---\n${quoted}` });
    expect(cluster.findings).toMatchObject([{ code: 'corefile', line: 10, column: 3 }]);
    expect(cluster.findings[0]!.message).toContain('Corefile:3 - ');
  });

  test('comes back with the next start after the ConfigMap was mended', async () => {
    const cluster = await clusterWith('.:53 {\n    nonsense\n}');
    cluster.clock.advance('1m');
    cluster.apply(configMap(answering('5.5.5.5')));
    expect(readyAddresses(cluster)).toBe(0);
    cluster.clock.advance('5m');
    expect(waitingReason(cluster)).toEqual([undefined, undefined]);
    expect(readyAddresses(cluster)).toBeGreaterThan(0);
    expect(addresses(cluster)).toEqual(['5.5.5.5']);
    expect(cluster.findings).toEqual([]);
  });

  test.each([
    ['its own loopback', '127.0.0.1'],
    ['the service in front of it', '10.96.0.10'],
  ])('since plugin loop sees its probe again: it forwards to %s', async (_, upstream) => {
    const cluster = await clusterWith(`.:53 {\n    loop\n    forward . ${upstream}\n}`);
    expect(waitingReason(cluster)).toEqual(['CrashLoopBackOff', 'CrashLoopBackOff']);
    expect(cluster.findings).toMatchObject([{ code: 'dns-loop', line: 13 }]);
    expect(cluster.pod('client').lookup('who.example.').error).toBe('EAI_AGAIN');
  });

  test('since its probe comes back by way of another name server', async () => {
    const other = `---
apiVersion: v1
kind: ConfigMap
metadata: { name: other, namespace: other }
data:
  Corefile: |
    .:53 {
        forward . 10.96.0.10
    }
---
apiVersion: v1
kind: Pod
metadata: { name: other, namespace: other, labels: { app: other } }
spec:
  containers:
  - { name: dns, image: coredns/coredns, args: [-conf, /c/Corefile], volumeMounts: [{ name: c, mountPath: /c }] }
  volumes: [{ name: c, configMap: { name: other } }]
---
apiVersion: v1
kind: Service
metadata: { name: other, namespace: other }
spec:
  clusterIP: 10.96.0.99
  selector: { app: other }
  ports: [{ name: dns, port: 53, protocol: UDP }]
---
apiVersion: v1
kind: Namespace
metadata: { name: other }
`;
    const corefile = configMap('.:53 {\n    loop\n    forward . 10.96.0.99\n}');
    const cluster = await Cluster.load({ yaml: `${CLIENT}---\n${corefile}${other}` });
    // A look-up wakes the servers of the node that it reaches.
    cluster.pod('client').lookup('who.example.');
    cluster.clock.advance('1m');
    const fatal = coreDnsPods(cluster).flatMap((pod) => pod.logs().filter((line) => line.startsWith('[FATAL]')));
    expect(fatal[0]).toMatch(/^\[FATAL\] plugin\/loop: Loop \(10\.244\.\d+\.\d+:\d+ -> :53\) detected for zone "\."/);
    expect(waitingReason(cluster)).toContain('CrashLoopBackOff');
  });

  test('without plugin loop a CoreDNS that forwards to itself stays up, and every query ends', async () => {
    const cluster = await clusterWith('.:53 {\n    forward . 10.96.0.10\n}');
    expect(waitingReason(cluster)).toEqual([undefined, undefined]);
    const { error, elapsedMs } = cluster.pod('client').lookup('who.example.');
    expect(error).toBe('EAI_AGAIN');
    expect(elapsedMs).toBeLessThan(60_000);
  });
});

describe('the HTTP ports of CoreDNS', () => {
  const status = async (cluster: Cluster, port: number, path: string): Promise<number | string> => {
    const [pod] = coreDnsPods(cluster);
    try {
      return (await cluster.pod('client').fetch(`http://${pod!.ip}:${port}${path}`)).status;
    } catch (error) {
      return String((error as { cause: unknown }).cause);
    }
  };

  test('answer what the probes of its Deployment ask, and nothing else', async () => {
    const cluster = await Cluster.load({ yaml: CLIENT });
    expect(await status(cluster, 8080, '/health')).toBe(200);
    expect(await status(cluster, 8181, '/ready')).toBe(200);
    expect(await status(cluster, 9153, '/metrics')).toBe(200);
    expect(await status(cluster, 8080, '/healthz')).toBe(404);
  });

  test('tell Prometheus what CoreDNS was asked', async () => {
    const cluster = await Cluster.load({ yaml: CLIENT });
    const pods = coreDnsPods(cluster);
    for (let at = 0; at < 8; at++) cluster.pod('client').lookup('kubernetes.default');
    let asked = 0;
    for (const { ip } of pods) {
      const response = await cluster.pod('client').fetch(`http://${ip}:9153/metrics`);
      expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      const text = await response.text();
      for (const [, count] of text.matchAll(/^coredns_dns_requests_total\{.*type="A",.*\} (\d+)$/gm))
        asked += Number(count);
    }
    // The name itself, and with the first entry of the search list.
    expect(asked).toBe(16);
  });

  test('are closed without the plugins, whatever the pod declares', async () => {
    const cluster = await clusterWith(answering('1.1.1.1'));
    expect(await status(cluster, 8080, '/health')).toMatch(/ECONNREFUSED/);
    expect(await status(cluster, 8181, '/ready')).toMatch(/ECONNREFUSED/);
  });
});

test('what CoreDNS keeps of the API goes with its pod', async () => {
  const cluster = await Cluster.load({ yaml: CLIENT });
  const { store, world } = cluster;
  const pod = coreDnsPods(cluster)[0]!.object;
  const netns = cluster.netnsOfPod(cluster.pod('client').object);
  const indexes = new ClusterIndexes(store, () => 0);
  const resolvConf = 'nameserver 192.0.2.53\n';
  const program = new CoreDnsProgram({ netns, pod, store, indexes, resolvConf, epoch: 0, exited: () => {} });
  expect([program.sockets.length > 0, indexes.size]).toEqual([true, 0]);
  const socket = netns.sockets.udp.bind({});
  if (typeof socket === 'string') throw new Error(socket);
  const payload = encodeMessage(queryMessage('kubernetes.default.svc.cluster.local', 'A'));
  socket.send({ dst: parseIp('127.0.0.1'), dport: 53, payload });
  world.run();
  expect([socket.received, indexes.size]).toEqual([1, 1]);
  cluster.delete(pod);
  expect([program.sockets.length, indexes.size]).toEqual([0, 0]);
});

describe('what CoreDNS writes', () => {
  test('a line for each query with plugin log, a line for each failure with plugin errors', async () => {
    const cluster = await clusterWith('.:53 {\n    log\n    errors\n    forward . 192.0.2.53\n}');
    cluster.pod('client').lookup('who.example.');
    const lines = coreDnsPods(cluster).flatMap((pod) => pod.logs());
    expect(lines).toContain('.:53');
    expect(
      lines.some((line) =>
        /^\[INFO\] 10\.244\.\d+\.\d+:\d+ - \d+ "A IN who\.example\. udp 29 false 512" SERVFAIL /.test(line),
      ),
    ).toBe(true);
    expect(lines.some((line) => /^\[ERROR\] plugin\/errors: 2 who\.example\. A: /.test(line))).toBe(true);
  });
});

describe('the files of a CoreDNS pod', () => {
  test('are those of the ConfigMaps that it mounts: zone files too', async () => {
    const cluster = await Cluster.load({
      yaml: `${CLIENT}---
apiVersion: v1
kind: ConfigMap
metadata: { name: names, namespace: kube-system }
data:
  Corefile: |
    .:53 {
        file /etc/coredns/db.example who.example
        reload 10s 4s
    }
  db.example: |
    @ 60 IN SOA ns admin 1 7200 1800 86400 60
    @ IN A 6.6.6.6
---
apiVersion: v1
kind: Pod
metadata: { name: dns, namespace: kube-system, labels: { k8s-app: kube-dns } }
spec:
  containers:
  - name: coredns
    image: registry.k8s.io/coredns/coredns:v1.12.0
    args: [-conf, /etc/coredns/Corefile]
    volumeMounts: [{ name: v, mountPath: /etc/coredns }]
  volumes: [{ name: v, configMap: { name: names } }]
---
apiVersion: v1
kind: Service
metadata: { name: kube-dns, namespace: kube-system }
spec:
  clusterIP: 10.96.0.10
  selector: { k8s-app: kube-dns }
  ports: [{ name: dns, port: 53, protocol: UDP }]
`,
    });
    expect(cluster.findings.map(({ message }) => message)).toEqual([]);
    expect(addresses(cluster)).toEqual(['6.6.6.6']);
  });
});

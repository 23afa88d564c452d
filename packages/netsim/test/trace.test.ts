import { readFileSync } from 'node:fs';
import { assertTraceInvariants } from '@netsim/trace';
import { Cluster, type TraceOptions, UsageError } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Schema, schemaViolations } from '../../trace/test/json-schema.ts';

const manifests = `
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: shell, image: curlimages/curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: near, labels: { app: near } }
spec: { nodeName: w1-k8s, containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Pod
metadata: { name: far, labels: { app: far } }
spec: { nodeName: w2-k8s, containers: [{ name: web, image: nginx, ports: [{ name: http, containerPort: 80 }, { name: dns, containerPort: 53, protocol: UDP }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: untold, labels: { app: untold } }
spec: { containers: [{ name: app, image: example/app }] }
---
apiVersion: v1
kind: Service
metadata: { name: far }
spec:
  selector: { app: far }
  ports:
  - { name: http, port: 80, targetPort: http }
  - { name: dns, port: 53, targetPort: dns, protocol: UDP }
---
apiVersion: v1
kind: Service
metadata: { name: nobody }
spec: { selector: { app: nobody }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: closed }
spec: { selector: { app: near }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: local-only }
spec: { selector: { app: far }, internalTrafficPolicy: Local, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: headless }
spec: { clusterIP: None, selector: { app: far }, ports: [{ port: 80 }] }
`;

const schema: Schema = JSON.parse(readFileSync(new URL('../../trace/trace.schema.json', import.meta.url), 'utf8'));

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.load({ yaml: manifests });
});

describe('how a path ends', () => {
  test.each<[string, TraceOptions, string, RegExp]>([
    ['a pod on the same node', { from: 'client', to: 'pod/near:80' }, 'DELIVERED', /took it/],
    ['a pod on another node', { from: 'client', to: 'pod/far:80' }, 'DELIVERED', /took it/],
    ['a service by port name', { from: 'client', to: 'svc/far:http' }, 'DELIVERED', /took it/],
    ['a service over UDP', { from: 'client', to: 'svc/far:dns' }, 'DELIVERED', /took it/],
    ['a service by its DNS name', { from: 'client', to: 'far.default.svc.cluster.local:80' }, 'DELIVERED', /took it/],
    ['a URL', { from: 'client', to: 'http://far/path' }, 'DELIVERED', /took it/],
    ['a node to a service', { from: 'node/w3-k8s', to: 'svc/far:http' }, 'DELIVERED', /took it/],
    ['a pod to the API server', { from: 'client', to: 'svc/kubernetes' }, 'DELIVERED', /kube-apiserver/],
    ['ping of a pod', { from: 'client', to: 'pod/far', protocol: 'icmp' }, 'DELIVERED', /took it/],
    [
      'a closed port',
      { from: 'client', to: 'pod/near:81' },
      'NO_LISTENER',
      /nothing in pod "near" listens on port 81; it listens on 80/,
    ],
    ['a target port where nobody is', { from: 'client', to: 'svc/closed' }, 'NO_LISTENER', /listens on port 8080/],
    [
      'a pod of which nothing is known',
      { from: 'client', to: 'pod/untold:9000' },
      'INSUFFICIENT_INFO',
      /nothing says what container "app"/,
    ],
    [
      'a service without endpoints',
      { from: 'client', to: 'svc/nobody' },
      'NO_ENDPOINTS',
      /no pod in namespace "default" has the labels app=nobody/,
    ],
    [
      'internalTrafficPolicy Local without a local pod',
      { from: 'client', to: 'svc/local-only' },
      'DROPPED',
      /internalTrafficPolicy of service "local-only" is Local/,
    ],
    [
      'internalTrafficPolicy Local with a local pod',
      { from: 'node/w2-k8s', to: 'svc/local-only' },
      'DELIVERED',
      /took it/,
    ],
    ['an address that no pod has', { from: 'client', to: '10.244.2.99:80' }, 'NEIGHBOR_UNREACHABLE', /nobody answered/],
    ['a block of no node', { from: 'client', to: '10.244.77.1:80' }, 'EXITS_CLUSTER', /default route/],
    ['an address outside', { from: 'client', to: '8.8.8.8:53', protocol: 'udp' }, 'EXITS_CLUSTER', /default route/],
    [
      'ping of a virtual IP',
      { from: 'client', to: 'svc/far', protocol: 'icmp' },
      'EXITS_CLUSTER',
      /a virtual IP exists only together with its ports/,
    ],
    [
      'a port that the service does not have',
      { from: 'client', to: 'svc/far:81' },
      'EXITS_CLUSTER',
      /no rule is for tcp 81/,
    ],
    [
      'a virtual IP from outside',
      { from: 'external', to: 'svc/far:http' },
      'EXITS_CLUSTER',
      /exists only in the rules of the nodes/,
    ],
    ['a node port nobody has', { from: 'external', to: 'node/w1-k8s:31999' }, 'NO_LISTENER', /nothing listens/],
  ])('%s', (_, options, disposition, reason) => {
    const trace = cluster.trace(options);
    assertTraceInvariants(trace);
    const [path] = trace.paths;
    expect(`${path!.disposition}: ${path!.reason}`).toMatch(new RegExp(`^${disposition}: `));
    expect(path!.reason).toMatch(reason);
  });

  test('a failed path points at the line that decided, and says what to change', () => {
    const [path] = cluster.trace({ from: 'client', to: 'svc/nobody' }).paths;
    const line = manifests.split('\n').findIndex((text) => text.includes('app: nobody')) + 1;
    expect(path!.cause).toMatchObject({ kind: 'Service', name: 'nobody', file: 'yaml', line });
    expect(path!.advice).toBe('Change the selector of service "nobody", or the labels of its pods');
  });
});

test.each<[string, TraceOptions]>([
  ['one path', { from: 'client', to: 'svc/far:http' }],
  ['all paths', { from: 'client', to: 'svc/far:http', allPaths: true }],
  ['many connections', { from: 'client', to: 'svc/far:http', count: 5 }],
  ['a failed path', { from: 'client', to: 'svc/nobody' }],
  ['a name', { from: 'client', to: 'far:80' }],
])('the JSON of %s keeps to the schema', (_, options) => {
  expect(schemaViolations(JSON.parse(JSON.stringify(cluster.trace(options))), schema)).toEqual([]);
});

describe('what the receiver sees', () => {
  test.each<[string, TraceOptions, string]>([
    ['pod to pod: the pod', { from: 'client', to: 'pod/far:80' }, '10.244.1.2'],
    ['pod to service: the pod', { from: 'client', to: 'svc/far:http' }, '10.244.1.2'],
    [
      'node to service on another node: the address of its VXLAN device',
      { from: 'node/w1-k8s', to: 'svc/far:http' },
      '10.244.1.0',
    ],
  ])('%s', (_, options, seen) => {
    expect(cluster.trace(options).paths[0]!.sourceSeen).toBe(seen);
  });
});

describe('names that are wrong', () => {
  test.each<[string, TraceOptions, string]>([
    [
      'a pod',
      { from: 'cleint', to: 'svc/far:http' },
      'pod "cleint" not found in namespace "default"; did you mean "client"?',
    ],
    [
      'a node in place of a pod',
      { from: 'w1-k8s', to: 'svc/far:http' },
      'there is no pod "w1-k8s"; did you mean "node/w1-k8s"?',
    ],
    [
      'an address that is none',
      { from: '10.0.0.256', to: 'svc/far:http' },
      '"10.0.0.256" is no address; an IPv4 address has four numbers up to 255',
    ],
    ['a scheme', { from: 'client', to: 'ftp://far/' }, 'ftp://far/ is not a URL of http or https'],
    [
      'a service',
      { from: 'client', to: 'svc/fra' },
      'service "fra" not found in namespace "default"; did you mean "far"?',
    ],
    ['a kind', { from: 'client', to: 'scv/far' }, '"scv" is no kind of source or destination; did you mean "svc"?'],
    [
      'a port name',
      { from: 'client', to: 'svc/far:htp' },
      'service "far" has no port named "htp"; did you mean "http"?',
    ],
    [
      'no port where there are two',
      { from: 'client', to: 'svc/far' },
      'service "far" has 2 ports: 80 (http), 53 (dns); write svc/far:http',
    ],
    ['a port out of range', { from: 'client', to: 'pod/far:70000' }, '70000 is not a port; ports are 1 to 65535'],
    [
      'a headless service',
      { from: 'client', to: 'svc/headless' },
      'service "headless" is headless: there is no virtual IP to send to; name one of its pods, or trace with --dns from a pod',
    ],
    ['a host', { from: 'host/extrenal', to: 'svc/far:http' }, 'host "extrenal" not found; did you mean "external"?'],
    [
      'a service as source',
      { from: 'svc/far', to: 'pod/near:80' },
      'a service sends nothing: svc/far; name a pod, deploy/NAME, node/NAME, host/NAME or external',
    ],
    [
      'an endpoint',
      { from: 'client', to: 'svc/far:http', endpoint: 'near' },
      '"near" is no endpoint of svc/far:http; its endpoints: far',
    ],
    [
      'an empty source',
      { from: '', to: 'pod/near:80' },
      'the source is empty; write a pod, node/NAME, host/NAME or external',
    ],
  ])('%s', (_, options, message) => {
    expect(() => cluster.trace(options)).toThrow(UsageError);
    expect(() => cluster.trace(options)).toThrow(expect.objectContaining({ message }));
  });
});

describe('nftables mode', () => {
  let nftables: Cluster;
  beforeAll(async () => {
    const mode = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n';
    nftables = await Cluster.load({ yaml: `${mode}---\n${manifests}` });
  });

  test.each<[string, TraceOptions, string, RegExp]>([
    ['a service by port name', { from: 'client', to: 'svc/far:http' }, 'DELIVERED', /took it/],
    ['a node to a service', { from: 'node/w3-k8s', to: 'svc/far:http' }, 'DELIVERED', /took it/],
    [
      'a service without endpoints',
      { from: 'client', to: 'svc/nobody' },
      'NO_ENDPOINTS',
      /no pod in namespace "default"/,
    ],
    [
      'internalTrafficPolicy Local without a local pod',
      { from: 'client', to: 'svc/local-only' },
      'DROPPED',
      /internalTrafficPolicy of service "local-only" is Local/,
    ],
    [
      'a port that the service does not have',
      { from: 'client', to: 'svc/far:81' },
      'REJECTED',
      /tcp 81 is no port of service "far"/,
    ],
    ['an address that no service has', { from: 'client', to: '10.96.200.200:80' }, 'DROPPED', /unallocated ClusterIPs/],
  ])('%s', (_, options, disposition, reason) => {
    const trace = nftables.trace(options);
    assertTraceInvariants(trace);
    expect(trace.paths[0]!.disposition).toBe(disposition);
    expect(trace.paths[0]!.reason).toMatch(reason);
  });
});

import type { EndpointSlice } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { Cluster } from '../src/index.ts';

const web = (container: string, rest = '') => `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } ${rest} }
spec:
  nodeName: w1-k8s
  containers:
  - name: web
    ${container.replaceAll('\n', '\n    ')}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`;
const load = (container: string, rest?: string) => Cluster.load({ yaml: web(container, rest) });
const kubia = 'image: luksa/kubia\nports: [{ name: http, containerPort: 8080 }]\n';

interface Status {
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: Record<string, unknown>;
}
const status = (cluster: Cluster): Status => cluster.pod('web').object.status!.containerStatuses![0]!;
const ready = (cluster: Cluster) => status(cluster).ready;
const endpoints = (cluster: Cluster) =>
  cluster.store
    .list<EndpointSlice>('EndpointSlice', 'default')
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'web')
    .flatMap((slice) => slice.endpoints)
    .filter((endpoint) => endpoint?.conditions?.ready === true).length;
const codes = (cluster: Cluster) =>
  cluster.findings.filter(({ code }) => code.startsWith('probe')).map(({ code }) => code);

describe('what was loaded has been running for a while', () => {
  test.each([
    ['httpGet by number', 'readinessProbe: { httpGet: { port: 8080 } }'],
    ['httpGet by name', 'readinessProbe: { httpGet: { port: http, path: /healthz } }'],
    ['tcpSocket', 'readinessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 60 }'],
    ['grpc', 'readinessProbe: { grpc: { port: 8080 } }'],
    [
      'all three',
      'startupProbe: { tcpSocket: { port: 8080 } }\nlivenessProbe: { httpGet: { port: http } }\nreadinessProbe: { httpGet: { port: http } }',
    ],
  ])('ready: %s of what listens', async (_, probe) => {
    const cluster = await load(kubia + probe);
    expect([ready(cluster), status(cluster).started, codes(cluster)]).toEqual([true, true, []]);
    cluster.clock.advance('10m');
    expect([ready(cluster), status(cluster).restartCount]).toEqual([true, 0]);
  });

  test.each([
    ['a port where nothing listens', 'readinessProbe: { httpGet: { port: 9090 } }', /nothing listens on port 9090/],
    ['a port name that is none', 'readinessProbe: { httpGet: { port: htpp } }', /no port named "htpp"/],
    ['the localhost of the node', 'readinessProbe: { tcpSocket: { port: 8080, host: 127.0.0.1 } }', /the node's own/],
    ['a file that is not there', 'readinessProbe: { exec: { command: [cat, /var/ready] } }', /No such file/],
  ])('not ready, with a warning: %s', async (_, probe, message) => {
    const cluster = await load(kubia + probe);
    expect([ready(cluster), codes(cluster)]).toEqual([false, ['probe-fails']]);
    expect(cluster.findings.find(({ code }) => code === 'probe-fails')?.message).toMatch(message);
    cluster.clock.advance('10m');
    expect([ready(cluster), status(cluster).restartCount]).toEqual([false, 0]);
  });

  test('what listens on localhost only fails the probe of its kubelet', async () => {
    const yaml = web(
      `${kubia}readinessProbe: { tcpSocket: { port: 8080 } }`,
      ', annotations: { netsim.dev/listen: "127.0.0.1:8080" }',
    );
    const cluster = await Cluster.load({ yaml });
    expect(ready(cluster)).toBe(false);
  });

  test.each([
    ['a program that is not emulated', 'exec: { command: [redis-cli, ping] }'],
    ['a shell', 'exec: { command: [sh, -c, "test -f /x"] }'],
  ])('taken to succeed, with a warning: %s', async (_, probe) => {
    const cluster = await load(`${kubia}livenessProbe: { ${probe} }\nreadinessProbe: { ${probe} }`);
    cluster.clock.advance('10m');
    expect([ready(cluster), status(cluster).restartCount]).toEqual([true, 0]);
    expect(codes(cluster)).toEqual(['probe-unknown', 'probe-unknown']);
  });

  test("nobody can say of a file that the container's own command makes", async () => {
    const args = 'args: [/bin/sh, -c, "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600"]';
    const cluster = await load(`image: busybox\n${args}\nlivenessProbe: { exec: { command: [cat, /tmp/healthy] } }`);
    expect(codes(cluster)).toEqual(['probe-unknown']);
  });

  test('a file that the annotation says is there', async () => {
    const probe = 'readinessProbe: { exec: { command: [cat, /tmp/healthy] } }';
    const cluster = await load(kubia + probe, ', annotations: { netsim.dev/files: /tmp/healthy }');
    expect([ready(cluster), codes(cluster)]).toEqual([true, []]);
  });
});

describe('readiness', () => {
  test('a file that is touched makes ready, at the next probe; removed, after three failures not any more', async () => {
    const cluster = await load(`${kubia}readinessProbe: { exec: { command: [ls, /var/ready] }, periodSeconds: 5 }`);
    expect([ready(cluster), endpoints(cluster)]).toEqual([false, 0]);
    await cluster.pod('web').exec('touch', '/var/ready');
    expect(ready(cluster)).toBe(false);
    cluster.clock.advance('5s');
    expect([ready(cluster), endpoints(cluster)]).toEqual([true, 1]);
    await cluster.pod('web').exec('rm', '/var/ready');
    cluster.clock.advance('14s');
    expect(ready(cluster)).toBe(true);
    cluster.clock.advance('1s');
    expect([ready(cluster), endpoints(cluster)]).toEqual([false, 0]);
  });

  test('a pod made later is ready after its initial delay, at a tick of the period', async () => {
    const cluster = await Cluster.load({ yaml: 'apiVersion: v1\nkind: Namespace\nmetadata: { name: x }' });
    cluster.clock.advance('7s');
    cluster.apply(
      web(`${kubia}readinessProbe: { httpGet: { port: http }, initialDelaySeconds: 12, periodSeconds: 5 }`),
    );
    cluster.clock.advance('14999ms');
    expect(ready(cluster)).toBe(false);
    cluster.clock.advance('1ms');
    expect([ready(cluster), endpoints(cluster)]).toEqual([true, 1]);
  });

  test('successThreshold and failureThreshold count in a row', async () => {
    const probe =
      'readinessProbe: { exec: { command: [ls, /r] }, periodSeconds: 1, successThreshold: 3, failureThreshold: 2 }';
    const cluster = await load(kubia + probe);
    await cluster.pod('web').exec('touch', '/r');
    cluster.clock.advance('2s');
    expect(ready(cluster)).toBe(false);
    cluster.clock.advance('1s');
    expect(ready(cluster)).toBe(true);
    await cluster.pod('web').exec('rm', '/r');
    cluster.clock.advance('1s');
    expect(ready(cluster)).toBe(true);
    cluster.clock.advance('1s');
    expect(ready(cluster)).toBe(false);
  });

  test('set by hand it stays, whatever probes say', async () => {
    const cluster = await load(`${kubia}readinessProbe: { httpGet: { port: http }, periodSeconds: 1 }`);
    cluster.setReady('web', false);
    cluster.clock.advance('1m');
    expect(ready(cluster)).toBe(false);
  });

  test("a probe comes from the node's address, over the network", async () => {
    const cluster = await load(
      `${kubia}readinessProbe: { httpGet: { port: http, path: /ready, httpHeaders: [{ name: X-A, value: "1" }] }, periodSeconds: 2 }`,
    );
    const seen: string[] = [];
    cluster.pod('web').listen(8080, ({ url, headers }) => {
      seen.push(`${new URL(url).pathname} ${headers.get('user-agent')} ${headers.get('x-a')}`);
      return new Response('no', { status: 503 });
    });
    cluster.clock.advance('2s');
    // The handler is asked in a task of its own.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen).toEqual(['/ready kube-probe/1.36 1']);
    for (let i = 0; i < 3; i++) {
      cluster.clock.advance('2s');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(ready(cluster)).toBe(false);
  });
});

describe('liveness', () => {
  const restarts = (cluster: Cluster) => status(cluster).restartCount;
  const failing = 'livenessProbe: { httpGet: { port: 9999 }, periodSeconds: 10 }';

  test('three failures restart the container; from the second time on the kubelet waits longer and longer', async () => {
    const cluster = await load(kubia + failing);
    const at: number[] = [];
    let seen = 0;
    for (let second = 1; second <= 600; second++) {
      cluster.clock.advance('1s');
      if (restarts(cluster) !== seen) at.push(second);
      seen = restarts(cluster) ?? 0;
    }
    // Killed 30 s after each start; the waits are 0, 10, 20, 40, 80, 160 s.
    expect(at).toEqual([30, 70, 120, 190, 300, 490]);
  });

  test('while it waits it is in CrashLoopBackOff, not ready, and nothing of it listens', async () => {
    const cluster = await load(kubia + failing);
    cluster.clock.advance('61s');
    expect(status(cluster)).toMatchObject({
      ready: false,
      restartCount: 1,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
    });
    expect(endpoints(cluster)).toBe(0);
    const ip = cluster.pod('web').ip;
    expect((await cluster.exec('node/w1-k8s', ['curl', '-s', `http://${ip}:8080`])).code).toBe(7);
    expect((await cluster.pod('web').exec('ls')).stderr).toContain('CrashLoopBackOff');
    cluster.clock.advance('10s');
    expect(status(cluster)).toMatchObject({ ready: true, restartCount: 2 });
    expect((await cluster.exec('node/w1-k8s', ['curl', '-s', `http://${ip}:8080`])).stdout).toBe("You've hit web\n");
  });

  test('restartPolicy Never leaves it dead', async () => {
    const yaml = web(kubia + failing).replace('nodeName:', 'restartPolicy: Never\n  nodeName:');
    const cluster = await Cluster.load({ yaml });
    cluster.clock.advance('5m');
    expect(cluster.pod('web').object.status?.phase).toBe('Failed');
    expect(restarts(cluster)).toBe(0);
  });

  test('luksa/kubia-unhealthy is well for five requests', async () => {
    const unhealthy =
      'image: luksa/kubia-unhealthy\nports: [{ containerPort: 8080 }]\nlivenessProbe: { httpGet: { port: 8080 } }';
    const cluster = await load(unhealthy);
    cluster.clock.advance('79s');
    expect(restarts(cluster)).toBe(0);
    cluster.clock.advance('1s');
    expect(restarts(cluster)).toBe(1);
  });

  test('a startup probe gives time: liveness is asked when it has succeeded', async () => {
    const probes =
      'startupProbe: { exec: { command: [cat, /up] }, failureThreshold: 30 }\nlivenessProbe: { exec: { command: [cat, /up] }, periodSeconds: 1, failureThreshold: 1 }';
    const cluster = await load(kubia + probes);
    cluster.clock.advance('1m');
    expect(status(cluster)).toMatchObject({ ready: false, started: false, restartCount: 0 });
    await cluster.pod('web').exec('touch', '/up');
    cluster.clock.advance('10s');
    expect(status(cluster)).toMatchObject({ ready: true, started: true, restartCount: 0 });
    await cluster.pod('web').exec('rm', '/up');
    cluster.clock.advance('2s');
    expect(restarts(cluster)).toBe(1);
  });

  test('a startup probe that never succeeds kills', async () => {
    const cluster = await load(
      `${kubia}startupProbe: { tcpSocket: { port: 9999 }, periodSeconds: 5, failureThreshold: 2 }`,
    );
    cluster.clock.advance('9s');
    expect(restarts(cluster)).toBe(0);
    cluster.clock.advance('1s');
    expect(restarts(cluster)).toBe(1);
  });

  test('a machine whose kubelet is stopped is not probed', async () => {
    const cluster = await load(kubia + failing);
    cluster.node('w1-k8s').stop('kubelet');
    cluster.clock.advance('40s');
    expect(restarts(cluster)).toBe(0);
  });
});

test('one of two containers that is not ready is named', async () => {
  const side = { name: 'side', image: 'debian', readinessProbe: { exec: { command: ['cat', '/r'] } } };
  const containers = [{ name: 'web', image: 'luksa/kubia' }, side];
  const cluster = await Cluster.load({
    objects: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers } }],
  });
  const { conditions, containerStatuses } = cluster.pod('web').object.status!;
  expect(containerStatuses?.map((each) => each.ready)).toEqual([true, false]);
  expect(conditions?.find(({ type }) => type === 'Ready')?.message).toBe('containers with unready status: [side]');
});

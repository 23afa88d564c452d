import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  assertDoesNotReach,
  assertDoesNotResolve,
  assertReaches,
  assertResolves,
  assertRoutes,
  matchers,
  type NetsimMatchers,
} from '../src/index.ts';

declare module 'vitest' {
  // What a user writes once; an empty interface is how the runner wants it.
  interface Matchers<T> extends NetsimMatchers<T> {}
}
expect.extend(matchers);

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: kubia }
spec:
  rules:
  - host: kubia.example.com
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: kubia, port: { number: 80 } } } }] }
status: { loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }
`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.load({ demo: 'kubia', yaml: ingress });
});

/** The message of what fails. */
function messageOf(body: () => void): string {
  try {
    body();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it holds');
}

describe('expect(cluster)', () => {
  test('toReach', () => {
    expect(cluster).toReach('pod-a', 'svc/kubia');
    expect(cluster).not.toReach('pod-a', 'svc/kubia:81');
  });

  test('toReach that fails shows the trace', () => {
    const message = messageOf(() => expect(cluster).toReach('pod-a', 'svc/kubia:81'));
    expect(message).toMatch(/^expected pod-a to reach svc\/kubia:81\n\npod\/pod-a {2}-> {2}svc\/kubia:81 /);
    expect(message).toContain('\nreason: ');
    expect(messageOf(() => expect(cluster).not.toReach('pod-a', 'svc/kubia'))).toMatch(
      /^expected pod-a not to reach svc\/kubia\n\n.*3 paths\n/,
    );
  });

  test('neither the expectation nor its opposite holds where only some endpoints answer', () => {
    const mixed = cluster.names().source('deploy/kubia');
    if (mixed.kind !== 'Pod') throw new Error('no pod');
    const name = `pod/${mixed.pod.metadata.name}`;
    cluster.programs.stopPod(mixed.pod);
    expect(messageOf(() => expect(cluster).toReach('pod-a', 'svc/kubia'))).toContain('which only some of its paths do');
    expect(messageOf(() => expect(cluster).not.toReach('pod-a', 'svc/kubia'))).toContain(
      'not to reach svc/kubia, which only some',
    );
    cluster.pod(name).restart('kubia');
    expect(cluster).toReach('pod-a', 'svc/kubia');
  });

  test('toResolve', () => {
    expect(cluster).toResolve('pod-a', 'kubia');
    expect(cluster).toResolve('pod-a', 'kubernetes.default', '10.96.0.1');
    expect(cluster).not.toResolve('pod-a', 'kubia', '10.96.0.1');
    expect(cluster).not.toResolve('pod-a', 'kubbia');
    expect(messageOf(() => expect(cluster).toResolve('pod-a', 'kubbia'))).toMatch(
      /^expected kubbia to resolve from pod-a\n\n10\.96\.0\.10: kubbia\.default\.svc\.cluster\.local\. A NXDOMAIN/,
    );
  });

  test('toRoute', () => {
    expect(cluster).toRoute('http://kubia.example.com/x', 'svc/kubia');
    expect(cluster).toRoute('http://kubia.example.com/x', 'kubia.default:80');
    expect(cluster).not.toRoute('http://kubia.example.com/x', 'svc/other');
    expect(cluster).toRoute('http://203.0.113.7/', 404);
    expect(messageOf(() => expect(cluster).toRoute('http://203.0.113.7/', 'svc/kubia'))).toContain(
      'answers 404: no rule takes the request',
    );
  });
});

describe('assertions', () => {
  test.each<[string, () => void]>([
    ['assertReaches', () => assertReaches(cluster, 'pod-a', 'svc/kubia')],
    ['assertDoesNotReach', () => assertDoesNotReach(cluster, 'pod-a', 'svc/kubia:81')],
    ['assertResolves', () => assertResolves(cluster, 'pod-a', 'kubia')],
    ['assertDoesNotResolve', () => assertDoesNotResolve(cluster, 'pod-a', 'kubbia')],
    ['assertRoutes', () => assertRoutes(cluster, 'http://kubia.example.com/', 'svc/kubia')],
  ])('%s holds', (_, body) => {
    expect(body).not.toThrow();
  });

  test('one that fails is an AssertionError', () => {
    expect(() => assertReaches(cluster, 'pod-a', 'svc/kubia:81')).toThrowError(
      expect.objectContaining({ name: 'AssertionError', message: expect.stringContaining('expected pod-a to reach') }),
    );
    expect(() => assertDoesNotReach(cluster, 'pod-a', 'svc/kubia')).toThrowError(
      'expected pod-a not to reach svc/kubia',
    );
  });
});

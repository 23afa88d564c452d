import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ingress, KubeObject } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { request, routerOf } from './support.ts';

const DAY = 24 * 3_600_000;

/** A new certificate of the real openssl, for these names and this many days from now. */
function made(names: readonly string[], days = 30): { crt: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'netsim-cert-'));
  const [crt, key] = [join(folder, 'crt'), join(folder, 'key')];
  const options = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    String(days),
  ];
  const subject = [
    '-subj',
    `/O=Acme/CN=${names[0]}`,
    '-addext',
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
  ];
  execFileSync('openssl', [...options, ...subject, '-keyout', key, '-out', crt], { stdio: 'ignore' });
  const result = { crt: readFileSync(crt, 'utf8'), key: readFileSync(key, 'utf8') };
  rmSync(folder, { recursive: true });
  return result;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secret = (name: string, crt: string, key: string): KubeObject => {
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(crt), 'tls.key': base64(key) },
  };
  return object;
};

function ingress(hosts: readonly string[], tlsHosts: readonly string[], secretName: string): Ingress {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'tls', namespace: 'default' },
    spec: {
      ingressClassName: 'nginx',
      tls: [{ hosts: [...tlsHosts], secretName }],
      rules: hosts.map((host) => ({ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } })),
    },
  };
}

const FAKE = 'O=Acme Co, CN=Kubernetes Ingress Controller Fake Certificate';
const openssl = spawnSync('openssl', ['version']).status === 0;

describe.runIf(openssl).each(['ingress-nginx', 'spec'] as const)('certificates, profile %s', (profile) => {
  const good = made(['a.example', '*.w.example']);
  // After it was made: a certificate is valid from the second of its making on.
  const now = Date.now();
  const codes = (objects: readonly KubeObject[], at = now): string[] =>
    routerOf(profile, objects, { now: at }).findings.map(({ code }) => code);

  test('the server name picks the certificate, the Host the route', () => {
    const router = routerOf(
      profile,
      [ingress(['a.example', 'b.example'], ['a.example'], 'good'), secret('good', good.crt, good.key)],
      { now },
    );
    expect(router.certificate('a.example')).toMatchObject({
      subject: 'O=Acme, CN=a.example',
      names: ['a.example', '*.w.example'],
      secret: { namespace: 'default', name: 'good' },
    });
    expect(router.certificate('A.EXAMPLE.')?.subject).toBe('O=Acme, CN=a.example');
    const crossed = router.decide(request('https://b.example/', { sni: 'a.example' }), 0);
    expect(crossed.kind).toBe('forward');
  });

  test('a name that nobody has, and no name at all, get the fake certificate', () => {
    const router = routerOf(
      profile,
      [ingress(['a.example'], ['a.example'], 'good'), secret('good', good.crt, good.key)],
      { now },
    );
    expect(router.certificate('other.test')?.subject).toBe(FAKE);
    expect(router.certificate(undefined)?.subject).toBe(FAKE);
  });

  test('a wildcard host serves one label', () => {
    const router = routerOf(
      profile,
      [ingress(['*.w.example'], ['*.w.example'], 'good'), secret('good', good.crt, good.key)],
      { now },
    );
    expect(router.certificate('x.w.example')?.secret?.name).toBe('good');
    expect(router.certificate('x.y.w.example')?.subject).toBe(FAKE);
  });

  test('a Secret that is missing or not to be used is a finding, and the fake certificate is shown', () => {
    const main = ingress(['a.example'], ['a.example'], 'bad');
    const other = made(['a.example']);
    const rows: [KubeObject[], string][] = [
      [[], 'ingress-tls-secret-missing'],
      [[secret('bad', 'no certificate', good.key)], 'ingress-tls-secret-malformed'],
      [[secret('bad', good.crt, 'no key')], 'ingress-tls-secret-malformed'],
      [[secret('bad', good.crt, other.key)], 'ingress-tls-secret-malformed'],
      [[secret('bad', '', '')], 'ingress-tls-secret-malformed'],
    ];
    for (const [objects, code] of rows) {
      expect(codes([main, ...objects])).toContain(code);
      expect(routerOf(profile, [main, ...objects], { now }).certificate('a.example')?.subject).toBe(FAKE);
    }
  });

  test('a certificate that has expired, is not valid yet, or is for another host', () => {
    const objects = [ingress(['a.example'], ['a.example'], 'good'), secret('good', good.crt, good.key)];
    expect(codes(objects)).toEqual([]);
    expect(codes(objects, now + 31 * DAY)).toContain('ingress-tls-expired');
    expect(codes(objects, now - 2 * DAY)).toContain('ingress-tls-expired');
    expect(codes([ingress(['c.example'], ['c.example'], 'good'), objects[1]!])).toContain('ingress-tls-mismatch');
  });

  test('a TLS section without hosts serves what its certificate is for', () => {
    const objects = [ingress(['a.example'], [], 'good'), secret('good', good.crt, good.key)];
    expect(codes(objects)).toEqual(['ingress-tls-no-hosts']);
    expect(routerOf(profile, objects, { now }).certificate('a.example')?.secret?.name).toBe('good');
  });
});

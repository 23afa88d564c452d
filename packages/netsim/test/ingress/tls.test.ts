import { X509Certificate } from 'node:crypto';
import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';
import { certificateDer } from '../../src/http/der.ts';
import { JANUARY_2026, tlsSecret, YEAR } from './certificates.ts';
import { curl, ingress, METALLB, web } from './support.ts';

const withTls = ingress({ '/': 'kubia' }).replace(
  '  rules:',
  '  tls: [{ hosts: [kubia.example.com], secretName: kubia-tls }]\n  rules:',
);
const manifests = web('kubia', 1) + withTls + METALLB;

test('a certificate that is written says what it was told to', () => {
  const der = certificateDer({
    subject: 'O=Acme Co, CN=kubia.example.com',
    issuer: 'C=KR, O=Nobody',
    names: ['kubia.example.com', '*.example.org'],
    validFrom: JANUARY_2026,
    validTo: Date.parse('2051-06-30T12:34:56Z'),
  });
  const read = new X509Certificate(der);
  expect(read.subject).toBe('O=Acme Co\nCN=kubia.example.com');
  expect(read.issuer).toBe('C=KR\nO=Nobody');
  expect(read.subjectAltName).toBe('DNS:kubia.example.com, DNS:*.example.org');
  expect(read.validFrom).toBe('Jan  1 00:00:00 2026 GMT');
  expect(read.validTo).toBe('Jun 30 12:34:56 2051 GMT');
  expect(read.checkHost('a.example.org')).toBe('*.example.org');
});

describe('TLS ends at the controller', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.load({ yaml: tlsSecret('kubia-tls', ['kubia.example.com']) + manifests });
  });

  test('with the certificate of the Secret, and plain HTTP behind it', async () => {
    const { stdout, stderr, code } = await cluster.exec('host/external', ['curl', '-vk', 'https://kubia.example.com/']);
    expect(code).toBe(0);
    expect(stdout).toContain("You've hit kubia-");
    expect(stderr).toContain('*  subject: CN=kubia.example.com\n');
    expect(stderr).toContain('*  SSL certificate verify result: self-signed certificate (18), continuing anyway.\n');
  });

  test('a client that checks certificates refuses a self-signed one: exit status 60', async () => {
    const { stderr, code } = await cluster.exec('host/external', ['curl', '-sS', 'https://kubia.example.com/']);
    expect(code).toBe(60);
    expect(stderr).toContain('curl: (60) SSL certificate problem: self-signed certificate\n');
  });

  test('a host without a certificate gets that of the controller', async () => {
    const { stderr } = await cluster.exec('host/external', [
      'curl',
      '-vk',
      '--resolve',
      'other.example.com:443:192.168.1.11',
      'https://other.example.com/',
    ]);
    expect(stderr).toContain('*  subject: O=Acme Co; CN=Kubernetes Ingress Controller Fake Certificate\n');
    expect(stderr).toContain('< HTTP/1.1 404 Not Found');
  });

  test('plain HTTP is sent to https, and what is sent to the wrong port fails as with nginx', async () => {
    expect(
      await curl(cluster, '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', 'http://kubia.example.com/x'),
    ).toBe('308 https://kubia.example.com/x');
    expect(await curl(cluster, 'http://kubia.example.com:443/')).toContain(
      'The plain HTTP request was sent to HTTPS port',
    );
    expect(await curl(cluster, 'https://kubia.example.com:80/')).toContain('wrong version number');
  });

  test('fetch follows the redirect, and takes the certificate only when told to', async () => {
    const response = await cluster.fetch('http://kubia.example.com/', { insecure: true });
    expect(await response.text()).toContain("You've hit kubia-");
    await expect(cluster.fetch('http://kubia.example.com/')).rejects.toMatchObject({
      message: 'fetch failed: self-signed certificate',
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    });
    expect((await cluster.fetch('http://kubia.example.com/', { redirect: 'manual' })).status).toBe(308);
  });

  test('a trace says which certificate', async () => {
    const [path] = cluster.trace({ from: 'external', to: 'https://kubia.example.com/' }).paths;
    const tls = path!.request.hops.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'http' && step.action === 'tls' ? [step.text] : [])),
    );
    expect(tls).toEqual([
      'TLS for kubia.example.com ends here: certificate CN=kubia.example.com, of secret default/kubia-tls, valid until 2027-01-01',
    ]);
    expect(path?.backend?.name).toMatch(/^kubia-/);
  });
});

test('time begins when the certificate is valid, not before', async () => {
  const from = Date.parse('2031-05-01T00:00:00Z');
  const cluster = await Cluster.load({
    yaml: tlsSecret('kubia-tls', ['kubia.example.com'], from, from + YEAR) + manifests,
  });
  expect(cluster.now).toBe(from);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

/** Odd Ingresses and odd requests: what the API server or the controller would do with them, and a word where that surprises. */
const folder = mkdtempSync(join(tmpdir(), 'netsim-front-door-'));
afterAll(() => rmSync(folder, { recursive: true }));

const workload = `apiVersion: v1
kind: Service
metadata: { name: a }
spec: { selector: { app: a }, ports: [{ port: 80, name: http }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: a }
spec:
  replicas: 1
  selector: { matchLabels: { app: a } }
  template:
    metadata: { labels: { app: a } }
    spec: { containers: [{ name: c, image: traefik/whoami, ports: [{ containerPort: 80 }] }] }
`;

interface Parts {
  readonly path?: string;
  readonly pathType?: string;
  readonly host?: string;
  readonly port?: string;
  readonly className?: string;
  readonly annotations?: string;
  readonly tls?: string;
  readonly more?: string;
}

function manifest(parts: Parts = {}): string {
  const { path = '/', pathType = 'Prefix', host = 'foo.example', port = 'number: 80', className = 'nginx' } = parts;
  const { annotations = '', tls = '[]', more = '' } = parts;
  return `${workload}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: main
  annotations: {${annotations}}
spec:
  ingressClassName: ${className}
  tls: ${tls}
  rules:
  - host: "${host}"
    http:
      paths:
      - path: '${path}'
        pathType: ${pathType}
        backend: { service: { name: a, port: { ${port} } } }
${more}`;
}

const ingressClass = (name: string, controller: string, isDefault: boolean): string => `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: ${name}
  annotations:
    ingressclass.kubernetes.io/is-default-class: "${isDefault}"
spec: { controller: ${controller} }
`;
const secret = `---
apiVersion: v1
kind: Secret
metadata: { name: bad }
type: kubernetes.io/tls
data: { tls.crt: AAAA, tls.key: AAAA }
`;
const nginx = (name: string, value: string): string => ` nginx.ingress.kubernetes.io/${name}: ${value} `;
const twoDefaults =
  ingressClass('nginx', 'k8s.io/ingress-nginx', true) + ingressClass('other', 'k8s.io/ingress-nginx', true);

function file(text: string): string {
  const name = join(folder, 'given.yaml');
  writeFileSync(name, text);
  return name;
}

describe('objects', () => {
  const rows: [what: string, status: number, parts: Parts, says: RegExp][] = [
    [
      'a path without a leading slash',
      2,
      { path: 'bar' },
      /:28:9: .*paths\[0\]\.path: .*"bar": must be an absolute path/,
    ],
    ['a path with dots', 2, { path: '/a/../b' }, /:28:9: .*must not contain '\/\.\.\/'/],
    ['a path with %2f', 2, { path: '/a%2fb' }, /:28:9: .*must not contain '%2f'/],
    ['a path with two slashes', 2, { path: '/a//b' }, /:28:9: .*must not contain '\/\/'/],
    [
      'a path with two slashes that the API lets pass',
      1,
      { path: '/a//b', pathType: 'ImplementationSpecific' },
      /:28:9: .*no request has path \/a\/\/b: nginx merges slashes/,
    ],
    [
      'a pattern that is none',
      1,
      { path: '/a/(.*)', pathType: 'ImplementationSpecific' },
      /:28:9: .*letter for letter/,
    ],
    ['a host with a port', 2, { host: 'foo.example:80' }, /:25:5: .*spec\.rules\[0\]\.host: .*RFC 1123/],
    ['a host with a dot at its end', 2, { host: 'foo.example.' }, /:25:5: .*spec\.rules\[0\]\.host: .*RFC 1123/],
    ['a host in Unicode', 2, { host: 'bücher.example' }, /:25:5: .*"bücher\.example": .*RFC 1123/],
    [
      'an empty host in TLS',
      2,
      { tls: '[{ hosts: [""], secretName: s }]' },
      /:23:\d+: .*spec\.tls\[0\]\.hosts\[0\]: .*""/,
    ],
    [
      'a Secret that is missing',
      1,
      { tls: '[{ hosts: [foo.example], secretName: gone }]' },
      /:23:\d+: .*Secret "default\/gone" does not exist/,
    ],
    [
      'a Secret that holds no certificate',
      1,
      { tls: '[{ hosts: [foo.example], secretName: bad }]', more: secret },
      /:23:\d+: .*"default\/bad" has a tls\.crt that is not a certificate/,
    ],
    [
      'a class that does not exist',
      1,
      { className: 'nginks', more: ingressClass('nginx', 'k8s.io/ingress-nginx', false) },
      /:22:3: .*no IngressClass "nginks" \(did you mean "nginx"\?\)/,
    ],
    [
      'two default classes',
      1,
      { more: twoDefaults },
      /given\.yaml:\d+:\d+: .*"nginx": 2 classes are marked.*\n.*given\.yaml:\d+:\d+: .*"other": 2 classes/,
    ],
    ['a port name that does not exist', 1, { port: 'name: htp' }, /:30:\d+: .*service "a" has no port "htp"/],
    [
      'an expression that does not compile',
      1,
      { path: '/foo(', pathType: 'ImplementationSpecific', annotations: nginx('use-regex', '"true"') },
      /:21:\d+: .*nginx does not start .*regex "\^\/foo\(" does not compile: missing closing parenthesis/,
    ],
    [
      'an expression that explodes',
      1,
      { path: '/(a+)+$', pathType: 'ImplementationSpecific', annotations: nginx('use-regex', '"true"') },
      /:28:9: .*"\(a\+\)\+" makes nginx try very many ways/,
    ],
    [
      'a redirect that lets a client write header fields',
      1,
      { annotations: nginx('permanent-redirect', "'http://x.example/$uri'") },
      /:20:\d+: .*"\$uri" is decoded: with %0d%0a/,
    ],
    [
      'a redirect with a line end of its own',
      1,
      { annotations: nginx('permanent-redirect', '"http://x.example/\\r\\nSet-Cookie: a=b"') },
      /nginx does not start .*stands without quotes/,
    ],
  ];
  test.each(rows)('%s: status %i', async (_what, status, parts, says) => {
    const ran = await netsim(['lint', '-f', file(manifest(parts))]);
    expect(ran.stderr + ran.stdout).toMatch(says);
    expect(ran.code).toBe(status);
  });
});

const CURL = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--path-as-is'];
const requests: [what: string, args: string[], nginx: string, spec: string][] = [
  ['a Host with a port', ['-H', 'Host: foo.example:8080', 'http://ADDRESS/'], '200', '200'],
  ['a Host with a dot at its end', ['-H', 'Host: foo.example.', 'http://ADDRESS/'], '200', '200'],
  ['a Host in capitals', ['-H', 'Host: FOO.Example', 'http://ADDRESS/'], '200', '200'],
  ['a Host in Unicode', ['-H', 'Host: bücher.example', 'http://ADDRESS/'], '404', '404'],
  ['a Host with a blank', ['-H', 'Host: foo example', 'http://ADDRESS/'], '400', '400'],
  ['no Host', ['-H', 'Host:', 'http://ADDRESS/'], '400', '400'],
  ['the absolute form', ['--request-target', 'http://foo.example/x', 'http://ADDRESS/'], '200', '200'],
  ['the authority form', ['--request-target', 'foo.example:443', 'http://ADDRESS/'], '400', '400'],
  ['a path that leaves the root', ['-H', 'Host: foo.example', 'http://ADDRESS/../x'], '400', '404'],
  ['dots inside a path', ['-H', 'Host: foo.example', 'http://ADDRESS/b/../api'], '200', '404'],
  ['%2f for a slash', ['-H', 'Host: foo.example', 'http://ADDRESS/x%2fy'], '200', '404'],
  ['a bad percent sign', ['-H', 'Host: foo.example', 'http://ADDRESS/x%zz'], '400', '404'],
  ['double slashes', ['-H', 'Host: foo.example', 'http://ADDRESS//api'], '200', '404'],
];

describe('requests', () => {
  const classOf = ingressClass('traefik', 'traefik.io/ingress-controller', false);
  const yaml = {
    nginx: manifest({ path: '/api' }) + morePaths(),
    spec: manifest({ path: '/api', className: 'traefik', more: morePaths() + classOf }),
  };
  let address: Readonly<Record<'nginx' | 'spec', string>>;
  beforeAll(async () => {
    const portOf = async (text: string): Promise<string> => {
      const { stdout } = await netsim(['get', 'svc', '-A', '-f', file(text)]);
      return `192.168.1.101:${/80:(3\d+)\/TCP/.exec(stdout)![1]}`;
    };
    address = { nginx: await portOf(yaml.nginx), spec: await portOf(yaml.spec) };
  });

  for (const [i, profile] of (['nginx', 'spec'] as const).entries()) {
    test.each(requests)(`${profile}: %s`, async (_what, args, ...status) => {
      const given = args.map((arg) => arg.replace('ADDRESS', address[profile]));
      const ran = await netsim(['exec', 'host/laptop', '-f', file(yaml[profile]), '--', ...CURL, ...given]);
      expect(ran.stdout).toBe(status[i]);
    });
  }
});

/** More paths of the one host. */
function morePaths(): string {
  return `      - path: '/x'
        pathType: Prefix
        backend: { service: { name: a, port: { number: 80 } } }
      - path: '/'
        pathType: Exact
        backend: { service: { name: a, port: { number: 80 } } }
`;
}

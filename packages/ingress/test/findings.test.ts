import { type Ingress, type KubeObject, loadManifests } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import type { FrontRequest, Outcome } from '../src/index.ts';
import { generator } from './random.ts';
import { request, routerOf } from './support.ts';

function objects(yaml: string): KubeObject[] {
  return loadManifests([{ file: 'test.yaml', text: yaml }]).objects;
}

/** Rules as `host path type service`, one a line; a dash for no host. */
function ingress(rules: string, { name = 'main', annotations = '', spec = '', created = '2024-01-01' } = {}): string {
  const written = rules
    .trim()
    .split('\n')
    .map((line) => {
      const [host, path, type, service] = line.trim().split(/\s+/);
      const path1 = `{ path: '${path}', pathType: ${type}, backend: { service: { name: ${service}, port: { number: 80 } } } }`;
      return `  - { ${host === '-' ? '' : `host: '${host}', `}http: { paths: [${path1}] } }`;
    });
  return `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: ${name}
  creationTimestamp: ${created}T00:00:00Z
  annotations: { ${annotations} }
spec:
  ingressClassName: nginx
${spec}
  rules:
${written.join('\n')}
`;
}

function codes(yaml: string, profile: 'spec' | 'ingress-nginx' = 'ingress-nginx'): string[] {
  return routerOf(profile, objects(yaml)).findings.map(({ code }) => code);
}

describe('what a user would not expect is a finding', () => {
  const rewrite = "nginx.ingress.kubernetes.io/rewrite-target: '/$2'";
  const rows: [what: string, yaml: string, code: string, says: string][] = [
    [
      'one rewrite makes every path of the host a regular expression',
      ingress('a.example /foo Prefix s1') +
        ingress('a.example /api(/|$)(.*) ImplementationSpecific s2', { name: 'other', annotations: rewrite }),
      'ingress-regex-host',
      'also those of 1 other Ingress',
    ],
    [
      'an Exact path among them is exact no more',
      ingress('a.example /foo Exact s1') +
        ingress('a.example /api(/|$)(.*) ImplementationSpecific s2', { name: 'other', annotations: rewrite }),
      'ingress-exact-as-regex',
      'also takes /foo/more',
    ],
    [
      'an Exact path with a slash redirects',
      ingress('a.example /foo/ Exact s1'),
      'ingress-slash-redirect',
      'redirected (301) to /foo/',
    ],
    [
      'a default backend is for its own hosts',
      ingress('a.example /foo Prefix s1', {
        spec: '  defaultBackend: { service: { name: s2, port: { number: 80 } } }',
      }),
      'ingress-default-backend-scope',
      'not for others',
    ],
    [
      'a host never falls back to the rules without one',
      ingress('a.example /foo Prefix s1\n- / Prefix s2'),
      'ingress-host-no-fallback',
      'without a host are not asked',
    ],
    [
      'a host never falls back to its wildcard',
      ingress('a.example /foo Prefix s1\n*.example / Prefix s2'),
      'ingress-host-no-fallback',
      '"*.example" are not asked',
    ],
    [
      'of two equal paths the older wins',
      ingress('a.example /foo Prefix s1\na.example /foo Prefix s2'),
      'ingress-path-duplicate',
      'never used',
    ],
    [
      'a rewrite speaks of a group that is not there',
      ingress('a.example /api Prefix s1', { annotations: rewrite }),
      'ingress-rewrite-group',
      'no group',
    ],
    [
      'a rewrite without a group loses the rest',
      ingress('a.example /api Prefix s1', { annotations: 'nginx.ingress.kubernetes.io/rewrite-target: /' }),
      'ingress-rewrite-constant',
      '/api(/|$)(.*)',
    ],
    [
      'a pattern that explodes',
      ingress('a.example /(a+)+$ ImplementationSpecific s1', {
        annotations: "nginx.ingress.kubernetes.io/use-regex: 'true'",
      }),
      'ingress-regex-slow',
      '(a+)+',
    ],
    ['a path that is encoded', ingress('a.example /a%20b Prefix s1'), 'ingress-path-encoded', 'decoded'],
    ['a pattern that is none', ingress('a.example /api/(.*) ImplementationSpecific s1'), 'ingress-path-literal', '"("'],
    ['a star', ingress('a.example /api/* ImplementationSpecific s1'), 'ingress-path-literal', '"*"'],
    ['a query', ingress('a.example /api?x=1 Prefix s1'), 'ingress-path-literal', 'question mark'],
    ['a double slash', ingress('a.example /a//b ImplementationSpecific s1'), 'ingress-path-never', 'merges slashes'],
    ['dots', ingress('a.example /a/../b ImplementationSpecific s1'), 'ingress-path-never', 'resolves ".."'],
    ['a dot at the end', ingress('a.example /a/. ImplementationSpecific s1'), 'ingress-path-never', 'resolves "."'],
  ];
  test.each(rows)('%s', (_what, yaml, code, says) => {
    const found = routerOf('ingress-nginx', objects(yaml)).findings.find((each) => each.code === code);
    expect(found?.message).toContain(says);
  });

  test('plain rules have none', () => {
    expect(codes(ingress('a.example / Prefix s1\na.example /foo Prefix s2'))).toEqual([]);
    expect(codes(ingress('a.example /.well-known/x Prefix s1\na.example /c++/a..b/$x Prefix s2'))).toEqual([]);
  });

  test('a pattern is one with use-regex', () => {
    const annotations = "nginx.ingress.kubernetes.io/use-regex: 'true'";
    expect(codes(ingress('a.example /api/(.*) ImplementationSpecific s1', { annotations }))).toEqual([
      'ingress-regex-host',
    ]);
  });

  test('the API has no patterns at all', () => {
    const yaml = ingress('a.example /api/* ImplementationSpecific s1\na.example /c++ Prefix s2');
    expect(routerOf('spec', objects(yaml)).findings.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      'ingress-path-literal: path /api/* is compared letter for letter, "*" too: the API has no patterns',
    ]);
  });
});

describe.each(['spec', 'ingress-nginx'] as const)('classes, profile %s', (profile) => {
  const served = (yaml: string): boolean => routerOf(profile, objects(yaml)).routes().length > 0;
  const named = ingress('a.example / Prefix s1');
  const without = named.replace('  ingressClassName: nginx\n', '');
  const fallback = (name: string, created = '2024-01-01'): string => `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: ${name}
  creationTimestamp: ${created}T00:00:00Z
  annotations: { ingressclass.kubernetes.io/is-default-class: 'true' }
spec: { controller: ${name === 'other' ? 'other.example/x' : 'k8s.io/ingress-nginx'} }
`;

  test('a class that does not exist is an error that names the nearest one', () => {
    const router = routerOf(profile, objects(named.replace('Name: nginx', 'Name: ngnix')));
    expect(router.routes()).toEqual([]);
    expect(router.findings).toMatchObject([
      { code: 'ingress-class-missing', severity: 'error', field: ['spec', 'ingressClassName'] },
    ]);
    expect(router.findings[0]!.message).toContain('did you mean "nginx"?');
  });

  test('the old annotation names a class too', () => {
    const old = without.replace('annotations: {', 'annotations: { kubernetes.io/ingress.class: nginx');
    expect(served(old)).toBe(true);
  });

  test('the default class is for those without one', () => {
    expect(served(without + fallback('mine'))).toBe(true);
  });

  test('of two defaults the newest counts, and both are told', () => {
    const yaml = without + fallback('mine') + fallback('other', '2024-05-05');
    expect(codes(yaml, profile).filter((code) => code === 'ingress-two-default-classes')).toHaveLength(2);
    if (profile === 'ingress-nginx') expect(served(yaml)).toBe(false);
  });

  test('a class of another controller is not served', () => {
    const router = routerOf(profile, objects(named.replace('Name: nginx', 'Name: other') + fallback('other')), {
      controllerClass: 'k8s.io/ingress-nginx',
    });
    expect(router.routes()).toEqual([]);
  });
});

test('without any class the controller of ingress-nginx serves nothing, unless it is told to', () => {
  const yaml = ingress('a.example / Prefix s1').replace('  ingressClassName: nginx\n', '');
  expect(codes(yaml)).toEqual(['ingress-without-class']);
  expect(routerOf('ingress-nginx', objects(yaml), { withoutClass: true }).routes()).toHaveLength(1);
});

describe('old versions', () => {
  test.each(['extensions/v1beta1', 'networking.k8s.io/v1beta1'])('%s is understood', (apiVersion) => {
    const [, old] = [
      apiVersion,
      `
apiVersion: ${apiVersion}
kind: Ingress
metadata: { name: old, annotations: { kubernetes.io/ingress.class: nginx } }
spec:
  backend: { serviceName: rest, servicePort: 80 }
  rules:
  - host: a.example
    http: { paths: [{ path: /foo, backend: { serviceName: s1, servicePort: http } }] }
`,
    ];
    const router = routerOf('ingress-nginx', objects(old));
    const service = (url: string): unknown => {
      const outcome = router.decide(request(url), 0);
      return outcome.kind === 'forward' && outcome.backend.kind === 'service' ? outcome.backend : outcome;
    };
    expect(service('http://a.example/foo/x')).toMatchObject({ name: 's1', port: 'http' });
    expect(service('http://a.example/bar')).toMatchObject({ name: 'rest', port: 80 });
  });
});

describe('backends', () => {
  const service = `---
apiVersion: v1
kind: Service
metadata: { name: s1 }
spec: { ports: [{ port: 8080, name: http-web, targetPort: 9000 }] }
`;
  test.each(['spec', 'ingress-nginx'] as const)(
    'a port that the Service does not have names the nearest one, profile %s',
    (profile) => {
      const yaml = ingress('a.example / Prefix s1').replace('number: 80', 'name: http-wbe') + service;
      const [found] = routerOf(profile, objects(yaml)).findings;
      expect(found).toMatchObject({
        code: 'ingress-port-missing',
        field: ['spec', 'rules', 0, 'http', 'paths', 0, 'backend'],
      });
      expect(found!.message).toContain('did you mean "http-web"?');
    },
  );

  test('a resource for a backend: ingress-nginx passes it over, the words of the API keep it', () => {
    const yaml = ingress('a.example / Prefix s1').replace(
      'service: { name: s1, port: { number: 80 } }',
      'resource: { kind: Bucket, name: static }',
    );
    expect(codes(yaml)).toContain('ingress-backend-ignored');
    const outcome = routerOf('spec', objects(yaml)).decide(request('http://a.example/'), 0);
    expect(outcome).toMatchObject({ kind: 'forward', backend: { kind: 'resource', text: 'Bucket default/static' } });
  });
});

describe('requests that are bad or odd', () => {
  const yaml = ingress('a.example /foo Prefix s1\na.example / Prefix root\n- / Prefix all');
  const rows: [what: string, changes: Partial<FrontRequest>, nginx: string | number, spec: string | number][] = [
    ['no Host', { host: undefined }, 400, 400],
    ['no Host in HTTP/1.0', { host: undefined, version: '1.0' }, 'all', 'all'],
    ['an empty Host', { host: '' }, 400, 'all'],
    ['a port', { host: 'a.example:8080' }, 's1', 's1'],
    ['a trailing dot', { host: 'a.example.' }, 's1', 's1'],
    ['two trailing dots', { host: 'a.example..' }, 400, 'all'],
    ['upper case', { host: 'A.EXAMPLE' }, 's1', 's1'],
    ['Unicode', { host: 'bücher.example' }, 'all', 'all'],
    ['a blank in the host', { host: 'a example' }, 400, 400],
    ['an address', { host: '[::1]:80' }, 'all', 'all'],
    ['a target that is no path', { target: 'foo' }, 400, 400],
    ['the absolute form names the host', { host: 'b.example', target: 'http://a.example/foo' }, 's1', 's1'],
    ['the authority form', { target: 'a.example:443' }, 400, 400],
    ['the asterisk', { method: 'OPTIONS', target: '*' }, 400, 'root'],
    ['a quoted slash', { target: '/foo%2fbar' }, 's1', 'root'],
    ['double slashes', { target: '//foo//x' }, 's1', 'root'],
    ['a way out and in again', { target: '/bar/../foo' }, 's1', 'root'],
    ['a way out of the root', { target: '/../foo' }, 400, 'root'],
    ['a bad percent sign', { target: '/foo%zz' }, 400, 'root'],
    ['a NUL', { target: '/foo%00' }, 400, 'root'],
    ['a line end', { target: '/foo\r\nX: y' }, 400, 400],
    ['a line that never ends', { target: `/${'x'.repeat(9000)}` }, 414, 'root'],
    ['TRACE', { method: 'TRACE' }, 405, 's1'],
    ['CONNECT', { method: 'CONNECT' }, 405, 's1'],
  ];
  const said = (outcome: Outcome): string | number =>
    outcome.kind === 'forward' && outcome.backend.kind === 'service'
      ? outcome.backend.name
      : outcome.kind === 'respond'
        ? outcome.status
        : outcome.kind;
  test.each(rows)('%s', (_what, changes, nginx, spec) => {
    const asked = request('http://a.example/foo', changes);
    expect(said(routerOf('ingress-nginx', objects(yaml)).decide(asked, 0))).toBe(nginx);
    expect(said(routerOf('spec', objects(yaml)).decide(asked, 0))).toBe(spec);
  });
});

describe.each(['spec', 'ingress-nginx'] as const)('the table of routes, profile %s', (profile) => {
  const yaml =
    ingress('a.example /foo Prefix s1\na.example / Prefix s2\na.example /foo Exact s3\n- / Prefix s4') +
    ingress('a.example /foo Prefix late', { name: 'young', created: '2025-01-01' });
  const router = routerOf(profile, objects(yaml));

  test('stands in order of precedence, with what is never reached marked', () => {
    const rows = router.routes('a.example').map(({ rule, shadowedBy }) => {
      const [backend] = rule.backends;
      return `${rule.pathType} ${rule.path} ${backend?.kind === 'service' ? backend.name : ''}${shadowedBy === undefined ? '' : ' shadowed'}`;
    });
    const common = ['Exact /foo s3', 'Prefix /foo s1', 'Prefix /foo late shadowed', 'Prefix / s2'];
    expect(rows).toEqual(profile === 'spec' ? [...common, 'Prefix / s4'] : common);
  });

  test('an explanation names one winner, and why each other lost', () => {
    const { rule, considered } = router.explain(request('http://a.example/foo/x'), 0);
    expect(rule?.backends).toMatchObject([{ name: 's1' }]);
    expect(considered.filter(({ won }) => won).map((each) => each.rule)).toEqual([rule]);
    expect(considered.every(({ why }) => why.length > 0)).toBe(true);
    expect(considered).toHaveLength(5);
  });
});

test('no object and no request makes a router throw', () => {
  const junk = [
    '~(',
    '$foo',
    '${',
    '\\',
    '"',
    '(?<a',
    '*',
    '',
    '\0',
    'é',
    '/../',
    '%zz',
    'a b;',
    '[',
    '/$1',
    '~^w\\d',
    '.a',
    '-1',
    '1e9',
    '$1$9',
  ];
  const names =
    `rewrite-target use-regex server-alias upstream-vhost auth-url auth-signin permanent-redirect temporal-redirect app-root
    enable-cors cors-allow-origin canary canary-weight canary-by-header canary-by-header-pattern affinity session-cookie-name
    proxy-body-size whitelist-source-range x-forwarded-prefix from-to-www-redirect custom-http-errors default-backend`.split(
      /\s+/,
    );
  const random = generator(1);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
  const one = (name: string): Ingress => {
    const annotations = Array.from({ length: random(4) }, () => [
      `nginx.ingress.kubernetes.io/${pick(names)}`,
      pick([...junk, 'true', 'cookie']),
    ]);
    const backend = pick([{ service: { name: 's', port: { number: 80 } } }, { service: { name: 's' } }, {}]);
    const pathType = pick(['Exact', 'Prefix', 'ImplementationSpecific', null]);
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, namespace: 'default', annotations: Object.fromEntries(annotations) },
      spec: {
        rules: [
          {
            host: pick(['a.example', '*.b.example', '', '*', '~(']),
            http: { paths: [{ path: pick(['/', '/a', ...junk]), pathType, backend }] },
          },
        ],
        ...(random(2) === 0 && { tls: [{ hosts: ['a.example'], secretName: 'x' }], defaultBackend: backend }),
      },
    };
  };
  for (let i = 0; i < 1_000; i++) {
    const given = Array.from({ length: 1 + random(3) }, (_, j) => one(`i${j}`));
    for (const profile of ['spec', 'ingress-nginx'] as const) {
      const router = routerOf(profile, given, { withoutClass: true });
      const asked = request('http://a.example/', {
        host: pick(['a.example', 'x.b.example', ...junk]),
        target: pick(['/', '/a/b', ...junk]),
      });
      expect(router.explain(asked, 0).outcome).toEqual(router.decide(asked, 0));
      expect(router.routes('a.example').length).toBeLessThanOrEqual(router.routes().length);
    }
  }
});

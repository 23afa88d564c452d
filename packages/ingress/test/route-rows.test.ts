import type { Ingress } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import type { RouteRow } from '../src/index.ts';
import { ingressRouter } from '../src/index.ts';
import { request, routerOf, viewOf } from './support.ts';

type Rule = readonly [path: string, service: string, pathType?: string];

function ingress(name: string, rules: readonly Rule[], annotations: Readonly<Record<string, string>> = {}): Ingress {
  const prefixed = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  const paths = rules.map(([path, service, pathType = 'Prefix']) => ({
    path,
    pathType,
    backend: { service: { name: service, port: { number: 80 } } },
  }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default', annotations: Object.fromEntries(prefixed) },
    spec: { ingressClassName: 'nginx', rules: [{ host: 'foo.example', http: { paths } }] },
  };
}

const CANARY = { canary: 'true', 'canary-weight': '20' };

const inWords = ({ rule, shadowedBy, notes }: RouteRow): string => {
  const [backend] = rule.backends;
  const to = backend?.kind === 'service' ? backend.name : 'default backend';
  const shadow = shadowedBy === undefined ? '' : ` shadowed by ${shadowedBy.name}`;
  return `${rule.path} -> ${to} (${rule.name})${shadow}${notes.length === 0 ? '' : `: ${notes.join('; ')}`}`;
};

describe('rows of profile ingress-nginx', () => {
  test('a rule whose Service and port are those of an older canary has a row that says why it gets nothing', () => {
    const router = routerOf('ingress-nginx', [
      ingress('a-canary', [['/', 'b']], CANARY),
      ingress('main', [
        ['/', 'a'],
        ['/b', 'b'],
      ]),
    ]);
    expect(router.routes().map(inWords)).toEqual([
      '/ -> a (main)',
      '/ -> b (a-canary): canary: 20 of 100 requests',
      '/b -> b (main): no location: an older canary Ingress has the same Service and port, and the controller keeps these for the canary',
    ]);
    expect(router.findings.map(({ code, object, field }) => [code, object.name, field.join('.')])).toEqual([
      ['ingress-canary-backend', 'main', 'spec.rules.0.http.paths.1'],
    ]);
    const { outcome, considered } = router.explain(request('http://foo.example/b'), 0.5);
    expect(outcome).toMatchObject({ kind: 'forward', backend: { name: 'a' } });
    expect(considered.map(({ rule, why }) => `${rule.path} ${rule.name}: ${why}`)).toContain(
      '/b main: no location: an older canary Ingress has the same Service and port, and the controller keeps these for the canary',
    );
  });

  test('a rule that is older than the canary with its Service and port keeps its location, and has one row', () => {
    const router = routerOf('ingress-nginx', [
      ingress('a-main', [
        ['/', 'a'],
        ['/b', 'b'],
      ]),
      ingress('canary', [['/', 'b']], CANARY),
    ]);
    expect(router.routes().map(inWords)).toEqual([
      '/b -> b (a-main)',
      '/ -> a (a-main)',
      '/ -> b (canary) shadowed by a-main',
    ]);
  });

  test.each(['a', 'b'])(
    'a canary without a main rule has one row at most, where the main Ingress goes to %s',
    (service) => {
      const rows = routerOf('ingress-nginx', [
        ingress('a-main', [['/', service]]),
        ingress('canary', [['/other', 'a']], CANARY),
      ]).routes();
      expect(new Set(rows.map(inWords)).size).toBe(rows.length);
      expect(rows.filter(({ rule }) => rule.path === '/other').length).toBeLessThan(2);
    },
  );
});

describe.each(['spec', 'ingress-nginx'] as const)('rows of profile %s', (profile) => {
  test('a path whose Service is missing has one row, before the shorter path', () => {
    const given = ingress('main', [
      ['/', 'a'],
      ['/bar', 'nobody'],
    ]);
    const view = viewOf([given]);
    const get: typeof view.get = (kind, namespace, name) =>
      kind === 'Service' && name === 'nobody' ? undefined : view.get(kind, namespace, name);
    const router = ingressRouter({ ...view, get }, { profile, controllerClass: 'k8s.io/ingress-nginx', now: 0 });
    for (const rows of [router.routes(), router.routes('foo.example')]) {
      expect(rows.map(inWords)).toEqual(['/bar -> nobody (main)', '/ -> a (main)']);
    }
    expect(router.findings.map(({ code }) => code)).toEqual(['ingress-service-missing']);
  });
});

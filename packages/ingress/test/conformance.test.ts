import { type KubeObject, loadManifests } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import type { Outcome, Router } from '../src/index.ts';
import { request, routerOf } from './support.ts';

interface Part {
  readonly steps?: readonly string[];
  readonly docs?: readonly string[];
}
interface Conformance {
  readonly features: readonly {
    readonly feature: string;
    readonly background: Part;
    readonly scenarios: readonly (Part & {
      readonly name: string;
      readonly examples?: readonly (readonly string[])[];
    })[];
  }[];
}
interface Tables {
  readonly pathType: readonly {
    readonly type?: string;
    readonly paths?: readonly string[];
    readonly mixed?: readonly (readonly [string, string])[];
    readonly request: string;
    readonly match: string | null;
  }[];
  readonly hostnameWildcard: readonly { readonly host: string; readonly request: string; readonly match: boolean }[];
}

/** A document of the suite: a whole object, or only a spec. */
function objectsOf(docs: readonly string[] = []): KubeObject[] {
  return docs.flatMap((text) => {
    const yaml = text.includes('kind: Ingress')
      ? text
      : `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: given\nspec:\n${text.replace(/^/gm, '  ')}`;
    const { objects, findings } = loadManifests([{ file: 'suite.yaml', text: yaml }]);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    return objects;
  });
}

/** What the steps ask of the router; an empty list: they only speak of what the router has no part in. */
function check(router: Router, steps: readonly string[], values: ReadonlyMap<string, string>): string[] {
  let outcome: Outcome | undefined;
  let url = '';
  const wrong: string[] = [];
  for (const raw of steps) {
    const step = raw.replace(/<(\w+)>/g, (whole, name: string) => values.get(name) ?? whole);
    const send = /send (?:a "(\w+)" request|\d+ requests) to (.*)$/.exec(step);
    const said = (pattern: RegExp): string | undefined => pattern.exec(step)?.[1];
    if (send !== null) {
      url = send[2]!.replaceAll('"', '');
      const host = /^https?:\/\/([^/]*)/.exec(url)![1]!;
      outcome = router.decide(request(url, { method: send[1] ?? 'GET', host: host === '' ? '192.0.2.1' : host }), 0);
      continue;
    }
    const status = said(/status-code must be (\d+)/);
    const service = said(/served by the "(.*?)" service/);
    const host = said(/request host must be "(.*?)"/);
    const path = said(/request path must be "(.*)"/);
    const is = outcome?.kind === 'forward' ? outcome : undefined;
    const code = outcome?.kind === 'respond' ? outcome.status : is === undefined ? 0 : 200;
    if (status !== undefined && code !== Number(status)) wrong.push(`${url}: ${code} instead of ${status}`);
    if (service !== undefined && (is?.backend.kind !== 'service' || is.backend.name !== service)) {
      wrong.push(`${url}: not served by ${service}`);
    }
    if (host !== undefined && is?.host !== host) wrong.push(`${url}: host ${is?.host} instead of ${host}`);
    if (path !== undefined && is?.target !== `/${path}`) wrong.push(`${url}: path ${is?.target} instead of /${path}`);
  }
  return wrong;
}

const conformance = readVectors<Conformance>('ingress/conformance');
test.runIf(conformance !== undefined)('agrees with the conformance suite of Ingress', () => {
  const failed: string[] = [];
  let total = 0;
  for (const { feature, background, scenarios } of conformance!.features) {
    for (const { name, steps = [], docs, examples } of scenarios) {
      const router = routerOf('spec', objectsOf([...(background.docs ?? []), ...(docs ?? [])]));
      const [header, ...rows] = examples ?? [[], []];
      rows.forEach((row, i) => {
        total++;
        const values = new Map(header!.map((key, column) => [key, row[column]!]));
        const wrong = check(router, steps, values);
        if (steps.some((step) => step.includes('should not contain the IP address')) && router.routes().length > 0) {
          wrong.push('served all the same');
        }
        for (const one of wrong) failed.push(`${feature}: ${name}${rows.length > 1 ? ` [${i}]` : ''}: ${one}`);
      });
    }
  }
  reportVectors('ingress/conformance', total, failed);
  expect(failed).toEqual([]);
});

const ingress = (rules: readonly { host?: string; path: string; type: string; service: string }[]): KubeObject => {
  const written = rules.map(({ host, path, type, service }) => ({
    ...(host !== undefined && { host }),
    http: { paths: [{ path, pathType: type, backend: { service: { name: service, port: { number: 80 } } } }] },
  }));
  const object = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'given' },
    spec: { rules: written },
  };
  return object;
};
const servedBy = (outcome: Outcome): string | null =>
  outcome.kind === 'forward' && outcome.backend.kind === 'service' ? outcome.backend.name : null;

const tables = readVectors<Tables>('ingress/path-tables');
test.runIf(tables !== undefined)('agrees with the tables of paths and wildcards of the API documentation', () => {
  const failed: string[] = [];
  for (const { type = '', paths = [], mixed, request: path, match } of tables!.pathType) {
    const written = mixed ?? paths.map((one) => [one, type] as const);
    const named = written.map(([one, ofType]) => ({
      path: one,
      type: ofType,
      service: mixed === undefined ? one : `${ofType} ${one}`,
    }));
    const found = servedBy(routerOf('spec', [ingress(named)]).decide(request(`http://a.example${path}`), 0));
    if (found !== match) failed.push(`${JSON.stringify(written)} asked for ${path}: ${found} instead of ${match}`);
  }
  for (const { host, request: asked, match } of tables!.hostnameWildcard) {
    const router = routerOf('spec', [ingress([{ host, path: '/', type: 'Prefix', service: 'wild' }])]);
    const found = servedBy(router.decide(request(`http://${asked}/`), 0)) !== null;
    if (found !== match) failed.push(`${host} asked for ${asked}: ${found}`);
  }
  reportVectors('ingress/path-tables', tables!.pathType.length + tables!.hostnameWildcard.length, failed);
  expect(failed).toEqual([]);
});

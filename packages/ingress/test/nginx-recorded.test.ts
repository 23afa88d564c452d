import type { KubeObject } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import { nginxRouter } from '../src/ingress/nginx/nginx-router.ts';
import { locationName, printNginxConf } from '../src/nginx/print.ts';
import { nginxOptions, request, viewOf } from './support.ts';

interface Recorded {
  readonly scenarios: readonly {
    readonly name: string;
    readonly ingresses: readonly KubeObject[];
    readonly nginxConf: string;
    /** What `nginx -t` said. */
    readonly nginxRejects?: string;
    readonly cases?: readonly {
      /** Null or absent: a request of HTTP/1.0 without the field. */
      readonly host?: string | null;
      readonly path: string;
      readonly result: Readonly<Record<string, string | number>>;
    }[];
  }[];
}

/** What the recorder saw, as far as the decision tells it. */
function seen(
  router: ReturnType<typeof nginxRouter>,
  host: string | null | undefined,
  path: string,
): Record<string, string | number> {
  const outcome = router.decide(
    request(`http://placeholder${path}`, {
      host: host ?? undefined,
      version: typeof host === 'string' ? '1.1' : '1.0',
    }),
    0,
  );
  if (outcome.kind === 'redirect') return { status: outcome.status, redirect: outcome.location };
  if (outcome.kind === 'respond') return { status: outcome.status };
  if (outcome.kind !== 'forward') return {};
  const { backend, target, host: upstreamHost } = outcome;
  const named = backend.kind === 'service';
  return {
    status: named ? 200 : 404,
    backend: named ? `${backend.name}:${backend.port}` : 'upstream-default-backend',
    upstreamUri: target,
    upstreamHost,
  };
}

const recorded = readVectors<Recorded>('ingress/nginx-recorded');
test.runIf(recorded !== undefined)('answers as the real nginx with the configuration of ingress-nginx', () => {
  const failed: string[] = [];
  let total = 0;
  for (const { name, ingresses, nginxRejects, cases = [] } of recorded!.scenarios) {
    const router = nginxRouter(viewOf(ingresses), nginxOptions);
    if (nginxRejects !== undefined) {
      total++;
      const said = /\[emerg\][^:]*: (.*?)(?: in \S+)?$/.exec(nginxRejects)?.[1] ?? nginxRejects;
      const refused = router.findings.find(({ code }) => code === 'ingress-nginx-refuses')?.message ?? 'taken';
      if (!refused.includes(said)) failed.push(`${name}: nginx says ${said}; ours: ${refused}`);
    }
    for (const { host, path, result } of cases) {
      total++;
      const ours = seen(router, host, path);
      for (const [key, value] of Object.entries(result)) {
        if (key === 'nginxLocation' || ours[key] === value) continue;
        failed.push(`${name}: ${host ?? '(no host)'} ${path}: ${key} ${ours[key]} instead of ${value}`);
      }
    }
  }
  reportVectors('ingress/nginx-recorded', total, failed);
  expect(failed).toEqual([]);
});

test.runIf(recorded !== undefined)('renders the configuration that ingress-nginx renders', () => {
  const fields = (location: string, backend: string): string =>
    `proxy_set_header Host $best_http_host; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-Host $best_http_host; proxy_set_header X-Forwarded-Port 80; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Oracle-Backend "${backend}"; proxy_set_header X-Oracle-Location '${location}';`;
  for (const { name, ingresses, nginxConf, nginxRejects } of recorded!.scenarios) {
    if (nginxRejects !== undefined) continue;
    const { servers } = nginxRouter(viewOf(ingresses), nginxOptions);
    const backends = new Map(
      servers.flatMap(({ locations }) => locations.map((each) => [each, each.upstream.backend])),
    );
    const printed = printNginxConf(
      { servers },
      {
        listen: '127.0.0.1:28080',
        body: (location) => {
          const backend = backends.get(location as never);
          const text = backend?.kind === 'service' ? `${backend.name}:${backend.port}` : 'upstream-default-backend';
          return {
            before: [fields(locationName(location), text), 'proxy_redirect off;'],
            after: ['proxy_pass http://127.0.0.1:28081;'],
          };
        },
      },
    );
    expect(printed, name).toBe(nginxConf);
  }
});

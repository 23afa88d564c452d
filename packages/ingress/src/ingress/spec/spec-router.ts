import type { Ingress } from '@netsim/manifest';
import { canonicalHost } from '../../http/host.ts';
import { splitTarget } from '../../http/target.ts';
import type {
  Considered,
  Decision,
  FrontRequest,
  Outcome,
  RouteFinding,
  RouteRow,
  RouteRule,
  ServerCertificate,
} from '../../model.ts';
import { backendOf, backendProblem } from '../backends.ts';
import { objectOf, servedIngresses } from '../classes.ts';
import type { IngressRouter } from '../router.ts';
import type { IngressOptions, IngressView } from '../view.ts';
import { PathTable } from './path-table.ts';

const NOTHING: Outcome = {
  kind: 'respond',
  status: 404,
  headers: [['Content-Type', 'text/plain']],
  body: 'default backend - 404',
};

/** The routing that the API's documentation words, and nothing more: no redirects, no rewrites, no defaults of a controller. */
export function specRouter(view: IngressView, options: IngressOptions): IngressRouter {
  return new SpecRouter(view, options);
}

class SpecRouter implements IngressRouter {
  readonly findings: RouteFinding[] = [];
  /** By host; a wildcard under its suffix with the dot (`.foo.com`); rules without host under ''. */
  readonly #hosts = new Map<string, PathTable>();
  readonly #fallback: RouteRule | undefined;

  constructor(view: IngressView, options: IngressOptions) {
    for (const ingress of servedIngresses(view, options, this.findings)) {
      const rules = rulesOf(ingress);
      for (const rule of rules) {
        const problem = backendProblem(view, rule.backends[0]!);
        if (problem !== undefined) {
          this.findings.push({
            ...problem,
            severity: 'warning',
            object: objectOf(ingress),
            field: [...rule.field, 'backend'],
          });
        }
        if (rule.pathType === 'default') this.#fallback ??= rule;
        else this.#table(rule.host === '*' ? '' : rule.host.replace(/^\*/, '')).add(rule);
      }
    }
  }

  decide(request: FrontRequest, _chance: number): Outcome {
    const rule = this.#match(request);
    return rule === undefined ? NOTHING : forward(request, rule);
  }

  explain(request: FrontRequest, chance: number): Decision {
    const rule = this.#match(request);
    const outcome = this.decide(request, chance);
    const considered = this.routes(hostOf(request)).map((row): Considered => {
      const won = row.rule === rule;
      return {
        rule: row.rule,
        won,
        why: won ? 'the most precise rule that matches' : 'does not match, or a more precise rule does',
      };
    });
    return { outcome, considered, ...(rule !== undefined && { rule }) };
  }

  routes(host?: string): readonly RouteRow[] {
    const tables = host === undefined ? [...this.#hosts.values()] : this.#tablesFor(canonicalHost(host));
    const rules = tables.flatMap((table) => table.rules());
    if (this.#fallback !== undefined) rules.push(this.#fallback);
    return rules.map((rule) => ({ rule, notes: [] }));
  }

  certificate(): ServerCertificate | undefined {
    return undefined;
  }

  #table(key: string): PathTable {
    let table = this.#hosts.get(key);
    if (table === undefined) {
      table = new PathTable();
      this.#hosts.set(key, table);
    }
    return table;
  }

  #tablesFor(host: string): PathTable[] {
    const dot = host.indexOf('.');
    const keys = [...(host === '' ? [] : [host]), ...(dot > 0 ? [host.slice(dot)] : []), ''];
    return keys.flatMap((key) => this.#hosts.get(key) ?? []);
  }

  #match(request: FrontRequest): RouteRule | undefined {
    const { path } = splitTarget(request.target);
    const host = hostOf(request);
    if (host !== '') {
      const exact = this.#hosts.get(host)?.match(path);
      if (exact !== undefined) return exact;
      const dot = host.indexOf('.');
      if (dot > 0) {
        const wildcard = this.#hosts.get(host.slice(dot))?.match(path);
        if (wildcard !== undefined) return wildcard;
      }
    }
    return this.#hosts.get('')?.match(path) ?? this.#fallback;
  }
}

function hostOf(request: FrontRequest): string {
  return canonicalHost(splitTarget(request.target).host ?? request.host);
}

function forward(request: FrontRequest, rule: RouteRule): Outcome {
  return {
    kind: 'forward',
    backend: rule.backends[0]!,
    target: request.target,
    host: request.host ?? '',
    headers: request.headers,
    response: [],
    timeouts: { request: 0, backendRequest: 0, connect: 0 },
    tlsToBackend: false,
    mirrors: [],
  };
}

function rulesOf(ingress: Ingress): RouteRule[] {
  const { namespace, name } = objectOf(ingress);
  const common = { kind: 'Ingress', namespace, name };
  const rules: RouteRule[] = [];
  ingress.spec.rules?.forEach(({ host, http }, i) => {
    http?.paths?.forEach(({ path = '', pathType, backend }, j) => {
      rules.push({
        ...common,
        field: ['spec', 'rules', i, 'http', 'paths', j],
        host: host === undefined || host === '' ? '*' : host.toLowerCase(),
        path: path === '' ? '/' : path,
        pathType: pathType ?? 'ImplementationSpecific',
        backends: [backendOf(backend, namespace)],
      });
    });
  });
  if (ingress.spec.defaultBackend !== undefined) {
    rules.push({
      ...common,
      field: ['spec', 'defaultBackend'],
      host: '*',
      path: '*',
      pathType: 'default',
      backends: [backendOf(ingress.spec.defaultBackend, namespace)],
    });
  }
  return rules;
}

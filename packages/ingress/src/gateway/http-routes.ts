import type { GRPCRoute, GRPCRouteRule, HTTPRoute, HTTPRouteRule } from '@netsim/manifest';
import type { RouteRule } from '../model.ts';
import { type Action, type ActionContext, compileAction, type PlainForward } from './action.ts';
import { HostMap } from './host-map.ts';
import { type Conditions, type Entry, grpcConditions, httpConditions } from './matcher.ts';
import { EntryTables } from './path-table.ts';
import type { AnyRoute } from './topology.ts';
import { byAge, namespaceOf } from './view.ts';

/** Routes under the host names that they are served by; made once for each set of routes. */
export interface HttpRoutes {
  /** Numbers of tables in `entryTables`. */
  readonly tables: HostMap<number>;
  readonly entryTables: EntryTables;
  readonly hostnames: readonly (string | undefined)[];
  readonly entries: readonly Entry[];
}

export interface NamedRoute {
  readonly route: AnyRoute;
  readonly hostnames: readonly (string | undefined)[];
  readonly context: ActionContext;
}

interface Compiled {
  readonly conditions: Conditions;
  readonly rule: Omit<RouteRule, 'host'>;
  readonly action: Action;
}

/** Compiles rules once, though they may be served by many listeners and under many names. */
export class RouteCompiler {
  readonly #compiled = new Map<AnyRoute, readonly Compiled[]>();
  readonly #entryTables = new EntryTables();
  readonly #plain = new Map<string, PlainForward>();

  compile(routes: readonly NamedRoute[]): HttpRoutes {
    const byHost = new Map<string | undefined, Entry[]>();
    const entries: Entry[] = [];
    let order = 0;
    for (const { route, hostnames, context } of routes.toSorted((a, b) => byAge(a.route, b.route))) {
      let compiled = this.#compiled.get(route);
      if (compiled === undefined) {
        compiled = compileRoute(route, context);
        this.#compiled.set(route, compiled);
      }
      for (const { conditions, rule, action } of compiled) {
        order++;
        const plain = action.plain === undefined ? undefined : this.#shared(action.plain);
        for (const hostname of hostnames) {
          // Written out: an object that is spread from another is larger and slower, and there are very many of them.
          const { path, method, headers, params, broken, unconditional } = conditions;
          const { kind, namespace, name, field, path: text, pathType, backends } = rule;
          const entry: Entry = {
            path,
            method,
            headers,
            params,
            broken,
            unconditional,
            rule: { kind, namespace, name, field, path: text, pathType, backends, host: hostname ?? '*' },
            hostname,
            action,
            plain,
            order,
          };
          const list = byHost.get(hostname);
          if (list === undefined) byHost.set(hostname, [entry]);
          else list.push(entry);
          entries.push(entry);
        }
      }
    }
    const entryTables = this.#entryTables;
    const tables = new Map([...byHost].map(([hostname, list]) => [hostname, entryTables.add(list)]));
    return { tables: new HostMap(tables), entryTables, hostnames: [...byHost.keys()], entries };
  }

  /** Rules that do the same share one object, and with it a place in the caches of the processor. */
  #shared(plain: PlainForward): PlainForward {
    const text = textOf(plain);
    const known = this.#plain.get(text);
    if (known !== undefined) return known;
    this.#plain.set(text, plain);
    return plain;
  }
}

/** The same for those that do the same. */
function textOf(plain: PlainForward): string {
  const { backend, response, timeouts } = plain;
  if (backend.kind !== 'service' || response.length > 0) return JSON.stringify(plain);
  const { namespace, name, port, weight } = backend;
  return `${namespace}/${name}:${port} ${weight} ${timeouts.request} ${timeouts.backendRequest} ${timeouts.connect}`;
}

function compileRoute(route: AnyRoute, context: ActionContext): Compiled[] {
  const namespace = namespaceOf(route);
  const { name } = route.metadata;
  const compiled: Compiled[] = [];
  const rules = (route as HTTPRoute | GRPCRoute).spec.rules ?? [];
  rules.forEach((rule: HTTPRouteRule | GRPCRouteRule, i) => {
    const action = compileAction(context, rule as HTTPRouteRule);
    const backends = action.targets.map(({ backend }) => backend);
    const written: readonly object[] = rule.matches === undefined || rule.matches.length === 0 ? [{}] : rule.matches;
    written.forEach((match, j) => {
      const conditions = route.kind === 'GRPCRoute' ? grpcConditions(match) : httpConditions(match);
      const field = [
        'spec',
        'rules',
        i,
        ...(rule.matches === undefined || rule.matches.length === 0 ? [] : ['matches', j]),
      ];
      const { path, pathType } = describe(conditions);
      compiled.push({
        conditions,
        action,
        rule: { kind: route.kind, namespace, name, field, path, pathType, backends },
      });
    });
  });
  return compiled;
}

/** The conditions in words: path first, then what else. */
function describe({ path, method, headers, params }: Conditions): { path: string; pathType: string } {
  const text = { exact: 'Exact', prefix: 'PathPrefix', regex: 'RegularExpression', suffix: 'Method' } as const;
  const value = path.kind === 'prefix' ? path.written : path.kind === 'regex' ? path.source : path.value;
  if (method === undefined && headers.length + params.length === 0) return { path: value, pathType: text[path.kind] };
  const rest = [
    ...(method === undefined ? [] : [`method ${method}`]),
    ...headers.map(({ name, value, regex }) => `header ${name}${regex ? '~' : '='}${value}`),
    ...params.map(({ name, value, regex }) => `query ${name}${regex ? '~' : '='}${value}`),
  ];
  return { path: [value, ...rest].join(' '), pathType: text[path.kind] };
}

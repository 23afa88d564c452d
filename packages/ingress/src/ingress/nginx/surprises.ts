import type { RouteFinding, RouteRule } from '../../model.ts';
import { Regex, RegexError } from '../../regex/index.ts';
import { backendProblem } from '../backends.ts';
import { literalPath, unreachablePath } from '../path-surprises.ts';
import type { IngressView } from '../view.ts';
import type { CompiledPlace, CompiledServer } from './compile.ts';

/** What a user who knows the API, and not the controller, would not expect of these servers. */
export function surprises(servers: readonly CompiledServer[], view: IngressView): RouteFinding[] {
  const findings: RouteFinding[] = [];
  const names = new Set(servers.map(({ hostname }) => hostname));
  const root = servers.find(({ isDefault }) => isDefault);
  for (const server of servers) {
    const rules = new Set<RouteRule>();
    for (const place of server.locations) {
      if (place.rule === undefined || rules.has(place.rule)) continue;
      rules.add(place.rule);
      findings.push(...ruleSurprises(server, place, place.rule, view));
    }
    for (const { rule, to, why } of server.losers) {
      const winner = to === undefined ? 'an older rule' : `${to.namespace}/${to.name}`;
      findings.push(found(rule, 'ingress-path-duplicate', 'warning', `never used: ${why}, of Ingress ${winner}`));
    }
    for (const { rule, code, why } of server.ignored) findings.push(found(rule, code, 'warning', why));
    findings.push(...hostSurprises(server, names, root));
  }
  return findings;
}

function found(
  { kind, namespace, name, field }: RouteRule,
  code: string,
  severity: RouteFinding['severity'],
  message: string,
): RouteFinding {
  return { code, severity, object: { kind, namespace, name }, field, message };
}

function* ruleSurprises(
  server: CompiledServer,
  place: CompiledPlace,
  rule: RouteRule,
  view: IngressView,
): Generator<RouteFinding> {
  const { path, host, pathType } = rule;
  const problem = backendProblem(view, rule.backends[0]!);
  if (problem !== undefined) {
    const field = pathType === 'default' ? rule.field : [...rule.field, 'backend'];
    yield { ...found(rule, problem.code, 'warning', `${problem.message}: requests get 503`), field };
  }
  if (pathType === 'default') {
    if (!server.isDefault) {
      yield found(
        rule,
        'ingress-default-backend-scope',
        'info',
        `defaultBackend is only for the hosts of this Ingress ("${server.hostname}"), not for others`,
      );
    }
    return;
  }
  if (server.regex) {
    if (place.rewriting !== undefined) yield* rewriteSurprises(place, rule);
    if (pathType === 'Exact') {
      yield found(
        rule,
        'ingress-exact-as-regex',
        'warning',
        `Exact ${path} also takes ${path}/more and ${path.toUpperCase()}: another annotation makes every path of host "${host}" a regular expression`,
      );
    }
    const slow = slowPart(path);
    if (slow !== undefined) {
      yield found(
        rule,
        'ingress-regex-slow',
        'warning',
        `the repeat inside a repeat "${slow}" makes nginx try very many ways on a path that does not match`,
      );
    }
    return;
  }
  if (path.length > 1 && path.endsWith('/')) {
    yield found(
      rule,
      'ingress-slash-redirect',
      'info',
      `${pathType} ${path}: a request for ${path.slice(0, -1)} is redirected (301) to ${path}`,
    );
  }
  const odd =
    unreachablePath(rule) ??
    literalPath(rule, 'no annotation of the host (use-regex, rewrite-target) makes it a regular expression');
  if (odd !== undefined) yield found(rule, odd.code, 'warning', odd.message);
  if (path.includes('%')) {
    yield found(
      rule,
      'ingress-path-encoded',
      'warning',
      `path ${path} is compared with the decoded path of a request: write the character itself`,
    );
  }
}

function* rewriteSurprises(place: CompiledPlace, rule: RouteRule): Generator<RouteFinding> {
  const { target } = place.rewrite!;
  const groups = groupsOf(rule.path);
  const used = [...target.matchAll(/\$\{?([1-9])/g)].map((match) => Number(match[1]));
  const missing = used.find((group) => groups !== undefined && group > groups);
  if (missing !== undefined) {
    yield found(
      rule,
      'ingress-rewrite-group',
      'warning',
      `rewrite-target ${target} speaks of $${missing}, but path ${rule.path} has ${groups === 0 ? 'no group' : `only ${groups} in parentheses`}: it is empty`,
    );
  } else if (used.length === 0 && rule.path !== '/' && !target.includes('$')) {
    yield found(
      rule,
      'ingress-rewrite-constant',
      'info',
      `the backend sees ${target} for every path below ${rule.path}: what follows is lost without a group such as ${rule.path.replace(/\/$/, '')}(/|$)(.*)`,
    );
  }
}

function* hostSurprises(
  server: CompiledServer,
  names: ReadonlySet<string>,
  root: CompiledServer | undefined,
): Generator<RouteFinding> {
  const { hostname, isDefault, locations, regex } = server;
  const own = locations.find(({ rule }) => rule !== undefined && rule.pathType !== 'default');
  if (own?.rule === undefined) return;
  if (regex) {
    const cause = locations.find(({ settings, rewrite }) => settings?.useRegex || rewrite !== undefined);
    const { rule, settings } = cause ?? own;
    const annotation = settings?.useRegex ? 'use-regex' : 'rewrite-target';
    const others = new Set(
      locations.flatMap((place) => (place.rule === undefined ? [] : `${place.rule.namespace}/${place.rule.name}`)),
    );
    if (rule !== undefined) {
      const of =
        others.size > 1 ? `, also those of ${others.size - 1} other Ingress${others.size > 2 ? 'es' : ''}` : '';
      yield {
        ...found(
          rule,
          'ingress-regex-host',
          'info',
          `${annotation} makes every path of host "${isDefault ? '*' : hostname}" a regular expression${of}: in any case, and open at the end`,
        ),
        field: ['metadata', 'annotations', `nginx.ingress.kubernetes.io/${annotation}`],
      };
    }
  }
  const takesAll = locations.some(
    ({ rule, ingressPath }) => ingressPath === '/' && rule !== undefined && rule.pathType !== 'Exact',
  );
  if (isDefault || takesAll) return;
  const wildcard = hostname.replace(/^[^.]+/, '*');
  const fallback = !hostname.startsWith('*') && names.has(wildcard) ? `"${wildcard}"` : undefined;
  const rootRule = root?.locations.some(({ rule }) => rule !== undefined) ? 'without a host' : undefined;
  const to = fallback === undefined ? rootRule : `of ${fallback}`;
  if (to !== undefined) {
    yield found(
      own.rule,
      'ingress-host-no-fallback',
      'info',
      `a path of host "${hostname}" that no rule takes is 404: the rules ${to} are not asked`,
    );
  }
}

function groupsOf(path: string): number | undefined {
  try {
    return new Regex(path).groupCount;
  } catch (error) {
    if (error instanceof RegexError) return undefined;
    throw error;
  }
}

/** A repeat without end around a group that ends in another: `(a+)+`. */
function slowPart(path: string): string | undefined {
  return /\((?:\?:)?[^()]*[*+]\)[*+]/.exec(path)?.[0];
}

import type { Ingress } from '@netsim/manifest';
import { canonicalHost, together } from '../../http/host.ts';
import { PathTables } from '../../http/path-tables.ts';
import { NONE } from '../../http/path-trie.ts';
import { splitTarget } from '../../http/target.ts';
import type {
  Backend,
  Considered,
  Decision,
  FrontRequest,
  Outcome,
  RouteFinding,
  RouteRow,
  RouteRule,
  ServerCertificate,
} from '../../model.ts';
import { covers, fakeCertificate } from '../../tls/certificate.ts';
import { backendProblem } from '../backends.ts';
import { SecretReader } from '../certificates.ts';
import { objectOf, servedIngresses } from '../classes.ts';
import { literalPath } from '../path-surprises.ts';
import type { IngressRouter } from '../router.ts';
import { defaultRule, rulesOf } from '../rules.ts';
import type { IngressOptions, IngressView } from '../view.ts';
import { PathTable, takesPath } from './path-table.ts';

const NOTHING: Outcome = {
  kind: 'respond',
  status: 404,
  headers: [['Content-Type', 'text/plain']],
  body: 'default backend - 404',
};
const BAD_REQUEST: Outcome = { kind: 'respond', status: 400, headers: [], body: '' };
const NO_TIMEOUTS = { request: 0, backendRequest: 0, connect: 0 };
const NOBODY: readonly never[] = [];
const SLASH = 0x2f;

/** The routing that the API's documentation words, and nothing more: no redirects, no rewrites, no defaults of a controller. */
export function specRouter(view: IngressView, options: IngressOptions): IngressRouter {
  return new SpecRouter(view, options);
}

class SpecRouter implements IngressRouter {
  readonly findings: RouteFinding[] = [];
  /** By host; a wildcard under its suffix with the dot (`.foo.com`); rules without host under ''. */
  readonly #hosts = new Map<string, PathTable>();
  readonly #fallback: RouteRule | undefined;
  /** By the same keys: the number of the table with what `decide` needs. */
  readonly #tables = new Map<string, number>();
  readonly #paths = new PathTables<Backend>();
  /** Each with the host that it is for, in the order of the Ingresses. */
  readonly #certificates: { readonly host: string; readonly certificate: ServerCertificate }[] = [];
  readonly #fake: ServerCertificate;

  constructor(view: IngressView, options: IngressOptions) {
    this.#fake = fakeCertificate(options.now);
    const secrets = new SecretReader(view, this.findings, options.now);
    for (const ingress of servedIngresses(view, options, this.findings)) {
      for (const rule of rulesOf(ingress)) {
        this.#check(view, ingress, rule);
        const older = this.#table(rule.host === '*' ? '' : rule.host.replace(/^\*/, '')).add(rule);
        if (older !== undefined) this.#tellDuplicate(ingress, rule, older);
      }
      const fallback = defaultRule(ingress);
      if (fallback !== undefined) {
        this.#check(view, ingress, fallback);
        if (this.#fallback === undefined) this.#fallback = fallback;
        else this.#tellDuplicate(ingress, fallback, this.#fallback);
      }
      secrets.check(ingress);
      this.#addCertificates(ingress, secrets);
    }
    const shared = new Map<string, Backend>();
    const backendOf = ({ backends: [backend] }: RouteRule): Backend => {
      const text = JSON.stringify(backend);
      const known = shared.get(text) ?? backend!;
      shared.set(text, known);
      return known;
    };
    for (const host of together([...this.#hosts.keys()])) {
      const table = this.#hosts.get(host)!;
      // Never asked for: a request that names such a host is a bad one.
      if (lengthWithout(host, false) === -1 || canonicalHost(host) !== host) continue;
      this.#tables.set(host, this.#paths.add(table.entries(backendOf)));
    }
  }

  #check(view: IngressView, ingress: Ingress, rule: RouteRule): void {
    const object = objectOf(ingress);
    const odd = rule.pathType === 'default' ? undefined : literalPath(rule, 'the API has no patterns');
    if (odd !== undefined) this.findings.push({ ...odd, severity: 'warning', object, field: rule.field });
    const problem = backendProblem(view, rule.backends[0]!);
    if (problem === undefined) return;
    const field = rule.pathType === 'default' ? rule.field : [...rule.field, 'backend'];
    this.findings.push({ ...problem, severity: 'warning', object, field });
  }

  #tellDuplicate(ingress: Ingress, rule: RouteRule, older: RouteRule): void {
    const what = rule.pathType === 'default' ? 'a default backend stands' : 'the same host, path and type stand';
    this.findings.push({
      code: 'ingress-path-duplicate',
      severity: 'warning',
      object: objectOf(ingress),
      field: rule.field,
      message: `never used: ${what} in an older rule, of Ingress ${older.namespace}/${older.name}`,
    });
  }

  #addCertificates(ingress: Ingress, secrets: SecretReader): void {
    const { namespace } = objectOf(ingress);
    for (const { hosts = [], secretName } of ingress.spec.tls ?? []) {
      const certificate = secretName ? secrets.certificate(namespace, secretName) : undefined;
      if (certificate === undefined) continue;
      for (const host of hosts.length > 0 ? hosts : certificate.names) {
        this.#certificates.push({ host: host.toLowerCase(), certificate });
      }
    }
  }

  decide(request: FrontRequest, _chance: number): Outcome {
    const { host, target } = request;
    // Most requests name the host as a rule does: it needs no reading then.
    const table = host === undefined || target.charCodeAt(0) !== SLASH ? undefined : this.#tables.get(host);
    if (table !== undefined) {
      const end = lengthWithout(target, true);
      const place = end === -1 ? NONE : this.#paths.find(table, target, end);
      if (place !== NONE) return forward(request, this.#paths.values[place]!);
    }
    const read = readRequest(request);
    if (read === undefined) return BAD_REQUEST;
    const backend = this.#match(read);
    return backend === undefined ? NOTHING : forward(request, backend);
  }

  explain(request: FrontRequest, _chance: number): Decision {
    const read = readRequest(request);
    if (read === undefined) return { outcome: BAD_REQUEST, considered: [] };
    const rule = this.#winner(read);
    const outcome = rule === undefined ? NOTHING : forward(request, rule.backends[0]!);
    const considered = this.routes().map((row): Considered => {
      const won = row.rule === rule;
      return { rule: row.rule, won, why: won ? 'the most precise rule that matches' : loserReason(row, read, rule) };
    });
    return { outcome, considered, ...(rule !== undefined && { rule }) };
  }

  routes(host?: string): readonly RouteRow[] {
    const tables = host === undefined ? this.#byPrecision() : this.#tablesFor(canonicalHost(host));
    const rows = tables.flatMap((table) => table.rows());
    if (this.#fallback !== undefined) rows.push({ rule: this.#fallback, notes: ['for what no rule takes'] });
    return rows;
  }

  /** Hosts by name, then wildcards, then no host. */
  #byPrecision(): PathTable[] {
    const rank = (key: string): string => (key === '' ? '2' : key.startsWith('.') ? `1${key}` : `0${key}`);
    const entries = [...this.#hosts].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
    return entries.map(([, table]) => table);
  }

  certificate(serverName: string | undefined): ServerCertificate {
    const host = (serverName ?? '').toLowerCase().replace(/\.$/, '');
    const named = this.#certificates.find((one) => one.host === host);
    const dot = host.indexOf('.');
    const wildcard = this.#certificates.find((one) => dot > 0 && one.host === `*${host.slice(dot)}`);
    const fitting = this.#certificates.find(({ certificate }) => covers(certificate, host));
    return (named ?? wildcard ?? fitting)?.certificate ?? this.#fake;
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

  /** By asking all rules for the host in order: the reference that the tables are compared with. */
  #winner({ host, target, end }: Read): RouteRule | undefined {
    const path = target.slice(0, end);
    for (const table of this.#tablesFor(host)) {
      const rule = table.winner(path);
      if (rule !== undefined) return rule;
    }
    return this.#fallback;
  }

  #match({ host, target, end }: Read): Backend | undefined {
    if (host !== '') {
      const exact = this.#matchUnder(host, target, end);
      if (exact !== undefined) return exact;
      const dot = host.indexOf('.');
      if (dot > 0) {
        const wildcard = this.#matchUnder(host.slice(dot), target, end);
        if (wildcard !== undefined) return wildcard;
      }
    }
    return this.#matchUnder('', target, end) ?? this.#fallback?.backends[0];
  }

  #matchUnder(key: string, target: string, end: number): Backend | undefined {
    const table = this.#tables.get(key);
    const place = table === undefined ? NONE : this.#paths.find(table, target, end);
    return place === NONE ? undefined : this.#paths.values[place];
  }
}

interface Read {
  readonly host: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Where the path ends. */
  readonly end: number;
}

/** Undefined: no request that a server of HTTP takes (RFC 9112: no host in HTTP/1.1, a target that is none, a control character). */
function readRequest({ target, host, version }: FrontRequest): Read | undefined {
  const split = target.charCodeAt(0) === SLASH ? undefined : splitTarget(target);
  if (split?.path === '') return undefined;
  if (host === undefined && version === '1.1') return undefined;
  const named = split?.host ?? host;
  if (named !== undefined && lengthWithout(named, false) === -1) return undefined;
  const text = split === undefined ? target : split.path;
  const end = lengthWithout(text, true);
  if (end === -1 || (split !== undefined && lengthWithout(target, false) === -1)) return undefined;
  return { host: canonicalHost(named), target: text, end };
}

/** The length of a text, up to its query or fragment; -1 where a blank or control character stands anywhere in it. */
function lengthWithout(text: string, query: boolean): number {
  let end = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return -1;
    if (query && end === -1 && (code === 0x3f || code === 0x23)) end = i;
  }
  return end === -1 ? text.length : end;
}

function forward(request: FrontRequest, backend: Backend): Outcome {
  return {
    kind: 'forward',
    backend,
    target: request.target,
    host: request.host ?? '',
    headers: request.headers,
    response: NOBODY,
    timeouts: NO_TIMEOUTS,
    tlsToBackend: false,
    mirrors: NOBODY,
  };
}

function loserReason(
  { rule, shadowedBy }: RouteRow,
  { host, target, end }: Read,
  winner: RouteRule | undefined,
): string {
  if (rule.pathType === 'default') return 'only for what no rule takes';
  const path = target.slice(0, end);
  const matchesHost =
    rule.host === '*' ||
    rule.host === host ||
    (rule.host.startsWith('*.') && host.slice(host.indexOf('.')) === rule.host.slice(1));
  if (!matchesHost) return `host "${rule.host}" is not "${host}"`;
  if (shadowedBy !== undefined)
    return `the same path stands in an older rule, of Ingress ${shadowedBy.namespace}/${shadowedBy.name}`;
  if (!takesPath(rule, path))
    return `path ${rule.path} is not ${rule.pathType === 'Exact' ? '' : 'a prefix of '}${path}`;
  if (winner !== undefined && winner.host !== rule.host)
    return `matches too, but host "${winner.host}" is more precise`;
  return `path ${rule.path} matches too, but ${winner?.path} is ${winner?.pathType === 'Exact' ? 'exact' : 'longer'}`;
}

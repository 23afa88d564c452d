import type { Route } from '@netsim/manifest';
import type { Backend, BackendTls, RouteRule } from '../model.ts';
import { backendOf } from './action.ts';
import { type BackendPolicies, backendTls } from './backend-tls.ts';
import type { Problem } from './conditions.ts';
import { HostMap } from './host-map.ts';
import { isProblem, type Referrer, readBackend } from './references.ts';
import type { Attachment } from './topology.ts';
import { byAge, GATEWAY_GROUP, type GatewayView, namespaceOf, type ObjectKey } from './view.ts';

/** Where the bytes of connections go: the one rule of a TLSRoute, TCPRoute or UDPRoute. */
export interface Stream {
  readonly rule: RouteRule;
  readonly targets: readonly StreamTarget[];
}

interface StreamTarget {
  readonly backend: Backend;
  readonly weight: number;
  readonly problem: Problem | undefined;
  readonly backendTls: BackendTls | undefined;
}

export interface StreamContext {
  readonly view: GatewayView;
  /** Undefined where the bytes are TLS of the client's own, which nobody opens. */
  readonly policies: BackendPolicies | undefined;
  readonly clientCertificate: ObjectKey | undefined;
}

/** The streams of a listener by server name; of several routes with one name the oldest has it. */
export function streamsOf(context: StreamContext, attachments: readonly Attachment[]): HostMap<Stream> {
  const byName = new Map<string | undefined, Stream>();
  for (const { route, hostnames } of attachments.toSorted((a, b) => byAge(a.route, b.route))) {
    for (const hostname of hostnames) {
      if (!byName.has(hostname)) byName.set(hostname, streamOf(context, route, hostname));
    }
  }
  return new HostMap(byName);
}

function streamOf(context: StreamContext, route: Route, hostname: string | undefined): Stream {
  const namespace = namespaceOf(route);
  const from: Referrer = { group: GATEWAY_GROUP, kind: route.kind, namespace };
  const transport = route.kind === 'UDPRoute' ? 'UDP' : 'TCP';
  const targets = (route.spec.rules?.[0]?.backendRefs ?? []).map((ref): StreamTarget => {
    const found = readBackend(context.view, ref, from, { transport });
    const backend = backendOf(ref, found, namespace);
    const weight = ref.weight ?? 1;
    if (isProblem(found)) return { backend, weight, problem: found, backendTls: undefined };
    const policy = transport === 'TCP' ? context.policies?.for(found) : undefined;
    return {
      backend,
      weight,
      problem: policy?.unresolved,
      backendTls: policy === undefined ? undefined : backendTls(policy, context.clientCertificate),
    };
  });
  const rule: RouteRule = {
    kind: route.kind,
    namespace,
    name: route.metadata.name,
    field: ['spec', 'rules', 0],
    host: hostname ?? '*',
    path: '',
    pathType: transport === 'UDP' ? 'UDP' : route.kind === 'TLSRoute' ? 'SNI' : 'TCP',
    backends: targets.map(({ backend }) => backend),
  };
  return { rule, targets };
}

/** The backend of one connection; or why there is none. */
export function pickBackend({ targets, rule }: Stream, chance: number): StreamTarget | string {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return `${rule.kind} "${rule.namespace}/${rule.name}" sends nothing anywhere`;
  let left = chance * total;
  let chosen = targets[0]!;
  for (const target of targets) {
    if (target.weight === 0) continue;
    chosen = target;
    if (left < target.weight) break;
    left -= target.weight;
  }
  return chosen.problem === undefined ? chosen : chosen.problem.message;
}

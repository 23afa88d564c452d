import { isReady } from '@netsim/control';
import { matchesLabels, type ObjectStore, type Pod, type Service } from '@netsim/manifest';
import type { Cause, Disposition, Step } from '@netsim/trace';
import { FIREWALL_CHAIN } from '../firewall.ts';
import type { GkeLoadBalancer } from '../ingress/gke/load-balancers.ts';
import { LISTEN_ANNOTATION, podListeners, START_DELAY_ANNOTATION, startDelay } from '../listeners.ts';
import type { DestinationRef } from '../names.ts';
import { causeOf } from './cause.ts';
import type { TraceEvent } from './collector.ts';
import { frontDoorPorts } from './front-door-port.ts';
import { whyNoPods, whyNotReady } from './why-no-endpoints.ts';

/** How a path ended and why, read from the steps of its packets. */
export interface Outcome {
  readonly disposition: Disposition;
  readonly reason: string;
  readonly cause?: Cause;
  readonly advice?: string;
  /** The namespace where it ended, as the kernel names it. */
  readonly endedIn?: string;
}

/** What an outcome may be explained with. */
export interface Knowledge {
  readonly store: ObjectStore;
  readonly destination: DestinationRef;
  /** The pod whose netns this is; undefined for a node's own and for outside hosts. */
  podOf(netns: string): Pod | undefined;
  /** The pod with this address (one with its own netns). */
  podWithAddress(ip: string): Pod | undefined;
  /** Among the rules of a service chain that each lead to an endpoint: which one a rule is, of how many. */
  choiceOf(netns: string, chain: string, index: number): { number: number; of: number } | undefined;
  /** True for the namespace that stands for the world outside. */
  isOutside(netns: string): boolean;
  /** The load balancer that a machine outside stands for. */
  loadBalancerAt(netns: string): GkeLoadBalancer | undefined;
}

const dropDispositions: Record<string, Disposition> = {
  IP_OUTNOROUTES: 'NO_ROUTE',
  IP_INNOROUTES: 'NO_ROUTE',
  NEIGH_FAILED: 'NEIGHBOR_UNREACHABLE',
  TTL_EXPIRED: 'TTL_EXPIRED',
  PKT_TOO_BIG: 'MTU_EXCEEDED',
  NO_SOCKET: 'NO_LISTENER',
};

/** Judges one leg: the last step that decides something says how it ended. */
export function judgeRequest(events: readonly TraceEvent[], known: Knowledge): Outcome {
  const last = events.at(-1);
  for (let index = events.length - 1; index >= 0; index--) {
    const { where, step } = events[index]!;
    const outcome = decide(events, index, known);
    if (outcome !== undefined) return { endedIn: where.name, ...outcome };
    if (step.kind === 'send' || step.kind === 'receive') break;
  }
  if (last !== undefined && known.isOutside(last.where.name))
    return { endedIn: last.where.name, ...leaves(events, known) };
  return {
    disposition: 'DROPPED',
    reason: `the packet was not seen again after ${last?.where.machine ?? 'it was sent'}`,
  };
}

function decide(events: readonly TraceEvent[], index: number, known: Knowledge): Outcome | undefined {
  const { where, step } = events[index]!;
  switch (step.kind) {
    case 'socket':
      if (known.isOutside(where.name)) return undefined;
      if (step.action === 'delivered' || step.action === 'accepted') {
        return {
          disposition: 'DELIVERED',
          reason: `${step.program ?? 'a socket'} took it${step.socket === undefined ? '' : ` on ${step.socket}`}`,
        };
      }
      return noListener(events, where.name, known);
    case 'rule':
      if (isReject(step)) return rejected(events, index, step, known);
      if (isDrop(step)) return droppedByRule(events, index, step, known);
      return undefined;
    case 'policy': {
      const balancer = step.action === 'DROP' ? known.loadBalancerAt(where.name) : undefined;
      if (balancer !== undefined) return noForwardingRule(balancer, events, known);
      return step.action === 'DROP' && !known.isOutside(where.name)
        ? {
            disposition: 'DROPPED',
            reason: `the policy of chain ${step.chain} (table ${step.table}) on ${where.machine} is DROP`,
          }
        : undefined;
    }
    case 'drop': {
      // A rule or a missing socket says more than the drop that follows it.
      for (let before = index - 1; before >= 0 && before >= index - 3; before--) {
        const earlier = decide(events, before, known);
        if (earlier !== undefined && earlier.disposition !== 'DELIVERED') return earlier;
      }
      if (known.isOutside(where.name)) return leaves(events, known);
      if (step.reason === 'NO_SOCKET') return noListener(events, where.name, known);
      return {
        disposition: dropDispositions[step.reason] ?? 'DROPPED',
        reason: dropReason(step.reason, where.machine, events, step.detail),
      };
    }
    default:
      return undefined;
  }
}

const dropWords: Record<string, string> = {
  IP_OUTNOROUTES: 'has no route to it',
  IP_INNOROUTES: 'has no route to it',
  NEIGH_FAILED: 'asked for its MAC address and nobody answered: no machine has that address',
  TTL_EXPIRED: 'saw its TTL reach zero: a routing loop, or a TTL that is too small',
  PKT_TOO_BIG: 'could not pass it on: it is larger than the MTU and may not be fragmented',
  IP_RPFILTER: 'dropped it by the reverse path filter: an answer would leave by another device',
  IP_LOCALNET: 'dropped it: a loopback address came in from outside',
  FORWARDING_DISABLED: 'does not forward packets (net.ipv4.ip_forward is 0)',
  CONNTRACK_TABLE_FULL: 'dropped it: the conntrack table is full',
  NETSIM_HOP_BUDGET: 'dropped it after too many devices: a loop',
  NETSIM_RULE_BUDGET: 'dropped it after too many rules',
};

function dropReason(
  reason: string,
  machine: string,
  events: readonly TraceEvent[],
  detail: string | undefined,
): string {
  const target = lastDestination(events);
  return `${machine} ${dropWords[reason] ?? `dropped it (${reason})`}${target === undefined ? '' : `: ${target}`}${detail === undefined ? '' : ` (${detail})`}`;
}

function lastDestination(events: readonly TraceEvent[]): string | undefined {
  for (let index = events.length - 1; index >= 0; index--) {
    const { step } = events[index]!;
    if (step.kind === 'nat' && step.direction === 'dst') return step.to;
    if (step.kind === 'receive' || step.kind === 'send') return step.packet.dst;
  }
  return undefined;
}

function leaves(events: readonly TraceEvent[], known: Knowledge): Outcome {
  const { destination } = known;
  if (destination.kind !== 'Service') {
    return {
      disposition: 'EXITS_CLUSTER',
      reason: 'it leaves the cluster by the default route; what happens there is not in the manifests',
    };
  }
  const service = destination.object as Service;
  const ports = (service.spec.ports ?? [])
    .map((port) => `${(port.protocol ?? 'TCP').toLowerCase()} ${port.port}`)
    .join(', ');
  const asked = destination.port === undefined ? destination.protocol : `${destination.protocol} ${destination.port}`;
  const hasPort = (service.spec.ports ?? []).some(
    (port) => port.port === destination.port && (port.protocol ?? 'TCP').toLowerCase() === destination.protocol,
  );
  if (hasPort && events.some(({ step }) => step.kind === 'nat' && step.direction === 'dst')) {
    return {
      disposition: 'EXITS_CLUSTER',
      reason: 'its endpoint is outside the cluster; what happens there is not in the manifests',
    };
  }
  if (hasPort) {
    return {
      disposition: 'EXITS_CLUSTER',
      reason: `${known.destination.text} has a cluster IP, which exists only in the rules of the nodes: from outside it is an address like any other, and no route leads to it`,
      cause: causeOf(service, ['spec', 'type'], `type: ${service.spec.type ?? 'ClusterIP'}`),
      advice: 'From outside a service is reached by a NodePort, a LoadBalancer or an Ingress',
    };
  }
  return {
    disposition: 'EXITS_CLUSTER',
    reason: `no rule is for ${asked}: a virtual IP exists only together with its ports (${ports === '' ? 'none' : ports}), so the packet left by the default route and no answer comes`,
    cause: causeOf(
      service,
      ['spec', 'ports'],
      `service "${service.metadata.name}" has ${ports === '' ? 'no ports' : ports}`,
    ),
    advice:
      destination.protocol === 'icmp'
        ? `Do not ping a service: try its port (curl, nc -z) instead`
        : `Use one of its ports, or add port ${destination.port} to service "${service.metadata.name}"`,
  };
}

type RuleStep = Step & { kind: 'rule' };

function isReject({ action }: RuleStep): boolean {
  return action === 'REJECT' || action === 'reject';
}
function isDrop({ action }: RuleStep): boolean {
  return action === 'DROP' || action === 'drop';
}

/** In nftables mode a map says that a service has no endpoints; its rule stands before the verdict. */
function askedNoEndpoints(events: readonly TraceEvent[], index: number): boolean {
  return events
    .slice(Math.max(0, index - 2), index + 1)
    .some(({ step }) => step.kind === 'rule' && step.text.includes('@no-endpoint-'));
}

function rejected(events: readonly TraceEvent[], index: number, step: RuleStep, known: Knowledge): Outcome {
  if (step.table === 'ipvs' || step.text.includes('has no endpoints') || askedNoEndpoints(events, index))
    return noEndpoints(step, known);
  if ((step.chain === 'cluster-ips-check' || step.chain === 'KUBE-IPVS-FILTER') && known.destination.kind === 'Service')
    return notItsPort(step, known);
  const how = /--reject-with (\S+)/.exec(step.text)?.[1] ?? 'icmp-port-unreachable';
  return {
    disposition: 'REJECTED',
    reason: `rule ${step.index} of ${step.table} ${step.chain} rejects it with ${how}: ${step.text}`,
    ...ruleCause(step, known),
  };
}

/** nftables and IPVS mode answer at once where iptables mode lets the packet wander off. */
function notItsPort(step: RuleStep, known: Knowledge): Outcome {
  const service = known.destination.object as Service;
  const { protocol, port } = known.destination;
  const asked = port === undefined ? protocol : `${protocol} ${port}`;
  return {
    disposition: 'REJECTED',
    reason: `${asked} is no port of service "${service.metadata.name}", so kube-proxy refuses it (rule ${step.index} of ${step.chain})`,
    cause: causeOf(service, ['spec', 'ports'], 'its ports'),
    advice: port === undefined ? 'Try one of its ports instead' : `Use one of its ports, or add port ${port} to it`,
  };
}

function droppedByRule(events: readonly TraceEvent[], index: number, step: RuleStep, known: Knowledge): Outcome {
  if (step.chain === FIREWALL_CHAIN) return closedByFirewall(step, known);
  if (step.text.includes('has no local endpoints') || askedNoEndpoints(events, index)) {
    const service = serviceOf(step.origin, known);
    const external =
      step.chain === 'KUBE-EXTERNAL-SERVICES' ||
      known.destination.kind !== 'Service' ||
      known.destination.servicePort?.port !== known.destination.port;
    const policy = external ? 'externalTrafficPolicy' : 'internalTrafficPolicy';
    const name = service?.metadata.name ?? '';
    return {
      disposition: 'DROPPED',
      reason: `${policy} of service "${name}" is Local, and this node has no ready endpoint of it`,
      ...(service !== undefined && {
        cause: causeOf(service, ['spec', policy], `${policy}: Local`),
        advice: `${external ? 'Send to a node that runs a pod of the service' : 'Run a pod of the service on this node'}, or use ${policy}: Cluster`,
      }),
    };
  }
  return {
    disposition: 'DROPPED',
    reason: `rule ${step.index} of ${step.table} ${step.chain} drops it: ${step.text}`,
    ...ruleCause(step, known),
  };
}

/** A load balancer of a cloud listens on the ports of its forwarding rules; what comes to others is lost. */
function noForwardingRule(
  { namespace, name, router }: GkeLoadBalancer,
  events: readonly TraceEvent[],
  known: Knowledge,
): Outcome {
  const port = arrival(events)?.dport;
  const ingress = known.store.get('Ingress', namespace, name);
  const ports = router.listeners.map((each) => each.port).join(', ');
  const https = port === 443;
  return {
    disposition: 'DROPPED',
    reason: `the load balancer of ingress "${namespace}/${name}" has no forwarding rule for port ${port}: it listens on ${ports === '' ? 'no port' : ports}`,
    ...(ingress === undefined
      ? {}
      : { cause: causeOf(ingress, https ? ['spec'] : ['metadata', 'annotations'], https ? 'no TLS' : 'no HTTP') }),
    advice: https
      ? 'Give it a certificate: a Secret in spec.tls, a ManagedCertificate or a pre-shared certificate'
      : 'Use a port that it listens on',
  };
}

function closedByFirewall(step: RuleStep, known: Knowledge): Outcome {
  const [, , name = ''] = step.origin?.split('/') ?? [];
  const firewall = known.store.list('Firewall').find((object) => object.metadata.name === name);
  const { protocol, port } = known.destination;
  const what = port === undefined ? protocol : `${protocol} ${port}`;
  return {
    disposition: 'DROPPED',
    reason: `the firewall in front of the node drops it: no rule of firewall "${name}" allows ${what}`,
    ...(firewall !== undefined && { cause: causeOf(firewall, ['spec', 'allow'], `nothing allows ${what}`) }),
    advice: `Add to spec.allow: { protocol: ${protocol}${port === undefined ? '' : `, ports: [${port}]`} }`,
  };
}

function ruleCause(step: RuleStep, known: Knowledge): Pick<Outcome, 'cause'> {
  const service = serviceOf(step.origin, known);
  return service === undefined ? {} : { cause: causeOf(service, ['spec'], step.text) };
}

function serviceOf(origin: string | undefined, known: Knowledge): Service | undefined {
  const [kind, namespace, name] = origin?.split('/') ?? [];
  if (kind === 'Service' && name !== undefined) return known.store.get<Service>('Service', namespace, name);
  return known.destination.kind === 'Service' ? (known.destination.object as Service) : undefined;
}

function noEndpoints(step: RuleStep, known: Knowledge): Outcome {
  const service = serviceOf(step.origin, known);
  if (service === undefined) return { disposition: 'NO_ENDPOINTS', reason: 'the service has no endpoints' };
  const { name, namespace } = service.metadata;
  const { selector } = service.spec;
  if (selector === undefined) {
    return {
      disposition: 'NO_ENDPOINTS',
      reason: `service "${name}" has no selector and no endpoints of its own`,
      cause: causeOf(service, ['spec'], 'no selector'),
      advice: `Give it a selector, or an EndpointSlice labelled kubernetes.io/service-name: ${name}`,
    };
  }
  const pods = known.store
    .list<Pod>('Pod', namespace)
    .filter((pod) => matchesLabels(selector, pod.metadata.labels ?? {}));
  if (pods.length === 0) {
    const { text, ...why } = whyNoPods(known.store, service);
    return { disposition: 'NO_ENDPOINTS', reason: `${text}, so kube-proxy refuses the connection`, ...why };
  }
  const waiting = pods.filter((pod) => !isReady(pod));
  const list = waiting
    .slice(0, 3)
    .map((pod) => `"${pod.metadata.name}"`)
    .join(', ');
  if (waiting.length === pods.length) {
    const { cause, advice } = whyNotReady(known.store, pods[0]!);
    return {
      disposition: 'NO_ENDPOINTS',
      reason: `${pods.length === 1 ? 'the only pod' : `all ${pods.length} pods`} of service "${name}" (${list}${waiting.length > 3 ? ', ...' : ''}) ${pods.length === 1 ? 'is' : 'are'} not ready, so kube-proxy refuses the connection`,
      cause,
      advice,
    };
  }
  return {
    disposition: 'NO_ENDPOINTS',
    reason: `service "${name}" has ready pods, but none of them has the port that the service names`,
    cause: causeOf(service, ['spec', 'ports'], 'targetPort'),
    advice: 'Compare targetPort with the names of the container ports',
  };
}

function noListener(events: readonly TraceEvent[], netns: string, known: Knowledge): Outcome {
  const packet = arrival(events);
  const port = packet?.dport;
  const pod = known.podOf(netns);
  if (pod === undefined) {
    return {
      disposition: 'NO_LISTENER',
      reason: `nothing listens on ${packet?.dst ?? 'the node'}${port === undefined ? '' : ` port ${port}`}`,
      ...onlyByNodePort(port, known),
    };
  }
  const name = pod.metadata.name;
  const { listeners, complete, unknown } = podListeners(pod);
  if (!complete) {
    const image = pod.spec.containers.find((container) => container.name === unknown[0])?.image ?? '';
    return {
      disposition: 'INSUFFICIENT_INFO',
      reason: `the packet reaches pod "${name}", but nothing says what container "${unknown[0]}" (image ${image}) listens on`,
      cause: causeOf(pod, ['spec', 'containers'], `container "${unknown[0]}" declares no ports`),
      advice: `Declare its containerPort, or tell netsim: annotate the pod with ${LISTEN_ANNOTATION}: "${port ?? 8080}"`,
    };
  }
  const there = listeners.find((listener) => listener.port === port);
  if (there?.address !== undefined) {
    return {
      disposition: 'NO_LISTENER',
      reason: `pod "${name}" listens on localhost only (127.0.0.1:${port}): its own address ${packet?.dst} has no listener, the connection is refused`,
      cause: causeOf(
        pod,
        ['metadata', 'annotations', LISTEN_ANNOTATION],
        `${LISTEN_ANNOTATION}: ${pod.metadata.annotations?.[LISTEN_ANNOTATION] ?? ''}`,
      ),
      advice: 'Let the program listen on 0.0.0.0',
    };
  }
  if (there !== undefined && startDelay(pod) > 0) {
    const delay = pod.metadata.annotations?.[START_DELAY_ANNOTATION] ?? '';
    return {
      disposition: 'NO_LISTENER',
      reason: `the program in pod "${name}" has not begun to listen on port ${port} yet: the connection is refused`,
      cause: causeOf(pod, ['metadata', 'annotations', START_DELAY_ANNOTATION], `${START_DELAY_ANNOTATION}: ${delay}`),
      advice: 'Give the container a readiness probe, so that nothing is sent to it before it listens',
    };
  }
  const open = listeners.map(
    (listener) => `${listener.port}${listener.protocol === 'tcp' ? '' : `/${listener.protocol}`}`,
  );
  return {
    disposition: 'NO_LISTENER',
    reason: `nothing in pod "${name}" listens on port ${port}${open.length === 0 ? '' : `; it listens on ${open.join(', ')}`}`,
    ...portCause(pod, port, open, known),
  };
}

/** A URL that has come to a node of a cluster whose controller has no load balancer. */
function onlyByNodePort(
  port: number | undefined,
  { store, destination }: Knowledge,
): Pick<Outcome, 'cause' | 'advice'> {
  const ways = destination.url === undefined ? [] : frontDoorPorts(store, destination.url, port);
  const [first] = ways;
  if (first === undefined) return {};
  const urls = ways.map(({ url }) => url).join(' or ');
  return {
    cause: causeOf(
      first.service,
      ['spec', 'type'],
      `type ${first.service.spec.type}, without a load balancer's address`,
    ),
    advice: `Write ${urls}, or give the cluster a load balancer (MetalLB) and the Service type LoadBalancer`,
  };
}

function portCause(
  pod: Pod,
  port: number | undefined,
  open: readonly string[],
  known: Knowledge,
): Pick<Outcome, 'cause' | 'advice'> {
  const { destination } = known;
  const service = destination.kind === 'Service' ? (destination.object as Service) : undefined;
  if (service === undefined || destination.servicePort === undefined) {
    return {
      cause: causeOf(
        pod,
        ['spec', 'containers'],
        open.length === 0 ? 'no listening port' : `ports: ${open.join(', ')}`,
      ),
      advice:
        open.length === 0 ? `Annotate the pod with ${LISTEN_ANNOTATION} if it does listen` : `Use port ${open[0]}`,
    };
  }
  const index = service.spec.ports!.indexOf(destination.servicePort);
  return {
    cause: causeOf(
      service,
      ['spec', 'ports', index, 'targetPort'],
      `targetPort: ${destination.servicePort.targetPort ?? destination.servicePort.port}`,
    ),
    advice:
      open.length === 0
        ? `Annotate the pods with ${LISTEN_ANNOTATION} if they do listen on ${port}`
        : `Set targetPort of service "${service.metadata.name}" to ${open[0]}, or annotate the pods with ${LISTEN_ANNOTATION}: "${port}" if they do listen there`,
  };
}

function arrival(events: readonly TraceEvent[]): { dst: string; dport?: number } | undefined {
  for (let index = events.length - 1; index >= 0; index--) {
    const { step } = events[index]!;
    if (step.kind === 'receive' || step.kind === 'send') return step.packet;
  }
  return undefined;
}

import type { EndpointSlice, Pod } from '@netsim/manifest';
import type { Path, Step } from '@netsim/trace';
import { formatIp } from '@netsim/wire';
import type { DestinationRef } from '../names.ts';
import { type Collector, hopsOf, type TraceEvent } from './collector.ts';
import { judgeRequest, type Knowledge, type Outcome } from './outcome.ts';

/** What one walk of a packet and its reply left behind. */
export interface Walk {
  readonly collector: Collector;
  readonly probability: number;
  /** Where the packet started. */
  readonly from: { readonly machine: string; readonly label: string };
}

/** Makes the path of a walk: the request's hops, the reply's, and the verdict over both. */
export function buildPath(walk: Walk, known: Knowledge): Path {
  const { collector, probability } = walk;
  const request = collector.of(collector.request);
  if (request.length === 0) return neverSent(walk, known);
  const ended = judgeRequest(request, known);
  const reply = collector.reply === 0 || leftCluster(ended, known) ? [] : collector.of(collector.reply);
  const outcome = ended.disposition === 'DELIVERED' && reply.length > 0 ? judgeReply(ended, reply, known) : ended;
  const backend = backendOf(request, ended, known);
  const seen = ended.disposition === 'DELIVERED' ? sourceSeen(request) : undefined;
  return {
    probability,
    disposition: outcome.disposition,
    reason: outcome.reason,
    ...(seen === undefined ? {} : { sourceSeen: seen }),
    ...(backend === undefined ? {} : { backend }),
    ...(outcome.cause === undefined ? {} : { cause: outcome.cause }),
    ...(outcome.advice === undefined ? {} : { advice: outcome.advice }),
    request: {
      hops: hopsOf(withChoices(outcome.disposition === 'EXITS_CLUSTER' ? inside(request, known) : request, known)),
    },
    ...(reply.length === 0 ? {} : { reply: { hops: hopsOf(reply) } }),
  };
}

/** Whether what comes back is outside's to tell. */
function leftCluster({ disposition, endedIn }: Outcome, known: Knowledge): boolean {
  return disposition === 'EXITS_CLUSTER' && endedIn !== undefined && known.isOutside(endedIn);
}

/** Without the fate that a packet meets outside, which is not the cluster's to tell: up to where the first machine there sends it on. */
function inside(events: readonly TraceEvent[], known: Knowledge): readonly TraceEvent[] {
  const first = events.find(({ where }) => known.isOutside(where.name))?.where.name;
  return events.filter(
    ({ where, step }) => !known.isOutside(where.name) || (where.name === first && step.kind !== 'drop'),
  );
}

/** Says at the rule that draws an endpoint which one of how many it is. */
function withChoices(events: readonly TraceEvent[], known: Knowledge): TraceEvent[] {
  return events.map((event) => {
    const { step } = event;
    if (step.kind !== 'rule' || !step.action.startsWith('jump KUBE-SEP-')) return event;
    const choice = known.choiceOf(event.where.name, step.chain, step.index);
    return choice === undefined ? event : { ...event, step: { ...step, choice } };
  });
}

/** The call that was to send the packet failed: there is no way to the destination. */
function neverSent({ collector, probability, from }: Walk, known: Knowledge): Path {
  const destination = formatIp(known.destination.ip);
  const reason = `${from.machine} has no route to ${destination}: the program is told ${collector.error || 'ENETUNREACH'}`;
  const step: Step = { kind: 'route', action: 'unreachable', destination };
  return {
    probability,
    disposition: 'NO_ROUTE',
    reason,
    request: { hops: [{ node: from.machine, netns: from.label, steps: [step] }] },
  };
}

/** A delivered request whose answer is lost is not delivered: the client sees a timeout. */
function judgeReply(ended: Outcome, reply: readonly TraceEvent[], known: Knowledge): Outcome {
  const back = judgeRequest(reply, known);
  if (back.disposition === 'DELIVERED' || reply.some(({ step }) => step.kind === 'socket')) return ended;
  return { ...back, reason: `the request arrives, the reply is lost: ${back.reason}` };
}

function backendOf(request: readonly TraceEvent[], ended: Outcome, known: Knowledge): Path['backend'] | undefined {
  const { destination } = known;
  const target = finalTarget(request, destination);
  if (target === undefined) return undefined;
  if (destination.kind === 'Service' && !wasTranslated(request)) return undefined;
  const pod = known.podWithAddress(target.ip) ?? endpointPod(destination, target.ip, known);
  if (pod !== undefined) {
    const { name, namespace } = pod.metadata;
    return { kind: 'Pod', ...(namespace === undefined ? {} : { namespace }), name, ...target };
  }
  if (destination.kind === 'Pod') {
    const { name, namespace } = (destination.object as Pod).metadata;
    return { kind: 'Pod', ...(namespace === undefined ? {} : { namespace }), name, ...target };
  }
  const machine = request.at(-1)?.where.machine;
  if (ended.disposition === 'DELIVERED' && machine !== undefined) return { kind: 'Node', name: machine, ...target };
  return { kind: 'IP', name: target.ip, ...target };
}

/** The pod of a service that has the address of its node: only the slices tell which one it is. */
function endpointPod({ kind, object }: DestinationRef, ip: string, { store }: Knowledge): Pod | undefined {
  if (kind !== 'Service' || object === undefined) return undefined;
  const { name, namespace } = object.metadata;
  for (const slice of store.list<EndpointSlice>('EndpointSlice', namespace)) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
    const target = slice.endpoints?.find(({ addresses }) => addresses.includes(ip))?.targetRef;
    if (target?.kind === 'Pod' && target.name !== undefined) return store.get<Pod>('Pod', namespace, target.name);
  }
  return undefined;
}

const isNat = (step: Step): step is Step & { kind: 'nat' } => step.kind === 'nat' && step.direction === 'dst';

function wasTranslated(request: readonly TraceEvent[]): boolean {
  return request.some(({ step }) => isNat(step));
}

function finalTarget(
  request: readonly TraceEvent[],
  destination: DestinationRef,
): { ip: string; port: number } | undefined {
  let text: string | undefined;
  for (const { step } of request) if (isNat(step)) text = step.to;
  if (text === undefined)
    return destination.port === undefined ? undefined : { ip: formatIp(destination.ip), port: destination.port };
  const colon = text.lastIndexOf(':');
  return { ip: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

/** Source address of the packet as it came in at the last namespace. */
function sourceSeen(request: readonly TraceEvent[]): string | undefined {
  let seen: string | undefined;
  for (const { step } of request) {
    if (step.kind === 'send' || step.kind === 'receive') seen = step.packet.src;
    if (step.kind === 'nat' && step.direction === 'src') seen = step.to.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  }
  return seen;
}

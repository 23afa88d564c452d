import type { Netns, RandomSource } from '@netsim/kernel';
import type { Cluster } from '../cluster.ts';
import { endpointsOf } from '../ingress/endpoints.ts';
import type { Door } from '../ingress/front-door.ts';
import { placeOf } from '../ingress/route-table.ts';
import { ruleText } from './http-text.ts';
import { backendText, causeOf, drawChance, type Passage, ruleOf, step } from './through-door.ts';

export interface DoorConnection {
  readonly transport: 'TCP' | 'UDP';
  readonly clientAddress: string;
}

/**
 * What a Gateway does with a connection or datagram of which nothing is known but where it came to; undefined where that is not enough: the
 * bytes that follow decide (HTTP, the server name of TLS).
 */
export function throughStream(
  cluster: Cluster,
  door: Door,
  netns: Netns,
  { transport, clientAddress }: DoorConnection,
  random: RandomSource,
): Passage | undefined {
  const { gateway, port } = door;
  const socket = gateway?.sockets.find((each) => each.port === port && each.transport === transport);
  if (gateway === undefined || socket === undefined || socket.tls) return undefined;
  const planAt = (chance: number) => gateway.connect({ port, transport, clientAddress }, chance);
  const plan = planAt(drawChance((chance) => JSON.stringify(planAt(chance)), random));
  const verb = transport === 'UDP' ? 'drops the datagram' : 'closes the connection';
  if (plan.kind === 'close') {
    const reason = `the controller ${verb}: ${plan.why}`;
    return { steps: [step('respond', reason)], ended: { disposition: 'NO_ENDPOINTS', reason } };
  }
  if (plan.kind !== 'stream') return undefined;
  const { rule, backend } = plan;
  const { store } = cluster;
  const decided = { ...step('rule', ruleText(rule, placeOf(store, rule))), rule: ruleOf(store, rule) };
  const cause = causeOf(store, rule);
  const { list, why } = endpointsOf(door.backends, backend);
  if (list.length === 0) {
    const reason = `${why}: the controller ${verb}`;
    return { steps: [decided, step('respond', reason)], ended: { disposition: 'NO_ENDPOINTS', reason }, cause };
  }
  const endpoint = list[list.length === 1 ? 0 : random.choose(list.length)]!;
  const which = list.length === 1 ? 'its only endpoint' : `one of its ${list.length} endpoints`;
  const passed = `passed on to ${backendText(backend)}: ${which}, ${endpoint.text}`;
  return { steps: [decided, step('forward', passed)], onward: { netns, endpoint }, cause };
}

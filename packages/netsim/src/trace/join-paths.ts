import type { Hop, Leg, Path, Step } from '@netsim/trace';
import { type Controller, controllerWord } from '../ingress/controllers.ts';
import { failureStatus } from '../ingress/statuses.ts';
import type { Passage } from './through-door.ts';

/** A path that ends at a controller, which answers itself. */
export function endAtDoor(path: Path, passage: Passage, controller: Controller): Path {
  const { ended, steps, http, cause } = passage;
  const answer = steps.at(-1)?.text ?? '';
  return {
    ...path,
    disposition: ended?.disposition ?? path.disposition,
    reason: ended?.reason ?? `${controllerWord(controller)} ${answer}`,
    ...(cause === undefined ? {} : { cause }),
    ...(ended?.advice === undefined ? {} : { advice: ended.advice }),
    ...(http === undefined ? {} : { http }),
    request: withSteps(path.request, steps),
  };
}

/** A path to a controller and the one on from there, as one: the request goes both ways forward, the answer both ways back. */
export function joinPaths(path: Path, passage: Passage, next: Path, controller: Controller): Path {
  const { cause, advice, backend, reply, sourceSeen, disposition, reason } = next;
  if (passage.broken !== undefined && disposition === 'DELIVERED') {
    const status = failureStatus(controller, 'refused');
    const said = `TLS to the backend fails: ${passage.broken}: ${controllerWord(controller)} answers ${status}`;
    const { broken: _, ...whole } = passage;
    const joined = joinPaths(path, whole, next, controller);
    return { ...joined, reason: said, ...(passage.http === undefined ? {} : { http: { ...passage.http, status } }) };
  }
  const failed = disposition !== 'DELIVERED';
  const status = statusFor(next, controller);
  return {
    probability: path.probability,
    disposition,
    reason:
      failed && passage.http !== undefined ? `${reason}: ${controllerWord(controller)} answers ${status}` : reason,
    ...(sourceSeen === undefined ? {} : { sourceSeen }),
    ...(backend === undefined ? {} : { backend }),
    ...(failed && cause !== undefined ? { cause } : {}),
    ...(failed && advice !== undefined ? { advice } : {}),
    ...(passage.http === undefined ? {} : { http: { ...passage.http, ...(failed ? { status } : {}) } }),
    request: joinLegs(withSteps(path.request, passage.steps), next.request),
    ...(reply === undefined || path.reply === undefined ? {} : { reply: joinLegs(reply, path.reply) }),
  };
}

/** What a proxy says where it cannot reach a backend: refused, or nothing heard. */
function statusFor({ disposition, reply }: Path, controller: Controller): number {
  const answered = disposition === 'NO_LISTENER' || disposition === 'REJECTED' || (reply?.hops.length ?? 0) > 0;
  const heard = answered || disposition === 'NO_ROUTE' || disposition === 'NEIGHBOR_UNREACHABLE';
  return failureStatus(controller, heard ? 'refused' : 'silent');
}

function withSteps({ hops }: Leg, steps: readonly Step[]): Leg {
  const last = hops.at(-1);
  return last === undefined
    ? { hops }
    : { hops: [...hops.slice(0, -1), { ...last, steps: [...last.steps, ...steps] }] };
}

/** The second begins in the netns where the first has ended. */
function joinLegs(first: Leg, second: Leg): Leg {
  const last = first.hops.at(-1);
  const [begin, ...rest] = second.hops;
  if (last === undefined || begin === undefined) return { hops: [...first.hops, ...second.hops] };
  if (last.node !== begin.node || last.netns !== begin.netns) return { hops: [...first.hops, ...second.hops] };
  const joined: Hop = { ...last, steps: [...last.steps, ...begin.steps] };
  return { hops: [...first.hops.slice(0, -1), joined, ...rest] };
}

import type { PodStatus } from '@netsim/manifest';
import { withCondition } from './pod-status.ts';

/** What a kubelet reports of a pod whose containers have ended for good. */
export function endedStatus(status: PodStatus, succeeded: boolean, time: string): PodStatus {
  const phase = succeeded ? 'Succeeded' : 'Failed';
  const reason = succeeded ? 'PodCompleted' : 'PodFailed';
  let next: PodStatus = { ...status, phase };
  for (const type of ['Ready', 'ContainersReady']) {
    next = withCondition(next, { type, status: 'False', reason, lastProbeTime: null, lastTransitionTime: time });
  }
  const terminated = endOf(succeeded, time);
  return withStatuses(next, (each) => ({ ...each, ready: false, started: false, state: { terminated } }));
}

/** What it reports where the containers have ended and started again. */
export function restartedStatus(status: PodStatus, succeeded: boolean, time: string): PodStatus {
  const terminated = endOf(succeeded, time);
  return withStatuses(status, (each) => ({
    ...each,
    restartCount: (each.restartCount ?? 0) + 1,
    state: { running: { startedAt: time } },
    lastState: { terminated },
  }));
}

/** What it reports of a container that ends again and again: it waits before it starts it once more. */
export function crashLoopStatus(status: PodStatus, container: string, restarts: number, time: string): PodStatus {
  return withStatuses(status, (each) =>
    each.name !== container
      ? each
      : {
          ...each,
          ready: false,
          started: false,
          restartCount: restarts,
          state: {
            waiting: { reason: 'CrashLoopBackOff', message: `back-off restarting failed container=${container}` },
          },
          lastState: { terminated: endOf(false, time) },
        },
  );
}

/** What it reports once such a container stays up. */
export function recoveredStatus(status: PodStatus, container: string, restarts: number, time: string): PodStatus {
  return withStatuses(status, (each) =>
    each.name !== container
      ? each
      : { ...each, started: true, restartCount: restarts, state: { running: { startedAt: time } } },
  );
}

type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];

function withStatuses(status: PodStatus, of: (each: ContainerStatus) => ContainerStatus): PodStatus {
  const { containerStatuses } = status;
  return containerStatuses === undefined ? status : { ...status, containerStatuses: containerStatuses.map(of) };
}

function endOf(succeeded: boolean, time: string): Record<string, unknown> {
  return { exitCode: succeeded ? 0 : 1, reason: succeeded ? 'Completed' : 'Error', finishedAt: time };
}

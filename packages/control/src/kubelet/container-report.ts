import type { Pod, PodStatus } from '@netsim/manifest';
import { withCondition } from './pod-status.ts';
import { withReadinessGates } from './readiness-gates.ts';
import { whyNotReady } from './started-status.ts';

/** What a kubelet has to say of one container. */
export type ContainerReport =
  | { readonly kind: 'ready'; readonly ready: boolean }
  /** Its startup probe has succeeded. */
  | { readonly kind: 'started' }
  /** It was killed and is not back yet. */
  | { readonly kind: 'waiting'; readonly reason: string; readonly message: string; readonly ended: Ended }
  /** It runs again. `ended` where that is not told yet. */
  | { readonly kind: 'restarted'; readonly ready: boolean; readonly started: boolean; readonly ended?: Ended }
  /** It was killed and stays so. */
  | { readonly kind: 'ended'; readonly ended: Ended };

interface Ended {
  readonly exitCode: number;
  readonly reason: string;
}

interface ContainerStatus {
  name: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: Record<string, unknown>;
  lastState?: Record<string, unknown>;
}

/** The status of a pod after a report on one of its containers; the very same where it says nothing new. */
export function withReport(pod: Pod, container: string, report: ContainerReport, time: string): PodStatus {
  const { status = {} } = pod;
  const statuses: readonly ContainerStatus[] = status.containerStatuses ?? [];
  const changed = statuses.map((each) => (each.name === container ? changedBy(each, report, time) : each));
  if (changed.every((each, i) => each === statuses[i])) return status;
  const unready = changed.filter(({ ready }) => ready !== true).map(({ name }) => ({ name }));
  const value = unready.length === 0 ? 'True' : 'False';
  const why = unready.length === 0 ? {} : whyNotReady(unready);
  let next = { ...status, containerStatuses: changed } as PodStatus;
  for (const type of ['Ready', 'ContainersReady']) {
    next = withCondition(next, { type, status: value, lastProbeTime: null, lastTransitionTime: time, ...why });
  }
  if (report.kind === 'ended' && changed.every(({ state }) => state?.terminated !== undefined)) {
    next = { ...next, phase: 'Failed' };
  }
  return withReadinessGates(pod, next, time);
}

function changedBy(status: ContainerStatus, report: ContainerReport, time: string): ContainerStatus {
  switch (report.kind) {
    case 'ready':
      return status.ready === report.ready ? status : { ...status, ready: report.ready };
    case 'started':
      return status.started === true ? status : { ...status, started: true };
    case 'waiting': {
      const { reason, message } = report;
      const lastState = { terminated: terminated(status, report.ended, time) };
      return { ...status, ready: false, started: false, state: { waiting: { reason, message } }, lastState };
    }
    case 'restarted': {
      const { ready, started, ended } = report;
      const lastState = ended === undefined ? status.lastState : { terminated: terminated(status, ended, time) };
      return {
        ...status,
        ready,
        started,
        restartCount: (status.restartCount ?? 0) + 1,
        state: { running: { startedAt: time } },
        ...(lastState === undefined ? {} : { lastState }),
      };
    }
    case 'ended': {
      const state = { terminated: terminated(status, report.ended, time) };
      return { ...status, ready: false, started: false, state };
    }
  }
}

function terminated({ state }: ContainerStatus, { exitCode, reason }: Ended, time: string): Record<string, unknown> {
  const running = state?.running as { startedAt?: string } | undefined;
  return { exitCode, reason, ...(running?.startedAt && { startedAt: running.startedAt }), finishedAt: time };
}

import type { Pod } from '@netsim/manifest';

interface ContainerState {
  waiting?: { reason?: string };
  running?: { startedAt?: string };
  terminated?: { reason?: string; exitCode?: number; signal?: number; finishedAt?: string };
}
interface ContainerStatus {
  name: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: ContainerState;
  lastState?: ContainerState;
}

/** What `kubectl get pods` says of a pod in READY, STATUS and RESTARTS. */
export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly status: string;
  readonly restarts: number;
  /** Time of the last restart, where known. */
  readonly lastRestart?: string;
}

/**
 * Sums a pod up as the API server's printer does (pkg/printers/internalversion, printPod): the reason nearest to the
 * containers wins over the phase.
 */
export function summarizePod(pod: Pod): PodSummary {
  const status = pod.status ?? {};
  const initStatuses = (status as { initContainerStatuses?: ContainerStatus[] }).initContainerStatuses ?? [];
  const statuses = (status.containerStatuses ?? []) as ContainerStatus[];
  const initContainers = pod.spec.initContainers ?? [];
  const sidecars = new Set(initContainers.filter(isSidecar).map(({ name }) => name));

  let reason = status.reason || status.phase || '';
  if ((status.conditions ?? []).some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated')) {
    reason = 'SchedulingGated';
  }

  let ready = 0;
  let restarts = 0;
  let sidecarRestarts = 0;
  let lastRestart: string | undefined;
  const noteRestart = (container: ContainerStatus) => {
    const at = container.lastState?.terminated?.finishedAt;
    if (at !== undefined && (lastRestart === undefined || at > lastRestart)) lastRestart = at;
  };

  let initializing = false;
  for (const [index, container] of initStatuses.entries()) {
    restarts += container.restartCount ?? 0;
    noteRestart(container);
    if (sidecars.has(container.name)) sidecarRestarts += container.restartCount ?? 0;
    const { terminated, waiting } = container.state ?? {};
    if (terminated !== undefined && terminated.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started === true) {
      if (container.ready === true) ready++;
      continue;
    }
    initializing = true;
    if (terminated !== undefined) reason = `Init:${terminationReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${index}/${initContainers.length}`;
    break;
  }

  if (!initializing || hasCondition(pod, 'Initialized')) {
    restarts = sidecarRestarts;
    let running = false;
    for (const container of statuses.toReversed()) {
      restarts += container.restartCount ?? 0;
      noteRestart(container);
      const { waiting, terminated, running: isRunning } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated !== undefined) reason = terminationReason(terminated);
      else if (container.ready === true && isRunning !== undefined) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed' && running) reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
  }

  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') reason = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') reason = 'Terminating';
  }
  return {
    ready,
    total: pod.spec.containers.length + sidecars.size,
    status: reason,
    restarts,
    ...(lastRestart === undefined ? {} : { lastRestart }),
  };
}

function isSidecar(container: object): boolean {
  return (container as { restartPolicy?: string }).restartPolicy === 'Always';
}

function hasCondition(pod: Pod, type: string): boolean {
  return (pod.status?.conditions ?? []).some((c) => c.type === type && c.status === 'True');
}

function terminationReason({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`;
}

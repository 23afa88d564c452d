import type { Condition, Container, Pod, PodStatus } from '@netsim/manifest';
import type { ConfigFault } from './pod-config.ts';
import { withCondition } from './pod-status.ts';

/** A volume cannot be made: the kubelet makes no sandbox and so says no more of the containers. */
const CREATING = 'ContainerCreating';
const CONFIG_ERROR = 'CreateContainerConfigError';
const kubeletsOwn = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady']);

/** Whether a kubelet has reported that it cannot start containers, be it for what they are configured with. */
export function waitsForConfig({ status, metadata }: Pod): boolean {
  if (status?.phase !== 'Pending' || metadata.deletionTimestamp !== undefined) return false;
  return (status.containerStatuses ?? []).some(({ state }) => {
    const { reason } = (state?.waiting ?? {}) as { reason?: string };
    return reason === CREATING || reason === CONFIG_ERROR;
  });
}

/** The pod as it was before its kubelet reported that. */
export function beforeStart(pod: Pod): Pod {
  const { containerStatuses: _, conditions = [], ...status } = pod.status ?? {};
  return { ...pod, status: { ...status, conditions: conditions.filter(({ type }) => !kubeletsOwn.has(type)) } };
}

/**
 * What a kubelet reports of a pod of which containers lack something to be started with. `conditions`: those of a pod with these
 * containers unready. Source: pkg/kubelet/kubelet_pods.go (getPhase: Pending while a container has never run).
 */
export function unconfiguredStatus(
  pod: Pod,
  faults: readonly ConfigFault[],
  where: Pick<PodStatus, 'hostIP' | 'hostIPs'> & { readonly ips: readonly string[] },
  conditions: (unready: readonly Container[]) => Condition[],
  time: string,
): PodStatus {
  const { containers } = pod.spec;
  const { ips, ...host } = where;
  const noSandbox = faults.some(({ container }) => container === undefined);
  const waiting = new Map(faults.map(({ container, message }) => [container, { reason: CONFIG_ERROR, message }]));
  const containerStatuses = containers.map(({ name, image, startupProbe, readinessProbe }) => {
    const why = noSandbox ? { reason: CREATING } : waiting.get(name);
    const started = why === undefined && startupProbe === undefined;
    return {
      name,
      ...(image === undefined ? {} : { image }),
      ready: started && readinessProbe === undefined,
      restartCount: 0,
      started,
      state: why === undefined ? { running: { startedAt: time } } : { waiting: why },
    };
  });
  const status: PodStatus = {
    ...pod.status,
    phase: 'Pending',
    conditions: conditions(containers.filter((_, index) => containerStatuses[index]?.ready !== true)),
    ...host,
    ...(ips.length > 0 && { podIP: ips[0]!, podIPs: ips.map((ip) => ({ ip })) }),
    startTime: pod.status?.startTime ?? time,
    containerStatuses,
  };
  if (!noSandbox) return status;
  return withCondition(status, {
    type: 'PodReadyToStartContainers',
    status: 'False',
    lastProbeTime: null,
    lastTransitionTime: time,
  });
}

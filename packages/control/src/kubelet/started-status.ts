import type { Condition, Container, Pod, PodStatus } from '@netsim/manifest';

const types = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

type ContainerStatuses = NonNullable<PodStatus['containerStatuses']>;

/**
 * What a kubelet reports of a pod whose containers have just started. Pods that start in the same second share the
 * parts that are equal: objects are values, and a big cluster has many such pods.
 */
export class StartedStatus {
  #time = '';
  #ready: Condition[] = [];
  #statuses = new WeakMap<readonly Container[], ContainerStatuses>();

  /** The conditions, in the kubelet's order, with those kept that the pod was given. */
  conditions(pod: Pod, unready: readonly Container[], time: string): Condition[] {
    this.#turn(time);
    const given = (pod.status?.conditions ?? []).filter(({ reason }) => reason !== 'FailedCreatePodSandBox');
    const fresh = unready.length === 0 ? this.#ready : startedConditions(time, whyNotReady(unready));
    if (given.every((each) => each.type === 'PodScheduled' && each.lastTransitionTime === time)) return fresh;
    const kept = new Map(given.map((each) => [each.type, each]));
    return [...fresh.map((each) => kept.get(each.type) ?? each), ...given.filter(({ type }) => !types.includes(type))];
  }

  containerStatuses(containers: readonly Container[], unready: readonly Container[], time: string): ContainerStatuses {
    this.#turn(time);
    const known = unready.length === 0 ? this.#statuses.get(containers) : undefined;
    if (known !== undefined) return known;
    const made = containers.map((container) => {
      const { name, image, startupProbe } = container;
      const ready = !unready.includes(container);
      return {
        name,
        ...(image === undefined ? {} : { image }),
        ready,
        restartCount: 0,
        started: ready || startupProbe === undefined,
        state: { running: { startedAt: time } },
      };
    });
    if (unready.length === 0) this.#statuses.set(containers, made);
    return made;
  }

  #turn(time: string): void {
    if (this.#time === time) return;
    this.#time = time;
    this.#ready = startedConditions(time, undefined);
    this.#statuses = new WeakMap();
  }
}

/** The reason that the kubelet gives where no container is ready. */
export function whyNotReady(containers: readonly Pick<Container, 'name'>[]): Pick<Condition, 'reason' | 'message'> {
  const names = containers.map(({ name }) => name).join(' ');
  return { reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` };
}

function startedConditions(time: string, notReady: Pick<Condition, 'reason' | 'message'> | undefined): Condition[] {
  return types.map((type) => {
    const ok = notReady === undefined || (type !== 'Ready' && type !== 'ContainersReady');
    const status = ok ? 'True' : 'False';
    return { type, status, lastProbeTime: null, lastTransitionTime: time, ...(ok ? {} : notReady) };
  });
}

import type { Condition, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { splitKey } from '../core/keys.ts';
import { isReady } from '../kubelet/pod-status.ts';
import type { Job } from './kinds.ts';
import { isActive } from './pod-activity.ts';
import { PodOwner } from './pod-owner.ts';
import { type PodDetails, podFromTemplate } from './pod-template.ts';
import { sameStatus } from './same-status.ts';

const indexKey = 'batch.kubernetes.io/job-completion-index';

/** What of a job's pods has been counted already: a pod that is deleted later still counts. */
interface Tally {
  readonly succeeded: Map<string, number | undefined>;
  readonly failed: Set<string>;
  /** What the status of a dump counts beyond the pods it brings. */
  readonly before: { succeeded: number; failed: number };
  /** The last failure's time. */
  lastFailure: number;
}

/**
 * The Job controller (pkg/controller/job): keeps `parallelism` pods at work until `completions` of them have succeeded.
 * A pod ends only when it is told to: what programs do, the manifests do not say.
 */
export class Jobs extends PodOwner<Job> {
  readonly #terminate: (pod: Pod) => void;
  readonly #tallies = new Map<string, Tally>();

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context, 'Job', ({ spec }) => (spec.manualSelector === true ? spec.selector : undefined));
    this.#terminate = terminate;
    this.watch('Job', ({ type, object }) => {
      if (type === 'DELETED') this.#tallies.delete(object.metadata.uid ?? '');
    });
  }

  protected override reconcile(key: string): void {
    const { store, pods } = this.context;
    const { namespace, name } = splitKey(key);
    const job = store.get<Job>('Job', namespace, name);
    if (job?.metadata.uid === undefined || job.metadata.deletionTimestamp !== undefined) return;
    const mine =
      job.spec.manualSelector === true ? this.claim(job, job.spec.selector ?? {}) : pods.controlledBy(job.metadata.uid);
    const finished = finishedCondition(job);
    if (finished !== undefined) {
      for (const pod of mine) if (isActive(pod)) this.#terminate(pod);
      this.#expire(job, key, finished);
      return;
    }
    const tally = this.#count(job, mine);
    const ending = this.#endingOf(job, key, tally);
    const active = mine.filter(isActive);
    if (ending !== undefined || job.spec.suspend === true) for (const pod of active) this.#terminate(pod);
    else this.#manage(job, key, active, tally);
    this.#report(key, tally, ending);
  }

  /** Counts the pods that have ended since the last look. */
  #count(job: Job, pods: readonly Pod[]): Tally {
    const { uid = '' } = job.metadata;
    let tally = this.#tallies.get(uid);
    if (tally === undefined) {
      const there = (phase: string) => pods.filter(({ status }) => status?.phase === phase).length;
      const before = {
        succeeded: Math.max(0, (job.status?.succeeded ?? 0) - there('Succeeded')),
        failed: Math.max(0, (job.status?.failed ?? 0) - there('Failed')),
      };
      tally = { succeeded: new Map(), failed: new Set(), before, lastFailure: Number.NEGATIVE_INFINITY };
      this.#tallies.set(uid, tally);
    }
    for (const pod of pods) {
      const id = pod.metadata.uid ?? '';
      if (pod.status?.phase === 'Succeeded') tally.succeeded.set(id, indexOf(pod));
      else if (pod.status?.phase === 'Failed' && !tally.failed.has(id)) {
        tally.failed.add(id);
        tally.lastFailure = this.context.now();
      }
    }
    return tally;
  }

  /** The condition that ends the job, where it has come to its end. */
  #endingOf({ spec, status, metadata }: Job, key: string, tally: Tally): Condition | undefined {
    const { timers, now, time } = this.context;
    const ending = (type: string, reason: string, message: string): Condition => ({
      type,
      status: 'True',
      reason,
      message,
      lastProbeTime: time(),
      lastTransitionTime: time(),
    });
    const { backoffLimit = 6, activeDeadlineSeconds } = spec;
    if (failures(tally) > backoffLimit) {
      return ending('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
    }
    if (activeDeadlineSeconds !== undefined && spec.suspend !== true) {
      const start = Date.parse(status?.startTime ?? metadata.creationTimestamp ?? time());
      const end = start + activeDeadlineSeconds * 1000;
      if (end <= now()) return ending('Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline');
      timers.set(`deadline Job ${key}`, end, () => this.queue.add(key));
    }
    const { completions } = spec;
    const done = successes(tally);
    // Without completions the first success ends the job, once the other pods have ended as well.
    const complete = completions === undefined ? done > 0 && this.#idle(metadata.uid ?? '') : done >= completions;
    if (!complete) return undefined;
    return ending('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods');
  }

  #idle(uid: string): boolean {
    return !this.context.pods.controlledBy(uid).some(isActive);
  }

  #manage(job: Job, key: string, active: readonly Pod[], tally: Tally): void {
    const { spec } = job;
    const { parallelism = 1, completions } = spec;
    const done = successes(tally);
    const left = completions === undefined ? (done > 0 ? active.length : parallelism) : completions - done;
    const wanted = Math.min(parallelism, left);
    const surplus = active.length - wanted;
    for (const pod of active.slice(0, Math.max(0, surplus))) this.#terminate(pod);
    if (surplus >= 0) return;
    const { timers, now, store } = this.context;
    const retry = tally.lastFailure + backoff(failures(tally));
    if (failures(tally) > 0 && retry > now()) {
      timers.set(`backoff Job ${key}`, retry, () => this.queue.add(key));
      return;
    }
    const indexed = spec.completionMode === 'Indexed';
    const taken = new Set([...active.map(indexOf), ...tally.succeeded.values()]);
    for (let i = surplus, index = 0; i < 0; i++) {
      while (indexed && taken.has(index)) index++;
      taken.add(index);
      store.put(podFromTemplate(this.context, job, spec.template, indexed ? detailsOf(job, index) : {}));
    }
  }

  #report(key: string, tally: Tally, ending: Condition | undefined): void {
    const { store, pods, time } = this.context;
    const { namespace, name } = splitKey(key);
    const job = store.get<Job>('Job', namespace, name)!;
    const active = pods.controlledBy(job.metadata.uid ?? '').filter(isActive);
    const started = job.status?.startTime ?? (job.spec.suspend === true ? undefined : time());
    const ended = ending?.type === 'Complete';
    const status: NonNullable<Job['status']> = {
      active: active.length,
      ready: active.filter(isReady).length,
      succeeded: successes(tally),
      failed: failures(tally),
      ...(started === undefined ? {} : { startTime: started }),
      ...(ended ? { completionTime: time() } : {}),
    };
    if (job.spec.completionMode === 'Indexed') status.completedIndexes = ranges([...tally.succeeded.values()]);
    if (sameStatus(job.status, status) && ending === undefined) return;
    const conditions = [...(job.status?.conditions ?? []), ...(ending === undefined ? [] : withCriteria(ending))];
    const next = { ...job.status, ...status, ...(conditions.length === 0 ? {} : { conditions }) };
    store.put({ ...job, status: next } as Job);
  }

  /** Deletes a finished job when its time to live is over. */
  #expire({ spec, metadata }: Job, key: string, finished: Condition): void {
    const { ttlSecondsAfterFinished: seconds } = spec;
    if (seconds === undefined) return;
    const { store, timers } = this.context;
    const since = Date.parse(finished.lastTransitionTime ?? '') || this.context.now();
    timers.set(`ttl Job ${key}`, since + seconds * 1000, () => {
      const { namespace, name, uid } = metadata;
      if (store.get('Job', namespace, name)?.metadata.uid === uid) store.delete('Job', namespace, name);
    });
  }
}

/** The condition that says that a job has ended. */
export function finishedCondition({ status }: Job): Condition | undefined {
  return status?.conditions?.find(
    (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
  );
}

function detailsOf({ metadata, spec }: Job, index: number): PodDetails {
  return {
    generateName: `${metadata.name}-${index}-`,
    labels: { [indexKey]: String(index) },
    annotations: { [indexKey]: String(index) },
    spec: { ...spec.template.spec, hostname: `${metadata.name}-${index}` },
  };
}

function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  return text === undefined ? undefined : Number(text);
}

function successes({ succeeded, before }: Tally): number {
  return succeeded.size + before.succeeded;
}

function failures({ failed, before }: Tally): number {
  return failed.size + before.failed;
}

/** How long the next pod waits after so many failures: 10 s, 20 s, 40 s, ... ten minutes at most. */
function backoff(count: number): number {
  return Math.min(10_000 * 2 ** (count - 1), 600_000);
}

/** The API server wants to hear that the pods are to end before it hears that they have. */
function withCriteria(ending: Condition): Condition[] {
  return [{ ...ending, type: ending.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget' }, ending];
}

/** `0-2,5`: how status.completedIndexes is written. */
function ranges(indexes: readonly (number | undefined)[]): string {
  const sorted = [...new Set(indexes.filter((index) => index !== undefined))].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (sorted[j + 1] === sorted[j]! + 1) j++;
    // Two neighbours are written one by one, as the real controller does.
    if (j === i) parts.push(`${sorted[i]}`);
    else parts.push(j === i + 1 ? `${sorted[i]},${sorted[j]}` : `${sorted[i]}-${sorted[j]}`);
    i = j + 1;
  }
  return parts.join(',');
}

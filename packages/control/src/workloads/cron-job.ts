import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { templateOrigin } from '../core/origin.ts';
import { controllerOf, controllerReference } from '../core/owners.ts';
import { timestamp } from '../core/timestamp.ts';
import { CronSchedule } from './cron-schedule.ts';
import { finishedCondition } from './job.ts';
import { withOwnSelector } from './job-selector.ts';
import type { CronJob, Job } from './kinds.ts';

const scheduledAt = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** The CronJob controller (pkg/controller/cronjob), by virtual time: a Job for each time of the schedule. */
export class CronJobs extends Controller {
  /** CronJob UID to the names of the jobs that it controls. */
  readonly #jobs = new Map<string, Set<string>>();
  /** The time for which the last job was made or passed over, by key. */
  readonly #last = new Map<string, number>();

  constructor(context: Context) {
    super(context);
    this.watch('CronJob', ({ type, object }) => {
      const key = objectKey(object);
      if (type === 'DELETED') {
        this.#last.delete(key);
        context.timers.cancel(timerOf(key));
      } else this.queue.add(key);
    });
    this.watch('Job', ({ type, object }) => {
      const owner = controllerOf(object);
      if (owner?.kind !== 'CronJob') return;
      const names = this.#jobs.get(owner.uid) ?? new Set();
      if (type === 'DELETED') names.delete(object.metadata.name);
      else names.add(object.metadata.name);
      this.#jobs.set(owner.uid, names);
      this.queue.add(keyOf(object.metadata.namespace, owner.name));
    });
  }

  protected override reconcile(key: string): void {
    const { store, now, timers } = this.context;
    const { namespace, name } = splitKey(key);
    const cron = store.get<CronJob>('CronJob', namespace, name);
    if (cron?.metadata.uid === undefined) return;
    const schedule = CronSchedule.parse(cron.spec.schedule, cron.spec.timeZone);
    timers.cancel(timerOf(key));
    if (schedule !== undefined && cron.spec.suspend !== true) {
      // The past of a dump is past: only what comes is made.
      const from = this.#last.get(key) ?? now();
      this.#last.set(key, from);
      const next = schedule.next(from);
      if (next !== undefined && next <= now()) {
        this.#last.set(key, next);
        this.#run(cron, next);
        this.queue.add(key);
      } else if (next !== undefined) timers.set(timerOf(key), next, () => this.queue.add(key));
    }
    this.#report(key);
  }

  #run(cron: CronJob, at: number): void {
    const { store, names, time } = this.context;
    const { namespace = 'default', name } = cron.metadata;
    const running = this.#jobsOf(cron).filter((job) => finishedCondition(job) === undefined);
    const { concurrencyPolicy = 'Allow', jobTemplate } = cron.spec;
    if (concurrencyPolicy === 'Forbid' && running.length > 0) return;
    if (concurrencyPolicy === 'Replace') for (const job of running) store.delete('Job', namespace, job.metadata.name);
    const jobName = `${name}-${Math.floor(at / 60_000)}`;
    if (store.get('Job', namespace, jobName) !== undefined) return;
    const { labels, annotations } = jobTemplate.metadata ?? {};
    const job: Job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: jobName,
        namespace,
        uid: names.uid(`Job ${namespace}/${jobName}`),
        creationTimestamp: time(),
        generation: 1,
        ...(labels === undefined ? {} : { labels }),
        annotations: { ...annotations, [scheduledAt]: timestamp(at) },
        ownerReferences: [controllerReference(cron)],
      },
      spec: { completions: 1, parallelism: 1, backoffLimit: 6, ...jobTemplate.spec },
      ...templateOrigin(cron),
    };
    store.put(withOwnSelector(job));
    const latest = store.get<CronJob>('CronJob', namespace, name)!;
    store.put({ ...latest, status: { ...latest.status, lastScheduleTime: timestamp(at) } } as CronJob);
  }

  #report(key: string): void {
    const { store } = this.context;
    const { namespace, name } = splitKey(key);
    const cron = store.get<CronJob>('CronJob', namespace, name)!;
    const jobs = this.#jobsOf(cron);
    const ended = jobs.filter((job) => finishedCondition(job) !== undefined);
    const succeeded = ended.filter((job) => finishedCondition(job)?.type === 'Complete');
    const failed = ended.filter((job) => finishedCondition(job)?.type === 'Failed');
    const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cron.spec;
    for (const [list, limit] of [
      [succeeded, successfulJobsHistoryLimit],
      [failed, failedJobsHistoryLimit],
    ] as const) {
      for (const { metadata } of list.slice(0, Math.max(0, list.length - limit))) {
        store.delete('Job', metadata.namespace, metadata.name);
      }
    }
    const active = jobs
      .filter((job) => !ended.includes(job))
      .map(({ metadata }) => ({
        apiVersion: 'batch/v1',
        kind: 'Job',
        namespace: metadata.namespace ?? 'default',
        name: metadata.name,
        uid: metadata.uid ?? '',
      }));
    const lastSuccessfulTime = succeeded.at(-1)?.status?.completionTime ?? cron.status?.lastSuccessfulTime;
    const same =
      lastSuccessfulTime === cron.status?.lastSuccessfulTime &&
      active.map(({ uid }) => uid).join() === (cron.status?.active ?? []).map(({ uid }) => uid).join();
    if (same && cron.status !== undefined) return;
    const { active: _, ...rest } = cron.status ?? {};
    const status = {
      ...rest,
      ...(active.length === 0 ? {} : { active }),
      ...(lastSuccessfulTime === undefined ? {} : { lastSuccessfulTime }),
    };
    store.put({ ...cron, status } as CronJob);
  }

  /** The jobs of a CronJob, older first. */
  #jobsOf({ metadata }: CronJob): Job[] {
    const names = [...(this.#jobs.get(metadata.uid ?? '') ?? [])];
    return names
      .map((name) => this.context.store.get<Job>('Job', metadata.namespace, name))
      .filter((job) => job !== undefined);
  }
}

function timerOf(key: string): string {
  return `schedule CronJob ${key}`;
}

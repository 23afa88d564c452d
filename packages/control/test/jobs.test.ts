import type { AnyObject, Pod } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { CronSchedule } from '../src/workloads/cron-schedule.ts';
import { cluster, type TestCluster } from './support/cluster.ts';
import { pod } from './support/objects.ts';
import { admitted, after, podsOf, template } from './support/workloads.ts';

const jobSpec = (spec: Record<string, unknown> = {}) => ({
  template: template('batch', 'busybox', { restartPolicy: 'Never' }),
  ...spec,
});

function job(name: string, spec: Record<string, unknown> = {}) {
  const metadata = { name, namespace: 'default' };
  return admitted({ apiVersion: 'batch/v1', kind: 'Job', metadata, spec: jobSpec(spec) });
}

function cronJob(schedule: string, spec: Record<string, unknown> = {}) {
  const metadata = { name: 'cron', namespace: 'default' };
  const jobTemplate = { spec: jobSpec() };
  return admitted({ apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: { schedule, jobTemplate, ...spec } });
}

function statusOf(it: TestCluster, name: string) {
  return it.store.get<AnyObject>('Job', 'default', name)?.status as Record<string, unknown> | undefined;
}

function conditions(it: TestCluster, name: string): string[] {
  return ((statusOf(it, name)?.conditions ?? []) as { type: string }[]).map(({ type }) => type);
}

function running(it: TestCluster): Pod[] {
  return podsOf(it).filter(({ status }) => status?.phase === 'Running');
}

function complete(it: TestCluster, which: Pod, succeeded = true): void {
  it.plane.completePod(which.metadata, succeeded);
  it.plane.settle();
}

function jobsOf(it: TestCluster): string[] {
  return it.store.list('Job', 'default').map(({ metadata }) => metadata.name);
}

describe('a job', () => {
  test('runs one pod until it is told to end, and is complete then', () => {
    const it = cluster([job('once')]);
    const [first, ...more] = running(it);
    expect(more).toEqual([]);
    expect(first?.metadata.labels).toMatchObject({ app: 'batch', 'batch.kubernetes.io/job-name': 'once' });
    expect(statusOf(it, 'once')).toMatchObject({ active: 1, ready: 1, succeeded: 0 });
    after(it, 10_000);
    expect(running(it)).toHaveLength(1);
    complete(it, first!);
    expect(podsOf(it)).toMatchObject([{ status: { phase: 'Succeeded' } }]);
    expect(conditions(it, 'once')).toEqual(['SuccessCriteriaMet', 'Complete']);
    expect(statusOf(it, 'once')).toMatchObject({ active: 0, succeeded: 1, completionTime: '2026-01-01T02:46:40Z' });
  });

  test('runs parallelism pods until completions have succeeded', () => {
    const it = cluster([job('many', { completions: 5, parallelism: 2 })]);
    for (const left of [2, 2, 2, 2, 1]) {
      expect(running(it)).toHaveLength(left);
      complete(it, running(it)[0]!);
    }
    expect(running(it)).toEqual([]);
    expect(statusOf(it, 'many')).toMatchObject({ succeeded: 5 });
    expect(podsOf(it)).toHaveLength(5);
  });

  test('two jobs do not take each other’s pods', () => {
    const it = cluster([job('a'), job('b')]);
    expect(running(it)).toHaveLength(2);
    complete(it, running(it)[0]!);
    expect([conditions(it, 'a').length, conditions(it, 'b').length]).toEqual([2, 0]);
  });

  test('a pod that fails is tried again, ten seconds later, then twenty', () => {
    const it = cluster([job('flaky')]);
    complete(it, running(it)[0]!, false);
    expect(running(it)).toEqual([]);
    after(it, 10);
    expect(running(it)).toHaveLength(1);
    complete(it, running(it)[0]!, false);
    after(it, 19);
    expect(running(it)).toEqual([]);
    after(it, 1);
    expect(running(it)).toHaveLength(1);
    expect(statusOf(it, 'flaky')).toMatchObject({ failed: 2, active: 1 });
  });

  test('more failures than backoffLimit end it', () => {
    const it = cluster([job('bad', { backoffLimit: 1, parallelism: 2, completions: 2 })]);
    complete(it, running(it)[0]!, false);
    after(it, 10);
    complete(it, running(it)[0]!, false);
    expect(conditions(it, 'bad')).toEqual(['FailureTarget', 'Failed']);
    expect(running(it)).toEqual([]);
    after(it, 10_000);
    expect(running(it)).toEqual([]);
  });

  test('with restartPolicy OnFailure a failed container starts again in its pod', () => {
    const it = cluster([job('again', { template: template('batch', 'i', { restartPolicy: 'OnFailure' }) })]);
    complete(it, running(it)[0]!, false);
    expect(running(it)[0]?.status?.containerStatuses?.[0]?.restartCount).toBe(1);
    complete(it, running(it)[0]!);
    expect(conditions(it, 'again')).toContain('Complete');
  });

  test('an indexed job gives each pod its number, host name and place in completedIndexes', () => {
    const it = cluster([job('indexed', { completions: 4, parallelism: 4, completionMode: 'Indexed' })]);
    const index = ({ metadata }: Pod) => metadata.annotations?.['batch.kubernetes.io/job-completion-index'];
    expect(running(it).map(index)).toEqual(['0', '1', '2', '3']);
    expect(running(it)[2]?.metadata.name).toMatch(/^indexed-2-[a-z0-9]{5}$/);
    expect(running(it)[2]?.spec.hostname).toBe('indexed-2');
    for (const each of running(it).filter((one) => index(one) !== '1')) complete(it, each);
    expect(statusOf(it, 'indexed')?.completedIndexes).toBe('0,2,3');
    complete(it, running(it)[0]!);
    expect(statusOf(it, 'indexed')?.completedIndexes).toBe('0-3');
  });

  test('suspend takes its pods away, and brings them back', () => {
    const it = cluster([job('held', { suspend: true })]);
    expect(running(it)).toEqual([]);
    it.store.put(job('held'));
    it.plane.settle();
    expect(running(it)).toHaveLength(1);
    it.store.put(job('held', { suspend: true }));
    it.plane.settle();
    expect(running(it)).toEqual([]);
  });

  test('activeDeadlineSeconds ends it, and ttlSecondsAfterFinished removes it with its pods', () => {
    const it = cluster([job('late', { activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 30 })]);
    after(it, 60);
    expect(conditions(it, 'late')).toEqual(['FailureTarget', 'Failed']);
    expect(running(it)).toEqual([]);
    after(it, 30);
    expect(jobsOf(it)).toEqual([]);
    expect(podsOf(it)).toEqual([]);
  });
});

describe('a bare pod', () => {
  test.each([
    ['Never', true, 'Succeeded', 0],
    ['Never', false, 'Failed', 0],
    ['OnFailure', true, 'Succeeded', 0],
    ['OnFailure', false, 'Running', 1],
    ['Always', true, 'Running', 1],
  ])('with restartPolicy %s whose program ends (well: %s) is %s', (restartPolicy, succeeded, phase, restartCount) => {
    const it = cluster([pod('bare', {}, { restartPolicy })]);
    complete(it, podsOf(it)[0]!, succeeded);
    const { status } = podsOf(it)[0]!;
    expect(status?.phase).toBe(phase);
    expect(status?.containerStatuses?.[0]?.restartCount).toBe(restartCount);
    expect(podsOf(it)).toHaveLength(1);
  });
});

describe('a cron job', () => {
  test('makes a job at each time of its schedule, with the name that the real controller gives', () => {
    const it = cluster([cronJob('*/5 * * * *')]);
    expect(jobsOf(it)).toEqual([]);
    expect(it.plane.nextDeadline()).toBe(it.clock.ms + 300_000);
    after(it, 300);
    expect(jobsOf(it)).toEqual([`cron-${Date.UTC(2026, 0, 1, 0, 5) / 60_000}`]);
    expect(running(it)).toHaveLength(1);
    expect(it.store.get<AnyObject>('CronJob', 'default', 'cron')?.status).toMatchObject({
      lastScheduleTime: '2026-01-01T00:05:00Z',
      active: [{ kind: 'Job' }],
    });
    after(it, 900);
    expect(jobsOf(it)).toHaveLength(4);
  });

  test('Forbid makes none beside one that runs, Replace ends that one', () => {
    const forbid = cluster([cronJob('* * * * *', { concurrencyPolicy: 'Forbid' })]);
    after(forbid, 300);
    expect(jobsOf(forbid)).toHaveLength(1);
    const replace = cluster([cronJob('* * * * *', { concurrencyPolicy: 'Replace' })]);
    after(replace, 300);
    expect(jobsOf(replace)).toEqual([`cron-${Date.UTC(2026, 0, 1, 0, 5) / 60_000}`]);
    expect(podsOf(replace)).toHaveLength(1);
  });

  test('keeps three jobs that succeeded and one that failed', () => {
    const it = cluster([cronJob('* * * * *', {})]);
    for (let i = 0; i < 5; i++) {
      after(it, 60);
      complete(it, running(it)[0]!);
    }
    expect(jobsOf(it)).toHaveLength(3);
    expect(podsOf(it)).toHaveLength(3);
  });

  test('suspended it makes none', () => {
    const it = cluster([cronJob('* * * * *', { suspend: true })]);
    after(it, 600);
    expect(jobsOf(it)).toEqual([]);
  });

  test.each([
    ['* * * * *', '2026-01-01T00:01:00Z'],
    ['30 2 * * *', '2026-01-01T02:30:00Z'],
    ['0 0 * * *', '2026-01-02T00:00:00Z'],
    ['@hourly', '2026-01-01T01:00:00Z'],
    ['@weekly', '2026-01-04T00:00:00Z'],
    ['0 0 29 2 *', '2028-02-29T00:00:00Z'],
    ['0 12 13 * FRI', '2026-01-02T12:00:00Z'],
    ['5-10/5,20 8 1 feb *', '2026-02-01T08:05:00Z'],
    ['@every 1h30m', '2026-01-01T01:30:00Z'],
  ])('the schedule %s comes next at %s', (text, expected) => {
    expect(CronSchedule.parse(text)?.next(Date.UTC(2026, 0, 1))).toBe(Date.parse(expected));
  });

  test('a time zone counts, in summer and in winter', () => {
    const schedule = CronSchedule.parse('0 9 * * *', 'Europe/Berlin')!;
    expect(schedule.next(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2026, 0, 1, 8));
    expect(schedule.next(Date.UTC(2026, 6, 1))).toBe(Date.UTC(2026, 6, 1, 7));
  });

  test.each(['', '* * * *', '60 * * * *', '* * * * 7', '*/0 * * * *', 'a b c d e', '5-1 * * * *', '@sometimes'])(
    'the schedule %j cannot be read',
    (text) => {
      expect(CronSchedule.parse(text)).toBeUndefined();
    },
  );

  test('a day that never comes is answered with none', () => {
    expect(CronSchedule.parse('0 0 30 2 *')?.next(0)).toBeUndefined();
    expect(CronSchedule.parse('0 0 * * *', 'Mars/Olympus')).toBeUndefined();
  });
});

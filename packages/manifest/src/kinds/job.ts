import { byteLength } from '../labels.ts';
import type { KubeObject, LabelSelector, PodTemplate } from '../objects.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import { subdomainName, validateLabelSelector, validateMetadata, validateNonNegative } from '../validate/common.ts';
import { defaultPodSpec, validatePodTemplate } from './pod.ts';

interface JobSpec {
  parallelism?: number;
  completions?: number;
  activeDeadlineSeconds?: number;
  backoffLimit?: number;
  backoffLimitPerIndex?: number;
  ttlSecondsAfterFinished?: number;
  selector?: LabelSelector;
  manualSelector?: boolean;
  completionMode?: string;
  suspend?: boolean;
  podReplacementPolicy?: string;
  podFailurePolicy?: object;
  template: PodTemplate;
}
export interface Job extends KubeObject {
  spec: JobSpec;
}
export interface CronJob extends KubeObject {
  spec: {
    schedule: string;
    timeZone?: string;
    startingDeadlineSeconds?: number;
    concurrencyPolicy?: string;
    suspend?: boolean;
    successfulJobsHistoryLimit?: number;
    failedJobsHistoryLimit?: number;
    jobTemplate: { spec: JobSpec };
  };
}

/** Stands for the uid that the server would give the job. */
const UID = '00000000-0000-0000-0000-000000000000';

export function defaultJob({ metadata, spec }: Job): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  defaultPodSpec(spec.template.spec);
  if (spec.manualSelector) {
    defaultJobLabels(metadata, spec.template.metadata?.labels);
    return;
  }
  const uid = metadata.uid ?? UID;
  const labels = {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': metadata.name ?? '',
    'controller-uid': uid,
    'job-name': metadata.name ?? '',
  };
  spec.template.metadata = { ...spec.template.metadata, labels: { ...labels, ...spec.template.metadata?.labels } };
  spec.selector ??= { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
  defaultJobLabels(metadata, spec.template.metadata.labels);
}

/** A job without labels takes those of its pods. */
function defaultJobLabels(metadata: KubeObject['metadata'], labels: Record<string, string> | undefined): void {
  if (metadata.labels === undefined && labels !== undefined) metadata.labels = { ...labels };
}

export function defaultCronJob({ spec }: CronJob): void {
  spec.concurrencyPolicy ??= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  defaultPodSpec(spec.jobTemplate.spec.template.spec);
}

export function validateJob({ metadata, spec }: Job, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  validateJobSpec(spec, SPEC, causes);
}

export function validateCronJob({ metadata, spec }: CronJob, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  if (byteLength(metadata.name ?? '') > 52)
    causes.invalid(SPEC.child('metadata').child('name'), metadata.name, 'must be no more than 52 characters');
  if (spec.schedule === '') causes.required(SPEC.child('schedule'));
  else {
    const problem = scheduleProblem(spec.schedule);
    if (problem !== undefined) causes.invalid(SPEC.child('schedule'), spec.schedule, problem);
  }
  validateNonNegative(causes, SPEC.child('startingDeadlineSeconds'), spec.startingDeadlineSeconds);
  causes.oneOf(SPEC.child('concurrencyPolicy'), spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  validateNonNegative(causes, SPEC.child('successfulJobsHistoryLimit'), spec.successfulJobsHistoryLimit);
  validateNonNegative(causes, SPEC.child('failedJobsHistoryLimit'), spec.failedJobsHistoryLimit);
  validateJobSpec(spec.jobTemplate.spec, SPEC.child('jobTemplate').child('spec'), causes);
}

function validateJobSpec(spec: JobSpec, at: FieldPath, causes: Causes): void {
  validateNonNegative(causes, at.child('parallelism'), spec.parallelism);
  validateNonNegative(causes, at.child('completions'), spec.completions);
  validateNonNegative(causes, at.child('activeDeadlineSeconds'), spec.activeDeadlineSeconds);
  validateNonNegative(causes, at.child('backoffLimit'), spec.backoffLimit);
  validateNonNegative(causes, at.child('ttlSecondsAfterFinished'), spec.ttlSecondsAfterFinished);
  validateLabelSelector(causes, at.child('selector'), spec.selector);
  const { completionMode } = spec;
  if (completionMode !== undefined && completionMode !== 'NonIndexed' && completionMode !== 'Indexed') {
    causes.unsupported(at.child('completionMode'), completionMode, ['Indexed', 'NonIndexed']);
  }
  if (completionMode === 'Indexed' && spec.completions === undefined) {
    causes.required(at.child('completions'), 'when completion mode is Indexed');
  }
  const template = at.child('template');
  validatePodTemplate(spec.template, template, causes);
  const { restartPolicy } = spec.template.spec;
  const here = template.child('spec').child('restartPolicy');
  const supported = ['Never', 'OnFailure'];
  // Said as required for the default too: a job must choose.
  if (restartPolicy === undefined || restartPolicy === 'Always') {
    causes.required(here, 'valid values: "OnFailure", "Never"');
  } else if (!supported.includes(restartPolicy)) causes.unsupported(here, restartPolicy, supported);
}

const RANGES: readonly (readonly [string, number, number, readonly string[]])[] = [
  ['minutes', 0, 59, []],
  ['hours', 0, 23, []],
  ['day of month', 1, 31, []],
  ['month', 1, 12, ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']],
  ['day of week', 0, 6, ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']],
];

/** What is wrong with a cron schedule: five fields, or `@hourly` and its like. */
function scheduleProblem(schedule: string): string | undefined {
  if (schedule.startsWith('TZ=') || schedule.startsWith('CRON_TZ='))
    return 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
  if (schedule.startsWith('@')) {
    if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(schedule)) return undefined;
    return /^@every ([0-9.]+(ns|us|ms|s|m|h))+$/.test(schedule) ? undefined : `unrecognized descriptor: ${schedule}`;
  }
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [i, [name, low, high, names]] of RANGES.entries()) {
    for (const part of fields[i]!.split(',')) {
      const match = /^(\*|\?|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:\/([0-9]+))?$/i.exec(part);
      if (match === null) return `failed to parse ${name}: ${part}`;
      const [, , from, to, step] = match;
      const number = (text: string) =>
        names.includes(text.toLowerCase()) ? names.indexOf(text.toLowerCase()) + low : Number(text);
      for (const end of [from, to]) {
        if (end === undefined) continue;
        const value = number(end);
        if (Number.isNaN(value)) return `failed to parse int from ${end}`;
        if (value < low || value > high) return `${name} ${end} is not in ${low}-${high}`;
      }
      if (from !== undefined && to !== undefined && number(from) > number(to))
        return `beginning of range (${from}) beyond end of range (${to})`;
      if (step !== undefined && Number(step) === 0) return 'step of range should be a positive number';
    }
  }
  return undefined;
}

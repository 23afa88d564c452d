import type { Deployment, KubeObject, LabelSelector, ObjectMeta, PodTemplate, ReplicaSet } from '../objects.ts';
import { formatSelector, matchesLabels, matchesMap, requirements, SelectorError } from '../selector.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import {
  labelName,
  subdomainName,
  validateLabelSelector,
  validateMetadata,
  validateNonNegative,
} from '../validate/common.ts';
import { defaultPodSpec, validatePodTemplate } from './pod.ts';

type IntOrString = number | string;

/** What the workload controllers' specs have in common. */
interface WorkloadSpec {
  replicas?: number;
  minReadySeconds?: number;
  revisionHistoryLimit?: number;
  selector: LabelSelector | null;
  template: PodTemplate;
}
export interface StatefulSet extends KubeObject {
  spec: WorkloadSpec & {
    serviceName?: string;
    podManagementPolicy?: string;
    updateStrategy?: { type?: string; rollingUpdate?: { partition?: number; maxUnavailable?: IntOrString } };
    persistentVolumeClaimRetentionPolicy?: { whenDeleted?: string; whenScaled?: string };
    volumeClaimTemplates?: (Partial<KubeObject> & { spec?: { volumeMode?: string }; status?: { phase?: string } })[];
  };
}
export interface DaemonSet extends KubeObject {
  spec: WorkloadSpec & {
    updateStrategy?: { type?: string; rollingUpdate?: { maxSurge?: IntOrString; maxUnavailable?: IntOrString } };
  };
}
export interface ReplicationController extends KubeObject {
  spec: { replicas?: number; minReadySeconds?: number; selector?: Record<string, string>; template?: PodTemplate };
}

const TEMPLATE = SPEC.child('template');

export function defaultDeployment({ spec }: Deployment): void {
  spec.replicas ??= 1;
  spec.strategy ??= {};
  const { strategy } = spec;
  strategy.type ??= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= '25%';
    strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  (spec as { progressDeadlineSeconds?: number }).progressDeadlineSeconds ??= 600;
  defaultPodSpec(spec.template.spec);
}

export function defaultReplicaSet({ spec }: ReplicaSet): void {
  spec.replicas ??= 1;
  defaultPodSpec(spec.template.spec);
}

export function defaultReplicationController(controller: ReplicationController): void {
  const { metadata, spec } = controller;
  const labels = spec.template?.metadata?.labels;
  if (labels !== undefined) {
    spec.selector ??= { ...labels };
    metadata.labels ??= { ...labels };
  }
  spec.replicas ??= 1;
  if (spec.template !== undefined) defaultPodSpec(spec.template.spec);
}

export function defaultStatefulSet({ spec }: StatefulSet): void {
  spec.podManagementPolicy ??= 'OrderedReady';
  spec.updateStrategy ??= {};
  const strategy = spec.updateStrategy;
  strategy.type ??= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ??= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ??= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    if (claim.spec !== undefined) claim.spec.volumeMode ??= 'Filesystem';
    if (claim.status !== undefined) claim.status.phase ??= 'Pending';
  }
  defaultPodSpec(spec.template.spec);
}

export function defaultDaemonSet({ metadata, spec }: DaemonSet): void {
  spec.updateStrategy ??= {};
  const strategy = spec.updateStrategy;
  strategy.type ??= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= 1;
    strategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  metadata.annotations = { 'deprecated.daemonset.template.generation': '1', ...metadata.annotations };
  defaultPodSpec(spec.template.spec);
}

export function validateDeployment({ metadata, spec }: Deployment, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  const selected = validateSelector(spec.selector, 'deployment', causes);
  validateNonNegative(causes, SPEC.child('replicas'), spec.replicas);
  if (selected !== undefined) validateTemplate(spec.template, selected, causes);
  const { type, rollingUpdate } = spec.strategy ?? {};
  const strategyAt = SPEC.child('strategy');
  if (type === 'RollingUpdate') validateRollingUpdate(rollingUpdate, strategyAt.child('rollingUpdate'), causes);
  else if (type === 'Recreate') {
    if (rollingUpdate !== undefined)
      causes.forbidden(strategyAt.child('rollingUpdate'), "may not be specified when strategy `type` is 'Recreate'");
  } else causes.unsupported(strategyAt, spec.strategy, ['Recreate', 'RollingUpdate']);
  validateNonNegative(causes, SPEC.child('minReadySeconds'), spec.minReadySeconds);
  validateNonNegative(causes, SPEC.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
  const { progressDeadlineSeconds: deadline } = spec as { progressDeadlineSeconds?: number };
  validateNonNegative(causes, SPEC.child('progressDeadlineSeconds'), deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    causes.invalid(SPEC.child('progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds');
  }
}

export function validateReplicaSet({ metadata, spec }: ReplicaSet, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  validateNonNegative(causes, SPEC.child('replicas'), spec.replicas);
  validateNonNegative(causes, SPEC.child('minReadySeconds'), spec.minReadySeconds);
  // The server says "deployment" here too.
  const selected = validateSelector(spec.selector, 'deployment', causes);
  if (selected !== undefined) validateTemplate(spec.template, selected, causes);
}

export function validateReplicationController({ metadata, spec }: ReplicationController, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  validateNonNegative(causes, SPEC.child('minReadySeconds'), spec.minReadySeconds);
  const selector = spec.selector ?? {};
  const empty = Object.keys(selector).length === 0;
  if (empty) causes.required(SPEC.child('selector'));
  validateNonNegative(causes, SPEC.child('replicas'), spec.replicas);
  if (spec.template === undefined) {
    causes.required(TEMPLATE);
    return;
  }
  const labels = spec.template.metadata?.labels;
  if (!empty && !matchesMap(selector, labels)) mismatch(labels, selectorText({ matchLabels: selector }), causes);
  validatePodTemplate(spec.template, TEMPLATE, causes);
  if (spec.template.spec.restartPolicy !== 'Always') {
    causes.unsupported(TEMPLATE.child('spec').child('restartPolicy'), spec.template.spec.restartPolicy, ['Always']);
  }
}

export function validateStatefulSet({ metadata, spec }: StatefulSet, causes: Causes): void {
  validateMetadata(causes, metadata, true, labelName);
  causes.oneOf(SPEC.child('podManagementPolicy'), spec.podManagementPolicy, ['OrderedReady', 'Parallel']);
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const at = SPEC.child('updateStrategy');
  if (type === 'RollingUpdate')
    validateNonNegative(causes, at.child('rollingUpdate').child('partition'), rollingUpdate?.partition);
  else if (type === 'OnDelete') {
    if (rollingUpdate !== undefined)
      causes.invalid(at.child('rollingUpdate'), rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'");
  } else if ((type ?? '') === '') causes.required(at);
  else causes.invalid(at, spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
  const retention = spec.persistentVolumeClaimRetentionPolicy ?? {};
  for (const name of ['whenDeleted', 'whenScaled'] as const) {
    causes.oneOf(SPEC.child('persistentVolumeClaimRetentionPolicy').child(name), retention[name], ['Delete', 'Retain']);
  }
  validateNonNegative(causes, SPEC.child('replicas'), spec.replicas);
  validateNonNegative(causes, SPEC.child('minReadySeconds'), spec.minReadySeconds);
  const selected = validateSelector(spec.selector, 'statefulset', causes);
  if (selected !== undefined) validateTemplate(spec.template, selected, causes);
}

export function validateDaemonSet({ metadata, spec }: DaemonSet, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  const selected = validateSelector(spec.selector, 'daemonset', causes);
  validateTemplate(spec.template, selected ?? { matches: () => true, text: '' }, causes);
  validateNonNegative(causes, SPEC.child('minReadySeconds'), spec.minReadySeconds);
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const at = SPEC.child('updateStrategy');
  if (type === 'RollingUpdate') validateRollingUpdate(rollingUpdate, at.child('rollingUpdate'), causes);
  else if (type !== 'OnDelete') causes.unsupported(at, spec.updateStrategy, ['RollingUpdate', 'OnDelete']);
  validateNonNegative(causes, SPEC.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
}

interface Selected {
  matches(labels: ObjectMeta['labels']): boolean;
  /** In kubectl's words. */
  readonly text: string;
}

/** Checks a workload's selector. Returns what it selects; undefined where it cannot be read. */
function validateSelector(
  selector: LabelSelector | null | undefined,
  kind: string,
  causes: Causes,
): Selected | undefined {
  const at = SPEC.child('selector');
  if (selector === null || selector === undefined) {
    if (kind !== 'daemonset') causes.required(at);
    return { matches: () => false, text: '' };
  }
  validateLabelSelector(causes, at, selector);
  const size = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length;
  if (size === 0) causes.invalid(at, selector, `empty selector is invalid for ${kind}`);
  try {
    requirements(selector);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    if (kind !== 'daemonset') causes.invalid(at, selector, 'invalid label selector');
    return undefined;
  }
  return { matches: (labels) => matchesLabels(selector, labels), text: selectorText(selector) };
}

function selectorText(selector: LabelSelector): string {
  try {
    return formatSelector(requirements(selector));
  } catch (error) {
    if (error instanceof SelectorError) return '';
    throw error;
  }
}

/** The template must be selected by the selector, and restart its containers always. */
function validateTemplate(template: PodTemplate, selected: Selected, causes: Causes): void {
  const labels = template.metadata?.labels;
  if (!selected.matches(labels)) mismatch(labels, selected.text, causes);
  validatePodTemplate(template, TEMPLATE, causes);
  const { restartPolicy } = template.spec;
  if (restartPolicy !== 'Always')
    causes.unsupported(TEMPLATE.child('spec').child('restartPolicy'), restartPolicy, ['Always']);
}

function mismatch(labels: ObjectMeta['labels'], wanted: string, causes: Causes): void {
  causes.invalid(
    TEMPLATE.child('metadata').child('labels'),
    labels ?? null,
    '`selector` does not match template `labels`',
    wanted === '' ? undefined : `the selector wants ${wanted}`,
  );
}

function validateRollingUpdate(
  update: { maxSurge?: IntOrString; maxUnavailable?: IntOrString } | undefined,
  at: FieldPath,
  causes: Causes,
): void {
  if (update === undefined) {
    causes.required(at, 'this should be defaulted and never be nil');
    return;
  }
  for (const name of ['maxUnavailable', 'maxSurge'] as const) {
    const value = update[name] ?? 0;
    if (typeof value === 'number') validateNonNegative(causes, at.child(name), value);
    else if (!/^[0-9]+%$/.test(value)) {
      causes.invalid(
        at.child(name),
        value,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%')",
      );
    }
  }
  if (isZero(update.maxUnavailable) && isZero(update.maxSurge)) {
    causes.invalid(at.child('maxUnavailable'), update.maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
  if (typeof update.maxUnavailable === 'string' && Number.parseInt(update.maxUnavailable, 10) > 100) {
    causes.invalid(at.child('maxUnavailable'), update.maxUnavailable, 'must not be greater than 100%');
  }
}

function isZero(value: IntOrString | undefined): boolean {
  return value === undefined || value === 0 || (typeof value === 'string' && /^0+%$/.test(value));
}

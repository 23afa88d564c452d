import {
  byteLength,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from '../labels.ts';
import type { LabelSelector, ObjectMeta } from '../objects.ts';
import { type Causes, type FieldPath, METADATA } from './cause.ts';

/** How a kind's names are checked. */
export type NameCheck = (name: string) => readonly string[];

/** Name of a pod, a node, most things. */
export const subdomainName: NameCheck = dns1123SubdomainProblems;
/** Name of a namespace, a service. */
export const labelName: NameCheck = dns1123LabelProblems;
/** Names of RBAC objects: a path segment. */
export const pathSegmentName: NameCheck = (name) => {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return [...'/%'].filter((c) => name.includes(c)).map((c) => `may not contain '${c}'`);
};

const ANNOTATIONS_LIMIT = 256 * 1024;

/** ValidateObjectMeta. The name has been generated from generateName, and the namespace defaulted, before. */
export function validateMetadata(
  causes: Causes,
  metadata: ObjectMeta,
  namespaced: boolean,
  nameCheck: NameCheck,
): void {
  const {
    name = '',
    generateName = '',
    namespace = '',
    labels,
    annotations,
    ownerReferences,
    finalizers,
  } = metadata as ObjectMeta & { finalizers?: string[] };
  if (generateName !== '') {
    // A generated name may end in a dash: five characters follow.
    const prefix = generateName.endsWith('-') ? `${generateName.slice(0, -1)}a` : generateName;
    causes.invalidEach(METADATA.child('generateName'), generateName, nameCheck(prefix));
  }
  if (name === '') {
    if (generateName === '') causes.required(METADATA.child('name'), 'name or generateName is required');
  } else causes.invalidEach(METADATA.child('name'), name, nameCheck(name), repaired(name, nameCheck));
  if (namespaced) {
    if (namespace !== '') causes.invalidEach(METADATA.child('namespace'), namespace, dns1123LabelProblems(namespace));
  } else if (namespace !== '') causes.forbidden(METADATA.child('namespace'), 'not allowed on this type');
  if (labels !== undefined) validateLabels(causes, METADATA.child('labels'), labels);
  if (annotations !== undefined) validateAnnotations(causes, METADATA.child('annotations'), annotations);
  ownerReferences?.forEach((owner, i) => {
    const at = METADATA.child('ownerReferences').index(i);
    if (owner.apiVersion === '') causes.invalid(at.child('apiVersion'), '', 'version must not be empty');
    if (owner.kind === '') causes.invalid(at.child('kind'), '', 'must not be empty');
    if (owner.name === '') causes.invalid(at.child('name'), '', 'must not be empty');
    if (owner.uid === '') causes.invalid(at.child('uid'), '', 'must not be empty');
  });
  finalizers?.forEach((finalizer) => {
    causes.invalidEach(METADATA.child('finalizers'), finalizer, qualifiedNameProblems(finalizer));
  });
}

/** A name that differs in case, underscores and spaces only, where that one is right. */
function repaired(name: string, nameCheck: NameCheck): string | undefined {
  const candidate = name.trim().toLowerCase().replace(/[_ ]/g, '-');
  return candidate !== name && nameCheck(candidate).length === 0 ? `did you mean "${candidate}"?` : undefined;
}

export function validateLabels(causes: Causes, at: FieldPath, labels: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(labels)) {
    causes.invalidEach(at, key, qualifiedNameProblems(key));
    causes.invalidEach(at, labels[key], labelValueProblems(labels[key]!));
  }
}

function validateAnnotations(causes: Causes, at: FieldPath, annotations: Readonly<Record<string, string>>): void {
  let size = 0;
  for (const key of Object.keys(annotations)) {
    causes.invalidEach(at, key, qualifiedNameProblems(key.toLowerCase()));
    size += byteLength(key) + byteLength(annotations[key]!);
  }
  if (size > ANNOTATIONS_LIMIT) causes.tooLong(at, ANNOTATIONS_LIMIT);
}

export function validateLabelSelector(causes: Causes, at: FieldPath, selector: LabelSelector | null | undefined): void {
  if (selector === null || selector === undefined) return;
  if (selector.matchLabels) validateLabels(causes, at.child('matchLabels'), selector.matchLabels);
  selector.matchExpressions?.forEach(({ key, operator, values = [] }, i) => {
    const here = at.child('matchExpressions').index(i);
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0)
          causes.required(here.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) {
          causes.forbidden(here.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        break;
      default:
        causes.invalid(here.child('operator'), operator, 'not a valid selector operator');
    }
    causes.invalidEach(here.child('key'), key, qualifiedNameProblems(key));
    values.forEach((value, j) => {
      causes.invalidEach(here.child('values').index(j), value, labelValueProblems(value));
    });
  });
}

export const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP'];

export function validatePortNumber(causes: Causes, at: FieldPath, port: number): void {
  causes.invalidEach(at, port, portNumberProblems(port));
}

export function validatePortNumberOrName(causes: Causes, at: FieldPath, port: number | string): void {
  causes.invalidEach(at, port, typeof port === 'number' ? portNumberProblems(port) : portNameProblems(port));
}

export function validateNonNegative(causes: Causes, at: FieldPath, value: number | undefined | null): void {
  if (value !== undefined && value !== null && value < 0)
    causes.invalid(at, value, 'must be greater than or equal to 0');
}

import { labelValueProblems, qualifiedNameProblems } from '../labels.ts';
import type { Namespace, Node } from '../objects.ts';
import { checkCidr } from '../validate/address.ts';
import { type Causes, SPEC } from '../validate/cause.ts';
import { labelName, subdomainName, validateMetadata } from '../validate/common.ts';

/** The label, the finalizer and the phase that every namespace gets. */
export function defaultNamespace(namespace: Namespace): void {
  const { metadata } = namespace;
  if ((metadata.name ?? '') !== '') {
    metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  }
  namespace.spec ??= {};
  if (!namespace.spec.finalizers?.includes('kubernetes')) {
    namespace.spec.finalizers = [...(namespace.spec.finalizers ?? []), 'kubernetes'];
  }
  namespace.status ??= {};
  namespace.status.phase ??= 'Active';
}

/** ValidateNamespace. */
export function validateNamespace(namespace: Namespace, causes: Causes): void {
  validateMetadata(causes, namespace.metadata, false, labelName);
  namespace.spec?.finalizers?.forEach((finalizer, i) => {
    causes.invalidEach(SPEC.child('finalizers').index(i), finalizer, qualifiedNameProblems(finalizer));
  });
}

/** podCIDR and podCIDRs[0] are one. */
export function defaultNode({ spec }: Node): void {
  if (spec === undefined) return;
  if (spec.podCIDR === undefined) {
    if (spec.podCIDRs?.[0] !== undefined) spec.podCIDR = spec.podCIDRs[0];
  } else if (spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
}

export const TAINT_EFFECTS: readonly string[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** ValidateNode. The server names taints under metadata. */
export function validateNode({ metadata, spec }: Node, causes: Causes): void {
  validateMetadata(causes, metadata, false, subdomainName);
  const taints = new Set<string>();
  spec?.taints?.forEach(({ key, value = '', effect }, i) => {
    const at = SPEC.child('taints').shownAs('metadata.taints').index(i);
    causes.invalidEach(at.child('key'), key, qualifiedNameProblems(key));
    const problems = labelValueProblems(value);
    if (problems.length > 0) causes.invalid(at.child('value'), value, problems.join(';'));
    causes.oneOf(at.child('effect'), effect, TAINT_EFFECTS);
    const id = `${effect} ${key}`;
    if (taints.has(id)) causes.duplicate(at, { key, effect });
    taints.add(id);
  });
  const cidrs = spec?.podCIDRs ?? [];
  const at = SPEC.child('podCIDRs');
  const families = cidrs.map((cidr, i) => checkCidr(causes, at.index(i), cidr)?.family);
  if (cidrs.length > 2 || (cidrs.length === 2 && (families[0] === families[1] || families.includes(undefined)))) {
    causes.invalid(at, cidrs, 'may specify no more than one CIDR for each IP family');
  }
}

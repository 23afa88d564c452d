import type { Node, Pod, PodSpec } from '@netsim/manifest';

export type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];
export type Toleration = NonNullable<Pod['spec']['tolerations']>[number];

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

/** The toleration of a pod that lets it bear a taint, the first one in its order. */
export function tolerationFor(pod: Pod, taint: Taint): Toleration | undefined {
  return pod.spec.tolerations?.find((toleration) => toleratesTaint(toleration, taint));
}

/** As v1.Toleration.ToleratesTaint: no effect means every effect, no key with Exists means every taint. */
function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return (toleration.value ?? '') === (taint.value ?? '') && (toleration.key ?? '') !== '';
}

/** How long a pod stays on a node that is lost, where it says nothing itself. */
const defaultSeconds = 300;

const defaults: readonly Toleration[] = [notReadyTaint, unreachableTaint].map((key) => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: defaultSeconds,
}));

/** Shared by all pods that say nothing themselves: a big cluster has many. */
const onlyDefaults = [...defaults];

/**
 * The tolerations of a new pod with those that the API server adds (DefaultTolerationSeconds): five minutes on a node
 * that is not ready or unreachable.
 */
export function withDefaultTolerations({ tolerations }: PodSpec): Toleration[] {
  if (tolerations === undefined || tolerations.length === 0) return onlyDefaults;
  const missing = defaults.filter(({ key }) => !tolerations.some((each) => coversNoExecute(each, key!)));
  return missing.length === 0 ? tolerations : [...tolerations, ...missing];
}

const completed = new WeakMap<PodSpec, PodSpec>();

/** The specification of the pods of a template, which they share, with the tolerations that new pods get. */
export function templateSpec(spec: PodSpec): PodSpec {
  let made = completed.get(spec);
  if (made === undefined) {
    made = { ...spec, tolerations: withDefaultTolerations(spec) };
    completed.set(spec, made);
  }
  return made;
}

function coversNoExecute({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}

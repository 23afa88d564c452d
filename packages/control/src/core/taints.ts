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

const completed = new WeakMap<PodSpec, PodSpec>();

/**
 * The specification of a new pod with the tolerations that the API server adds (DefaultTolerationSeconds): five minutes
 * on a node that is not ready or unreachable. Pods of one template share what is made.
 */
export function withDefaultTolerations(spec: PodSpec): PodSpec {
  let made = completed.get(spec);
  if (made === undefined) {
    const { tolerations = [] } = spec;
    const added = [notReadyTaint, unreachableTaint]
      .filter((key) => !tolerations.some((each) => coversNoExecute(each, key)))
      .map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: defaultSeconds }));
    made = added.length === 0 ? spec : { ...spec, tolerations: [...tolerations, ...added] };
    completed.set(spec, made);
  }
  return made;
}

function coversNoExecute({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}

import type { KubeObject, Pod, PodTemplate } from '@netsim/manifest';
import { sameTemplate, templateHash } from './pod-template.ts';

/** The label by which StatefulSets and DaemonSets know which template a pod was made from. */
export const revisionLabel = 'controller-revision-hash';

/**
 * The templates that a workload has had and how each is named: what ControllerRevisions keep. The first template seen
 * has the name that a dump gives it, so that a loaded cluster is not rolled.
 */
export class Revisions {
  readonly #known = new Map<string, { readonly template: PodTemplate; readonly hash: string }[]>();

  /**
   * The revision of a template: `prefix` and a hash. `given`: its name in the owner's status; else that of the pods
   * there are counts.
   */
  of(
    owner: KubeObject,
    template: PodTemplate,
    pods: readonly Pod[],
    { prefix, given }: { readonly prefix: string; readonly given: string | undefined },
  ): string {
    const { uid = '' } = owner.metadata;
    const known = this.#known.get(uid) ?? [];
    const same = known.find((each) => sameTemplate(each.template, template));
    if (same !== undefined) return same.hash;
    const first = known.length === 0 ? (given ?? pods.at(-1)?.metadata.labels?.[revisionLabel]) : undefined;
    const hash = first ?? prefix + templateHash(template, 0);
    known.push({ template, hash });
    this.#known.set(uid, known);
    return hash;
  }

  /** The template of a revision, where it has been seen. */
  template(owner: KubeObject, revision: string): PodTemplate | undefined {
    return this.#known.get(owner.metadata.uid ?? '')?.find(({ hash }) => hash === revision)?.template;
  }

  forget(owner: KubeObject): void {
    this.#known.delete(owner.metadata.uid ?? '');
  }
}

/** Whether a pod was made from the template of this revision; one without the label cannot be told from it. */
export function isOfRevision(pod: Pod, revision: string): boolean {
  const label = pod.metadata.labels?.[revisionLabel];
  return label === undefined || label === revision;
}

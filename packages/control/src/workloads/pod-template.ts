import type { KubeObject, Pod, PodSpec, PodTemplate } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { hash32, safeEncode } from '../core/names.ts';
import { templateOrigin } from '../core/origin.ts';
import { controllerReference } from '../core/owners.ts';
import { templateSpec } from '../core/taints.ts';

export const templateHashLabel = 'pod-template-hash';

const texts = new WeakMap<PodTemplate, string>();

/** Whether two templates make the same pods; the label `pod-template-hash` does not count. */
export function sameTemplate(a: PodTemplate, b: PodTemplate): boolean {
  return a === b || canonical(a) === canonical(b);
}

/**
 * The `pod-template-hash` of a template: deterministic and of the real form, but not the number that Kubernetes
 * computes (which hashes Go's own printing of the struct).
 */
export function templateHash(template: PodTemplate, collisions: number): string {
  return safeEncode(hash32(canonical(template), collisions) >>> 0);
}

/** What a pod has beyond its template. */
export interface PodDetails {
  /** Instead of the owner's name and five letters. */
  readonly name?: string;
  /** Instead of the owner's name and a dash, to put the five letters after. */
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Instead of the template's. */
  readonly spec?: PodSpec;
}

/** A pod from a template, as controller_utils.go makes it: named after its owner. */
export function podFromTemplate(
  context: Context,
  owner: KubeObject,
  template: PodTemplate,
  details: PodDetails = {},
): Pod {
  const { names, store, time } = context;
  const { namespace = 'default' } = owner.metadata;
  const { generateName = `${owner.metadata.name}-` } = details;
  const taken = (each: string) => store.get('Pod', namespace, each) !== undefined;
  const name = details.name ?? names.generate(`Pod ${namespace}`, generateName, taken);
  const labels = merged(template.metadata?.labels, details.labels);
  const annotations = merged(template.metadata?.annotations, details.annotations);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName,
      namespace,
      uid: names.uid(`Pod ${namespace}/${name}`),
      creationTimestamp: time(),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(owner)],
    },
    spec: templateSpec(details.spec ?? template.spec),
    status: { phase: 'Pending' },
    ...templateOrigin(owner),
  };
}

type Words = Readonly<Record<string, string>>;

/** Pods of one template share its labels where nothing is added. */
function merged(own: Record<string, string> | undefined, more: Words | undefined): Record<string, string> | undefined {
  return more === undefined ? own : { ...own, ...more };
}

function canonical(template: PodTemplate): string {
  let text = texts.get(template);
  if (text === undefined) {
    const { [templateHashLabel]: _, ...labels } = template.metadata?.labels ?? {};
    text = JSON.stringify([sorted(labels), sorted(template.metadata?.annotations ?? {}), sorted(template.spec)]);
    texts.set(template, text);
  }
  return text;
}

/** A copy with the keys of all objects in order, so that equal values have equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

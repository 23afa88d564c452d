import { type KubeObject, ORIGIN, type Origin } from '@netsim/manifest';

const derived = new WeakMap<Origin, Origin>();

/** The origin of a pod made from the template of an object: what is said of the pod's fields is said of the template's. */
export function templateOrigin(owner: KubeObject): { [ORIGIN]?: Origin } {
  const origin = owner[ORIGIN];
  if (origin === undefined) return {};
  let made = derived.get(origin);
  if (made === undefined) {
    made = { file: origin.file, locate: (path) => origin.locate(['spec', 'template', ...path]) };
    derived.set(origin, made);
  }
  return { [ORIGIN]: made };
}

/** The origin of an object made from another with the same layout of fields. */
export function sameOrigin(owner: KubeObject): { [ORIGIN]?: Origin } {
  const origin = owner[ORIGIN];
  return origin === undefined ? {} : { [ORIGIN]: origin };
}

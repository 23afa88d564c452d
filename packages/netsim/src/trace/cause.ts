import { type KubeObject, type Path as ObjectPath, ORIGIN } from '@netsim/manifest';
import type { Cause } from '@netsim/trace';

/** Points at a field of an object: the line of the file it was read from, or of the object that made it. */
export function causeOf(object: KubeObject, path: ObjectPath, text: string): Cause {
  const origin = object[ORIGIN];
  const { namespace, name } = object.metadata;
  const base = { kind: object.kind, ...(namespace === undefined ? {} : { namespace }), name, text };
  if (origin === undefined) return base;
  return { ...base, file: origin.file, line: origin.locate(path).line };
}

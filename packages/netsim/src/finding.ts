import { type Finding, type KubeObject, ORIGIN, type Path } from '@netsim/manifest';

/** A warning about a field of an object, with the place where it was read. */
export function findingOf(object: KubeObject, code: string, path: Path, message: string, suggestion: string): Finding {
  const { kind, metadata } = object;
  const { name, namespace } = metadata;
  const where = object[ORIGIN] === undefined ? {} : { file: object[ORIGIN].file, ...object[ORIGIN].locate(path) };
  return {
    severity: 'warning',
    code,
    message: `${kind.toLowerCase()} "${namespace === undefined ? name : `${namespace}/${name}`}": ${message}`,
    path,
    suggestion,
    object: { kind, name, ...(namespace === undefined ? {} : { namespace }) },
    ...where,
  };
}

import { type Finding, type KubeObject, ORIGIN, type Path } from '@netsim/manifest';

/** What a finding says beyond the place it is at. */
export interface FindingText {
  readonly severity: Finding['severity'];
  readonly code: string;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** A finding about a field of an object, with the place where it was read. */
export function findingAt(object: KubeObject, path: Path, text: FindingText): Finding {
  const { kind, metadata } = object;
  const { suggestion, ...rest } = text;
  const origin = object[ORIGIN];
  return {
    ...rest,
    ...(suggestion === undefined ? {} : { suggestion }),
    ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(path) }),
    path,
    object: {
      kind,
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    },
  };
}

/** `service "default/kubia"`: how findings name an object. */
export function nameOf({ kind, metadata }: KubeObject): string {
  const { namespace, name } = metadata;
  return `${kind.toLowerCase()} "${namespace === undefined ? name : `${namespace}/${name}`}"`;
}

/** `a, b and 3 more`, of at most three. */
export function listOf(names: readonly string[]): string {
  if (names.length <= 3) return names.join(', ');
  return `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

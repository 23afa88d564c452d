import { type Finding, ORIGIN, type Path, type Pod } from '@netsim/manifest';

/** A finding on a pod, at the place of a field. */
export function podFinding(
  pod: Pod,
  severity: 'error' | 'warning',
  code: string,
  message: string,
  path: Path,
): Finding {
  const origin = pod[ORIGIN];
  const { name, namespace = 'default' } = pod.metadata;
  return {
    severity,
    code,
    message: `pod "${namespace}/${name}": ${message}`,
    path,
    object: { kind: 'Pod', namespace, name },
    ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(path) }),
  };
}

import { nearest } from '../nearest.ts';
import type { KubeObject } from '../objects.ts';
import { convertOldVersion } from './convert.ts';
import { groupVersions, type KindInfo, knownGroups, knownKinds, parseApiVersion } from './registry.ts';

/** Why no cluster knows the kind of an object, and what was probably meant. */
export interface KindProblem {
  readonly code: 'missing-api-version' | 'unknown-kind' | 'unknown-api-version';
  readonly message: string;
  /** The key that is wrong. */
  readonly field: string;
  readonly suggestion?: string;
}

/**
 * Whether Kubernetes (or somebody's custom resource) may have this kind in this version. Groups with a dot that are not
 * Kubernetes' own, nor nearly so, are taken for custom resources.
 */
export function identifyKind(object: KubeObject): KindProblem | undefined {
  const { kind } = object;
  const apiVersion: unknown = object.apiVersion;
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const near = nearest(
      'apiVersion',
      Object.keys(object).filter((key) => key !== 'apiVersion'),
    );
    const today = exactKind(kind)?.apiVersion;
    const meant = near !== undefined ? `is "${near}" meant to be "apiVersion"?` : today && `write apiVersion: ${today}`;
    return {
      code: 'missing-api-version',
      field: near ?? 'kind',
      message: 'the object has no apiVersion',
      ...suggest(meant),
    };
  }
  const { group, version } = parseApiVersion(apiVersion);
  if (group === 'kustomize.config.k8s.io') {
    return {
      code: 'unknown-kind',
      field: 'kind',
      message: 'a kustomization is for kustomize, no cluster has this kind',
      suggestion: 'to build it, give its directory with -k instead of -f',
    };
  }
  const versions = groupVersions(group);
  if (versions === undefined) return unknownGroup(apiVersion, group, kind);
  const inGroup = knownKinds().filter((info) => info.group === group);
  const info = inGroup.find((candidate) => candidate.kind === kind);
  if (versions.includes(version) && (info !== undefined || isOld(apiVersion, kind))) return undefined;
  const message = `no kind "${kind}" in version "${apiVersion}"`;
  if (info !== undefined) {
    return {
      code: 'unknown-api-version',
      field: 'apiVersion',
      message,
      ...suggest(`did you mean ${info.apiVersion}?`),
    };
  }
  const elsewhere = exactKind(kind);
  if (elsewhere !== undefined) {
    return {
      code: 'unknown-api-version',
      field: 'apiVersion',
      message,
      ...suggest(`did you mean ${elsewhere.apiVersion}?`),
    };
  }
  const near =
    nearest(
      kind,
      inGroup.map((each) => each.kind),
    ) ??
    nearest(
      kind,
      knownKinds().map((each) => each.kind),
    );
  return {
    code: 'unknown-kind',
    field: 'kind',
    message,
    ...suggest(near === undefined ? undefined : `did you mean "${near}"?`),
  };
}

function unknownGroup(apiVersion: string, group: string, kind: string): KindProblem | undefined {
  const info = exactKind(kind) ?? nearestKind(kind);
  const nearGroup = nearest(
    group,
    knownGroups().filter((name) => name !== ''),
  );
  const looksCustom = group.includes('.') && (nearGroup === undefined || info === undefined);
  if (looksCustom) return undefined;
  const meant =
    info?.apiVersion ?? (nearGroup === undefined ? undefined : `${nearGroup}/${groupVersions(nearGroup)![0]}`);
  return {
    code: 'unknown-api-version',
    field: 'apiVersion',
    message: `no version "${apiVersion}" is known (for kind "${kind}")`,
    ...suggest(meant === undefined ? undefined : `did you mean ${meant}?`),
  };
}

function exactKind(kind: string): KindInfo | undefined {
  return knownKinds().find((info) => info.kind === kind);
}

function nearestKind(kind: string): KindInfo | undefined {
  const name = nearest(
    kind,
    knownKinds().map((info) => info.kind),
  );
  return name === undefined ? undefined : exactKind(name);
}

function isOld(apiVersion: string, kind: string): boolean {
  return convertOldVersion({ apiVersion, kind, metadata: { name: '' } }) !== undefined;
}

function suggest(text: string | undefined): { suggestion?: string } {
  return text === undefined ? {} : { suggestion: text };
}

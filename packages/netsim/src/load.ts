import {
  type AnyObject,
  checkObject,
  type Finding,
  type KubeObject,
  loadManifests,
  ManifestError,
  type ManifestSource,
  ObjectStore,
  ORIGIN,
  readManifestFiles,
} from '@netsim/manifest';
import { type DemoName, demos } from './demo.ts';
import { UsageError } from './errors.ts';

/** Where a cluster's objects come from; several may be given together. */
export interface LoadSources {
  /** Files and directories; `-` stands for `stdin`. */
  readonly files?: readonly string[];
  /** Also the directories in directories. */
  readonly recursive?: boolean;
  /** What was read from stdin, for the file `-`. */
  readonly stdin?: string | Uint8Array;
  /** Manifests as text, YAML or JSON. */
  readonly yaml?: string;
  readonly objects?: readonly object[];
  readonly demo?: DemoName;
  /** Namespace of objects that name none; default `default`. */
  readonly namespace?: string;
}

export interface Loaded {
  readonly store: ObjectStore;
  readonly findings: readonly Finding[];
}

/** Reads, checks and defaults manifests into a store. Throws {@link ManifestError} with every finding where one is an error. */
export function loadStore(from: LoadSources): Loaded {
  const findings: Finding[] = [];
  const objects = readObjects(from, findings);
  const store = new ObjectStore();
  for (const object of objects) {
    const {
      object: placed,
      accepted,
      findings: found,
    } = checkObject(object, { namespace: from.namespace ?? 'default' });
    findings.push(...found);
    if (!accepted) continue;
    const { kind, metadata } = placed;
    const before = store.get(kind, metadata.namespace, metadata.name);
    if (before !== undefined) findings.push(twice(placed, before));
    store.put(placed);
  }
  if (findings.some((finding) => finding.severity === 'error')) throw new ManifestError(inOrder(findings));
  return { store, findings: inOrder(findings) };
}

/** Reads and checks manifests without keeping anything: for `apply`, and for those who only want the findings. */
export function readObjects(from: LoadSources, findings: Finding[]): KubeObject[] {
  const sources: ManifestSource[] = [];
  if (from.files !== undefined) {
    const read = readManifestFiles(from.files, {
      ...(from.recursive === undefined ? {} : { recursive: from.recursive }),
      ...(from.stdin === undefined ? {} : { stdin: from.stdin }),
    });
    sources.push(...read.sources);
    findings.push(...read.findings);
  }
  if (from.yaml !== undefined) sources.push({ file: 'yaml', text: from.yaml });
  if (from.demo !== undefined) {
    if (!Object.hasOwn(demos, from.demo)) {
      throw new UsageError(`there is no demo ${JSON.stringify(from.demo)}`, `known: ${Object.keys(demos).join(', ')}`);
    }
    sources.push({ file: `demo:${from.demo}`, text: demos[from.demo] });
  }
  const loaded = loadManifests(sources);
  findings.push(...loaded.findings);
  // Objects given as values are copied: the store's own must not change behind its back.
  const given = (from.objects ?? []).map((object) => structuredClone({ ...object }) as AnyObject);
  for (const [index, object] of (from.objects ?? []).entries()) {
    const origin = (object as KubeObject)[ORIGIN];
    if (origin !== undefined) given[index]![ORIGIN] = origin;
  }
  return [...loaded.objects, ...given];
}

/** An object as the API server would store it; what it would refuse is among the findings then. */
export function prepare(object: KubeObject, namespace: string, findings: Finding[]): KubeObject {
  const checked = checkObject(object, { namespace });
  findings.push(...checked.findings);
  return checked.object;
}

function twice(object: KubeObject, before: KubeObject): Finding {
  const { kind, metadata } = object;
  const first = before[ORIGIN];
  const place = first === undefined ? '' : `, first in ${first.file}:${first.locate([]).line}`;
  return {
    severity: 'warning',
    code: 'defined-twice',
    message: `${kind.toLowerCase()} "${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}" is defined twice${place}; the last one counts`,
    object: {
      kind,
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    },
    ...(object[ORIGIN] === undefined
      ? {}
      : { file: object[ORIGIN].file, ...object[ORIGIN].locate(['metadata', 'name']) }),
  };
}

/** By file and line, so that a reader goes through them from top to bottom; those without a place come last. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  const files = [...new Set(findings.map((finding) => finding.file))];
  return [...findings].sort(
    (a, b) =>
      Number(a.file === undefined) - Number(b.file === undefined) ||
      files.indexOf(a.file) - files.indexOf(b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  );
}

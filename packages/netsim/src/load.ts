import {
  type AnyObject,
  checkObject,
  type Finding,
  type KubeObject,
  loadManifests,
  type ManifestSource,
  ObjectStore,
  ORIGIN,
  readManifestFiles,
} from '@netsim/manifest';
import { type DemoName, demos } from './demo.ts';
import { UsageError } from './errors.ts';
import { withoutForeignKinds } from './foreign-kinds.ts';

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

/** Reads, checks and defaults manifests into a store: what the API server would accept of them. Its refusals are findings. */
export function loadStore(from: LoadSources): Loaded {
  const findings: Finding[] = [];
  // What has no namespace of its own goes where the caller says, but the demo is the same wherever one looks.
  const { namespace: _, ...elsewhere } = from;
  const objects = readObjects(from.demo === undefined ? from : elsewhere, findings);
  if (from.files !== undefined && objects.length === 0 && !findings.some(isError)) {
    findings.push({ severity: 'error', code: 'no-manifests', message: 'no objects in what was given' });
  }
  const store = new ObjectStore();
  for (const object of objects) store.put(object);
  return { store, findings: inOrder(findings) };
}

/** Reads, checks and defaults manifests; only what the API server would accept is returned. */
export function readObjects(from: LoadSources, findings: Finding[]): KubeObject[] {
  const namespace = from.namespace ?? 'default';
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
  const loaded = loadManifests(sources, { namespace });
  findings.push(...loaded.findings);
  const objects = [...loaded.objects];
  for (const object of from.objects ?? []) {
    // A copy: the store's own must not change behind its back.
    const own = structuredClone({ ...object }) as AnyObject;
    const origin = (object as KubeObject)[ORIGIN];
    if (origin !== undefined) own[ORIGIN] = origin;
    const checked = checkObject(own, { namespace });
    findings.push(...checked.findings);
    if (checked.accepted) objects.push(checked.object);
  }
  return withoutForeignKinds(objects, findings);
}

export function isError({ severity }: Finding): boolean {
  return severity === 'error';
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

import type { Finding } from './finding.ts';
import { type AnyObject, type KubeObject, ORIGIN, type Origin, type Path } from './objects.ts';
import { type ManifestSource, type RawDocument, readDocuments } from './read/documents.ts';
import type { LineIndex } from './read/lines.ts';

export interface LoadResult {
  readonly objects: KubeObject[];
  readonly findings: Finding[];
}

/**
 * Reads manifests: YAML and JSON, several documents, lists. Everything that is wrong is told at once, with its place.
 * Pure: reads no files (see `readManifestFiles`).
 */
export function loadManifests(sources: readonly ManifestSource[]): LoadResult {
  const objects: KubeObject[] = [];
  const findings: Finding[] = [];
  for (const source of sources) loadSource(source, objects, findings);
  return { objects, findings };
}

function loadSource(source: ManifestSource, objects: KubeObject[], findings: Finding[]): void {
  const { documents, problems, lines } = readDocuments(source);
  const file = source.file;
  for (const { offset, message } of problems) {
    findings.push({ severity: 'error', code: 'syntax', message, file, ...lines.at(offset) });
  }
  for (const document of documents) {
    for (const { offset, path } of document.duplicates) {
      findings.push({
        severity: 'warning',
        code: 'duplicate-key',
        message: `key "${String(path.at(-1))}" is given twice; the last one counts`,
        file,
        ...lines.at(offset),
        path,
      });
    }
    loadDocument(document, file, lines, objects, findings);
  }
}

function loadDocument(
  document: RawDocument,
  file: string,
  lines: LineIndex,
  objects: KubeObject[],
  findings: Finding[],
): void {
  const value = document.value;
  if (!isRecord(value)) {
    const message = `expected an object with apiVersion and kind, got ${Array.isArray(value) ? 'a list' : JSON.stringify(value)}`;
    findings.push({ severity: 'error', code: 'not-an-object', message, file, ...lines.at(document.offsetOf([])) });
    return;
  }
  const error = (path: Path, code: string, message: string) => {
    findings.push({ severity: 'error', code, message, file, ...lines.at(document.offsetOf(path)), path });
  };
  if (!isList(value)) {
    if (!hasKind(value)) error([], 'missing-kind', 'the object has no kind');
    else objects.push(withOrigin(value, new DocumentOrigin(file, document, lines, [])));
    return;
  }
  (value.items ?? []).forEach((item, i) => {
    const path = ['items', i];
    if (!isRecord(item)) error(path, 'not-an-object', 'expected an object with apiVersion and kind');
    else if (isList(item)) error(path, 'nested-list', 'a list inside a list');
    else if (!hasKind(item)) error(path, 'missing-kind', 'the object has no kind');
    else objects.push(withOrigin(item, new DocumentOrigin(file, document, lines, path)));
  });
}

function hasKind(value: Record<string, unknown>): boolean {
  return typeof value.kind === 'string' && value.kind !== '';
}

/** `kind: List`, and what `kubectl get -o json` once called `PodList`: any kind that ends so and has items. */
function isList(value: Record<string, unknown>): value is { items?: unknown[] | null } {
  return (
    typeof value.kind === 'string' &&
    value.kind.endsWith('List') &&
    'items' in value &&
    (Array.isArray(value.items) || value.items === null)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withOrigin(value: Record<string, unknown>, origin: Origin): KubeObject {
  const object = value as AnyObject;
  object[ORIGIN] = origin;
  return object;
}

class DocumentOrigin implements Origin {
  readonly file: string;
  readonly #document: RawDocument;
  readonly #lines: LineIndex;
  readonly #base: Path;

  constructor(file: string, document: RawDocument, lines: LineIndex, base: Path) {
    this.file = file;
    this.#document = document;
    this.#lines = lines;
    this.#base = base;
  }

  locate(path: Path): { line: number; column: number } {
    return this.#lines.at(this.#document.offsetOf([...this.#base, ...path]));
  }
}

import { checkObject, finding } from './check.ts';
import type { Finding } from './finding.ts';
import { nearest } from './nearest.ts';
import { type AnyObject, type KubeObject, ORIGIN, type Origin, type Path } from './objects.ts';
import { type Locator, type ManifestSource, type RawDocument, readDocuments } from './read/documents.ts';
import type { LineIndex } from './read/lines.ts';

export interface LoadOptions {
  /** For objects of namespaced kinds that name none. Default `default`. */
  readonly namespace?: string;
  /** Only reads: the objects as they are written, nothing converted, checked or completed. */
  readonly raw?: boolean;
}

export interface LoadResult {
  /** What the API server would accept, in the order of the sources, in today's versions and with defaults. */
  readonly objects: KubeObject[];
  /** What it would refuse; the findings say why. */
  readonly refused: KubeObject[];
  readonly findings: Finding[];
}

/**
 * Reads manifests: YAML and JSON, several documents, lists. Everything that is wrong is told at once, with its place.
 * Pure: reads no files (see `readManifestFiles`).
 */
export function loadManifests(sources: readonly ManifestSource[], options: LoadOptions = {}): LoadResult {
  const written: KubeObject[] = [];
  const findings: Finding[] = [];
  for (const source of sources) loadSource(source, written, findings);
  if (options.raw === true) return { objects: written, refused: [], findings };
  const objects: KubeObject[] = [];
  const refused: KubeObject[] = [];
  for (const object of written) {
    const result = checkObject(object, options);
    const { metadata } = result.object;
    if (metadata?.name === '' && metadata.generateName)
      metadata.name = generatedName(metadata.generateName, objects.length);
    (result.accepted ? objects : refused).push(result.object);
    findings.push(...result.findings);
  }
  findings.push(...repeated(objects));
  return { objects, refused, findings };
}

/** `{{ .Values.name }}`, `{{- include "x" . }}`: what Helm and its like put in place of values. YAML reads it as nested maps, or not at all. */
const TEMPLATE_ACTION = /\{\{-?\s*(\/\*|[.$"`(]|[a-z]+\b)/i;

/** Characters of a wrong document that a message shows. */
const SHOWN = 60;

const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** A name like the server's for `generateName`, but the same on every run: five letters made from the object's number. */
function generatedName(prefix: string, number: number): string {
  let hash = 0x811c9dc5;
  for (const c of `${prefix}${number}`) hash = Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0;
  let suffix = '';
  for (let i = 0; i < 5; i++) {
    suffix += SUFFIX_LETTERS[hash % SUFFIX_LETTERS.length];
    hash = Math.floor(hash / SUFFIX_LETTERS.length);
  }
  return prefix + suffix;
}

/** Objects given twice: the later one replaces the earlier, as with `kubectl apply`. */
function repeated(objects: readonly KubeObject[]): Finding[] {
  const first = new Map<string, KubeObject>();
  const findings: Finding[] = [];
  for (const object of objects) {
    const { namespace = '', name = '' } = object.metadata;
    if (name === '') continue;
    const id = `${object.apiVersion} ${object.kind} ${namespace}/${name}`;
    const earlier = first.get(id);
    if (earlier !== undefined) {
      const origin = earlier[ORIGIN];
      const where =
        origin === undefined ? '' : ` (first at ${origin.file}:${origin.locate(['metadata', 'name']).line})`;
      const message = `given twice${where}; the last one counts`;
      findings.push(finding(object, { severity: 'warning', code: 'duplicate-object', message }, ['metadata', 'name']));
    }
    first.set(id, object);
  }
  return findings;
}

function loadSource(source: ManifestSource, objects: KubeObject[], findings: Finding[]): void {
  const { documents, problems, lines } = readDocuments(source);
  const file = source.file;
  const template = problems.length === 0 ? -1 : source.text.search(TEMPLATE_ACTION);
  if (template >= 0) {
    const message = 'a template, not yet a manifest';
    const suggestion = 'render it first, as with helm template CHART | netsim -f - ...';
    findings.push({ severity: 'error', code: 'template', message, suggestion, file, ...lines.at(template) });
  } else {
    for (const { offset, message } of problems) {
      findings.push({ severity: 'error', code: 'syntax', message, file, ...lines.at(offset) });
    }
  }
  if (documents.length === 0 && problems.length === 0) {
    findings.push({ severity: 'warning', code: 'empty-file', message: 'no object in this file', file });
  }
  for (const document of documents) {
    for (const { offset, path } of document.duplicates) {
      const message = `key "${String(path.at(-1))}" is given twice; the last one counts`;
      findings.push({ severity: 'warning', code: 'duplicate-key', message, file, ...lines.at(offset), path });
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
  const error = (path: Path, code: string, message: string, suggestion?: string) => {
    const place = lines.at(document.locator.offsetOf(path));
    findings.push({
      severity: 'error',
      code,
      message,
      file,
      ...place,
      path,
      ...(suggestion !== undefined && { suggestion }),
    });
  };
  if (!isRecord(value)) {
    const got = Array.isArray(value) ? 'a list' : short(JSON.stringify(value));
    error([], 'not-an-object', `expected an object with apiVersion and kind, got ${got}`);
    return;
  }
  const add = (object: Record<string, unknown>, path: Path) => {
    if (hasKind(object)) {
      objects.push(withOrigin(object, new DocumentOrigin(file, document.locator, lines, path)));
      return;
    }
    const near = nearest('kind', Object.keys(object));
    if (near === undefined) error(path, 'missing-kind', 'the object has no kind');
    else error([...path, near], 'missing-kind', 'the object has no kind', `is "${near}" meant to be "kind"?`);
  };
  if (!isList(value)) {
    add(value, []);
    return;
  }
  (value.items ?? []).forEach((item, i) => {
    const path = ['items', i];
    if (!isRecord(item)) error(path, 'not-an-object', 'expected an object with apiVersion and kind');
    else if (isList(item)) error(path, 'nested-list', 'a list inside a list');
    else {
      // The items of a PodList are pods, though they do not say so.
      if (item.kind === undefined && typeof value.kind === 'string' && /.List$/.test(value.kind)) {
        item.kind = value.kind.slice(0, -'List'.length);
        item.apiVersion ??= value.apiVersion;
      }
      add(item, path);
    }
  });
}

/** The beginning of a text that is too long to be shown. */
function short(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

function hasKind(value: Record<string, unknown>): boolean {
  return typeof value.kind === 'string' && value.kind !== '';
}

/** To kubectl, whatever has a list of items is a list. */
function isList(
  value: Record<string, unknown>,
): value is { kind?: unknown; apiVersion?: unknown; items: unknown[] | null } {
  if (Array.isArray(value.items)) return true;
  return value.items === null && typeof value.kind === 'string' && value.kind.endsWith('List');
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
  readonly #locator: Locator;
  readonly #lines: LineIndex;
  readonly #base: Path;

  constructor(file: string, locator: Locator, lines: LineIndex, base: Path) {
    this.file = file;
    this.#locator = locator;
    this.#lines = lines;
    this.#base = base;
  }

  locate(path: Path): { line: number; column: number } {
    return this.#lines.at(this.#locator.offsetOf([...this.#base, ...path]));
  }

  locateInText(path: Path, line: number, column: number): { line: number; column: number } | undefined {
    const offset = this.#locator.offsetInText([...this.#base, ...path], line, column);
    return offset === undefined ? undefined : this.#lines.at(offset);
  }
}

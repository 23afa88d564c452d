import type { Path } from '../objects.ts';
import { elementOffsets, locateJson, members, skipSpace, skipValue } from './json-scan.ts';
import { LineIndex } from './lines.ts';
import { MAX_DEPTH, readYaml, YamlError, YamlPlaces } from './yaml-document.ts';

/** Text to read and the name it goes by in messages; `-` for stdin. */
export interface ManifestSource {
  readonly file: string;
  readonly text: string;
}

/** Finds fields of a document in its text. Kept as long as the document's objects are, so it holds no values. */
export interface Locator {
  /** Offset in the source of the field at `path`. */
  offsetOf(path: Path): number;
  /** Offset in the source of a line and column (from 1) of the block text at `path`; undefined where there is none. */
  offsetInText(path: Path, line: number, column: number): number | undefined;
}

/** One document of a stream. */
export interface RawDocument {
  readonly value: unknown;
  readonly locator: Locator;
  /** Keys that are given twice. */
  readonly duplicates: readonly { readonly offset: number; readonly path: Path }[];
}

interface ReadProblem {
  readonly offset: number;
  readonly message: string;
}

export interface ReadResult {
  readonly documents: readonly RawDocument[];
  /** What could not be read. The other documents of the stream are read all the same. */
  readonly problems: readonly ReadProblem[];
  readonly lines: LineIndex;
}

/** JSON texts above this size are not searched for duplicate keys: programs write them, not people. */
const DUPLICATE_SEARCH_LIMIT = 1_000_000;

/** Splits a stream of YAML or JSON documents as kubectl does, and reads each. Documents that are empty or null are left out. */
export function readDocuments(source: ManifestSource): ReadResult {
  const documents: RawDocument[] = [];
  const problems: ReadProblem[] = [];
  const text = source.text;
  let offset = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  if (startsAsJson(text, offset)) offset = readJsonStream(text, offset, documents, problems);
  for (const { start, end, problem } of yamlChunks(text, offset)) {
    if (problem !== undefined) problems.push({ offset: start, message: problem });
    else readYamlChunk(text, start, end, documents, problems);
  }
  return { documents, problems, lines: new LineIndex(text) };
}

/** kubectl takes a stream for JSON where its first character is a brace. */
function startsAsJson(text: string, offset: number): boolean {
  return text.charCodeAt(skipSpace(text, offset)) === 0x7b;
}

/** Reads JSON objects one after the other. Returns where JSON ends; what follows is read as YAML. */
function readJsonStream(text: string, from: number, documents: RawDocument[], problems: ReadProblem[]): number {
  const whole = from === 0 ? parseJson(text) : undefined;
  if (whole !== undefined) {
    addJson(text, skipSpace(text, 0), text.length, whole, documents, problems);
    return text.length;
  }
  let offset = from;
  while (startsAsJson(text, offset)) {
    const start = skipSpace(text, offset);
    const end = skipValue(text, start);
    const value = parseJson(text.slice(start, end));
    if (value === undefined) return offset;
    addJson(text, start, end, value, documents, problems);
    offset = end;
  }
  return offset;
}

function addJson(
  text: string,
  start: number,
  end: number,
  value: object,
  documents: RawDocument[],
  problems: ReadProblem[],
): void {
  if (isDeeperThan(value, MAX_DEPTH)) {
    problems.push({ offset: start, message: `nested more than ${MAX_DEPTH} levels deep` });
    return;
  }
  const duplicates = end - start > DUPLICATE_SEARCH_LIMIT ? [] : jsonDuplicates(text, start);
  documents.push({ value, locator: new JsonLocator(text, start), duplicates });
}

function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (limit === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(item, limit - 1));
  for (const key in value) if (isDeeperThan((value as Record<string, unknown>)[key], limit - 1)) return true;
  return false;
}

function parseJson(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

class JsonLocator implements Locator {
  readonly #text: string;
  readonly #start: number;
  /** Where the items of a list are: found once, as lists may be large. */
  #items: { readonly at: number; readonly starts: readonly number[] } | undefined;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = start;
  }

  offsetOf(path: Path): number {
    const [first, index, ...rest] = path;
    if (first !== 'items' || typeof index !== 'number') return locateJson(this.#text, this.#start, path);
    this.#items ??= this.#findItems();
    const start = this.#items.starts[index];
    return start === undefined ? this.#items.at : locateJson(this.#text, start, rest);
  }

  /** The lines of a text in JSON are no lines of the file. */
  offsetInText(): undefined {
    return undefined;
  }

  #findItems(): { at: number; starts: number[] } {
    let found = { at: this.#start, starts: [] as number[] };
    for (const { key, keyOffset, valueOffset } of members(this.#text, this.#start)) {
      if (key === 'items') found = { at: keyOffset, starts: elementOffsets(this.#text, valueOffset) };
    }
    return found;
  }
}

function jsonDuplicates(text: string, from: number): { offset: number; path: Path }[] {
  const found: { offset: number; path: Path }[] = [];
  const pending: { offset: number; path: Path }[] = [{ offset: from, path: [] }];
  while (pending.length > 0) {
    const { offset, path } = pending.pop()!;
    const c = text.charCodeAt(offset);
    if (c === 0x5b) {
      elementOffsets(text, offset).forEach((start, i) => {
        pending.push({ offset: start, path: [...path, i] });
      });
    } else if (c === 0x7b) {
      const keys = new Set<string>();
      for (const { key, keyOffset, valueOffset } of members(text, offset)) {
        const at = [...path, key];
        if (keys.has(key)) found.push({ offset: keyOffset, path: at });
        keys.add(key);
        pending.push({ offset: valueOffset, path: at });
      }
    }
  }
  return found.sort((a, b) => a.offset - b.offset);
}

interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly problem?: string;
}

/** Parts of a YAML stream between lines that start with `---`. */
function* yamlChunks(text: string, from: number): Generator<Chunk> {
  let start = from;
  let line = from;
  while (line < text.length) {
    const newline = text.indexOf('\n', line);
    const next = newline === -1 ? text.length : newline + 1;
    if (text.startsWith('---', line)) {
      const rest = text.slice(line + 3, next).trim();
      if (start < line) yield { start, end: line };
      if (rest.length > 0 && !rest.startsWith('#')) {
        yield { start: line, end: next, problem: `invalid YAML document separator: ${rest}` };
      }
      start = next;
    }
    line = next;
  }
  if (start < text.length) yield { start, end: text.length };
}

function readYamlChunk(
  text: string,
  start: number,
  end: number,
  documents: RawDocument[],
  problems: ReadProblem[],
): void {
  try {
    const { value, duplicates } = readYaml(text.slice(start, end));
    if (value === null) return;
    const placed = duplicates.map(({ offset, path }) => ({ offset: offset + start, path }));
    documents.push({ value, locator: new YamlLocator(text, start, end), duplicates: placed });
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    problems.push({ offset: start + error.offset, message: error.message });
  }
}

/** Reads the document again when it is asked for a place: most documents never are. */
class YamlLocator implements Locator {
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;
  #places: WeakRef<YamlPlaces> | undefined;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#start = start;
    this.#end = end;
  }

  offsetOf(path: Path): number {
    return this.#start + this.#read().offsetOf(path);
  }

  offsetInText(path: Path, line: number, column: number): number | undefined {
    const offset = this.#read().offsetInText(path, line, column);
    return offset === undefined ? undefined : this.#start + offset;
  }

  #read(): YamlPlaces {
    let places = this.#places?.deref();
    if (places === undefined) {
      places = new YamlPlaces(this.#text.slice(this.#start, this.#end));
      this.#places = new WeakRef(places);
    }
    return places;
  }
}

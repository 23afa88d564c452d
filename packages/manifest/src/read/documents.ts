import type { Path } from '../objects.ts';
import { elementOffsets, locateJson, members, skipSpace, skipValue } from './json-scan.ts';
import { LineIndex } from './lines.ts';
import { locateYaml, readYaml, YamlError } from './yaml-document.ts';

/** Text to read and the name it goes by in messages; `-` for stdin. */
export interface ManifestSource {
  readonly file: string;
  readonly text: string;
}

/** One document of a stream. */
export interface RawDocument {
  readonly value: unknown;
  /** Offset in the source of the field at `path`. */
  offsetOf(path: Path): number;
  readonly duplicates: readonly { readonly offset: number; readonly path: Path }[];
}

export interface ReadProblem {
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
  if (startsAsJson(text, offset)) offset = readJsonStream(text, offset, documents);
  for (const chunk of yamlChunks(text, offset)) {
    if (chunk.problem !== undefined) {
      problems.push({ offset: chunk.start, message: chunk.problem });
      continue;
    }
    try {
      const document = new YamlChunk(text, chunk.start, chunk.end);
      if (document.value !== null) documents.push(document);
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      problems.push({ offset: chunk.start + error.offset, message: error.message });
    }
  }
  return { documents, problems, lines: new LineIndex(text) };
}

/** kubectl takes a stream for JSON where its first character is a brace. */
function startsAsJson(text: string, offset: number): boolean {
  return text.charCodeAt(skipSpace(text, offset)) === 0x7b;
}

/** Reads JSON objects one after the other. Returns where JSON ends; what follows is read as YAML. */
function readJsonStream(text: string, from: number, documents: RawDocument[]): number {
  let offset = from;
  while (startsAsJson(text, offset)) {
    const start = skipSpace(text, offset);
    const end = skipValue(text, start);
    const value = parseJson(start === 0 && end === text.length ? text : text.slice(start, end));
    if (value === undefined) return offset;
    documents.push(new JsonDocument(text, start, end, value));
    offset = end;
  }
  return offset;
}

function parseJson(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

class JsonDocument implements RawDocument {
  readonly value: unknown;
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;
  #items: { readonly at: number; readonly starts: readonly number[] } | undefined;

  constructor(text: string, start: number, end: number, value: unknown) {
    this.value = value;
    this.#text = text;
    this.#start = start;
    this.#end = end;
  }

  offsetOf(path: Path): number {
    const [first, index, ...rest] = path;
    if (first !== 'items' || typeof index !== 'number') return locateJson(this.#text, this.#start, path);
    this.#items ??= this.#findItems();
    const start = this.#items.starts[index];
    return start === undefined ? this.#items.at : locateJson(this.#text, start, rest);
  }

  get duplicates(): { offset: number; path: Path }[] {
    if (this.#end - this.#start > DUPLICATE_SEARCH_LIMIT) return [];
    const found: { offset: number; path: Path }[] = [];
    const pending: { offset: number; path: Path }[] = [{ offset: this.#start, path: [] }];
    while (pending.length > 0) {
      const { offset, path } = pending.pop()!;
      const c = this.#text.charCodeAt(offset);
      if (c === 0x5b) {
        elementOffsets(this.#text, offset).forEach((start, i) => {
          pending.push({ offset: start, path: [...path, i] });
        });
      } else if (c === 0x7b) {
        const keys = new Set<string>();
        for (const { key, keyOffset, valueOffset } of members(this.#text, offset)) {
          const at = [...path, key];
          if (keys.has(key)) found.push({ offset: keyOffset, path: at });
          keys.add(key);
          pending.push({ offset: valueOffset, path: at });
        }
      }
    }
    return found.sort((a, b) => a.offset - b.offset);
  }

  #findItems(): { at: number; starts: number[] } {
    let found = { at: this.#start, starts: [] as number[] };
    for (const { key, keyOffset, valueOffset } of members(this.#text, this.#start)) {
      if (key === 'items') found = { at: keyOffset, starts: elementOffsets(this.#text, valueOffset) };
    }
    return found;
  }
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

class YamlChunk implements RawDocument {
  readonly value: unknown;
  readonly duplicates: readonly { offset: number; path: Path }[];
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#start = start;
    this.#end = end;
    const { value, duplicates } = readYaml(text.slice(start, end));
    this.value = value;
    this.duplicates = duplicates.map(({ offset, path }) => ({ offset: offset + start, path }));
  }

  offsetOf(path: Path): number {
    return this.#start + locateYaml(this.#text.slice(this.#start, this.#end), path);
  }
}

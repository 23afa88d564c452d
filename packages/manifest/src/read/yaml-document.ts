import { createRequire } from 'node:module';
import type { Alias, Document, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Path } from '../objects.ts';
import { resolvePlain, type YamlScalar } from './yaml-scalar.ts';

type Yaml = typeof import('yaml');

/** Loaded when the first YAML text is met: programs that read only JSON do not pay for it. */
let library: Yaml | undefined;
function yaml(): Yaml {
  library ??= createRequire(import.meta.url)('yaml') as Yaml;
  return library;
}

/** Levels of nesting that are read. Deeper text is refused before anything recurses over it. */
export const MAX_DEPTH = 300;
const TAG = 'tag:yaml.org,2002:';

export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

export interface YamlDocument {
  readonly value: unknown;
  /** Keys given twice in one mapping; the last one counts, as for kubectl. */
  readonly duplicates: readonly { readonly offset: number; readonly path: Path }[];
}

/**
 * Reads the first YAML document of a text as kubectl does, to a value as JSON would give it.
 * @throws YamlError where kubectl cannot read it, where it nests too deep, or where aliases multiply it too much.
 */
export function readYaml(text: string): YamlDocument {
  const root = compose(text);
  if (root === null) return { value: null, duplicates: [] };
  return new Converter(root).run();
}

/** The places of the first document's fields in its text. */
export class YamlPlaces {
  readonly #text: string;
  readonly #root: Node | null;
  readonly #anchors: ReadonlyMap<string, Node>;

  constructor(text: string) {
    this.#text = text;
    this.#root = compose(text);
    this.#anchors = collectAnchors(this.#root);
  }

  /** Offset of the field at `path`, or of its nearest parent that is there. */
  offsetOf(path: Path): number {
    return this.#root === null ? 0 : locate(this.#root, this.#anchors, path).offset;
  }

  /** Offset of a line and column (from 1) of the literal block text at `path`; undefined where the field is no such text. */
  offsetInText(path: Path, line: number, column: number): number | undefined {
    const found = this.#root === null ? undefined : locate(this.#root, this.#anchors, path).node;
    const node = isAlias(found) ? this.#anchors.get(found.source) : found;
    if (!isScalar(node) || node.type !== 'BLOCK_LITERAL') return undefined;
    const wanted = String(node.value).split('\n')[line - 1];
    if (wanted === undefined) return undefined;
    // The text begins on the line after its `|`.
    let from = start(node);
    for (let i = 0; i < line; i++) {
      from = this.#text.indexOf('\n', from) + 1;
      if (from === 0) return undefined;
    }
    const end = this.#text.indexOf('\n', from);
    const written = this.#text.slice(from, end === -1 ? undefined : end).replace(/\r$/, '');
    const indent = written.length - wanted.length;
    return written.endsWith(wanted) ? from + indent + Math.min(column - 1, wanted.length) : undefined;
  }
}

function compose(text: string): Node | null {
  const { Composer, Lexer, Parser } = yaml();
  const control = CONTROL.exec(text);
  if (control !== null) throw new YamlError(control.index, 'control characters are not allowed');
  const parser = new Parser();
  const composer = new Composer({
    schema: 'failsafe',
    uniqueKeys: false,
    merge: false,
    strict: true,
    stringKeys: false,
    resolveKnownTags: false,
    logLevel: 'silent',
    prettyErrors: false,
  });
  const tokens = function* () {
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme);
      if (parser.stack.length > MAX_DEPTH) {
        throw new YamlError(parser.offset, `nested more than ${MAX_DEPTH} levels deep`);
      }
    }
    yield* parser.end();
  };
  for (const document of composer.compose(tokens(), true, text.length)) {
    const [error] = (document as Document).errors;
    if (error !== undefined) throw new YamlError(error.pos[0], plainWords(error.code, firstLine(error.message)));
    return (document as Document).contents as Node | null;
  }
  return null;
}

function plainWords(code: string, message: string): string {
  const flow = /^Flow (map|sequence)/.exec(message)?.[1];
  if (code === 'BAD_INDENT' && flow !== undefined) {
    return `a ${flow === 'map' ? 'map that begins with "{" is not closed with "}"' : 'list that begins with "[" is not closed with "]"'} before this, or its lines are not indented`;
  }
  return PLAIN_WORDS[code] ?? message;
}

/** The library's errors that people meet most, said so that they see what to do. */
const PLAIN_WORDS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab indents this line: YAML wants spaces',
  BLOCK_AS_IMPLICIT_KEY:
    'keys below a value: is the next line indented too far, or does a value with ": " need quotes?',
  BAD_INDENT: 'the indentation does not match that of the lines before',
  MULTILINE_IMPLICIT_KEY: 'a key without ":"',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what YAML forbids
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ud800-\udfff\ufffe\uffff]/u;

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end === -1 ? text : text.slice(0, end);
}

const isScalar = (node: unknown): node is Scalar => kind(node) === 'scalar';
const isMap = (node: unknown): node is YAMLMap => kind(node) === 'map';
const isSeq = (node: unknown): node is YAMLSeq => kind(node) === 'seq';
const isAlias = (node: unknown): node is Alias => kind(node) === 'alias';

function kind(node: unknown): 'scalar' | 'map' | 'seq' | 'alias' | undefined {
  const y = yaml();
  if (y.isScalar(node)) return 'scalar';
  if (y.isMap(node)) return 'map';
  if (y.isSeq(node)) return 'seq';
  if (y.isAlias(node)) return 'alias';
  return undefined;
}

function start(node: unknown, otherwise = 0): number {
  const range = (node as Node | null)?.range;
  return range?.[0] ?? otherwise;
}

/**
 * Aliases are copied, as JSON has no way to share. What they may add is bounded as in the Go library: up to 400,000 values
 * nearly all may come from aliases, from 4,000,000 on only a tenth.
 */
const RATIO_LOW = 400_000;
const RATIO_HIGH = 4_000_000;

class Converter {
  readonly #root: Node;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  readonly #duplicates: { offset: number; path: Path }[] = [];
  readonly #path: (string | number)[] = [];
  #decoded = 0;
  #aliased = 0;
  #aliasDepth = 0;

  constructor(root: Node) {
    this.#root = root;
  }

  run(): YamlDocument {
    return { value: this.#value(this.#root), duplicates: this.#duplicates };
  }

  #value(node: unknown): unknown {
    this.#count(node);
    if (node === null || node === undefined) return null;
    if (isAlias(node)) {
      const target = this.#target(node);
      this.#aliasDepth++;
      const value = this.#collection(target);
      this.#aliasDepth--;
      return value;
    }
    if (this.#aliasDepth === 0) {
      const anchor = (node as Scalar | YAMLMap | YAMLSeq).anchor;
      if (anchor !== undefined) this.#anchors.set(anchor, node as Node);
    }
    return this.#collection(node as Node);
  }

  #count(node: unknown): void {
    this.#decoded++;
    if (this.#aliasDepth > 0) this.#aliased++;
    if (this.#aliased <= 100 || this.#decoded <= 1000) return;
    const allowed =
      this.#decoded <= RATIO_LOW
        ? 0.99
        : this.#decoded >= RATIO_HIGH
          ? 0.1
          : 0.99 - 0.89 * ((this.#decoded - RATIO_LOW) / (RATIO_HIGH - RATIO_LOW));
    if (this.#aliased / this.#decoded > allowed) {
      throw new YamlError(start(node), 'document contains excessive aliasing');
    }
  }

  #target(alias: Alias): Node {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) throw new YamlError(start(alias), `unknown anchor '${alias.source}' referenced`);
    if (this.#open.has(target)) throw new YamlError(start(alias), `anchor '${alias.source}' value contains itself`);
    return target;
  }

  #collection(node: Node): unknown {
    if (isScalar(node)) return jsonScalar(node);
    this.#open.add(node);
    const value = isSeq(node) ? this.#sequence(node) : this.#mapping(node as YAMLMap);
    this.#open.delete(node);
    return value;
  }

  #sequence(node: YAMLSeq): unknown[] {
    const values: unknown[] = [];
    for (let i = 0; i < node.items.length; i++) {
      this.#path.push(i);
      values.push(this.#value(node.items[i]));
      this.#path.pop();
    }
    return values;
  }

  #mapping(node: YAMLMap): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    const own = new Set<string>();
    for (const pair of node.items as Pair[]) {
      if (isMergeKey(pair.key)) {
        this.#merge(pair.value, object);
        continue;
      }
      const key = this.#key(pair.key);
      this.#path.push(key);
      if (own.has(key)) this.#duplicates.push({ offset: start(pair.key), path: [...this.#path] });
      own.add(key);
      set(object, key, this.#value(pair.value));
      this.#path.pop();
    }
    return object;
  }

  #key(node: unknown): string {
    const value = this.#value(node);
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return goNumberKey(value, isScalar(node) ? String(node.value) : '');
    if (typeof value === 'boolean') return String(value);
    if (value === null) throw new YamlError(start(node), 'unsupported map key: null');
    throw new YamlError(start(node), `invalid map key: ${JSON.stringify(value)}`);
  }

  #merge(value: unknown, into: Record<string, unknown>): void {
    const sources = isSeq(value) ? [...value.items].reverse() : [value];
    for (const source of sources) {
      const map = isAlias(source) ? this.#target(source) : source;
      if (!isMap(map))
        throw new YamlError(start(source, start(value)), 'map merge requires map or sequence of maps as the value');
      const merged = this.#value(source) as Record<string, unknown>;
      for (const key of Object.keys(merged)) set(into, key, merged[key]);
    }
  }
}

/** A plain assignment, but `__proto__` stays a key like any other. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

function isMergeKey(node: unknown): boolean {
  return isScalar(node) && node.value === '<<' && (node.type === 'PLAIN' || node.tag === `${TAG}merge`);
}

/** Numbers as keys become text as Go formats them: integers plainly, others as `1.5`, `1e+06`, in the precision of 32 bits. */
function goNumberKey(value: number, text: string): string {
  if (!/[.eE]/.test(text) || /^[-+]?0[xX]/.test(text)) return BigInt(value).toString();
  let digits = 1;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== Math.fround(value)) digits++;
  const exponential = value.toExponential(digits - 1);
  const [mantissa, exponent] = exponential.split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(exponential));
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function jsonScalar(node: Scalar): YamlScalar {
  const value = scalar(node);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    const text = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
    throw new YamlError(start(node), `unsupported value: ${text}`);
  }
  return value;
}

/** Tags whose values are looked at; under any other, a scalar is its text. */
const RESOLVED_TAGS: ReadonlySet<string> = new Set(['binary', 'bool', 'float', 'int', 'null']);

function scalar(node: Scalar): YamlScalar {
  const text = String(node.value ?? '');
  const tag = node.tag;
  if (tag === undefined) return node.type === 'PLAIN' ? resolvePlain(text) : text;
  if (!tag.startsWith(TAG)) return text;
  const name = tag.slice(TAG.length);
  if (!RESOLVED_TAGS.has(name)) return text;
  if (name === 'binary') {
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.replace(/[\r\n]/g, ''))) {
      throw new YamlError(start(node), '!!binary value contains invalid base64 data');
    }
    return Buffer.from(text, 'base64').toString('utf8');
  }
  const value = resolvePlain(text);
  const actual =
    value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'str' : 'number';
  if (actual === name) return value;
  if (actual === 'number' && (name === 'float' || (name === 'int' && Number.isInteger(value)))) return value;
  throw new YamlError(start(node), `cannot decode !!${actual} \`${text}\` as a !!${name}`);
}

/** The field at `path`, and its offset; that of its nearest parent where it is not there. */
function locate(
  root: Node,
  anchors: ReadonlyMap<string, Node>,
  path: Path,
): { readonly offset: number; readonly node?: unknown } {
  let node: unknown = root;
  let offset = start(root);
  for (const part of path) {
    if (isAlias(node)) node = anchors.get(node.source);
    if (isSeq(node) && typeof part === 'number') {
      const item: unknown = node.items[part];
      if (item === undefined) return { offset };
      offset = start(item, offset);
      node = item;
    } else if (isMap(node)) {
      const pair = findPair(node, String(part), anchors, 0);
      if (pair === undefined) return { offset };
      offset = start(pair.key, offset);
      node = pair.value;
    } else return { offset };
  }
  return { offset, node };
}

function findPair(node: YAMLMap, key: string, anchors: ReadonlyMap<string, Node>, depth: number): Pair | undefined {
  let found: Pair | undefined;
  for (const pair of node.items as Pair[]) {
    if (isMergeKey(pair.key)) {
      if (depth > MAX_DEPTH) continue;
      const sources: unknown[] = isSeq(pair.value) ? pair.value.items : [pair.value];
      for (const source of sources) {
        const map = isAlias(source) ? anchors.get(source.source) : source;
        if (isMap(map)) found = findPair(map, key, anchors, depth + 1) ?? found;
      }
    } else if (isScalar(pair.key) && keyText(pair.key) === key) found = pair;
  }
  return found;
}

function keyText(node: Scalar): string {
  const text = String(node.value ?? '');
  const value = node.tag === undefined && node.type === 'PLAIN' ? resolvePlain(text) : text;
  return typeof value === 'number' ? goNumberKey(value, text) : String(value);
}

function collectAnchors(root: Node | null): Map<string, Node> {
  const anchors = new Map<string, Node>();
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const node = pending.pop();
    if (node === null || node === undefined || isAlias(node)) continue;
    const { anchor } = node as Scalar;
    if (anchor !== undefined && !anchors.has(anchor)) anchors.set(anchor, node as Node);
    if (isSeq(node)) for (const item of node.items) pending.push(item);
    else if (isMap(node)) for (const pair of node.items as Pair[]) pending.push(pair.key, pair.value);
  }
  return anchors;
}

import type { Path } from '../objects.ts';
import { canonicalQuantity } from '../validate/quantity.ts';
import type { Field, ScalarName, SchemaType, Struct } from './type.ts';

/** Something that the API server's strict decoder refuses. */
export interface DecodeIssue {
  readonly code: 'unknown-field' | 'wrong-type';
  readonly path: Path;
  /** The path as the server writes it: unknown fields with indices, wrong types by struct fields only. */
  readonly field: string;
  readonly message: string;
  /** A type that the server reads by its own code: it stops there and tells only this. */
  readonly stops: boolean;
}

export type Fields = Record<string, unknown>;

/**
 * Reads a value as a kind: the object as the server would store it before defaults (nulls and empty values left out, fields in the
 * table's order, nothing that the kind does not have), and all issues in the order of the document.
 */
export function decode(struct: Struct, value: Readonly<Fields>): { object: Fields; issues: DecodeIssue[] } {
  const decoder = new Decoder();
  const object = decoder.root(struct, value);
  const issues = decoder.issues;
  return { object, issues: issues.length > 1 ? inDocumentOrder(value, issues) : issues };
}

/** Levels below which opaque values are not copied; what is deeper was refused by the reader. */
const MAX_DEPTH = 1000;

class Decoder {
  readonly issues: DecodeIssue[] = [];
  readonly #path: (string | number)[] = [];
  /** How many of the path's parts at each level are fields of a struct, for the server's way to name them. */
  readonly #fields: string[] = [];

  root(struct: Struct, value: Readonly<Fields>): Fields {
    const object: Fields = {};
    object.apiVersion = value.apiVersion;
    object.kind = value.kind;
    return this.#struct(struct, value, object, true);
  }

  #struct(struct: Struct, source: Readonly<Fields>, out: Fields, root: boolean): Fields {
    for (const key in source) {
      if (struct.field(key) === undefined && !(root && (key === 'apiVersion' || key === 'kind'))) this.#unknown(key);
    }
    for (const field of struct.fields) {
      const { name } = field;
      if (root && (name === 'kind' || name === 'apiVersion')) continue;
      const given = source[name];
      if (given === undefined || given === null) {
        const value = absent(field);
        if (value !== undefined) out[name] = value;
        continue;
      }
      this.#path.push(name);
      this.#fields.push(field.embedded === undefined ? name : `${field.embedded}.${name}`);
      const value = this.#value(field.type, given) ?? absent(field);
      this.#path.pop();
      this.#fields.pop();
      if (value === undefined) continue;
      if (field.pointer || !isEmpty(field.type, value)) out[name] = value;
      // The server stores lists in a form that cannot tell an empty one from none.
      else if (field.always) out[name] = field.type.kind === 'list' ? null : value;
    }
    return out;
  }

  /** Undefined where the value is of a wrong type. */
  #value(type: SchemaType, value: unknown): unknown {
    switch (type.kind) {
      case 'scalar':
        return this.#scalar(type.scalar, value);
      case 'struct':
        if (!isRecord(value)) return this.#wrong('an object', value);
        return this.#struct(type.struct, value, {}, false);
      case 'list':
        if (!Array.isArray(value)) return this.#wrong('a list', value);
        return this.#list(type.of, value);
      case 'map':
        if (!isRecord(value)) return this.#wrong('an object', value);
        return this.#map(type.of, value);
    }
  }

  #list(of: SchemaType, value: readonly unknown[]): unknown[] {
    const list: unknown[] = [];
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      this.#path.push(i);
      list.push(item === null || item === undefined ? zero(of) : (this.#value(of, item) ?? zero(of)));
      this.#path.pop();
    }
    return list;
  }

  #map(of: SchemaType, value: Readonly<Fields>): Fields {
    const map: Fields = {};
    for (const key of Object.keys(value)) {
      const item = value[key];
      this.#path.push(key);
      const read = item === null || item === undefined ? zero(of) : this.#value(of, item);
      this.#path.pop();
      if (read !== undefined) setOwn(map, key, read);
    }
    return map;
  }

  #scalar(scalar: ScalarName, value: unknown): unknown {
    switch (scalar) {
      case 'string':
        return typeof value === 'string' ? value : this.#wrong('a string', value);
      case 'bool':
        return typeof value === 'boolean' ? value : this.#wrong('true or false', value);
      case 'int32':
        return isInteger(value, 2 ** 31) ? value : this.#wrong('an integer', value);
      case 'int64':
        return isInteger(value, 2 ** 63) ? value : this.#wrong('an integer', value);
      case 'float64':
        return typeof value === 'number' ? value : this.#wrong('a number', value);
      case 'IntOrString':
        return typeof value === 'string' || isInteger(value, 2 ** 31)
          ? value
          : this.#wrong('an integer or a string', value, true);
      case 'Quantity': {
        if (typeof value !== 'string' && typeof value !== 'number') return this.#wrong('a quantity', value, true);
        return canonicalQuantity(String(value)) ?? this.#wrong('a quantity (like 500m, 128Mi, 2)', value, true);
      }
      case 'Time':
        return typeof value === 'string' && isTime(value) ? value : this.#wrong('a time (RFC 3339)', value, true);
      case 'bytes':
        return typeof value === 'string' && isBase64(value) ? value : this.#wrong('text in base64', value);
      case 'any':
        return copy(value, 0);
    }
  }

  #unknown(key: string): void {
    const path = [...this.#path, key];
    const field = serverPath(path);
    this.issues.push({ code: 'unknown-field', path, field, message: `unknown field "${field}"`, stops: false });
  }

  #wrong(expected: string, value: unknown, stops = false): undefined {
    const path = [...this.#path];
    const message = `${serverPath(path)}: expected ${expected}, got ${describe(value)}`;
    this.issues.push({ code: 'wrong-type', path, field: this.#fields.join('.'), message, stops });
    return undefined;
  }
}

/** What is stored for a field that is not given: undefined for nothing at all. */
function absent({ type, pointer, always }: Field): unknown {
  if (pointer) return always ? null : undefined;
  if (type.kind === 'struct') return zero(type);
  if (!always) return undefined;
  return type.kind === 'list' || type.kind === 'map' ? null : zero(type);
}

/** The zero value of a type. */
function zero(type: SchemaType): unknown {
  switch (type.kind) {
    case 'struct': {
      const object: Fields = {};
      for (const field of type.struct.fields) {
        const value = absent(field);
        if (value !== undefined) object[field.name] = value;
      }
      return object;
    }
    case 'list':
      return [];
    case 'map':
      return {};
    case 'scalar':
      switch (type.scalar) {
        case 'bool':
          return false;
        case 'int32':
        case 'int64':
        case 'float64':
        case 'IntOrString':
          return 0;
        case 'Quantity':
          return '0';
        case 'any':
        case 'Time':
          return null;
        default:
          return '';
      }
  }
}

function isEmpty(type: SchemaType, value: unknown): boolean {
  if (value === null) return true;
  switch (type.kind) {
    case 'struct':
      return false;
    case 'list':
      return (value as unknown[]).length === 0;
    case 'map':
      for (const _ in value as Fields) return false;
      return true;
    case 'scalar':
      if (type.scalar === 'IntOrString' || type.scalar === 'Quantity') return false;
      return value === '' || value === 0 || value === false || value === null;
  }
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit;
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

function isBase64(text: string): boolean {
  const bare = text.replace(/[\r\n]/g, '');
  return bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
}

/** An assignment that keeps `__proto__` a key like any other. */
function setOwn(object: Fields, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else object[key] = value;
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  const out: Fields = {};
  for (const key of Object.keys(value)) setOwn(out, key, copy((value as Fields)[key], depth + 1));
  return out;
}

/** `spec.ports[0].name`, without quoting whatever the keys are. */
function serverPath(path: Path): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
  return text;
}

/** A value for a message: what it is, and its text where it is short. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)}`;
  return `the ${typeof value === 'boolean' ? 'boolean' : 'number'} ${String(value)}`;
}

function inDocumentOrder(root: Readonly<Fields>, issues: readonly DecodeIssue[]): DecodeIssue[] {
  const places = new Map<object, Map<string, number>>();
  const placeOf = (record: object, key: string): number => {
    let known = places.get(record);
    if (known === undefined) {
      known = new Map(Object.keys(record).map((name, i) => [name, i]));
      places.set(record, known);
    }
    return known.get(key) ?? -1;
  };
  const rank = (path: Path): number[] => {
    const ranks: number[] = [];
    let value: unknown = root;
    for (const part of path) {
      if (typeof part === 'number') {
        ranks.push(part);
        value = Array.isArray(value) ? value[part] : undefined;
      } else {
        ranks.push(isRecord(value) ? placeOf(value, part) : 0);
        value = isRecord(value) ? value[part] : undefined;
      }
    }
    return ranks;
  };
  return issues
    .map((issue) => ({ issue, ranks: rank(issue.path) }))
    .sort((a, b) => compare(a.ranks, b.ranks))
    .map(({ issue }) => issue);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

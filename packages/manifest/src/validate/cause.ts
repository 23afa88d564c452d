import { nearest } from '../nearest.ts';
import type { Path } from '../objects.ts';

/** Why the API server refuses an object, one field at a time. */
export interface Cause {
  readonly type: 'required' | 'invalid' | 'unsupported' | 'forbidden' | 'duplicate' | 'too-long' | 'too-many';
  /** The field as the server names it. */
  readonly field: string;
  /** The same, to be found in the manifest. */
  readonly path: Path;
  /** The server's words: `Invalid value: 70000: must be between 1 and 65535, inclusive`. */
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
  /** Found when the server allocates, before it validates: it tells these alone. */
  readonly allocation?: true;
}

/** A field of an object. Children are made as a validator goes down; text only where it is needed. */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #part: string | number;
  /** A key of a map, written in brackets. */
  readonly #key: boolean;
  /** Text for messages, where the server's name is not where the field stands. */
  readonly #shown: string | undefined;

  constructor(parent: FieldPath | undefined, part: string | number, key = false, shown?: string) {
    this.#parent = parent;
    this.#part = part;
    this.#key = key;
    this.#shown = shown;
  }

  child(name: string): FieldPath {
    return new FieldPath(this, name);
  }

  index(i: number): FieldPath {
    return new FieldPath(this, i);
  }

  key(key: string): FieldPath {
    return new FieldPath(this, key, true);
  }

  /** The same field under the name that the server gives it. */
  shownAs(text: string): FieldPath {
    return new FieldPath(this.#parent, this.#part, this.#key, text);
  }

  path(): Path {
    const parts: (string | number)[] = [];
    for (let at: FieldPath | undefined = this; at !== undefined; at = at.#parent) parts.push(at.#part);
    return parts.reverse();
  }

  toString(): string {
    if (this.#shown !== undefined) return this.#shown;
    const parent = this.#parent === undefined ? '' : this.#parent.toString();
    if (this.#key || typeof this.#part === 'number') return `${parent}[${this.#part}]`;
    return parent === '' ? this.#part : `${parent}.${this.#part}`;
  }
}

export const METADATA: FieldPath = new FieldPath(undefined, 'metadata');
export const SPEC: FieldPath = new FieldPath(undefined, 'spec');

/** Collects causes, in the words of apimachinery's field package. */
export class Causes {
  readonly list: Cause[] = [];
  #allocating = false;

  /** Causes found while `check` runs are those of allocation. */
  whileAllocating(check: () => void): void {
    this.#allocating = true;
    check();
    this.#allocating = false;
  }

  required(at: FieldPath, detail = ''): void {
    this.#add('required', at, `Required value${detail === '' ? '' : `: ${detail}`}`);
  }

  invalid(at: FieldPath, value: unknown, detail: string, suggestion?: string): void {
    this.#add('invalid', at, `Invalid value: ${show(value)}: ${detail}`, suggestion);
  }

  /** One cause for each problem. */
  invalidEach(at: FieldPath, value: unknown, problems: readonly string[], suggestion?: string): void {
    for (const problem of problems) this.invalid(at, value, problem, suggestion);
  }

  unsupported(at: FieldPath, value: unknown, supported: readonly string[]): void {
    const names = supported.map((name) => JSON.stringify(name)).join(', ');
    const meant = typeof value === 'string' ? nearest(value, supported) : undefined;
    this.#add(
      'unsupported',
      at,
      `Unsupported value: ${show(value)}${names === '' ? '' : `: supported values: ${names}`}`,
      meant === undefined ? undefined : `did you mean "${meant}"?`,
    );
  }

  forbidden(at: FieldPath, detail: string): void {
    this.#add('forbidden', at, `Forbidden: ${detail}`);
  }

  duplicate(at: FieldPath, value: unknown): void {
    this.#add('duplicate', at, `Duplicate value: ${show(value)}`);
  }

  tooLong(at: FieldPath, limit: number): void {
    this.#add('too-long', at, `Too long: may not be more than ${limit} bytes`);
  }

  tooMany(at: FieldPath, count: number, limit: number): void {
    this.#add('too-many', at, `Too many: ${count}: must have at most ${limit} items`);
  }

  /** Required where it is empty, unsupported where it is not one of the supported values. */
  oneOf(at: FieldPath, value: string | undefined, supported: readonly string[]): void {
    if (value === undefined || value === '') this.required(at);
    else if (!supported.includes(value)) this.unsupported(at, value, supported);
  }

  #add(type: Cause['type'], at: FieldPath, message: string, suggestion?: string): void {
    this.list.push({
      type,
      field: at.toString(),
      path: at.path(),
      message,
      ...(suggestion !== undefined && { suggestion }),
      ...(this.#allocating && { allocation: true as const }),
    });
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

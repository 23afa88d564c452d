/**
 * The shapes of API objects, as tables that one small engine (decode.ts) reads.
 *
 * A table gives, for each struct, its fields in the API server's order, each `name:type`; a name alone is a string.
 * Types are written as in Go: `bool`, `int32`, `int64`, `float64`, `IntOrString`, `Quantity`, `Time`, `bytes`, `any`, the name of
 * another struct, `[]T`, `map[T]`. A star marks a pointer: its zero value is kept where it is written, while without a
 * star `false`, `0` and `""` are the same as nothing. A `!` marks fields that are stored even where they are empty, and
 * `@X` fields of an embedded struct X, which the server names in some messages.
 */
export type StructTable = Readonly<Record<string, string>>;

export type ScalarName =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'IntOrString'
  | 'Quantity'
  | 'Time'
  | 'bytes'
  | 'any';

export type SchemaType =
  | { readonly kind: 'scalar'; readonly scalar: ScalarName }
  | { readonly kind: 'list'; readonly of: SchemaType }
  | { readonly kind: 'map'; readonly of: SchemaType }
  | { readonly kind: 'struct'; readonly struct: Struct };

export interface Field {
  readonly name: string;
  readonly type: SchemaType;
  /** A pointer in Go: zero differs from absent. */
  readonly pointer: boolean;
  /** Stored even where it is empty. */
  readonly always: boolean;
  /** The embedded struct of Go that it comes from. */
  readonly embedded: string | undefined;
}

/** A struct of the API. Its fields are read from the table when first asked for. */
export class Struct {
  readonly name: string;
  readonly #text: string;
  readonly #lookup: (name: string) => Struct;
  #fields: readonly Field[] | undefined;
  #byName: ReadonlyMap<string, Field> | undefined;

  constructor(name: string, text: string, lookup: (name: string) => Struct) {
    this.name = name;
    this.#text = text;
    this.#lookup = lookup;
  }

  get fields(): readonly Field[] {
    this.#fields ??= this.#text
      .trim()
      .split(/\s+/)
      .filter((text) => text !== '')
      .map((text) => this.#field(text));
    return this.#fields;
  }

  field(name: string): Field | undefined {
    this.#byName ??= new Map(this.fields.map((field) => [field.name, field]));
    return this.#byName.get(name);
  }

  #field(text: string): Field {
    const [declared, embedded] = text.split('@') as [string, string?];
    const always = declared.endsWith('!');
    const [name, type = 'string'] = (always ? declared.slice(0, -1) : declared).split(':') as [string, string?];
    const pointer = type.startsWith('*');
    return { name, type: this.#type(pointer ? type.slice(1) : type), pointer, always, embedded };
  }

  #type(text: string): SchemaType {
    if (text.startsWith('[]')) return { kind: 'list', of: this.#type(text.slice(2)) };
    if (text.startsWith('map[')) return { kind: 'map', of: this.#type(text.slice(4, -1)) };
    if (isScalarName(text)) return { kind: 'scalar', scalar: text };
    return { kind: 'struct', struct: this.#lookup(text) };
  }
}

const SCALARS: ReadonlySet<string> = new Set<ScalarName>([
  'string',
  'bool',
  'int32',
  'int64',
  'float64',
  'IntOrString',
  'Quantity',
  'Time',
  'bytes',
  'any',
]);

function isScalarName(text: string): text is ScalarName {
  return SCALARS.has(text);
}

/**
 * As much of JSON Schema (2020-12) as our schemas use: type, const, enum, properties, required, items, minItems, oneOf,
 * $ref within the file, minimum, maximum, exclusiveMinimum, minLength. A keyword it does not know is an error, so that no
 * part of a schema goes unchecked by mistake.
 */
export interface Schema {
  readonly [keyword: string]: unknown;
}

const annotations = new Set(['$schema', '$id', '$defs', 'title', 'description']);

/** What in a value contradicts the schema, each with where it is. A field the schema does not tell of is reported too. */
export function schemaViolations(value: unknown, schema: Schema, root: Schema = schema, at = '$'): string[] {
  const violations: string[] = [];
  for (const [keyword, expected] of Object.entries(schema)) {
    if (annotations.has(keyword)) continue;
    violations.push(...check(keyword, expected));
  }
  return violations;

  function check(keyword: string, expected: unknown): string[] {
    switch (keyword) {
      case '$ref':
        return schemaViolations(value, definition(root, String(expected)), root, at);
      case 'type':
        return typeOf(value) === expected || (expected === 'number' && typeOf(value) === 'integer')
          ? []
          : [`${at}: ${typeOf(value)}, not ${expected}`];
      case 'const':
        return value === expected ? [] : [`${at}: ${JSON.stringify(value)}, not ${JSON.stringify(expected)}`];
      case 'enum':
        return asList(expected).includes(value)
          ? []
          : [`${at}: ${JSON.stringify(value)} is none of ${asList(expected)}`];
      case 'required':
        return asList(expected)
          .filter((name) => !Object.hasOwn(asObject(value), String(name)))
          .map((name) => `${at}: ${name} is missing`);
      case 'properties':
        return Object.entries(asObject(value)).flatMap(([name, field]) => {
          const known = asObject(expected)[name];
          return known === undefined
            ? [`${at}.${name}: not in the schema`]
            : schemaViolations(field, asObject(known), root, `${at}.${name}`);
        });
      case 'items':
        return asList(value).flatMap((item, i) => schemaViolations(item, asObject(expected), root, `${at}[${i}]`));
      case 'oneOf':
        return oneOf(asList(expected).map(asObject));
      case 'minItems':
        return asList(value).length >= Number(expected) ? [] : [`${at}: fewer than ${expected} items`];
      case 'minLength':
        return String(value).length >= Number(expected) ? [] : [`${at}: shorter than ${expected}`];
      case 'minimum':
        return Number(value) >= Number(expected) ? [] : [`${at}: ${value} is less than ${expected}`];
      case 'maximum':
        return Number(value) <= Number(expected) ? [] : [`${at}: ${value} is more than ${expected}`];
      case 'exclusiveMinimum':
        return Number(value) > Number(expected) ? [] : [`${at}: ${value} is not more than ${expected}`];
      default:
        throw new Error(`the checker does not know the keyword ${keyword}`);
    }
  }

  function oneOf(choices: readonly Schema[]): string[] {
    const attempts = choices.map((choice) => schemaViolations(value, choice, root, at));
    const fitting = attempts.filter((attempt) => attempt.length === 0).length;
    if (fitting === 1) return [];
    if (fitting > 1) return [`${at}: fits ${fitting} of the choices, not one`];
    return attempts.toSorted((a, b) => a.length - b.length)[0];
  }
}

function definition(root: Schema, reference: string): Schema {
  const name = reference.replace('#/$defs/', '');
  const found = asObject(root.$defs)[name];
  if (found === undefined) throw new Error(`no definition ${reference}`);
  return asObject(found);
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function asObject(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

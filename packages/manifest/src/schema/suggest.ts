import { nearest } from '../nearest.ts';
import type { Path } from '../objects.ts';
import { describe } from './decode.ts';
import type { SchemaType, Struct } from './type.ts';

/** How far below a struct a misplaced field is looked for. */
const SEARCH_DEPTH = 4;

interface Place {
  readonly struct: Struct;
  /** From the object's top: `spec.ports[]`. */
  readonly at: string;
}

export interface FieldSuggestion {
  /** `did you mean "selector"?`, `"port" belongs under spec.ports[]`. */
  readonly text: string;
  /** The field that was meant, by names only: `['spec', 'ports', 'port']`. */
  readonly target: readonly string[];
}

/** Fields of old versions, by struct, and what they are called now. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  IngressBackend: { serviceName: 'service.name', servicePort: 'service.port.number' },
  IngressSpec: { backend: 'defaultBackend' },
};

/**
 * What was probably meant by a field that its struct does not have: the same name in another case, a name that is nearly the
 * same, or the same name in another place. A guess must take the value that was given.
 */
export function suggestField(root: Struct, path: Path, value: unknown): FieldSuggestion | undefined {
  const key = String(path.at(-1));
  // Nobody means these: they are tried to see what breaks.
  if (key in Object.prototype) return undefined;
  const chain = places(root, path);
  const owner = chain.at(-1)!;
  const names = owner.struct.fields.map((field) => field.name);
  const here = target(owner.at);
  const didYouMean = (name: string) => ({ text: `did you mean "${name}"?`, target: [...here, ...name.split('.')] });
  const sameName = names.find((name) => name.toLowerCase() === key.toLowerCase());
  if (sameName !== undefined) return didYouMean(sameName);
  const renamed = RENAMED[owner.struct.name]?.[key];
  if (renamed !== undefined) return didYouMean(renamed);
  const near = nearest(key, names);
  if (near !== undefined && accepts(owner.struct.field(near)!.type, value)) return didYouMean(near);
  const misplaced = findMisplaced(chain, key, value);
  if (misplaced !== undefined) return misplaced;
  const map = owner.struct.fields.find(({ type }) => type.kind === 'map');
  if (map !== undefined && near === undefined && typeof value === 'string') {
    return {
      text: `"${key}" belongs under ${owner.at === '' ? '' : `${owner.at}.`}${map.name}`,
      target: [...here, map.name],
    };
  }
  return near === undefined ? undefined : didYouMean(near);
}

function target(at: string): string[] {
  return at === '' ? [] : at.replaceAll('[]', '').split('.');
}

/** The structs on the way to a field, from the top; the last one is where the field was written. */
function places(root: Struct, path: Path): Place[] {
  const chain: Place[] = [{ struct: root, at: '' }];
  let type: SchemaType = { kind: 'struct', struct: root };
  let at = '';
  for (const part of path.slice(0, -1)) {
    if (type.kind === 'struct') {
      const field = type.struct.field(String(part));
      if (field === undefined) break;
      type = field.type;
      at = at === '' ? String(part) : `${at}.${part}`;
    } else if (type.kind === 'list') {
      type = type.of;
      at += '[]';
    } else break;
    if (type.kind === 'struct') chain.push({ struct: type.struct, at });
  }
  return chain;
}

function findMisplaced(chain: readonly Place[], key: string, value: unknown): FieldSuggestion | undefined {
  let best: { readonly cost: number; readonly name: string; readonly at: string } | undefined;
  for (let up = 0; up < chain.length; up++) {
    const start = chain[chain.length - 1 - up]!;
    const found = searchBelow(start, key, value);
    if (found !== undefined && (best === undefined || up + found.depth < best.cost)) {
      best = { cost: up + found.depth, name: found.name, at: found.at };
    }
  }
  if (best === undefined) return undefined;
  const written = chain.at(-1)!.at;
  const name = JSON.stringify(best.name);
  const meant = [...target(best.at), best.name];
  if (best.at === '') return { text: `${name} belongs at the top of the object`, target: meant };
  const low = written === best.at || written.startsWith(`${best.at}.`) || written.startsWith(`${best.at}[`);
  const text = `${name} belongs ${low ? 'in' : 'under'} ${best.at}${low && best.cost === 1 ? ', one level up' : ''}`;
  return { text, target: meant };
}

/** Breadth first, so that the nearest place wins. */
function searchBelow(
  start: Place,
  key: string,
  value: unknown,
): { name: string; at: string; depth: number } | undefined {
  let level: Place[] = [start];
  const seen = new Set<Struct>([start.struct]);
  for (let depth = 0; depth <= SEARCH_DEPTH; depth++) {
    const next: Place[] = [];
    for (const { struct, at } of level) {
      // What an object must have is meant more often than what it may have: containers before initContainers.
      const fields = [...struct.fields].sort((a, b) => Number(b.always) - Number(a.always));
      for (const { name, type } of fields) {
        if (name.toLowerCase() === key.toLowerCase() && accepts(type, value)) return { name, at, depth };
        const { inner, suffix } = innermost(type);
        if (inner.kind !== 'struct' || seen.has(inner.struct)) continue;
        seen.add(inner.struct);
        next.push({ struct: inner.struct, at: `${at === '' ? '' : `${at}.`}${name}${suffix}` });
      }
    }
    level = next;
  }
  return undefined;
}

function innermost(type: SchemaType): { inner: SchemaType; suffix: string } {
  let inner = type;
  let suffix = '';
  while (inner.kind === 'list') {
    inner = inner.of;
    suffix += '[]';
  }
  return { inner, suffix };
}

function accepts(type: SchemaType, value: unknown): boolean {
  switch (type.kind) {
    case 'list':
      return Array.isArray(value) || value === null;
    case 'map':
    case 'struct':
      return (typeof value === 'object' && !Array.isArray(value)) || value === null;
    case 'scalar':
      switch (type.scalar) {
        case 'bool':
          return typeof value === 'boolean';
        case 'int32':
        case 'int64':
        case 'float64':
          return typeof value === 'number';
        case 'IntOrString':
        case 'Quantity':
          return typeof value === 'number' || typeof value === 'string';
        case 'any':
          return true;
        default:
          return typeof value === 'string';
      }
  }
}

/** How to mend a value of a wrong type, where that is plain. */
export function suggestType(root: Struct, path: Path, value: unknown): string | undefined {
  const type = typeAt(root, path);
  if (type === undefined) return undefined;
  const isNumber = typeof value === 'string' && /^-?[0-9]+$/.test(value);
  switch (type.kind) {
    case 'list':
      return Array.isArray(value) ? undefined : 'a list is wanted: begin each item with "- "';
    case 'map':
    case 'struct':
      if (typeof value === 'string' && /^\w+:\S/.test(value)) return 'is a space missing after the colon?';
      return Array.isArray(value) ? 'no list is wanted here: leave out the "- "' : undefined;
    case 'scalar':
      if (type.scalar === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
        return 'put it in quotes';
      if ((type.scalar === 'int32' || type.scalar === 'int64') && isNumber) return `leave out the quotes: ${value}`;
      if (type.scalar === 'bool' && (value === 'true' || value === 'false')) return `leave out the quotes: ${value}`;
      return Array.isArray(value) ? `one value is wanted, not ${describe(value)}` : undefined;
  }
}

function typeAt(root: Struct, path: Path): SchemaType | undefined {
  let type: SchemaType = { kind: 'struct', struct: root };
  for (const part of path) {
    if (type.kind === 'struct') {
      const field = type.struct.field(String(part));
      if (field === undefined) return undefined;
      type = field.type;
    } else if (type.kind === 'list' || type.kind === 'map') type = type.of;
    else return undefined;
  }
  return type;
}

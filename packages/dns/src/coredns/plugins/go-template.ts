/** What a template can name: text, numbers, lists and fields. */
export type TemplateValue =
  | string
  | number
  | boolean
  | readonly TemplateValue[]
  | { readonly [field: string]: TemplateValue };
export type TemplateValues = { readonly [field: string]: TemplateValue };
/** A compiled template. Throws {@link TemplateError} for values that are not there. */
export type Template = (values: TemplateValues) => string;

/** Thrown for template text that is wrong, or that goes beyond what is supported here. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly words: readonly string[] }
  | {
      readonly kind: 'if';
      readonly words: readonly string[];
      readonly then: readonly Node[];
      readonly else: readonly Node[];
    };

/**
 * Compiles the part of Go's text/template that Corefiles use: fields (`.Name`, `.Group.a`), `index`, `printf`, `len`,
 * `eq`, `ne`, `not`, `parseInt`, pipes, `if`/`else`/`end`, trim marks.
 */
export function compileTemplate(text: string): Template {
  const parts = text.split(/(\{\{-?[\s\S]*?-?\}\})/);
  const trimmed = parts.map((part, index) => {
    if (index % 2 === 1) return part;
    const before = parts[index - 1]?.endsWith('-}}') === true ? part.trimStart() : part;
    return parts[index + 1]?.startsWith('{{-') === true ? before.trimEnd() : before;
  });
  const cursor = { at: 0 };
  const nodes = parseNodes(trimmed, cursor, false);
  return (values) => run(nodes, values);
}

function parseNodes(parts: readonly string[], cursor: { at: number }, nested: boolean): Node[] {
  const nodes: Node[] = [];
  while (cursor.at < parts.length) {
    const part = parts[cursor.at]!;
    const isAction = cursor.at % 2 === 1;
    if (!isAction) {
      if (part.includes('{{')) throw new TemplateError('unclosed action');
      if (part !== '') nodes.push({ kind: 'text', text: part });
      cursor.at++;
      continue;
    }
    const action = part.replace(/^\{\{-?\s*|\s*-?\}\}$/g, '');
    const words = action.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|\||[^\s|]+/g) ?? [];
    const [first] = words;
    if (first === 'end' || first === 'else') {
      if (!nested) throw new TemplateError(`unexpected {{${first}}}`);
      return nodes;
    }
    cursor.at++;
    if (first === undefined) throw new TemplateError('missing value for command');
    if (first.startsWith('/*')) continue;
    if (first === 'if') nodes.push(parseIf(words.slice(1), parts, cursor));
    else if (first === 'range' || first === 'with' || first === 'define' || first === 'block' || first === 'template') {
      throw new TemplateError(`{{${first}}} is not supported`);
    } else nodes.push({ kind: 'value', words });
  }
  if (nested) throw new TemplateError('unexpected EOF');
  return nodes;
}

function parseIf(words: readonly string[], parts: readonly string[], cursor: { at: number }): Node {
  const then = parseNodes(parts, cursor, true);
  const marker = parts[cursor.at]!.replace(/^\{\{-?\s*|\s*-?\}\}$/g, '');
  cursor.at++;
  if (marker === 'end') return { kind: 'if', words, then, else: [] };
  if (marker !== 'else') throw new TemplateError(`{{${marker}}} is not supported`);
  const otherwise = parseNodes(parts, cursor, true);
  cursor.at++;
  return { kind: 'if', words, then, else: otherwise };
}

function run(nodes: readonly Node[], values: TemplateValues): string {
  let out = '';
  for (const node of nodes) {
    if (node.kind === 'text') out += node.text;
    else if (node.kind === 'value') out += show(evaluate(node.words, values));
    else out += run(truth(evaluate(node.words, values)) ? node.then : node.else, values);
  }
  return out;
}

function evaluate(words: readonly string[], values: TemplateValues): TemplateValue {
  let piped: TemplateValue | undefined;
  let command: string[] = [];
  const finish = () => {
    piped = call(command, piped, values);
    command = [];
  };
  for (const word of words) {
    if (word === '|') finish();
    else command.push(word);
  }
  finish();
  return piped!;
}

function call(words: readonly string[], piped: TemplateValue | undefined, values: TemplateValues): TemplateValue {
  const [first, ...rest] = words;
  if (first === undefined) throw new TemplateError('missing value for command');
  if (/^[."`\d]|^-\d|^true$|^false$/.test(first)) {
    const value = operand(first, values);
    const [key] = rest;
    // `.Meta "name"` looks a metadata value up; a simulation has none.
    if (key !== undefined && first === '.Meta') return '';
    return value;
  }
  const args = rest.map((word) => operand(word, values));
  if (piped !== undefined) args.push(piped);
  switch (first) {
    case 'index':
      return args.slice(1).reduce(field, args[0] ?? '');
    case 'len':
      return typeof args[0] === 'string' || Array.isArray(args[0]) ? args[0].length : 0;
    case 'eq':
      return args.slice(1).some((arg) => arg === args[0]);
    case 'ne':
      return args[0] !== args[1];
    case 'not':
      return !truth(args[0] ?? '');
    case 'print':
      return args.map(show).join('');
    case 'printf':
      return format(show(args[0] ?? ''), args.slice(1));
    case 'parseInt': {
      const value = Number.parseInt(show(args[0] ?? ''), Number(args[1] ?? 10));
      if (Number.isNaN(value)) throw new TemplateError(`parseInt: parsing "${show(args[0] ?? '')}": invalid syntax`);
      return value;
    }
    default:
      throw new TemplateError(`function "${first}" not defined`);
  }
}

function operand(word: string, values: TemplateValues): TemplateValue {
  if (word === 'true' || word === 'false') return word === 'true';
  if (/^-?\d+$/.test(word)) return Number(word);
  if (word.startsWith('`')) return word.slice(1, -1);
  if (word.startsWith('"')) {
    try {
      return JSON.parse(word) as string;
    } catch {
      throw new TemplateError(`bad string ${word}`);
    }
  }
  if (!word.startsWith('.')) throw new TemplateError(`function "${word}" not defined`);
  return word
    .slice(1)
    .split('.')
    .filter((name) => name !== '')
    .reduce<TemplateValue>(field, values);
}

function field(value: TemplateValue, key: TemplateValue): TemplateValue {
  const name = String(key);
  if (typeof value !== 'object' || !Object.hasOwn(value, name)) {
    if (Array.isArray(value)) throw new TemplateError(`index out of range: ${name}`);
    // A map without the key prints as nothing.
    return '';
  }
  return (value as { readonly [field: string]: TemplateValue })[name]!;
}

function truth(value: TemplateValue): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function show(value: TemplateValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function format(pattern: string, args: readonly TemplateValue[]): string {
  let at = 0;
  return pattern.replace(/%(0?)(\d*)([sdvxXq%])/g, (_, zero: string, width: string, verb: string) => {
    if (verb === '%') return '%';
    const value = args[at++] ?? '';
    const text =
      verb === 'x' || verb === 'X'
        ? Number(value).toString(16)
        : verb === 'q'
          ? JSON.stringify(show(value))
          : show(value);
    return (verb === 'X' ? text.toUpperCase() : text).padStart(Number(width || 0), zero === '' ? ' ' : '0');
  });
}

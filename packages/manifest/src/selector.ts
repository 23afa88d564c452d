import { labelValueProblems, qualifiedNameProblems } from './labels.ts';
import type { LabelSelector } from './objects.ts';

/** One condition on labels, in the terms of kubectl's `-l`. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  /** Sorted and without repeats for In and NotIn; one number for Gt and Lt; empty else. */
  readonly values: readonly string[];
}
export type Selector = readonly Requirement[];
export type Labels = Readonly<Record<string, string>> | null | undefined;

/** Thrown by `parseSelector`; says what is wrong and at which character (from 0). */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

function value(labels: Labels, key: string): string | undefined {
  return labels !== null && labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Whether labels have each pair of a map selector (a Service's, a nodeSelector). An empty map selects everything here. */
export function matchesMap(selector: Readonly<Record<string, string>>, labels: Labels): boolean {
  for (const key of Object.keys(selector)) if (value(labels, key) !== selector[key]) return false;
  return true;
}

/** Whether labels meet all conditions of a selector read by `parseSelector` or made by `requirements`. */
export function matchesSelector(selector: Selector, labels: Labels): boolean {
  return selector.every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement({ key, operator, values }: Requirement, labels: Labels): boolean {
  const found = value(labels, key);
  switch (operator) {
    case 'Gt':
      return found !== undefined && isInteger(found) && BigInt(found) > BigInt(values[0]!);
    case 'Lt':
      return found !== undefined && isInteger(found) && BigInt(found) < BigInt(values[0]!);
    default:
      return matchesOperator(operator, found, values);
  }
}

/**
 * Whether the value of a label, undefined where it is not there, is what one of the operators
 * In, NotIn, Exists and DoesNotExist asks for. Any other matches nothing.
 */
export function matchesOperator(operator: string, value: string | undefined, values: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}

function isInteger(text: string): boolean {
  return /^-?[0-9]+$/.test(text);
}

/**
 * Whether labels are selected by an API object's selector: a LabelSelector (`matchLabels`, `matchExpressions`), a map
 * (`{ app: 'kubia' }`), or kubectl's text (`app=kubia,env!=prod`). As in the API, an empty LabelSelector selects
 * everything and a missing one nothing.
 * @throws SelectorError for text or operators that are wrong
 */
export function matchesLabels(
  selector: LabelSelector | Readonly<Record<string, string>> | string | null | undefined,
  labels: Labels,
): boolean {
  if (selector === null || selector === undefined) return false;
  if (typeof selector === 'string') return matchesSelector(parseSelector(selector), labels);
  if (!isLabelSelector(selector)) return matchesMap(selector, labels);
  if (selector.matchLabels && !matchesMap(selector.matchLabels, labels)) return false;
  if (!selector.matchExpressions) return true;
  return matchesSelector(requirements(selector), labels);
}

function isLabelSelector(selector: LabelSelector | Readonly<Record<string, string>>): selector is LabelSelector {
  const { matchLabels, matchExpressions } = selector;
  return typeof matchLabels === 'object' || Array.isArray(matchExpressions);
}

/**
 * The conditions of a LabelSelector.
 * @throws SelectorError for an unknown operator, or values that do not go with it
 */
export function requirements(selector: LabelSelector): Selector {
  const list: Requirement[] = [];
  for (const [key, text] of Object.entries(selector.matchLabels ?? {})) list.push(requirement(key, 'In', [text], 0));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist') {
      throw new SelectorError(0, `"${operator}" is not a valid label selector operator`);
    }
    list.push(requirement(key, operator, values ?? [], 0));
  }
  return list;
}

function requirement(
  key: string,
  operator: Requirement['operator'],
  values: readonly string[],
  offset: number,
): Requirement {
  const fail = (message: string): never => {
    throw new SelectorError(offset, message);
  };
  const [keyProblem] = qualifiedNameProblems(key);
  if (keyProblem !== undefined) fail(`key "${key}": ${keyProblem}`);
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) fail(`for 'in', 'notin' operators, values set can't be empty`);
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) fail('values set must be empty for exists and does not exist');
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1 || !isInteger(values[0]!)) fail(`for 'Gt', 'Lt' operators, the value must be an integer`);
      break;
  }
  for (const text of values) {
    const [problem] = labelValueProblems(text);
    if (problem !== undefined) fail(`value "${text}" of key "${key}": ${problem}`);
  }
  return { key, operator, values: [...new Set(values)].sort() };
}

/**
 * Reads a selector as kubectl's `-l` takes it: `app=pc,rel!=beta,env in (a,b),tier notin (x),!old,owner,size>3`.
 * Empty text selects everything.
 * @throws SelectorError
 */
export function parseSelector(text: string): Selector {
  return new SelectorParser(text).parse();
}

/** kubectl's text of a selector; `parseSelector` reads it back to the same selector. */
export function formatSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
    case 'NotIn':
      return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Gt':
      return `${key}>${values[0]}`;
    case 'Lt':
      return `${key}<${values[0]}`;
  }
}

interface Token {
  readonly text: string;
  readonly offset: number;
}

/** A port of the grammar that apimachinery's `labels.Parse` accepts. */
class SelectorParser {
  readonly #tokens: Token[] = [];
  readonly #end: Token;
  #next = 0;

  constructor(text: string) {
    for (const match of text.matchAll(/\s+|==|!=|[=!(),<>]|[^\s=!(),<>]+/g)) {
      if (match[0].trim() !== '') this.#tokens.push({ text: match[0], offset: match.index });
    }
    this.#end = { text: '', offset: text.length };
  }

  parse(): Selector {
    const list: Requirement[] = [];
    if (this.#tokens.length === 0) return list;
    for (;;) {
      list.push(this.#requirement());
      const token = this.#take();
      if (token === this.#end) return list.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      if (token.text !== ',') this.#fail(token, "',' or end of text");
      if (this.#peek() === this.#end) this.#fail(this.#end, 'a key after the comma');
    }
  }

  #requirement(): Requirement {
    if (this.#peek().text === '!') {
      this.#take();
      const key = this.#word('a key');
      return requirement(key.text, 'DoesNotExist', [], key.offset);
    }
    const key = this.#word('a key');
    const { text } = this.#peek();
    if (text === '' || text === ',') return requirement(key.text, 'Exists', [], key.offset);
    const operator = this.#take();
    switch (operator.text) {
      case '=':
      case '==':
        return requirement(key.text, 'In', [this.#exact()], key.offset);
      case '!=':
        return requirement(key.text, 'NotIn', [this.#exact()], key.offset);
      case '>':
        return requirement(key.text, 'Gt', [this.#exact()], key.offset);
      case '<':
        return requirement(key.text, 'Lt', [this.#exact()], key.offset);
      case 'in':
        return requirement(key.text, 'In', this.#set(), key.offset);
      case 'notin':
        return requirement(key.text, 'NotIn', this.#set(), key.offset);
      default:
        return this.#fail(operator, "'=', '!=', '==', 'in', 'notin', '>' or '<'");
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? this.#end;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #word(expected: string): Token {
    const token = this.#take();
    if (token === this.#end || /^[=!(),<>]/.test(token.text)) this.#fail(token, expected);
    return token;
  }

  /** A value after `=`; nothing at all is the empty value. */
  #exact(): string {
    const { text } = this.#peek();
    return text === '' || text === ',' ? '' : this.#word('a value').text;
  }

  #set(): string[] {
    const open = this.#take();
    if (open.text !== '(') this.#fail(open, "'('");
    const values: string[] = [];
    for (;;) {
      const { text } = this.#peek();
      values.push(text === ',' || text === ')' ? '' : this.#word('a value').text);
      const token = this.#take();
      if (token.text === ')') return values;
      if (token.text !== ',') this.#fail(token, "',' or ')'");
    }
  }

  #fail(token: Token, expected: string): never {
    const found = token === this.#end ? 'the end' : `'${token.text}'`;
    throw new SelectorError(token.offset, `unable to parse requirement: found ${found}, expected ${expected}`);
  }
}

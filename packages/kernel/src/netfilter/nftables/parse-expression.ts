import type { NftDataType } from './datatype.ts';
import { readNumber } from './datatype.ts';
import {
  bareMetaKeys,
  ctKeys,
  isCtKey,
  isMetaKey,
  isPayloadField,
  metaKeys,
  payloadFields,
  typeOf,
} from './expression-type.ts';
import type { TokenReader } from './lexer.ts';
import { anonymousElements, parseElements, parseScalar } from './parse-value.ts';
import type { NftExpression, NftSetOperand } from './ruleset.ts';

type Operator = Extract<NftExpression, { kind: 'binary' }>['operator'];

const protocols = new Set(payloadFields.map((field) => field.slice(0, field.indexOf(' '))));
const fibSelectors = ['saddr', 'daddr', 'mark', 'iif', 'oif'] as const;
const fibResults = ['type', 'oif', 'oifname'] as const;

/** Words that an expression begins with. */
export const expressionWords: readonly string[] = [...protocols, 'meta', 'ct', 'fib', 'numgen', ...bareMetaKeys];

/** `ip daddr . meta l4proto . th dport`: one expression or several joined. */
export function parseExpression(reader: TokenReader): NftExpression {
  const parts = [parseBitwise(reader)];
  while (reader.take('.')) parts.push(parseBitwise(reader));
  return parts.length === 1 ? parts[0]! : { kind: 'concat', parts };
}

/** As {@link parseExpression}, then `map { ... }` or `map @name`; `data` is the type that the map has to give. */
export function parseMapped(reader: TokenReader, data: readonly NftDataType[]): NftExpression {
  const key = parseExpression(reader);
  return reader.take('map') ? { kind: 'map', key, map: parseSetOperand(reader, key, data) } : key;
}

/** `@name`, or elements of the type of the key written out. */
export function parseSetOperand(
  reader: TokenReader,
  key: NftExpression,
  data?: readonly NftDataType[] | 'verdict',
): NftSetOperand {
  if (reader.take('@')) return { kind: 'set', name: reader.name('set') };
  const type = typeOf(key);
  return { kind: 'elements', elements: anonymousElements(type, parseElements(reader, { type, data })) };
}

const levels: readonly Readonly<Record<string, Operator>>[] = [
  { '|': '|', or: '|' },
  { '^': '^', xor: '^' },
  { '&': '&', and: '&' },
  { '<<': '<<', lshift: '<<', '>>': '>>', rshift: '>>' },
];

/** Loosest first: or, xor, and, shifts. */
function parseBitwise(reader: TokenReader): NftExpression {
  const base = parsePrimary(reader);
  const [type] = typeOf(base);
  if (type === undefined) return base;
  return foldBitwise(parseLevel(reader, 0, type, base));
}

function parseLevel(reader: TokenReader, level: number, type: NftDataType, given?: NftExpression): NftExpression {
  if (level === levels.length) return given ?? parseOperand(reader, type);
  let left = parseLevel(reader, level + 1, type, given);
  for (;;) {
    const token = reader.peek();
    const operators = levels[level]!;
    if (token.kind === 'string' || !Object.hasOwn(operators, token.text)) return left;
    reader.next();
    left = { kind: 'binary', operator: operators[token.text]!, left, right: parseLevel(reader, level + 1, type) };
  }
}

/** The right side of an operator: a constant of the type of the left, or another expression. */
function parseOperand(reader: TokenReader, type: NftDataType): NftExpression {
  if (reader.take('(')) {
    const inner = parseLevel(reader, 0, type);
    reader.expect(')');
    return inner;
  }
  const token = reader.peek();
  if (token.kind === 'word' && expressionWords.includes(token.text)) return parsePrimary(reader);
  return { kind: 'value', value: parseScalar(reader, type) };
}

function parsePrimary(reader: TokenReader): NftExpression {
  const token = reader.peek();
  if (token.kind === 'number') {
    reader.next();
    return { kind: 'value', value: readNumber(token.text, 0xffffffff) ?? 0 };
  }
  if (token.kind !== 'word') reader.fail('expected an expression', expressionWords);
  if (protocols.has(token.text)) return parsePayload(reader);
  if (reader.take('meta')) {
    const key = reader.peek().text;
    if (!isMetaKey(key)) reader.fail('unknown key of meta', metaKeys);
    reader.next();
    return { kind: 'meta', key };
  }
  if (reader.take('ct')) return parseCt(reader);
  if (reader.take('fib')) return parseFib(reader);
  if (reader.take('numgen')) return parseNumgen(reader);
  if (isMetaKey(token.text) && bareMetaKeys.includes(token.text)) {
    reader.next();
    return { kind: 'meta', key: token.text };
  }
  return reader.fail('expected an expression or a statement', [...expressionWords, ...statementWords]);
}

/** Words that a statement begins with, for a guess at what was meant. */
const statementWords = [
  'accept',
  'drop',
  'return',
  'continue',
  'jump',
  'goto',
  'counter',
  'log',
  'limit',
  'reject',
  'masquerade',
  'redirect',
  'snat',
  'dnat',
  'notrack',
  'update',
  'add',
  'delete',
  'comment',
];

function parsePayload(reader: TokenReader): NftExpression {
  const protocol = reader.next().text;
  const field = `${protocol} ${reader.peek().text}`;
  if (!isPayloadField(field)) {
    const prefix = `${protocol} `;
    const known = payloadFields.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    reader.fail(`unknown field of ${protocol}`, known);
  }
  reader.next();
  return { kind: 'payload', field };
}

function parseCt(reader: TokenReader): NftExpression {
  const direction = reader.take('original') ? 'original' : reader.take('reply') ? 'reply' : undefined;
  let key = reader.peek().text;
  if (key === 'ip' || key === 'ip6') key = `${reader.next().text} ${reader.peek().text}`;
  if (!isCtKey(key)) reader.fail('unknown key of ct', ctKeys);
  reader.next();
  return { kind: 'ct', key, ...(direction === undefined ? {} : { direction }) };
}

function parseFib(reader: TokenReader): NftExpression {
  const selectors: (typeof fibSelectors)[number][] = [];
  do {
    const selector = fibSelectors.find((name) => reader.is(name));
    if (selector === undefined) reader.fail('unknown selector of fib', fibSelectors);
    selectors.push(selector);
    reader.next();
  } while (reader.take('.'));
  const result = fibResults.find((name) => reader.is(name));
  if (result === undefined) reader.fail('unknown result of fib', fibResults);
  reader.next();
  return { kind: 'fib', selectors, result };
}

function parseNumgen(reader: TokenReader): NftExpression {
  const mode = reader.take('random') ? 'random' : reader.take('inc') ? 'inc' : undefined;
  if (mode === undefined) reader.fail('expected the mode of numgen', ['random', 'inc']);
  reader.expect('mod');
  const mod = reader.number('a modulus');
  if (mod < 1) reader.fail('numgen needs a modulus of at least 1');
  const offset = reader.take('offset') ? reader.number('an offset') : 0;
  return { kind: 'numgen', mode, mod, ...(offset === 0 ? {} : { offset }) };
}

/**
 * The kernel keeps a chain of and, or, xor with constants as one mask and one value, `(x & mask) ^ value`; nft lists what
 * can be read out of these (nftables: netlink_parse_bitwise_bool).
 */
function foldBitwise(expression: NftExpression): NftExpression {
  const folded = maskAndXor(expression);
  if (folded === undefined || expression.kind !== 'binary') return expression;
  const { base, mask, xor } = folded;
  const or = (xor & ~mask) >>> 0;
  const flipped = (xor & mask) >>> 0;
  const kept = (mask | or) >>> 0;
  let result = base;
  if (kept !== 0xffffffff) result = binary('&', result, kept);
  if (flipped !== 0) result = binary('^', result, flipped);
  if (or !== 0) result = binary('|', result, or);
  return result;
}

function binary(operator: Operator, left: NftExpression, value: number): NftExpression {
  return { kind: 'binary', operator, left, right: { kind: 'value', value } };
}

/** The mask and value of a chain of operations on 32 bits, `(base & mask) ^ xor`; undefined where it is not such a chain. */
export function maskAndXor(
  expression: NftExpression,
): { readonly base: NftExpression; readonly mask: number; readonly xor: number } | undefined {
  if (expression.kind !== 'binary') return { base: expression, mask: 0xffffffff, xor: 0 };
  const { operator, left, right } = expression;
  const inner = maskAndXor(left);
  const constant = constantOf(right);
  if (inner === undefined || constant === undefined) return undefined;
  const { base, mask, xor } = inner;
  switch (operator) {
    case '&':
      return { base, mask: (mask & constant) >>> 0, xor: (xor & constant) >>> 0 };
    case '^':
      return { base, mask, xor: (xor ^ constant) >>> 0 };
    case '|':
      return { base, mask: (mask & ~constant) >>> 0, xor: ((xor & ~constant) | constant) >>> 0 };
    default:
      return undefined;
  }
}

/** The number that an expression of constants alone comes to. */
function constantOf(expression: NftExpression): number | undefined {
  if (expression.kind === 'value') return typeof expression.value === 'number' ? expression.value >>> 0 : undefined;
  if (expression.kind !== 'binary') return undefined;
  const left = constantOf(expression.left);
  const right = constantOf(expression.right);
  if (left === undefined || right === undefined) return undefined;
  switch (expression.operator) {
    case '&':
      return (left & right) >>> 0;
    case '|':
      return (left | right) >>> 0;
    case '^':
      return (left ^ right) >>> 0;
    case '<<':
      return (left << right) >>> 0;
    case '>>':
      return left >>> right;
  }
}

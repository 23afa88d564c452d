import { prefixOf } from '@netsim/wire';
import { isFlagType, type NftDataType, ordinal, readScalar, symbolsOf } from './datatype.ts';
import { NftElements } from './elements.ts';
import type { TokenReader } from './lexer.ts';
import { mergeIntervals } from './merge-intervals.ts';
import type { NftElement, NftScalar, NftValue, NftVerdict } from './ruleset.ts';

const simpleVerdicts = ['accept', 'drop', 'return', 'continue'] as const;

/** A verdict, or undefined where none stands. */
export function parseVerdict(reader: TokenReader): NftVerdict | undefined {
  for (const kind of simpleVerdicts) if (reader.take(kind)) return { kind };
  for (const kind of ['jump', 'goto'] as const) if (reader.take(kind)) return { kind, chain: reader.name('chain') };
  return undefined;
}

export function parseScalar(reader: TokenReader, type: NftDataType): NftScalar {
  const token = reader.peek();
  const named = token.kind === 'word' || token.kind === 'string' || token.kind === 'number' || token.kind === 'address';
  const value = named ? readScalar(type, token.text) : undefined;
  if (value === undefined) reader.fail(`expected a value of type ${type}`, symbolsOf(type));
  reader.next();
  return value;
}

/** A value, a prefix, a range, or flags joined by commas (`flags`: where a comma does not part elements). */
function parseValue(reader: TokenReader, type: NftDataType, flags: boolean): NftValue {
  const from = parseScalar(reader, type);
  if (isFlagType(type) && typeof from === 'number') {
    let bits = from;
    while ((flags && reader.take(',')) || reader.take('|')) bits |= Number(parseScalar(reader, type));
    return bits;
  }
  if ((type === 'ipv4_addr' || type === 'ipv6_addr') && reader.take('/')) {
    const bits = type === 'ipv4_addr' ? 32 : 128;
    const length = reader.number('a prefix length');
    if (length > bits) reader.fail(`a prefix of ${type} is at most ${bits} bits long`);
    if (typeof from === 'string' || length === bits) return from;
    return prefixOf(from, length);
  }
  if (!reader.take('-')) return from;
  const to = parseScalar(reader, type);
  if (ordinal(from) > ordinal(to)) reader.fail('the range ends before it begins');
  return from === to ? from : { from, to };
}

/** `a . b . c`: one value for each type. */
export function parseValues(reader: TokenReader, types: readonly NftDataType[], flags: boolean): NftValue[] {
  return types.map((type, i) => {
    if (i > 0) reader.expect('.');
    return parseValue(reader, type, flags);
  });
}

/** Length of time in milliseconds: `10800s`, `1d2h3m4s500ms`, or seconds as a number. */
export function parseDuration(reader: TokenReader): number {
  const token = reader.next();
  if (token.kind === 'number') return Number(token.text) * 1000;
  const units: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const parts = [...token.text.matchAll(/([0-9]+)(ms|d|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== token.text)
    reader.fail(`expected a time, not ${JSON.stringify(token.text)}`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
}

export interface ElementSyntax {
  readonly type: readonly NftDataType[];
  /** Absent for a set, and for keys alone (`delete element`). */
  readonly data?: readonly NftDataType[] | 'verdict' | undefined;
}

/** `{ key [timeout T] [comment "..."] [: data], ... }` */
export function parseElements(reader: TokenReader, { type, data }: ElementSyntax, keysOnly = false): NftElement[] {
  const elements: NftElement[] = [];
  reader.expect('{');
  reader.skipNewlines();
  while (!reader.is('}')) {
    const key = parseValues(reader, type, false);
    let timeout: number | undefined;
    let comment: string | undefined;
    for (;;) {
      if (reader.take('timeout')) timeout = parseDuration(reader);
      else if (reader.take('expires')) parseDuration(reader);
      else if (reader.take('comment')) comment = reader.string('a comment');
      else if (reader.take('counter')) skipCounter(reader);
      else break;
    }
    let value: readonly NftValue[] | NftVerdict | undefined;
    if (data !== undefined && (!keysOnly || reader.is(':'))) {
      reader.expect(':');
      value = data === 'verdict' ? parseVerdict(reader) : parseValues(reader, data, false);
      if (value === undefined) reader.fail('expected a verdict', [...simpleVerdicts, 'jump', 'goto']);
    }
    elements.push({
      key,
      ...(value === undefined ? {} : { data: value }),
      ...(comment === undefined ? {} : { comment }),
      ...(timeout === undefined ? {} : { timeout }),
    });
    reader.skipNewlines();
    if (!reader.take(',')) break;
    reader.skipNewlines();
  }
  reader.expect('}');
  return elements;
}

function skipCounter(reader: TokenReader): void {
  if (reader.take('packets')) reader.number('a number of packets');
  if (reader.take('bytes')) reader.number('a number of bytes');
}

/** Elements written into a rule: intervals where any of them is one. */
export function anonymousElements(type: readonly NftDataType[], elements: readonly NftElement[]): NftElements {
  const interval = elements.some(({ key }) => key.some(isInterval));
  return NftElements.of(type, interval ? mergeIntervals(type, elements) : elements, interval);
}

function isInterval(value: NftValue): boolean {
  return typeof value === 'object' || (typeof value === 'string' && value.endsWith('*'));
}

import { formatIp } from '@netsim/wire';
import { bounds, isFlagType, type NftDataType, ordinal, printScalar, printValue, valueBytes } from './datatype.ts';
import type { NftElements } from './elements.ts';
import { printsBare, typeOf } from './expression-type.ts';
import type {
  NftElement,
  NftExpression,
  NftNatFlag,
  NftNatRange,
  NftRule,
  NftScalar,
  NftSetOperand,
  NftStatement,
  NftValue,
  NftVerdict,
} from './ruleset.ts';

/** A rule as `nft -s list` prints it (nftables 1.0.6). */
export function printNftRule(rule: NftRule): string {
  const words = rule.statements.map(printStatement);
  if (rule.comment !== undefined) words.push(`comment "${rule.comment}"`);
  return words.join(' ');
}

function printVerdict(verdict: NftVerdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}

function printStatement(statement: NftStatement): string {
  switch (statement.kind) {
    case 'match':
      return printMatch(statement);
    case 'vmap':
      return `${printExpression(statement.key)} vmap ${printSet(statement.map, 'verdict')}`;
    case 'verdict':
      return printVerdict(statement.verdict);
    case 'counter':
    case 'notrack':
      return statement.kind;
    case 'log': {
      const { prefix, group, level } = statement;
      let text = 'log';
      if (prefix !== undefined) text += ` prefix "${prefix}"`;
      if (group !== undefined) text += ` group ${group}`;
      if (level !== undefined) text += ` level ${level}`;
      return text;
    }
    case 'limit': {
      const burst = statement.burst === 5 ? '' : ` burst ${statement.burst} packets`;
      return `limit rate ${statement.over === true ? 'over ' : ''}${statement.rate}/${statement.unit}${burst}`;
    }
    case 'reject': {
      const how = statement.with;
      if (how === undefined) return 'reject';
      return how === 'tcp reset' ? 'reject with tcp reset' : `reject with ${how.type} ${how.code}`;
    }
    case 'set mark':
      return `${statement.target} mark set ${printExpression(statement.value, 'mark')}`;
    case 'set update': {
      const timeout = statement.timeout === undefined ? '' : ` timeout ${printDuration(statement.timeout)}`;
      return `${statement.operation} @${statement.set} { ${printExpression(statement.key)}${timeout} }`;
    }
    case 'masquerade':
    case 'redirect': {
      const port = statement.port === undefined ? '' : ` to :${printNatRange(statement.port)}`;
      return statement.kind + port + printFlags(statement.flags);
    }
    case 'snat':
    case 'dnat': {
      const family = statement.family === undefined ? '' : ` ${statement.family}`;
      return `${statement.kind}${family} to ${printNatTo(statement)}${printFlags(statement.flags)}`;
    }
  }
}

function printNatTo({ address, addressAndPort, port }: Extract<NftStatement, { kind: 'snat' | 'dnat' }>): string {
  if (addressAndPort !== undefined) return printExpression(addressAndPort, 'ipv4_addr', 'inet_service');
  const ports = port === undefined ? '' : `:${printNatRange(port)}`;
  if (address === undefined) return ports;
  const wide = address.from.kind === 'value' && typeof address.from.value === 'bigint' && port !== undefined;
  const one = (expression: NftExpression): string => {
    const text = printExpression(expression, 'ipv4_addr');
    return wide ? `[${text}]` : text;
  };
  return one(address.from) + (address.to === undefined ? '' : `-${one(address.to)}`) + ports;
}

function printNatRange({ from, to }: NftNatRange): string {
  const first = printExpression(from, 'inet_service');
  return to === undefined ? first : `${first}-${printExpression(to, 'inet_service')}`;
}

function printFlags(flags: readonly NftNatFlag[] | undefined): string {
  return flags === undefined || flags.length === 0 ? '' : ` ${flags.join(',')}`;
}

function printMatch({ left, operator, right }: Extract<NftStatement, { kind: 'match' }>): string {
  const types = typeOf(left);
  const flags = types.length === 1 && isFlagType(types[0]!);
  if (flags && left.kind === 'binary' && right.kind === 'value') {
    const bits = printExpression(left.right, types[0]!);
    if (right.value[0] === 0 && operator === '==') return `${printExpression(left.left)} ! ${bits}`;
    const not = operator === '!=' ? '!= ' : '';
    return `${printExpression(left.left)} ${not}${printValue(types[0]!, right.value[0]!)} / ${bits}`;
  }
  let text = printExpression(left);
  const implied =
    operator === 'any' || (operator === '==' && left.kind !== 'binary' && !(flags && right.kind === 'value'));
  if (!implied) text += ` ${operator}`;
  return `${text} ${right.kind === 'value' ? printValues(types, right.value) : printSet(right)}`;
}

function printValues(types: readonly NftDataType[], values: readonly NftValue[]): string {
  return values.map((value, i) => printValue(types[i] ?? 'integer', value)).join(' . ');
}

/** `data`: types of a constant, or of what a map gives. */
function printExpression(expression: NftExpression, ...data: NftDataType[]): string {
  switch (expression.kind) {
    case 'value':
      return printConstant(expression.value, data[0]);
    case 'payload':
      return expression.field;
    case 'meta':
      return printsBare(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return expression.direction === undefined
        ? `ct ${expression.key}`
        : `ct ${expression.direction} ${expression.key}`;
    case 'fib':
      return `fib ${expression.selectors.join(' . ')} ${expression.result}`;
    case 'numgen': {
      const offset = expression.offset === undefined ? '' : ` offset ${expression.offset}`;
      return `numgen ${expression.mode} mod ${expression.mod}${offset}`;
    }
    case 'concat':
      return expression.parts.map((part) => printExpression(part)).join(' . ');
    case 'binary': {
      const [type] = typeOf(expression.left);
      return `${printExpression(expression.left)} ${expression.operator} ${printExpression(expression.right, type ?? 'integer')}`;
    }
    case 'map':
      return `${printExpression(expression.key)} map ${printSet(expression.map, data)}`;
  }
}

function printConstant(value: NftScalar, type: NftDataType | undefined): string {
  if (typeof value === 'bigint') return formatIp(value);
  return printScalar(type ?? 'integer', value);
}

function printSet(set: NftSetOperand, data?: readonly NftDataType[] | 'verdict'): string {
  if (set.kind === 'set') return `@${set.name}`;
  return `{ ${printElements(set.elements, data).join(', ')} }`;
}

/** Texts of elements, in the order of printing. */
export function printElements(elements: NftElements, data: readonly NftDataType[] | 'verdict' | undefined): string[] {
  return sortedElements(elements).map((element) => printElement(elements.type, element, data));
}

function printElement(
  type: readonly NftDataType[],
  { key, timeout, comment, data }: NftElement,
  dataType: readonly NftDataType[] | 'verdict' | undefined,
): string {
  let text = printKey(type, key);
  if (timeout !== undefined) text += ` timeout ${printDuration(timeout)}`;
  if (comment !== undefined) text += ` comment "${comment}"`;
  if (data !== undefined) {
    text +=
      'kind' in data
        ? ` : ${printVerdict(data)}`
        : ` : ${printValues(dataType === 'verdict' ? [] : (dataType ?? []), data)}`;
  }
  return text;
}

/** A range that a prefix can say is printed as one. */
function printKey(types: readonly NftDataType[], key: readonly NftValue[]): string {
  return key.map((value, i) => printValue(types[i] ?? 'integer', asPrefix(types[i], value))).join(' . ');
}

function asPrefix(type: NftDataType | undefined, value: NftValue): NftValue {
  if (typeof value !== 'object' || !('from' in value)) return value;
  const width = type === 'ipv4_addr' ? 32n : type === 'ipv6_addr' ? 128n : 0n;
  if (width === 0n) return value;
  const from = BigInt(ordinal(value.from));
  const size = BigInt(ordinal(value.to)) - from + 1n;
  if ((size & (size - 1n)) !== 0n || from % size !== 0n) return value;
  let bits = 0n;
  while (size >> bits > 1n) bits++;
  return typeof value.from === 'string' ? value : { address: value.from, length: Number(width - bits) };
}

/**
 * nft sorts elements by their keys as numbers. A concatenation is read as one number in the order of bytes of the machine,
 * little-endian here: its last byte weighs most (nftables: concat_expr_msort_value). Concatenations with intervals stay
 * as the kernel has them.
 */
function sortedElements(elements: NftElements): NftElement[] {
  const all = [...elements];
  const { type, interval } = elements;
  if (interval) return all;
  if (type.length === 1 && type[0] !== 'ifname') {
    return all.sort((a, b) => (ordinal(bounds(a.key[0]!).from) < ordinal(bounds(b.key[0]!).from) ? -1 : 1));
  }
  const bytes = new Map(all.map((element) => [element, keyBytes(type, element.key)]));
  return all.sort((a, b) => compareFromEnd(bytes.get(a)!, bytes.get(b)!));
}

function keyBytes(type: readonly NftDataType[], key: readonly NftValue[]): number[] {
  return key.flatMap((value, i) => valueBytes(type[i] ?? 'integer', bounds(value).from));
}

function compareFromEnd(a: readonly number[], b: readonly number[]): number {
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

export function printDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = '';
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}

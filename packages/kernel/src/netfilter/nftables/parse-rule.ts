import { canonicalRule, foreignTo } from './canonical-rule.ts';
import { isFlagType, type NftDataType } from './datatype.ts';
import { NftError, NftSyntaxError } from './error.ts';
import { typeOf } from './expression-type.ts';
import { TokenReader, tokenize } from './lexer.ts';
import { parseExpression, parseMapped, parseSetOperand } from './parse-expression.ts';
import { parseNat, parseNatFlags, parseNatPort } from './parse-nat.ts';
import { parseDuration, parseValues, parseVerdict } from './parse-value.ts';
import type { NftExpression, NftFamily, NftOperator, NftRule, NftStatement } from './ruleset.ts';
import { icmp6Codes, icmpCodes, icmpxCodes } from './symbols.ts';

/**
 * Reads one rule as it stands in a chain (`ip saddr 10.0.0.0/8 accept comment "pods"`), for a table of a family.
 *
 * @throws NftError where nft would refuse it
 */
export function parseNftRule(text: string, family: NftFamily): NftRule {
  const problems: NftError['problems'][number][] = [];
  const reader = new TokenReader(tokenize(text, problems), problems);
  try {
    const rule = readRule(reader, family);
    reader.skipNewlines();
    if (reader.peek().kind !== 'end') reader.fail('expected the end of the rule');
    if (problems.length === 0) return rule;
  } catch (error) {
    if (!(error instanceof NftSyntaxError)) throw error;
    problems.push(error.problem);
  }
  throw new NftError(problems);
}

/** Reads a rule up to the end of its statement. @throws NftSyntaxError */
export function readRule(reader: TokenReader, family: NftFamily): NftRule {
  const statements: NftStatement[] = [];
  let comment: string | undefined;
  while (!reader.atEnd) {
    if (reader.take('comment')) {
      comment = reader.string('a comment');
      if (!reader.atEnd) reader.fail('a comment is the last of a rule');
    } else {
      const token = reader.peek();
      const statement = readStatement(reader);
      const foreign = foreignTo(statement, family);
      if (foreign !== undefined)
        throw new NftSyntaxError(`${foreign} in a table of family ${family}`, token.line, token.text);
      statements.push(statement);
    }
  }
  if (statements.length === 0) reader.fail('expected a rule');
  return canonicalRule({ statements, ...(comment === undefined ? {} : { comment }) }, family);
}

function readStatement(reader: TokenReader): NftStatement {
  const verdict = parseVerdict(reader);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const word = reader.peek().kind === 'word' ? reader.peek().text : '';
  switch (word) {
    case 'counter':
      reader.next();
      if (reader.take('packets')) reader.number('a number of packets');
      if (reader.take('bytes')) reader.number('a number of bytes');
      return { kind: 'counter' };
    case 'notrack':
      reader.next();
      return { kind: 'notrack' };
    case 'log':
      return readLog(reader);
    case 'limit':
      return readLimit(reader);
    case 'reject':
      return readReject(reader);
    case 'masquerade':
    case 'redirect': {
      reader.next();
      const port = reader.take('to') ? parseNatPort(reader) : undefined;
      return { kind: word, ...(port === undefined ? {} : { port }), ...parseNatFlags(reader) };
    }
    case 'snat':
    case 'dnat':
      reader.next();
      return parseNat(reader, word);
    case 'add':
    case 'update':
    case 'delete':
      return readSetUpdate(reader, word);
    case 'set':
      reader.fail('"set" needs something before it that can be changed: meta mark, ct mark');
      break;
    case 'queue':
    case 'tproxy':
    case 'dup':
    case 'fwd':
    case 'synproxy':
      reader.fail(`${word} is not modelled`);
  }
  return readMatch(reader);
}

function readSetUpdate(reader: TokenReader, operation: 'add' | 'update' | 'delete'): NftStatement {
  reader.next();
  reader.expect('@');
  const set = reader.name('set');
  reader.expect('{');
  const key = parseExpression(reader);
  const timeout = reader.take('timeout') ? parseDuration(reader) : undefined;
  reader.expect('}');
  return { kind: 'set update', operation, set, key, ...(timeout === undefined ? {} : { timeout }) };
}

function readMatch(reader: TokenReader): NftStatement {
  const left = parseExpression(reader);
  if (reader.take('vmap')) return { kind: 'vmap', key: left, map: parseSetOperand(reader, left, 'verdict') };
  if (reader.is('set')) {
    if ((left.kind !== 'meta' && left.kind !== 'ct') || left.key !== 'mark') reader.fail('only a mark can be set here');
    reader.next();
    return { kind: 'set mark', target: left.kind, value: parseMapped(reader, ['mark']) };
  }
  return readComparison(reader, left, typeOf(left));
}

const operators: Readonly<Record<string, NftOperator>> = {
  '==': '==',
  '!=': '!=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  eq: '==',
  ne: '!=',
  lt: '<',
  gt: '>',
  le: '<=',
  ge: '>=',
};

function readComparison(reader: TokenReader, left: NftExpression, types: readonly NftDataType[]): NftStatement {
  const [type] = types;
  const flags = types.length === 1 && type !== undefined && isFlagType(type);
  const written = reader.peek();
  let operator: NftOperator = flags && left.kind !== 'binary' ? 'any' : '==';
  if (written.kind !== 'string' && Object.hasOwn(operators, written.text)) {
    operator = operators[written.text]!;
    reader.next();
  } else if (flags && reader.take('!')) {
    // `ct state ! new`: none of the bits.
    const bits = parseValues(reader, types, true);
    return { kind: 'match', left: masked(left, bits[0]), operator: '==', right: { kind: 'value', value: [0] } };
  }
  if (reader.is('@') || reader.is('{')) {
    if (operator !== '==' && operator !== '!=' && operator !== 'any')
      reader.fail('a set is compared with == or != only');
    const right = parseSetOperand(reader, left);
    return { kind: 'match', left, operator: operator === '!=' ? '!=' : '==', right };
  }
  const value = parseValues(reader, types, flags);
  if (type === 'tcp_flag' && reader.take('/')) {
    // `tcp flags syn / fin,syn,rst,ack`: of the bits after the slash only these.
    const bits = parseValues(reader, types, true);
    return {
      kind: 'match',
      left: masked(left, bits[0]),
      operator: operator === '!=' ? '!=' : '==',
      right: { kind: 'value', value },
    };
  }
  return { kind: 'match', left, operator, right: { kind: 'value', value } };
}

function masked(left: NftExpression, bits: unknown): NftExpression {
  return { kind: 'binary', operator: '&', left, right: { kind: 'value', value: Number(bits) } };
}

const levels = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug', 'audit'];

function readLog(reader: TokenReader): NftStatement {
  reader.next();
  let prefix: string | undefined;
  let level: string | undefined;
  let group: number | undefined;
  for (;;) {
    if (reader.take('prefix')) prefix = reader.string('a prefix');
    else if (reader.take('group')) group = reader.number('a group');
    else if (reader.take('level')) {
      const { text } = reader.peek();
      if (!levels.includes(text)) reader.fail('unknown log level', levels);
      reader.next();
      level = text === 'warn' ? undefined : text;
    } else break;
  }
  return {
    kind: 'log',
    ...(prefix === undefined ? {} : { prefix }),
    ...(level === undefined ? {} : { level }),
    ...(group === undefined ? {} : { group }),
  };
}

const units = ['second', 'minute', 'hour', 'day', 'week'] as const;

function readLimit(reader: TokenReader): NftStatement {
  reader.next();
  reader.expect('rate');
  const over = reader.take('over');
  const rate = reader.number('a rate');
  reader.expect('/');
  const unit = units.find((name) => reader.is(name));
  if (unit === undefined) reader.fail('expected a unit of time; rates of bytes are not modelled', units);
  reader.next();
  let burst = 5;
  if (reader.take('burst')) {
    burst = reader.number('a burst');
    reader.expect('packets');
  }
  return { kind: 'limit', rate, unit, burst, ...(over ? { over } : {}) };
}

const rejectCodes = { icmp: icmpCodes, icmpv6: icmp6Codes, icmpx: icmpxCodes } as const;

function readReject(reader: TokenReader): NftStatement {
  reader.next();
  if (!reader.take('with')) return { kind: 'reject' };
  if (reader.take('tcp')) {
    reader.expect('reset');
    return { kind: 'reject', with: 'tcp reset' };
  }
  const type = (['icmp', 'icmpv6', 'icmpx'] as const).find((name) => reader.is(name));
  if (type === undefined) reader.fail('expected what to reject with', ['icmp', 'icmpv6', 'icmpx', 'tcp']);
  reader.next();
  reader.take('type');
  const code = reader.peek().text;
  if (!Object.hasOwn(rejectCodes[type], code)) reader.fail(`unknown code of ${type}`, Object.keys(rejectCodes[type]));
  reader.next();
  return { kind: 'reject', with: { type, code } };
}

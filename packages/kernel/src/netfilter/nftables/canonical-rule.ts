import { isFlagType } from './datatype.ts';
import type { NftExpression, NftFamily, NftPayloadField, NftRule, NftStatement, NftValue } from './ruleset.ts';

type Match = Extract<NftStatement, { kind: 'match' }>;

const transports: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };
const protocolOf: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 };

/** A rule in the form in which nft lists what the kernel holds of it. */
export function canonicalRule(rule: NftRule, family: NftFamily): NftRule {
  let statements = rule.statements.map(singleElement);
  statements = nameTransport(statements);
  statements = dropDependencies(statements, family);
  statements = sportFirst(statements);
  statements = statements.map((statement, i) => canonicalStatement(statement, statements.slice(0, i), family));
  return { ...rule, statements };
}

/** A set of one value is a plain comparison (nftables: optimize_singleton_set). */
function singleElement(statement: NftStatement): NftStatement {
  if (statement.kind !== 'match' || statement.right.kind !== 'elements') return statement;
  const { elements } = statement.right;
  if (elements.size !== 1 || elements.type.length !== 1) return statement;
  const [only] = elements;
  const [type] = elements.type;
  if (type !== undefined && isFlagType(type) && type !== 'ct_state') return statement;
  const operator = statement.operator === '==' && type === 'ct_state' ? 'any' : statement.operator;
  return { ...statement, operator, right: { kind: 'value', value: only!.key } };
}

/** The number that a match demands of the protocol, where it demands one. */
function demanded(statement: NftStatement): { key: string; protocol: number } | undefined {
  if (statement.kind !== 'match' || statement.operator !== '==' || statement.right.kind !== 'value') return undefined;
  const [value] = statement.right.value;
  if (typeof value !== 'number') return undefined;
  const { left } = statement;
  if (left.kind === 'meta' && (left.key === 'l4proto' || left.key === 'nfproto'))
    return { key: left.key, protocol: value };
  if (left.kind === 'payload' && (left.field === 'ip protocol' || left.field === 'ip6 nexthdr'))
    return { key: left.field, protocol: value };
  return undefined;
}

/** `th` of a rule that has settled the protocol is that protocol's. */
function nameTransport(statements: readonly NftStatement[]): NftStatement[] {
  let transport: string | undefined;
  return statements.map((statement) => {
    const demand = demanded(statement);
    if (demand !== undefined && demand.key !== 'nfproto') transport = transports[demand.protocol];
    const named = transport === undefined ? statement : renamed(statement, transport);
    if (statement.kind === 'match') {
      for (const field of fieldsOf(statement.left)) {
        const protocol = field.slice(0, field.indexOf(' '));
        if (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') transport = protocol;
      }
    }
    return named;
  });
}

function renamed(statement: NftStatement, transport: string): NftStatement {
  if (statement.kind === 'match') return { ...statement, left: renamedIn(statement.left, transport) };
  if (statement.kind === 'vmap') return { ...statement, key: renamedIn(statement.key, transport) };
  return statement;
}

function renamedIn(expression: NftExpression, transport: string): NftExpression {
  if (expression.kind === 'concat')
    return { ...expression, parts: expression.parts.map((part) => renamedIn(part, transport)) };
  if (expression.kind !== 'payload' || !expression.field.startsWith('th ')) return expression;
  return { ...expression, field: `${transport} ${expression.field.slice(3)}` as NftPayloadField };
}

/** Fields that a statement reads, in order. */
function fieldsOf(expression: NftExpression): NftPayloadField[] {
  switch (expression.kind) {
    case 'payload':
      return [expression.field];
    case 'concat':
      return expression.parts.flatMap(fieldsOf);
    case 'binary':
      return fieldsOf(expression.left);
    case 'map':
      return fieldsOf(expression.key);
    default:
      return [];
  }
}

function expressionsOf(statement: NftStatement): NftExpression[] {
  switch (statement.kind) {
    case 'match':
      return [statement.left];
    case 'vmap':
    case 'set update':
      return [statement.key];
    case 'set mark':
      return [statement.value];
    case 'snat':
    case 'dnat':
      return [statement.address?.from, statement.addressAndPort, statement.port?.from].filter((e) => e !== undefined);
    default:
      return [];
  }
}

/** A match that the next one says again (`meta l4proto tcp tcp dport 80`) is not listed (nftables: payload_dependency_kill). */
function dropDependencies(statements: readonly NftStatement[], family: NftFamily): NftStatement[] {
  const kept: NftStatement[] = [];
  for (const statement of statements) {
    for (const field of expressionsOf(statement).flatMap(fieldsOf)) {
      const protocol = field.slice(0, field.indexOf(' '));
      const network = protocol === 'ip' ? 2 : protocol === 'ip6' ? 10 : undefined;
      const at = kept.findIndex((earlier) => {
        const demand = demanded(earlier);
        if (demand === undefined) return false;
        if (demand.key === 'nfproto') return demand.protocol === network;
        return demand.protocol === protocolOf[protocol] && (demand.key === 'l4proto' || family !== 'inet');
      });
      if (at >= 0 && kept.slice(at + 1).every((between) => between.kind === 'match')) kept.splice(at, 1);
    }
    kept.push(statement);
  }
  return kept;
}

/** Two comparisons of neighbouring ports become one in the kernel, and are listed in the order of the header. */
function sportFirst(statements: readonly NftStatement[]): NftStatement[] {
  const out = [...statements];
  for (let i = 0; i + 1 < out.length; i++) {
    const first = out[i]!;
    const second = out[i + 1]!;
    if (isPlain(first, ' dport') && isPlain(second, ' sport')) {
      out[i] = second;
      out[i + 1] = first;
    }
  }
  return out;
}

function isPlain(statement: NftStatement, ending: string): statement is Match {
  return (
    statement.kind === 'match' &&
    statement.operator === '==' &&
    statement.left.kind === 'payload' &&
    statement.left.field.endsWith(ending) &&
    statement.right.kind === 'value' &&
    typeof statement.right.value[0] !== 'object'
  );
}

function canonicalStatement(statement: NftStatement, before: readonly NftStatement[], family: NftFamily): NftStatement {
  switch (statement.kind) {
    case 'reject':
      return canonicalReject(statement, before, family);
    case 'snat':
    case 'dnat': {
      const wide = typeof addressSample(statement) === 'bigint';
      if (family === 'inet' || statement.addressAndPort !== undefined) {
        return { ...statement, family: statement.family ?? (family === 'ip6' || wide ? 'ip6' : 'ip') };
      }
      const { family: written, ...rest } = statement;
      // Named maps do not tell here what they hold: nft writes the family out only for an address with a port.
      const { address, ...others } = rest;
      if (written !== undefined && address?.from.kind === 'map')
        return { ...others, family: written, addressAndPort: address.from };
      return rest;
    }
    default:
      return statement;
  }
}

function addressSample(statement: Extract<NftStatement, { kind: 'snat' | 'dnat' }>): NftValue | undefined {
  const from = statement.address?.from;
  return from?.kind === 'value' ? from.value : undefined;
}

function canonicalReject(
  statement: Extract<NftStatement, { kind: 'reject' }>,
  before: readonly NftStatement[],
  family: NftFamily,
): NftStatement {
  const how = statement.with;
  if (how === 'tcp reset') return statement;
  if (family === 'inet') {
    if (how !== undefined)
      return how.type === 'icmpx' && how.code === 'port-unreachable' ? { kind: 'reject' } : statement;
    const network = networkOf(before);
    if (network === undefined) return statement;
    return { kind: 'reject', with: { type: network === 'ip' ? 'icmp' : 'icmpv6', code: 'port-unreachable' } };
  }
  return how?.code === 'port-unreachable' ? { kind: 'reject' } : statement;
}

/** The network protocol that the statements before have settled. */
function networkOf(before: readonly NftStatement[]): 'ip' | 'ip6' | undefined {
  for (const statement of before) {
    for (const field of expressionsOf(statement).flatMap(fieldsOf)) {
      if (field.startsWith('ip6 ')) return 'ip6';
      if (field.startsWith('ip ')) return 'ip';
    }
    const demand = demanded(statement);
    if (demand?.key === 'nfproto') return demand.protocol === 2 ? 'ip' : 'ip6';
  }
  return undefined;
}

/** What a statement asks that packets of a table's family never have; undefined where there is nothing. */
export function foreignTo(statement: NftStatement, family: NftFamily): string | undefined {
  if (family === 'inet') return undefined;
  const other = family === 'ip' ? 'ip6 ' : 'ip ';
  for (const expression of expressionsOf(statement)) {
    const field = fieldsOf(expression).find((name) => name.startsWith(other));
    if (field !== undefined) return field;
    if (expression.kind === 'meta' && expression.key === 'nfproto') return 'meta nfproto';
  }
  return undefined;
}

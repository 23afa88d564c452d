import type { Skb } from '../../skb.ts';
import { CtInfo } from '../conntrack.ts';
import { logLevels } from '../iptables/names.ts';
import type { NatRange, RejectWith } from '../iptables/rule.ts';
import { compileExpression, compileFill, compileLookup, compileSet, type Reader } from './compile-expression.ts';
import type { LogTarget, NatTarget, NftContext } from './context.ts';
import { bounds, isIp, ordinal } from './datatype.ts';
import { holds } from './elements.ts';
import type { NftElement, NftExpression, NftNatRange, NftScalar, NftStatement, NftVerdict } from './ruleset.ts';

/** What a statement came to. Up to MATCHED the rule goes on or is left; the others end the rule. */
export const Result = {
  /** On to the next statement of the rule. */
  NEXT: 0,
  /** The rule does not match: on to the next rule. */
  BREAK: 1,
  /** `continue`: on to the next rule. */
  CONTINUE: 2,
  ACCEPT: 3,
  DROP: 4,
  RETURN: 5,
  /** To the chain `context.chain`. */
  JUMP: 6,
  GOTO: 7,
  /** With `context.reject`. */
  REJECT: 8,
  /** With `context.nat`. */
  NAT: 9,
  /** Writes `context.log`, then as NEXT. */
  LOG: 10,
  /** To the chain at `context.spread`, which translates the packet. */
  SPREAD: 11,
} as const;
export type Result = (typeof Result)[keyof typeof Result];

export type CompiledStatement = (skb: Skb, context: NftContext) => Result;

/** Makes a statement ready; undefined for one that does nothing here. */
export function compileStatement(statement: NftStatement): CompiledStatement | undefined {
  switch (statement.kind) {
    case 'match':
      return compileMatch(statement);
    case 'vmap':
      return compileVmap(statement);
    case 'verdict': {
      const { verdict } = statement;
      return (_skb, context) => verdictResult(verdict, context);
    }
    case 'counter':
      return undefined;
    case 'notrack':
      return (skb, context) => {
        context.at.repeatable = false;
        if (skb.ct === null) skb.ctInfo = CtInfo.UNTRACKED;
        return Result.NEXT;
      };
    case 'log': {
      const level = logLevels[statement.level ?? 'warning'] ?? 4;
      const { prefix } = statement;
      const target: LogTarget = { kind: 'LOG', level, ...(prefix === undefined ? {} : { prefix }) };
      return (_skb, context) => {
        context.at.repeatable = false;
        context.log = target;
        return Result.LOG;
      };
    }
    case 'limit':
      return compileLimit(statement);
    case 'reject':
      return compileReject(statement);
    case 'set mark': {
      const read = compileExpression(statement.value);
      if (statement.target === 'meta') {
        return (skb, context) => {
          const value = read(skb, context);
          if (typeof value !== 'number') return Result.BREAK;
          skb.mark = value >>> 0;
          return Result.NEXT;
        };
      }
      return (skb, context) => {
        context.at.repeatable = false;
        const value = read(skb, context);
        if (typeof value !== 'number') return Result.BREAK;
        if (skb.ct !== null) skb.ct.mark = value >>> 0;
        return Result.NEXT;
      };
    }
    case 'set update':
      return compileSetUpdate(statement);
    case 'snat':
    case 'dnat':
      return compileNat(statement);
    case 'masquerade':
      return compilePortNat(statement, 'MASQUERADE');
    case 'redirect':
      return compilePortNat(statement, 'REDIRECT');
  }
}

function compileVmap({ key, map }: Extract<NftStatement, { kind: 'vmap' }>): CompiledStatement {
  const find = compileLookup(key, map);
  const byRule: CompiledStatement = (skb, context) => elementResult(find(skb, context), context);
  if (map.kind !== 'set') return byRule;
  const fill = compileFill(key);
  const findSet = compileSet(map.name);
  return (skb, context) => {
    if (!context.flat) return byRule(skb, context);
    const table = context.table!;
    const set = findSet(context);
    if (set === undefined || set.dynamic !== null || set.set.elements.size === 0) return byRule(skb, context);
    const elements = set.set.elements.flat();
    if (elements === null) return byRule(skb, context);
    const values = fill(skb, context);
    const number = values === null ? -1 : elements.find(values);
    if (number < 0) return Result.BREAK;
    const place = set.spread(elements, number);
    if (place < 0 || !table.spreads.takes(place, skb)) return elementResult(elements.elements[number]!, context);
    context.spread = place;
    return Result.SPREAD;
  };
}

function elementResult(element: NftElement | null, context: NftContext): Result {
  const data = element?.data;
  return data !== undefined && 'kind' in data ? verdictResult(data, context) : Result.BREAK;
}

function verdictResult(verdict: NftVerdict, context: NftContext): Result {
  switch (verdict.kind) {
    case 'accept':
      return Result.ACCEPT;
    case 'drop':
      return Result.DROP;
    case 'return':
      return Result.RETURN;
    case 'continue':
      return Result.CONTINUE;
    case 'jump':
      context.chain = verdict.chain;
      return Result.JUMP;
    case 'goto':
      context.chain = verdict.chain;
      return Result.GOTO;
  }
}

function compileMatch({ left, operator, right }: Extract<NftStatement, { kind: 'match' }>): CompiledStatement {
  if (right.kind !== 'value') {
    const find = compileLookup(left, right);
    if (operator !== '!=') return (skb, context) => (find(skb, context) === null ? Result.BREAK : Result.NEXT);
    const fill = compileFill(left);
    // A packet without the field does not match, whether the set is to hold it or not.
    return (skb, context) => (fill(skb, context) === null || find(skb, context) !== null ? Result.BREAK : Result.NEXT);
  }
  const { value } = right;
  if (value.length > 1) {
    const fill = compileFill(left);
    const yes = operator !== '!=';
    return (skb, context) => {
      const values = fill(skb, context);
      if (values === null) return Result.BREAK;
      return value.every((part, i) => holds(part, values[i]!)) === yes ? Result.NEXT : Result.BREAK;
    };
  }
  return compileComparison(compileExpression(left), operator, value[0]!);
}

function compileComparison(
  read: Reader,
  operator: Extract<NftStatement, { kind: 'match' }>['operator'],
  wanted: Parameters<typeof holds>[0],
): CompiledStatement {
  switch (operator) {
    case 'any': {
      const bits = Number(typeof wanted === 'object' ? 0 : wanted);
      return (skb, context) => {
        const value = read(skb, context);
        return typeof value === 'number' && (value & bits) !== 0 ? Result.NEXT : Result.BREAK;
      };
    }
    case '==':
    case '!=': {
      const yes = operator === '==';
      if (typeof wanted === 'object' && typeof bounds(wanted).from === 'number') return inRange(read, wanted, yes);
      if (typeof wanted === 'object' || typeof wanted === 'string') {
        return (skb, context) => {
          const value = read(skb, context);
          return value !== null && holds(wanted, value) === yes ? Result.NEXT : Result.BREAK;
        };
      }
      return (skb, context) => {
        const value = read(skb, context);
        return value !== null && (value === wanted) === yes ? Result.NEXT : Result.BREAK;
      };
    }
    default: {
      const limit = ordinal(bounds(wanted).from);
      return (skb, context) => {
        const value = read(skb, context);
        if (value === null) return Result.BREAK;
        const have = ordinal(value);
        const met =
          operator === '<'
            ? have < limit
            : operator === '>'
              ? have > limit
              : operator === '<='
                ? have <= limit
                : have >= limit;
        return met ? Result.NEXT : Result.BREAK;
      };
    }
  }
}

/** A range of numbers, among them prefixes of IPv4. */
function inRange(read: Reader, wanted: Parameters<typeof holds>[0], yes: boolean): CompiledStatement {
  const from = Number(bounds(wanted).from) >>> 0;
  const to = Number(bounds(wanted).to) >>> 0;
  return (skb, context) => {
    const value = read(skb, context);
    if (typeof value !== 'number') return Result.BREAK;
    const have = value >>> 0;
    return (have >= from && have <= to) === yes ? Result.NEXT : Result.BREAK;
  };
}

const unitMilliseconds = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 } as const;

/** A bucket of tokens (Linux: nft_limit_eval). */
function compileLimit(statement: Extract<NftStatement, { kind: 'limit' }>): CompiledStatement {
  const cost = unitMilliseconds[statement.unit] / statement.rate;
  const capacity = cost * statement.burst;
  const over = statement.over === true;
  return (_skb, context) => {
    context.at.repeatable = false;
    const now = context.at.host.now();
    let state = context.state.get(statement);
    if (state === undefined) {
      state = { value: capacity, at: now };
      context.state.set(statement, state);
    }
    state.value = Math.min(capacity, state.value + (now - state.at));
    state.at = now;
    const exceeded = state.value < cost;
    if (!exceeded) state.value -= cost;
    return exceeded === over ? Result.NEXT : Result.BREAK;
  };
}

const icmp4: Readonly<Record<string, RejectWith>> = {
  'net-unreachable': 'icmp-net-unreachable',
  'host-unreachable': 'icmp-host-unreachable',
  'prot-unreachable': 'icmp-proto-unreachable',
  'port-unreachable': 'icmp-port-unreachable',
  'net-prohibited': 'icmp-net-prohibited',
  'host-prohibited': 'icmp-host-prohibited',
  'admin-prohibited': 'icmp-admin-prohibited',
};
const icmp6: Readonly<Record<string, RejectWith>> = {
  'no-route': 'icmp6-no-route',
  'admin-prohibited': 'icmp6-adm-prohibited',
  'addr-unreachable': 'icmp6-addr-unreachable',
  'port-unreachable': 'icmp6-port-unreachable',
  'policy-fail': 'icmp6-policy-fail',
  'reject-route': 'icmp6-reject-route',
};
/** Linux: icmp_code_v4, icmp_code_v6 of nft_reject.c. */
const icmpx: Readonly<Record<string, readonly [RejectWith, RejectWith]>> = {
  'no-route': ['icmp-net-unreachable', 'icmp6-no-route'],
  'port-unreachable': ['icmp-port-unreachable', 'icmp6-port-unreachable'],
  'host-unreachable': ['icmp-host-unreachable', 'icmp6-addr-unreachable'],
  'admin-prohibited': ['icmp-admin-prohibited', 'icmp6-adm-prohibited'],
};

function compileReject(statement: Extract<NftStatement, { kind: 'reject' }>): CompiledStatement {
  const how = statement.with ?? { type: 'icmpx', code: 'port-unreachable' };
  let four: RejectWith | undefined;
  let six: RejectWith | undefined;
  if (how === 'tcp reset') {
    four = 'tcp-reset';
    six = 'tcp-reset';
  } else if (how.type === 'icmp') four = icmp4[how.code];
  else if (how.type === 'icmpv6') six = icmp6[how.code];
  else [four, six] = icmpx[how.code] ?? [];
  const reset = how === 'tcp reset';
  return (skb, context) => {
    const answer = typeof skb.dst === 'number' ? four : six;
    if (answer === undefined || (reset && skb.protocol !== 6)) return Result.BREAK;
    context.at.repeatable = false;
    context.reject = answer;
    return Result.REJECT;
  };
}

function compileSetUpdate(statement: Extract<NftStatement, { kind: 'set update' }>): CompiledStatement {
  const fill = compileFill(statement.key);
  const { operation, set: name, timeout } = statement;
  return (skb, context) => {
    const { at } = context;
    at.repeatable = false;
    const now = at.host.now();
    const set = context.table!.set(name, now);
    const values = fill(skb, context);
    if (set === undefined || set.dynamic === null || values === null) return Result.BREAK;
    if (operation === 'delete') {
      set.dynamic.delete(values);
      return Result.NEXT;
    }
    const lifetime = timeout ?? set.set.timeout ?? 0;
    const added = set.dynamic.put({ key: [...values] }, lifetime, now, operation === 'update');
    return added ? Result.NEXT : Result.BREAK;
  };
}

type NatStatement = Extract<NftStatement, { kind: 'snat' | 'dnat' }>;

function natFlags(flags: NatStatement['flags']): Partial<NatRange> {
  const has = (flag: 'random' | 'fully-random' | 'persistent'): boolean => flags?.includes(flag) === true;
  return {
    ...(has('random') ? { random: true } : {}),
    ...(has('fully-random') ? { randomFully: true } : {}),
    ...(has('persistent') ? { persistent: true } : {}),
  };
}

function compileNat(statement: NatStatement): CompiledStatement {
  const { address, addressAndPort, port, family } = statement;
  const kind = statement.kind === 'snat' ? 'SNAT' : 'DNAT';
  const flags = natFlags(statement.flags);
  const source = addressAndPort ?? address?.from;
  const fits = (skb: Skb): boolean => family === undefined || (family === 'ip') === (typeof skb.dst === 'number');
  if (source?.kind === 'map') return compileMappedNat(source, port, kind, flags, fits);
  const fixed = constantRange(address, port);
  if (fixed !== undefined) {
    const target: NatTarget = { kind, range: { ...fixed, ...flags } };
    return (skb, context) => {
      if (!fits(skb)) return Result.BREAK;
      context.at.repeatable = false;
      context.nat = target;
      return Result.NAT;
    };
  }
  const readAddress = address === undefined ? undefined : compileExpression(address.from);
  const readPort = port === undefined ? undefined : compileExpression(port.from);
  return (skb, context) => {
    if (!fits(skb)) return Result.BREAK;
    context.at.repeatable = false;
    const to = readAddress?.(skb, context);
    const toPort = readPort?.(skb, context);
    if (to === null || toPort === null) return Result.BREAK;
    context.nat = { kind, range: { ...rangeOf(to, toPort), ...flags } };
    return Result.NAT;
  };
}

function rangeOf(address: NftScalar | undefined, port: NftScalar | undefined): NatRange {
  return {
    ...(isIp(address) ? { minAddress: address, maxAddress: address } : {}),
    ...(typeof port === 'number' ? { minPort: port, maxPort: port } : {}),
  };
}

function constant(expression: NftExpression | undefined): NftScalar | undefined {
  return expression?.kind === 'value' ? expression.value : undefined;
}

function constantRange(address: NftNatRange | undefined, port: NftNatRange | undefined): NatRange | undefined {
  const from = constant(address?.from);
  const portFrom = constant(port?.from);
  if ((address !== undefined && !isIp(from)) || (port !== undefined && typeof portFrom !== 'number')) return undefined;
  const to = constant(address?.to) ?? from;
  const portTo = constant(port?.to) ?? portFrom;
  return {
    ...(isIp(from) && isIp(to) ? { minAddress: from, maxAddress: to } : {}),
    ...(typeof portFrom === 'number' ? { minPort: portFrom, maxPort: Number(portTo) } : {}),
  };
}

/** The range that an element of a map stands for is made once, and lives as long as the element. */
function compileMappedNat(
  source: Extract<NftExpression, { kind: 'map' }>,
  port: NftNatRange | undefined,
  kind: 'SNAT' | 'DNAT',
  flags: Partial<NatRange>,
  fits: (skb: Skb) => boolean,
): CompiledStatement {
  const find = compileLookup(source.key, source.map);
  const readPort = port === undefined ? undefined : compileExpression(port.from);
  const targets = new WeakMap<NftElement, NatTarget>();
  return (skb, context) => {
    if (!fits(skb)) return Result.BREAK;
    context.at.repeatable = false;
    const element = find(skb, context);
    if (element === null) return Result.BREAK;
    let target = targets.get(element);
    if (target === undefined || readPort !== undefined) {
      const range = elementRange(element, readPort?.(skb, context) ?? undefined);
      if (range === undefined) return Result.BREAK;
      target = { kind, range: { ...range, ...flags } };
      targets.set(element, target);
    }
    context.nat = target;
    return Result.NAT;
  };
}

function elementRange({ data }: NftElement, port: NftScalar | undefined): NatRange | undefined {
  if (data === undefined || 'kind' in data) return undefined;
  const [address, mappedPort] = data;
  if (address === undefined) return undefined;
  const { from, to } = bounds(address);
  if (!isIp(from) || !isIp(to)) return undefined;
  const ports = mappedPort === undefined ? (port === undefined ? undefined : bounds(port)) : bounds(mappedPort);
  return {
    minAddress: from,
    maxAddress: to,
    ...(ports === undefined ? {} : { minPort: Number(ports.from), maxPort: Number(ports.to) }),
  };
}

function compilePortNat(
  statement: Extract<NftStatement, { kind: 'masquerade' | 'redirect' }>,
  kind: 'MASQUERADE' | 'REDIRECT',
): CompiledStatement {
  const flags = natFlags(statement.flags);
  const { port } = statement;
  const fixed = constantRange(undefined, port);
  if (fixed !== undefined) {
    const target: NatTarget = { kind, range: { ...fixed, ...flags } };
    return (_skb, context) => {
      context.at.repeatable = false;
      context.nat = target;
      return Result.NAT;
    };
  }
  const read = compileExpression(port!.from);
  return (skb, context) => {
    const value = read(skb, context);
    if (value === null) return Result.BREAK;
    context.at.repeatable = false;
    context.nat = { kind, range: { ...rangeOf(undefined, value), ...flags } };
    return Result.NAT;
  };
}

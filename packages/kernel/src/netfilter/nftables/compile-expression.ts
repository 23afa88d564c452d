import { l3Length } from '../../frame.ts';
import type { Skb } from '../../skb.ts';
import { type Conn, CtInfo, ctDirection } from '../conntrack.ts';
import type { AddressType } from '../iptables/rule.ts';
import type { NftContext } from './context.ts';
import type { LinkedNftTable, LinkedSet } from './link.ts';
import { maskAndXor } from './parse-expression.ts';
import type { NftElement, NftExpression, NftScalar, NftSetOperand } from './ruleset.ts';
import { addressTypes } from './symbols.ts';

/** Reads one value of a packet; null where it has none, and the rule does not match (Linux: NFT_BREAK). */
export type Reader = (skb: Skb, context: NftContext) => NftScalar | null;

/** Finds the element that a packet falls on, or null. */
export type Finder = (skb: Skb, context: NftContext) => NftElement | null;

export function compileExpression(expression: NftExpression): Reader {
  switch (expression.kind) {
    case 'value': {
      const { value } = expression;
      return () => value;
    }
    case 'payload':
      return payloadReaders[expression.field];
    case 'meta':
      return compileMeta(expression.key);
    case 'ct':
      return compileCt(expression);
    case 'fib':
      return compileFib(expression);
    case 'numgen':
      return compileNumgen(expression);
    case 'binary':
      return compileBinary(expression);
    case 'map': {
      const find = compileLookup(expression.key, expression.map);
      return (skb, context) => {
        const data = find(skb, context)?.data;
        const value = data === undefined || 'kind' in data ? undefined : data[0];
        return value === undefined || typeof value === 'object' ? null : value;
      };
    }
    case 'concat':
      // A concatenation stands only where something is looked up: see compileLookup.
      return () => null;
  }
}

/** Readers of the parts of a key. */
function compileKey(expression: NftExpression): Reader[] {
  return (expression.kind === 'concat' ? expression.parts : [expression]).map(compileExpression);
}

/** The lookup of a key in a set or map. */
export function compileLookup(key: NftExpression, operand: NftSetOperand): Finder {
  const fill = compileFill(key);
  if (operand.kind === 'elements') {
    const { elements } = operand;
    return (skb, context) => {
      const values = fill(skb, context);
      return values === null ? null : elements.find(values);
    };
  }
  const findSet = compileSet(operand.name);
  return (skb, context) => {
    const set = findSet(context);
    if (set === undefined) return null;
    if (set.dynamic !== null) {
      context.at.repeatable = false;
      const values = fill(skb, context);
      return values === null ? null : set.dynamic.find(values, context.at.host.now());
    }
    const { elements } = set.set;
    // Most sets of most clusters are empty: nothing need be read for those.
    if (elements.size === 0) return null;
    const values = fill(skb, context);
    return values === null ? null : elements.find(values);
  };
}

/** The set of a name in the table whose rules are asked. Mostly that is the table of the time before, and the set is at hand. */
export function compileSet(name: string): (context: NftContext) => LinkedSet | undefined {
  let lastTable: LinkedNftTable | null = null;
  let lastSet: LinkedSet | undefined;
  return (context) => {
    const { table } = context;
    if (table !== lastTable) {
      lastSet = table!.set(name, context.at.host.now());
      lastTable = table;
    }
    return lastSet;
  };
}

/** Reads all parts of a key into one array, the same for every packet; null where a part is missing. */
export function compileFill(key: NftExpression): (skb: Skb, context: NftContext) => readonly NftScalar[] | null {
  const readers = compileKey(key);
  const values: NftScalar[] = readers.map(() => 0);
  return (skb, context) => {
    for (let i = 0; i < readers.length; i++) {
      const value = readers[i]!(skb, context);
      if (value === null) return null;
      values[i] = value;
    }
    return values;
  };
}

type Field = Extract<NftExpression, { kind: 'payload' }>['field'];

const v4 = (skb: Skb): boolean => typeof skb.dst === 'number';

const payloadReaders: Readonly<Record<Field, Reader>> = {
  'ip saddr': (skb) => (v4(skb) ? skb.src : null),
  'ip daddr': (skb) => (v4(skb) ? skb.dst : null),
  'ip protocol': (skb) => (v4(skb) ? skb.protocol : null),
  'ip ttl': (skb, context) => ofPacket(context, v4(skb) ? skb.ttl : null),
  'ip dscp': (skb, context) => ofPacket(context, v4(skb) ? skb.tos >>> 2 : null),
  'ip length': (skb, context) => ofPacket(context, v4(skb) ? l3Length(skb) : null),
  'ip6 saddr': (skb) => (v4(skb) ? null : skb.src),
  'ip6 daddr': (skb) => (v4(skb) ? null : skb.dst),
  'ip6 nexthdr': (skb) => (v4(skb) ? null : skb.protocol),
  'ip6 hoplimit': (skb, context) => ofPacket(context, v4(skb) ? null : skb.ttl),
  'ip6 dscp': (skb, context) => ofPacket(context, v4(skb) ? null : skb.tos >>> 2),
  // Of other protocols these bytes are something else: never a port that anybody asks for.
  'th sport': (skb) => (hasPorts(skb) ? skb.sport : null),
  'th dport': (skb) => (hasPorts(skb) ? skb.dport : null),
  'tcp sport': (skb) => (skb.protocol === 6 ? skb.sport : null),
  'tcp dport': (skb) => (skb.protocol === 6 ? skb.dport : null),
  'tcp flags': (skb, context) => ofPacket(context, skb.protocol === 6 ? skb.flags : null),
  'udp sport': (skb) => (skb.protocol === 17 ? skb.sport : null),
  'udp dport': (skb) => (skb.protocol === 17 ? skb.dport : null),
  'sctp sport': (skb) => (skb.protocol === 132 ? skb.sport : null),
  'sctp dport': (skb) => (skb.protocol === 132 ? skb.dport : null),
  'icmp type': (skb, context) => ofPacket(context, skb.protocol === 1 ? skb.icmpType : null),
  'icmp code': (skb, context) => ofPacket(context, skb.protocol === 1 ? skb.icmpCode : null),
  'icmpv6 type': (skb, context) => ofPacket(context, skb.protocol === 58 ? skb.icmpType : null),
  'icmpv6 code': (skb, context) => ofPacket(context, skb.protocol === 58 ? skb.icmpCode : null),
};

/** A value that differs from packet to packet of one connection. */
function ofPacket(context: NftContext, value: number | null): number | null {
  context.at.repeatable = false;
  return value;
}

function hasPorts(skb: Skb): boolean {
  return skb.protocol === 6 || skb.protocol === 17 || skb.protocol === 132 || skb.protocol === 136;
}

function compileMeta(key: Extract<NftExpression, { kind: 'meta' }>['key']): Reader {
  switch (key) {
    case 'l4proto':
      return (skb) => skb.protocol;
    case 'nfproto':
      return (skb) => (v4(skb) ? 2 : 10);
    case 'protocol':
      return (skb) => (v4(skb) ? 0x0800 : 0x86dd);
    case 'mark':
      return (skb) => skb.mark >>> 0;
    case 'length':
      return (skb, context) => ofPacket(context, l3Length(skb));
    case 'iif':
      return (_skb, context) => context.at.inDev?.name ?? 0;
    case 'iifname':
      return (_skb, context) => context.at.inDev?.name ?? '';
    case 'oif':
      return (_skb, context) => context.at.outDev?.name ?? 0;
    case 'oifname':
      return (_skb, context) => context.at.outDev?.name ?? '';
    case 'pkttype':
      return (skb, context) => ofPacket(context, skb.pktType);
  }
}

/** Linux: NF_CT_STATE_BIT. */
const stateOfInfo = [2, 4, 8, 2, 4];

function compileCt({ key, direction }: Extract<NftExpression, { kind: 'ct' }>): Reader {
  if (key === 'state') {
    return (skb) => (skb.ct !== null ? stateOfInfo[skb.ctInfo]! : skb.ctInfo === CtInfo.UNTRACKED ? 64 : 1);
  }
  const read = compileConn(key, direction);
  return (skb) => (skb.ct === null ? null : read(skb.ct, skb));
}

type ConnReader = (conn: Conn, skb: Skb) => NftScalar | null;

function compileConn(
  key: Extract<NftExpression, { kind: 'ct' }>['key'],
  direction: 'original' | 'reply' | undefined,
): ConnReader {
  const reply = direction === 'reply';
  switch (key) {
    case 'status':
      return (conn) => conn.status;
    case 'mark':
      return (conn) => conn.mark >>> 0;
    case 'direction':
      return (_conn, skb) => ctDirection(skb.ctInfo);
    case 'protocol':
      return (conn) => conn.protocol;
    case 'ip saddr':
    case 'ip6 saddr':
      return (conn) => (reply ? conn.replSrc : conn.origSrc);
    case 'ip daddr':
    case 'ip6 daddr':
      return (conn) => (reply ? conn.replDst : conn.origDst);
    case 'proto-src':
      return (conn) => (reply ? conn.replSport : conn.origSport);
    case 'proto-dst':
      return (conn) => (reply ? conn.replDport : conn.origDport);
    case 'state':
      return () => null;
  }
}

function compileFib({ selectors, result }: Extract<NftExpression, { kind: 'fib' }>): Reader {
  const source = selectors.includes('saddr');
  const byIn = selectors.includes('iif');
  const byOut = selectors.includes('oif');
  if (result === 'type') {
    return (skb, { at }) => {
      const dev = byIn ? at.inDev : byOut ? at.outDev : null;
      return addressTypeNumber(at.host.addressType(source ? skb.src : skb.dst, dev));
    };
  }
  // The reverse path: the device by which an answer would leave, or none.
  const options = { loose: !byIn, validmark: selectors.includes('mark'), acceptLocal: false };
  return (skb, { at }) => (at.host.reversePathOk(skb, options) ? (at.inDev?.name ?? '') : result === 'oif' ? 0 : '');
}

function addressTypeNumber(type: AddressType): number {
  return addressTypes[type.toLowerCase()] ?? 0;
}

function compileNumgen(expression: Extract<NftExpression, { kind: 'numgen' }>): Reader {
  const { mode, mod, offset = 0 } = expression;
  if (mode === 'random') {
    return (_skb, context) => {
      context.at.repeatable = false;
      const way = mod === 1 ? 0 : context.at.host.random.choose(mod, expression);
      context.chosen = way + 1;
      context.choices = mod;
      return way + offset;
    };
  }
  return (_skb, context) => {
    context.at.repeatable = false;
    let state = context.state.get(expression);
    if (state === undefined) {
      state = { value: 0, at: 0 };
      context.state.set(expression, state);
    }
    const { value } = state;
    state.value = value + 1 >= mod ? 0 : value + 1;
    return value + offset;
  };
}

function compileBinary(expression: Extract<NftExpression, { kind: 'binary' }>): Reader {
  const folded = maskAndXor(expression);
  if (folded !== undefined) {
    const read = compileExpression(folded.base);
    const { mask, xor } = folded;
    return (skb, context) => {
      const value = read(skb, context);
      return typeof value === 'number' ? ((value & mask) ^ xor) >>> 0 : null;
    };
  }
  const { operator } = expression;
  const left = compileExpression(expression.left);
  const right = compileExpression(expression.right);
  return (skb, context) => {
    const a = left(skb, context);
    const b = right(skb, context);
    if (typeof a !== 'number' || typeof b !== 'number') return null;
    switch (operator) {
      case '&':
        return (a & b) >>> 0;
      case '|':
        return (a | b) >>> 0;
      case '^':
        return (a ^ b) >>> 0;
      case '<<':
        return (a << b) >>> 0;
      case '>>':
        return a >>> b;
    }
  };
}

import type { Ip, Prefix } from '@netsim/wire';
import { formatIp, prefixContains } from '@netsim/wire';
import type { Skb } from '../../skb.ts';
import { type Conn, CtInfo, CtStatus, ctDirection } from '../conntrack.ts';
import type { HookContext, RecentEntry } from './context.ts';
import type { Match, Negatable, PortRange } from './rule.ts';
import { readIp } from './values.ts';

/** A match, made ready: true if the packet matches (negation included). */
export type Predicate = (skb: Skb, at: HookContext) => boolean;

/** Makes a match ready; undefined for one that always matches. The protocol itself is checked by the rule. */
export function compileMatch(match: Match): Predicate | undefined {
  switch (match.kind) {
    case 'comment':
    case 'nfacct':
      return undefined;
    case 'tcp':
    case 'udp':
    case 'sctp':
      return compilePorts(match);
    case 'icmp':
    case 'icmp6': {
      const { type, code } = match.type.value;
      const any = match.kind === 'icmp' && type === 255;
      const yes = match.type.not !== true;
      return (skb) => (any || (skb.icmpType === type && (code === undefined || skb.icmpCode === code))) === yes;
    }
    case 'multiport':
      return compileMultiport(match);
    case 'conntrack':
      return compileConntrack(match);
    case 'state':
      return compileState(match.states);
    case 'mark': {
      const mark = match.mark | 0;
      const mask = match.mask | 0;
      const yes = match.not !== true;
      return (skb) => ((skb.mark & mask) === mark) === yes;
    }
    case 'connmark': {
      const mark = match.mark | 0;
      const mask = match.mask | 0;
      const yes = match.not !== true;
      return (skb) => skb.ct !== null && ((skb.ct.mark & mask) === mark) === yes;
    }
    case 'statistic':
      return compileStatistic(match);
    case 'recent':
      return compileRecent(match);
    case 'addrtype':
      return compileAddrtype(match);
    case 'set': {
      const { name, flags } = match;
      const yes = match.not !== true;
      return (skb, at) => at.sets.test(name, skb, flags, at.inDev, at.outDev) === yes;
    }
    case 'physdev':
      return compilePhysdev(match);
    case 'rpfilter': {
      const options = {
        loose: match.loose === true,
        validmark: match.validmark === true,
        acceptLocal: match.acceptLocal === true,
      };
      const invert = match.invert === true;
      return (skb, at) => at.host.reversePathOk(skb, options) !== invert;
    }
    case 'limit':
      return compileLimit(match);
    case 'ipvs':
      return compileIpvs(match);
  }
}

/**
 * Does the answer depend on nothing but the connection, the direction, the mark, the devices and the addresses of the
 * machine? Then it is the same for each packet of a connection, while those stay as they are.
 */
export function isRepeatable(match: Match): boolean {
  switch (match.kind) {
    case 'comment':
    case 'nfacct':
    case 'multiport':
    case 'conntrack':
    case 'state':
    case 'mark':
    case 'connmark':
    case 'addrtype':
    case 'physdev':
      return true;
    case 'tcp':
    case 'udp':
    case 'sctp':
      return match.flags === undefined && match.option === undefined;
    case 'icmp':
    case 'icmp6':
    case 'statistic':
    case 'recent':
    case 'set':
    case 'rpfilter':
    case 'limit':
    case 'ipvs':
      return false;
  }
}

function all(parts: readonly (Predicate | undefined)[]): Predicate | undefined {
  const used = parts.filter((part) => part !== undefined);
  if (used.length <= 1) return used[0];
  return (skb, at) => {
    for (const part of used) if (!part(skb, at)) return false;
    return true;
  };
}

function inRange(range: Negatable<PortRange> | undefined, read: (skb: Skb) => number): Predicate | undefined {
  if (range === undefined) return undefined;
  const { from, to } = range.value;
  const yes = range.not !== true;
  return (skb) => {
    const port = read(skb);
    return (port >= from && port <= to) === yes;
  };
}

const sportOf = (skb: Skb): number => skb.sport;
const dportOf = (skb: Skb): number => skb.dport;

function compilePorts(match: Extract<Match, { kind: 'tcp' | 'udp' | 'sctp' }>): Predicate | undefined {
  const { flags, option } = match;
  const parts = [inRange(match.sport, sportOf), inRange(match.dport, dportOf)];
  if (flags !== undefined) {
    const { mask, comp } = flags.value;
    const yes = flags.not !== true;
    parts.push((skb) => ((skb.flags & mask) === comp) === yes);
  }
  if (option !== undefined) {
    // Only the maximum segment size (option 2) of a SYN is known of a packet's options.
    const yes = option.not !== true;
    const isMss = option.value === 2;
    parts.push((skb) => (isMss && (skb.flags & 2) !== 0) === yes);
  }
  return all(parts);
}

function compileMultiport(match: Extract<Match, { kind: 'multiport' }>): Predicate {
  const { ports, which } = match;
  const yes = match.not !== true;
  const has = (port: number): boolean => {
    for (const range of ports) if (port >= range.from && port <= range.to) return true;
    return false;
  };
  return (skb) => {
    const found = (which !== 'destination' && has(skb.sport)) || (which !== 'source' && has(skb.dport));
    return found === yes;
  };
}

const stateBits = { INVALID: 1, ESTABLISHED: 2, RELATED: 4, NEW: 8, UNTRACKED: 16, SNAT: 32, DNAT: 64 } as const;
const bitOfInfo = [stateBits.ESTABLISHED, stateBits.RELATED, stateBits.NEW, stateBits.ESTABLISHED, stateBits.RELATED];

/** Linux: xt_conntrack's state mask; SNAT and DNAT are states of their own kind. */
function statesOf(skb: Skb): number {
  const conn = skb.ct;
  if (conn === null) return skb.ctInfo === CtInfo.UNTRACKED ? stateBits.UNTRACKED : stateBits.INVALID;
  let bits: number = bitOfInfo[skb.ctInfo]!;
  if ((conn.status & CtStatus.SRC_NAT) !== 0) bits |= stateBits.SNAT;
  if ((conn.status & CtStatus.DST_NAT) !== 0) bits |= stateBits.DNAT;
  return bits;
}

function compileState(states: Negatable<readonly (keyof typeof stateBits)[]>): Predicate {
  const wanted = states.value.reduce((bits, state) => bits | stateBits[state], 0);
  const yes = states.not !== true;
  return (skb) => ((statesOf(skb) & wanted) !== 0) === yes;
}

const statusBits: Readonly<Record<string, number>> = {
  EXPECTED: CtStatus.EXPECTED,
  SEEN_REPLY: CtStatus.SEEN_REPLY,
  ASSURED: CtStatus.ASSURED,
  CONFIRMED: CtStatus.CONFIRMED,
};

function compileConntrack(match: Extract<Match, { kind: 'conntrack' }>): Predicate {
  const tests: ((conn: Conn, skb: Skb) => boolean)[] = [];
  const address = (wanted: Negatable<Prefix> | undefined, read: (conn: Conn) => Ip): void => {
    if (wanted === undefined) return;
    const yes = wanted.not !== true;
    tests.push((conn) => prefixContains(wanted.value, read(conn)) === yes);
  };
  const port = (wanted: Negatable<PortRange> | undefined, read: (conn: Conn) => number): void => {
    if (wanted === undefined) return;
    const { from, to } = wanted.value;
    const yes = wanted.not !== true;
    tests.push((conn) => (read(conn) >= from && read(conn) <= to) === yes);
  };
  if (match.direction !== undefined) {
    const wanted = match.direction === 'ORIGINAL' ? 0 : 1;
    tests.push((_conn, skb) => ctDirection(skb.ctInfo) === wanted);
  }
  address(match.origSource, (conn) => conn.origSrc);
  address(match.origDestination, (conn) => conn.origDst);
  address(match.replSource, (conn) => conn.replSrc);
  address(match.replDestination, (conn) => conn.replDst);
  port(match.origSport, (conn) => conn.origSport);
  port(match.origDport, (conn) => conn.origDport);
  port(match.replSport, (conn) => conn.replSport);
  port(match.replDport, (conn) => conn.replDport);
  if (match.protocol !== undefined) {
    const { value, not } = match.protocol;
    tests.push((conn) => (conn.protocol === value) === (not !== true));
  }
  if (match.status !== undefined) {
    const bits = match.status.value.reduce((sum, name) => sum | (statusBits[name] ?? 0), 0);
    const yes = match.status.not !== true;
    // `NONE` asks for a status without any bit.
    tests.push((conn) => (bits === 0 ? conn.status === 0 : (conn.status & bits) !== 0) === yes);
  }
  const states = match.states === undefined ? undefined : compileState(match.states);
  if (tests.length === 0) return states ?? (() => true);
  return (skb, at) => {
    if (states !== undefined && !states(skb, at)) return false;
    const conn = skb.ct;
    if (conn === null) return match.states !== undefined;
    for (const test of tests) if (!test(conn, skb)) return false;
    return true;
  };
}

function compileStatistic(match: Extract<Match, { kind: 'statistic' }>): Predicate {
  const yes = match.not !== true;
  if (match.mode === 'random') {
    const probability = match.probability / 0x80000000;
    return (_skb, at) => at.host.random.chance(probability, match) === yes;
  }
  const { every, packet } = match;
  return (_skb, at) => {
    let state = at.matchState.get(match);
    if (state === undefined) {
      // Linux counts from `every - 1 - packet`, so that the packet-th is the first to match.
      state = { value: every - 1 - packet, at: 0 };
      at.matchState.set(match, state);
    }
    const hit = state.value === every - 1;
    state.value = hit ? 0 : state.value + 1;
    return hit === yes;
  };
}

/** Stamps kept for each source (xt_recent's ip_pkt_list_tot), and sources for each list (ip_list_tot). */
const RECENT_STAMPS = 20;
const RECENT_SOURCES = 100;

function compileRecent(match: Extract<Match, { kind: 'recent' }>): Predicate {
  const yes = match.not !== true;
  const { name, command, seconds, reap, side } = match;
  const hitcount = match.hitcount ?? 0;
  const mask4 = match.mask === undefined || match.mask.includes(':') ? -1 : (readIp(match.mask, 4) as number);
  const mask6 = match.mask?.includes(':') ? (readIp(match.mask, 6) as bigint) : undefined;
  const keep = Math.max(RECENT_STAMPS, hitcount);
  return (skb, at) => {
    const ip = side === 'source' ? skb.src : skb.dst;
    const masked = typeof ip === 'number' ? ip & mask4 : mask6 === undefined ? ip : ip & mask6;
    const key = formatIp(masked);
    let list = at.recent.get(name);
    if (list === undefined) {
      list = new Map();
      at.recent.set(name, list);
    }
    const now = at.host.now();
    const entry = list.get(key);
    if (entry === undefined) {
      if (command !== 'set') return !yes;
      if (list.size >= RECENT_SOURCES) list.delete(list.keys().next().value!);
      list.set(key, { stamps: [now], ttl: skb.ttl });
      return yes;
    }
    if (command === 'set') {
      stamp(list, key, entry, now, keep);
      return yes;
    }
    if (command === 'remove') {
      list.delete(key);
      return yes;
    }
    const since = seconds === undefined ? -1 : now - seconds * 1000;
    let hits = 0;
    let found = false;
    for (const time of entry.stamps) {
      if (seconds !== undefined && time < since) continue;
      hits++;
      if (hits >= hitcount) {
        found = true;
        break;
      }
    }
    if (reap === true && seconds !== undefined) reapOldest(list, since);
    if (command === 'update' && found === yes) stamp(list, key, entry, now, keep);
    return found === yes;
  };
}

function stamp(list: Map<string, RecentEntry>, key: string, entry: RecentEntry, now: number, keep: number): void {
  entry.stamps.push(now);
  if (entry.stamps.length > keep) entry.stamps.shift();
  // Most recently used last: the oldest goes first when the list is full.
  list.delete(key);
  list.set(key, entry);
}

/** Removes the least recently seen source if it is too old (Linux: recent_entry_reap; one at a time). */
function reapOldest(list: Map<string, RecentEntry>, since: number): void {
  for (const [key, entry] of list) {
    if (entry.stamps.at(-1)! < since) list.delete(key);
    return;
  }
}

function compileAddrtype(match: Extract<Match, { kind: 'addrtype' }>): Predicate {
  const { srcType, dstType, limitIfaceIn, limitIfaceOut } = match;
  return (skb, at) => {
    const dev = limitIfaceIn === true ? at.inDev : limitIfaceOut === true ? at.outDev : null;
    if (srcType !== undefined && srcType.value.includes(at.host.addressType(skb.src, dev)) === (srcType.not === true))
      return false;
    return (
      dstType === undefined || dstType.value.includes(at.host.addressType(skb.dst, dev)) !== (dstType.not === true)
    );
  };
}

/** `eth+` matches every name that begins with `eth`. */
export function interfaceMatches(pattern: string, name: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function compilePhysdev(match: Extract<Match, { kind: 'physdev' }>): Predicate {
  const { physIn, physOut, isIn, isOut, isBridged } = match;
  return (skb) => {
    const inName = skb.physIn?.name ?? null;
    const outName = skb.physOut?.name ?? null;
    if (inName === null && outName === null) {
      // The packet never met a bridge: only negated questions hold.
      return !(
        (physIn !== undefined && physIn.not !== true) ||
        (physOut !== undefined && physOut.not !== true) ||
        (isIn !== undefined && isIn.not !== true) ||
        (isOut !== undefined && isOut.not !== true) ||
        (isBridged !== undefined && isBridged.not !== true)
      );
    }
    if (isBridged !== undefined && (inName !== null && outName !== null) === (isBridged.not === true)) return false;
    if (isIn !== undefined && (inName !== null) === (isIn.not === true)) return false;
    if (isOut !== undefined && (outName !== null) === (isOut.not === true)) return false;
    if (physIn !== undefined && interfaceMatches(physIn.value, inName ?? '') === (physIn.not === true)) return false;
    return physOut === undefined || interfaceMatches(physOut.value, outName ?? '') !== (physOut.not === true);
  };
}

function compileLimit(match: Extract<Match, { kind: 'limit' }>): Predicate {
  const cost = 10_000_000 / match.average;
  const cap = cost * match.burst;
  return (_skb, at) => {
    const now = at.host.now();
    let state = at.matchState.get(match);
    if (state === undefined) {
      state = { value: cap, at: now };
      at.matchState.set(match, state);
    }
    state.value = Math.min(cap, state.value + (now - state.at));
    state.at = now;
    if (state.value < cost) return false;
    state.value -= cost;
    return true;
  };
}

function compileIpvs({ protocol, address, port }: Extract<Match, { kind: 'ipvs' }>): Predicate {
  const fits = <T>(wanted: Negatable<T> | undefined, test: (value: T) => boolean): boolean =>
    wanted === undefined || test(wanted.value) !== (wanted.not === true);
  return (skb, at) => {
    const service = at.host.virtualServiceOf(skb);
    return (
      service !== null &&
      fits(protocol, (value) => value === service.protocol) &&
      fits(address, (value) => prefixContains(value, service.address)) &&
      fits(port, (value) => value === service.port)
    );
  };
}

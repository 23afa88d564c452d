import type { Prefix } from '@netsim/wire';
import { prefixMask } from '@netsim/wire';
import type { Skb } from '../../skb.ts';
import type { HookContext } from './context.ts';
import { compileMatch, interfaceMatches, isRepeatable, type Predicate } from './predicate.ts';
import type { Match, Negatable, PortRange, Rule, Target } from './rule.ts';

const HAS_SOURCE = 1;
const NOT_SOURCE = 2;
const HAS_DESTINATION = 4;
const NOT_DESTINATION = 8;
const HAS_PROTOCOL = 16;
const NOT_PROTOCOL = 32;
const HAS_INTERFACE = 64;
const FRAGMENT = 128;
const HAS_PORT = 256;
const UNREPEATABLE = 512;

const noPredicates: readonly Predicate[] = [];

/** What a rule does when it matches, as a number to switch on. */
export const Action = {
  CONTINUE: 0,
  ACCEPT: 1,
  DROP: 2,
  RETURN: 3,
  JUMP: 4,
  GOTO: 5,
  REJECT: 6,
  MARK: 7,
  CONNMARK: 8,
  NAT: 9,
  NOTRACK: 10,
  LOG: 11,
  TRACE: 12,
  /** DNAT to one address and port. */
  DNAT: 13,
  /** What the target itself says. */
  OTHER: 14,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

const actions: Readonly<Record<Target['kind'], Action>> = {
  ACCEPT: Action.ACCEPT,
  DROP: Action.DROP,
  RETURN: Action.RETURN,
  jump: Action.JUMP,
  goto: Action.GOTO,
  REJECT: Action.REJECT,
  MARK: Action.MARK,
  CONNMARK: Action.CONNMARK,
  DNAT: Action.NAT,
  SNAT: Action.NAT,
  MASQUERADE: Action.NAT,
  REDIRECT: Action.NAT,
  CT: Action.NOTRACK,
  LOG: Action.LOG,
  TRACE: Action.TRACE,
};

/** A rule made ready to be asked. */
export class CompiledRule {
  readonly rule: Rule;
  /** From 1. */
  readonly index: number;
  readonly action: Action;
  readonly target: Target | undefined;
  readonly #flags: number;
  readonly #src: number;
  readonly #srcMask: number;
  readonly #dst: number;
  readonly #dstMask: number;
  readonly #source6: WidePrefix | null;
  readonly #destination6: WidePrefix | null;
  readonly #protocol: number;
  readonly #portFrom: number;
  readonly #portTo: number;
  readonly #predicates: readonly Predicate[];

  constructor(rule: Rule, index: number) {
    this.rule = rule;
    this.index = index;
    this.target = rule.target;
    this.action = rule.target === undefined ? Action.CONTINUE : actions[rule.target.kind];
    const { source, destination, protocol, inInterface, outInterface } = rule;
    let flags = 0;
    if (source !== undefined) flags |= HAS_SOURCE | (source.not ? NOT_SOURCE : 0);
    if (destination !== undefined) flags |= HAS_DESTINATION | (destination.not ? NOT_DESTINATION : 0);
    if (protocol !== undefined) flags |= HAS_PROTOCOL | (protocol.not ? NOT_PROTOCOL : 0);
    if (inInterface !== undefined || outInterface !== undefined) flags |= HAS_INTERFACE;
    // Packets are never fragmented here: `-f` never matches, `! -f` always does.
    if (rule.fragment !== undefined && rule.fragment.not !== true) flags |= FRAGMENT;
    const port = plainPort(rule);
    if (port !== undefined) flags |= HAS_PORT;
    this.#portFrom = port?.from ?? 0;
    this.#portTo = port?.to ?? 0;
    this.#src = prefixWord(source);
    this.#srcMask = maskWord(source);
    this.#dst = prefixWord(destination);
    this.#dstMask = maskWord(destination);
    this.#source6 = widePrefix(source);
    this.#destination6 = widePrefix(destination);
    this.#protocol = protocol?.value ?? 0;
    const predicates = rule.matches
      .map((match) => (port !== undefined && isPlainPort(match) ? undefined : compileMatch(match)))
      .filter((predicate) => predicate !== undefined);
    // The port is asked here, before any predicate: most rules then have none.
    this.#predicates = predicates.length === 0 ? noPredicates : predicates;
    if (!rule.matches.every(isRepeatable)) flags |= UNREPEATABLE;
    this.#flags = flags;
  }

  /** Does the packet match all of it? */
  matches(skb: Skb, at: HookContext): boolean {
    const flags = this.#flags;
    if ((flags & HAS_PROTOCOL) !== 0 && (skb.protocol === this.#protocol) === ((flags & NOT_PROTOCOL) !== 0))
      return false;
    if ((flags & HAS_PORT) !== 0 && (skb.dport < this.#portFrom || skb.dport > this.#portTo)) return false;
    if ((flags & (HAS_SOURCE | HAS_DESTINATION)) !== 0) {
      const src = skb.src;
      const dst = skb.dst;
      if (typeof src === 'number' && typeof dst === 'number') {
        if ((flags & HAS_SOURCE) !== 0 && ((src & this.#srcMask) === this.#src) === ((flags & NOT_SOURCE) !== 0))
          return false;
        if (
          (flags & HAS_DESTINATION) !== 0 &&
          ((dst & this.#dstMask) === this.#dst) === ((flags & NOT_DESTINATION) !== 0)
        ) {
          return false;
        }
      } else if (!this.#matchesWide(src, dst)) return false;
    }
    if ((flags & (HAS_INTERFACE | FRAGMENT)) !== 0 && !this.#matchesRare(at)) return false;
    if ((flags & UNREPEATABLE) !== 0) at.repeatable = false;
    const predicates = this.#predicates;
    for (let i = 0; i < predicates.length; i++) if (!predicates[i]!(skb, at)) return false;
    return true;
  }

  #matchesWide(src: number | bigint, dst: number | bigint): boolean {
    const flags = this.#flags;
    if ((flags & HAS_SOURCE) !== 0 && holds(this.#source6, src) === ((flags & NOT_SOURCE) !== 0)) return false;
    return (flags & HAS_DESTINATION) === 0 || holds(this.#destination6, dst) !== ((flags & NOT_DESTINATION) !== 0);
  }

  #matchesRare(at: HookContext): boolean {
    if ((this.#flags & FRAGMENT) !== 0) return false;
    const { inInterface, outInterface } = this.rule;
    if (
      inInterface !== undefined &&
      interfaceMatches(inInterface.value, at.inDev?.name ?? '') === (inInterface.not === true)
    ) {
      return false;
    }
    return (
      outInterface === undefined ||
      interfaceMatches(outInterface.value, at.outDev?.name ?? '') !== (outInterface.not === true)
    );
  }
}

/** A match that asks for a destination port and nothing else. */
function isPlainPort(match: Match): boolean {
  if (match.kind !== 'tcp' && match.kind !== 'udp' && match.kind !== 'sctp') return false;
  const { dport, sport, flags, option } = match;
  return (
    dport !== undefined && dport.not !== true && sport === undefined && flags === undefined && option === undefined
  );
}

export function plainPort(rule: Rule): PortRange | undefined {
  const ports = rule.matches.filter(isPlainPort);
  const [only] = ports;
  if (ports.length !== 1 || only === undefined) return undefined;
  return only.kind === 'tcp' || only.kind === 'udp' || only.kind === 'sctp' ? only.dport?.value : undefined;
}

export function prefixWord(prefix: Negatable<Prefix> | undefined): number {
  return prefix !== undefined && typeof prefix.value.address === 'number' ? prefix.value.address | 0 : 0;
}
export function maskWord(prefix: Negatable<Prefix> | undefined): number {
  if (prefix === undefined || typeof prefix.value.address !== 'number') return 0;
  return Number(prefixMask(4, prefix.value.length)) | 0;
}

/** A prefix of IPv6: the bits of an address behind it, and what the others are. */
interface WidePrefix {
  readonly shift: bigint;
  readonly network: bigint;
}

function widePrefix(prefix: Negatable<Prefix> | undefined): WidePrefix | null {
  if (prefix === undefined || typeof prefix.value.address !== 'bigint') return null;
  const shift = BigInt(128 - prefix.value.length);
  return { shift, network: prefix.value.address >> shift };
}

function holds(prefix: WidePrefix | null, ip: number | bigint): boolean {
  if (prefix === null || typeof ip !== 'bigint') return false;
  return prefix.shift === 0n ? ip === prefix.network : ip >> prefix.shift === prefix.network;
}

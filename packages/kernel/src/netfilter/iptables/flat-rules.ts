import type { Skb } from '../../skb.ts';
import { Action, CompiledRule, maskWord, plainPort, prefixWord } from './compiled-rule.ts';
import type { HookContext } from './context.ts';
import type { Match, NatRange, Rule } from './rule.ts';

/** Words of one rule. Two rules, as many as most chains have, fit into one cache line. */
export const RULE_WORDS = 8;

/** Offsets of a rule's words: HEAD is flags, action << 16 and protocol << 24. */
const HEAD = 0;
const SOURCE = 1;
const SOURCE_MASK = 2;
const DESTINATION = 3;
const DESTINATION_MASK = 4;
/** Least destination port and greatest << 16; or the probability of `statistic`. */
const PORTS = 5;
/** Jump: first rule and number of rules + 1, see {@link LinkedTable}. MARK: value and mask. DNAT: address and port. */
export const OPERANDS = 6;

const HAS_SOURCE = 1;
const NOT_SOURCE = 2;
const HAS_DESTINATION = 4;
const NOT_DESTINATION = 8;
const HAS_PROTOCOL = 16;
const NOT_PROTOCOL = 32;
const HAS_PORT = 64;
const CHANCE = 128;
const NOT_CHANCE = 256;
/** The words of a source are those of a mark. */
const HAS_MARK = 1024;
const NOT_MARK = 2048;
/** It asks for more than words can say. */
const SLOW = 512;

const FIRST_ROOM = 64;

/**
 * Rules written flat, so that a packet which is the first of its connection, and comes by chains that no packet before it took,
 * finds what it needs in a line or two of memory each. What words cannot say is asked of the {@link CompiledRule}.
 */
export class FlatRules {
  words: Int32Array;
  readonly rules: Rule[] = [];
  /** By rule: the match that draws, for one who enumerates the choices. */
  readonly #draws: (Match | undefined)[] = [];
  readonly #slow: (CompiledRule | undefined)[] = [];

  constructor(room = FIRST_ROOM) {
    this.words = new Int32Array(room * RULE_WORDS);
  }

  /** Adds the rules of a chain; the number of the first of them. */
  add(rules: readonly Rule[]): number {
    const first = this.rules.length;
    const need = (first + rules.length) * RULE_WORDS;
    if (need > this.words.length) {
      const words = new Int32Array(Math.max(need, this.words.length * 2));
      words.set(this.words);
      this.words = words;
    }
    for (let i = 0; i < rules.length; i++) this.#write(rules[i]!, i);
    return first;
  }

  #write(rule: Rule, index: number): void {
    const { words } = this;
    const at = this.rules.length * RULE_WORDS;
    const { source, destination, protocol, matches, target } = rule;
    let flags = 0;
    if (source !== undefined) flags |= HAS_SOURCE | (source.not ? NOT_SOURCE : 0);
    if (destination !== undefined) flags |= HAS_DESTINATION | (destination.not ? NOT_DESTINATION : 0);
    if (protocol !== undefined) flags |= HAS_PROTOCOL | (protocol.not ? NOT_PROTOCOL : 0);
    words[at + SOURCE] = prefixWord(source);
    words[at + SOURCE_MASK] = maskWord(source);
    words[at + DESTINATION] = prefixWord(destination);
    words[at + DESTINATION_MASK] = maskWord(destination);
    let draw: Match | undefined;
    if (
      isWide(rule) ||
      rule.inInterface !== undefined ||
      rule.outInterface !== undefined ||
      rule.fragment !== undefined
    )
      flags |= SLOW;
    const port = plainPort(rule);
    if (port !== undefined) {
      flags |= HAS_PORT;
      words[at + PORTS] = port.from | (port.to << 16);
    }
    for (const match of matches) {
      if (match.kind === 'comment' || match.kind === 'nfacct') continue;
      if (match.kind === 'tcp' || match.kind === 'udp' || match.kind === 'sctp') {
        const { sport, dport, flags: tcpFlags, option } = match;
        const asksNothing = sport === undefined && tcpFlags === undefined && option === undefined;
        if (!asksNothing || (dport !== undefined && port === undefined)) flags |= SLOW;
      } else if (isDraw(match) && draw === undefined && port === undefined) {
        draw = match;
        flags |= CHANCE | (match.not === true ? NOT_CHANCE : 0);
        words[at + PORTS] = match.probability;
      } else if (match.kind === 'mark' && source === undefined && (flags & (HAS_MARK | CHANCE)) === 0) {
        flags |= HAS_MARK | (match.not === true ? NOT_MARK : 0);
        words[at + SOURCE] = match.mark;
        words[at + SOURCE_MASK] = match.mask;
      } else flags |= SLOW;
    }
    let action: Action = target === undefined ? Action.CONTINUE : Action.OTHER;
    switch (target?.kind) {
      case 'ACCEPT':
        action = Action.ACCEPT;
        break;
      case 'DROP':
        action = Action.DROP;
        break;
      case 'RETURN':
        action = Action.RETURN;
        break;
      case 'jump':
        action = Action.JUMP;
        break;
      case 'goto':
        action = Action.GOTO;
        break;
      case 'MARK':
        action = Action.MARK;
        words[at + OPERANDS] = target.value;
        words[at + OPERANDS + 1] = target.mask;
        break;
      case 'DNAT':
        if (!isEndpoint(target.range)) break;
        action = Action.DNAT;
        words[at + OPERANDS] = target.range.minAddress;
        words[at + OPERANDS + 1] = target.range.minPort;
    }
    words[at + HEAD] = flags | (action << 16) | ((protocol?.value ?? 0) << 24);
    this.#draws.push(draw);
    this.#slow.push((flags & SLOW) !== 0 ? new CompiledRule(rule, index + 1) : undefined);
    this.rules.push(rule);
  }

  /** The action of a rule where the packet matches all of it, else -1. */
  match(rule: number, skb: Skb, at: HookContext): number {
    const { words } = this;
    const word = rule * RULE_WORDS;
    const head = words[word + HEAD]!;
    const action = (head >> 16) & 255;
    if ((head & SLOW) !== 0) return this.#slow[rule]!.matches(skb, at) ? action : -1;
    if ((head & HAS_PROTOCOL) !== 0 && (skb.protocol === head >>> 24) === ((head & NOT_PROTOCOL) !== 0)) return -1;
    if ((head & HAS_PORT) !== 0) {
      const ports = words[word + PORTS]!;
      if (skb.dport < (ports & 0xffff) || skb.dport > ports >>> 16) return -1;
    }
    if ((head & HAS_SOURCE) !== 0) {
      const src = skb.src;
      const holds = typeof src === 'number' && (src & words[word + SOURCE_MASK]!) === words[word + SOURCE]!;
      if (holds === ((head & NOT_SOURCE) !== 0)) return -1;
    }
    if ((head & HAS_DESTINATION) !== 0) {
      const dst = skb.dst;
      const holds = typeof dst === 'number' && (dst & words[word + DESTINATION_MASK]!) === words[word + DESTINATION]!;
      if (holds === ((head & NOT_DESTINATION) !== 0)) return -1;
    }
    if (
      (head & HAS_MARK) !== 0 &&
      ((skb.mark & words[word + SOURCE_MASK]!) === words[word + SOURCE]!) === ((head & NOT_MARK) !== 0)
    ) {
      return -1;
    }
    if ((head & CHANCE) === 0) return action;
    at.repeatable = false;
    const probability = (words[word + PORTS]! >>> 0) / 0x80000000;
    return at.host.random.chance(probability, this.#draws[rule]) === ((head & NOT_CHANCE) === 0) ? action : -1;
  }
}

function isWide({ source, destination }: Rule): boolean {
  return typeof source?.value.address === 'bigint' || typeof destination?.value.address === 'bigint';
}

type Draw = Extract<Match, { kind: 'statistic'; mode: 'random' }>;

function isDraw(match: Match): match is Draw {
  return match.kind === 'statistic' && match.mode === 'random' && match.probability >>> 0 === match.probability;
}

interface EndpointRange {
  readonly minAddress: number;
  readonly minPort: number;
}

/** One IPv4 address and one port, as kube-proxy writes them. */
function isEndpoint(range: NatRange): range is NatRange & EndpointRange {
  const { minAddress, maxAddress, minPort, maxPort, random, randomFully, persistent } = range;
  if (random !== undefined || randomFully !== undefined || persistent !== undefined) return false;
  return typeof minAddress === 'number' && minAddress === maxAddress && minPort !== undefined && minPort === maxPort;
}

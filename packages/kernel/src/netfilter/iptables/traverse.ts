import { hookNames } from '../../hook.ts';
import type { Skb } from '../../skb.ts';
import { CtInfo } from '../conntrack.ts';
import { IndexCursor } from './chain-index.ts';
import { type LinkedChain, type LinkedTable, ruleText } from './compile.ts';
import { Action, type CompiledRule } from './compiled-rule.ts';
import type { HookContext } from './context.ts';
import { type FlatRules, OPERANDS, RULE_WORDS } from './flat-rules.ts';
import { MAX_CHAIN_DEPTH } from './nesting.ts';
import type { RejectWith, Target } from './rule.ts';

/** What the walk of a chain came to. */
export const Outcome = {
  /** The end of the chain, or RETURN. */
  CONTINUE: 0,
  ACCEPT: 1,
  DROP: 2,
  /** DROP, after `host.reject` answered. */
  REJECT: 3,
  /** The rule budget is used up. */
  EXHAUSTED: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

type NatTarget = Extract<Target, { kind: 'DNAT' | 'SNAT' | 'MASQUERADE' | 'REDIRECT' }>;

/** What targets do to more than the packet. */
export interface TargetActions {
  /** False: the packet is dropped (no address to use). */
  nat(skb: Skb, target: NatTarget, at: HookContext): boolean;
  log(skb: Skb, target: Extract<Target, { kind: 'LOG' }>, at: HookContext): void;
  reject(skb: Skb, how: RejectWith, at: HookContext): void;
}

/** Rules that one packet may be compared with at one hook. */
export const RULE_BUDGET = 1_000_000;

/** Walks chains for a packet (Linux: ipt_do_table). */
export class Traversal {
  readonly #at: HookContext;
  readonly #actions: TargetActions;
  readonly #cursors = Array.from({ length: MAX_CHAIN_DEPTH }, () => new IndexCursor());
  readonly #plain: boolean;
  /** A DNAT target, filled in from flat rules. */
  readonly #endpoint = {
    kind: 'DNAT' as const,
    range: { minAddress: 0, maxAddress: 0, minPort: 0, maxPort: 0 },
  };
  #table = '';
  #depth = 0;

  /** `plain`: ask every rule of every chain in turn; the outcome is the same. */
  constructor(at: HookContext, actions: TargetActions, plain: boolean) {
    this.#at = at;
    this.#actions = actions;
    this.#plain = plain;
  }

  /** A built-in chain, its policy included. */
  run(chain: LinkedChain, table: string, skb: Skb): Outcome {
    const at = this.#at;
    const outerTable = this.#table;
    const outerDepth = this.#depth;
    this.#table = table;
    this.#depth = 0;
    // A listener may be told of any packet from the next rule on (TRACE): it takes those that are looked at one by one.
    const seen = this.#plain || at.host.tracer !== null;
    let outcome = seen ? this.#walk(chain, skb) : this.#runFlat(chain, skb);
    this.#table = outerTable;
    this.#depth = outerDepth;
    if (outcome === Outcome.CONTINUE) {
      outcome = chain.compiled.policy === 'DROP' ? Outcome.DROP : Outcome.ACCEPT;
      const { tracer } = at.host;
      if (tracer !== null && isFollowed(skb)) {
        tracer.step(at.host, skb, {
          kind: 'policy',
          action: outcome === Outcome.DROP ? 'DROP' : 'ACCEPT',
          hook: hookNames[at.hook],
          table,
          chain: chain.compiled.name,
        });
      }
    }
    return outcome;
  }

  #walk(chain: LinkedChain, skb: Skb): Outcome {
    const { rules, index } = chain;
    const depth = this.#depth;
    if (index === null || this.#plain || depth >= MAX_CHAIN_DEPTH) {
      for (let i = 0; i < rules.length; i++) {
        const rule = rules[i]!;
        if (this.#at.budget-- <= 0) return Outcome.EXHAUSTED;
        if (!rule.matches(skb, this.#at)) continue;
        const outcome = this.#act(chain, rule, skb);
        if (outcome >= 0) return outcome as Outcome;
      }
      return Outcome.CONTINUE;
    }
    const cursor = this.#cursors[depth]!;
    index.seek(skb, cursor);
    for (let i = cursor.next(); i >= 0; i = cursor.next()) {
      const rule = rules[i]!;
      if (this.#at.budget-- <= 0) return Outcome.EXHAUSTED;
      if (!rule.matches(skb, this.#at)) continue;
      const outcome = this.#act(chain, rule, skb);
      if (outcome >= 0) return outcome as Outcome;
    }
    return Outcome.CONTINUE;
  }

  #runFlat({ table, place: { first, count } }: LinkedChain, skb: Skb): Outcome {
    return first < 0 ? this.#walkIndexed(table.indexed(first), skb) : this.#walkFlat(table, first, count, skb);
  }

  /** The same as `#walk` on rules without an index, written flat. */
  #walkFlat(table: LinkedTable, first: number, count: number, skb: Skb): Outcome {
    const { flat } = table;
    const end = first + count;
    for (let rule = first; rule < end; rule++) {
      if (this.#at.budget-- <= 0) return Outcome.EXHAUSTED;
      const action = flat.match(rule, skb, this.#at);
      if (action < 0) continue;
      // The words are read anew each time: they move when a chain is added.
      const outcome = this.#actFlat(action, table, flat, rule, flat.words, rule * RULE_WORDS + OPERANDS, skb);
      if (outcome >= 0) return outcome as Outcome;
    }
    return Outcome.CONTINUE;
  }

  #walkIndexed(chain: LinkedChain, skb: Skb): Outcome {
    const { table } = chain;
    const { flat } = chain.compiled;
    const cursor = this.#cursors[this.#depth]!;
    chain.index!.seek(skb, cursor);
    for (let rule = cursor.next(); rule >= 0; rule = cursor.next()) {
      if (this.#at.budget-- <= 0) return Outcome.EXHAUSTED;
      const action = flat.match(rule, skb, this.#at);
      if (action < 0) continue;
      const jumps = action === Action.JUMP || action === Action.GOTO;
      const operands = jumps ? chain.operands : flat.words;
      const outcome = this.#actFlat(
        action,
        table,
        flat,
        rule,
        operands,
        jumps ? rule * 2 : rule * RULE_WORDS + OPERANDS,
        skb,
      );
      if (outcome >= 0) return outcome as Outcome;
    }
    return Outcome.CONTINUE;
  }

  /** As `#act`; the operands of the rule stand in `operands` from `at` on. */
  #actFlat(
    action: number,
    table: LinkedTable,
    flat: FlatRules,
    rule: number,
    operands: Int32Array,
    at: number,
    skb: Skb,
  ): number {
    switch (action) {
      case Action.CONTINUE:
        return -1;
      case Action.ACCEPT:
        return Outcome.ACCEPT;
      case Action.DROP:
        return Outcome.DROP;
      case Action.RETURN:
        return Outcome.CONTINUE;
      case Action.JUMP:
      case Action.GOTO: {
        // A word of 0 behind the first rule: nobody took the jump before.
        if (operands[at + 1] === 0) {
          const target = flat.rules[rule]!.target;
          if (target?.kind !== 'jump' && target?.kind !== 'goto') return -1;
          const place = table.place(target.chain);
          // Where the words moved meanwhile this is lost, and found again the next time.
          operands[at] = place.first;
          operands[at + 1] = place.count + 1;
        }
        const first = operands[at]!;
        const count = operands[at + 1]! - 1;
        this.#depth++;
        const outcome =
          first < 0 ? this.#walkIndexed(table.indexed(first), skb) : this.#walkFlat(table, first, count, skb);
        this.#depth--;
        return outcome === Outcome.CONTINUE && action === Action.JUMP ? -1 : outcome;
      }
      case Action.MARK:
        skb.mark = ((skb.mark & ~operands[at + 1]!) ^ operands[at]!) >>> 0;
        return -1;
      case Action.DNAT: {
        const endpoint = this.#endpoint;
        const { range } = endpoint;
        range.minAddress = operands[at]!;
        range.maxAddress = operands[at]!;
        range.minPort = operands[at + 1]!;
        range.maxPort = operands[at + 1]!;
        this.#at.repeatable = false;
        return this.#actions.nat(skb, endpoint, this.#at) ? Outcome.ACCEPT : Outcome.DROP;
      }
      default:
        return this.#apply(flat.rules[rule]!.target!, skb);
    }
  }

  /** Does what a matching rule says. Negative: go on with the next rule. */
  #act(chain: LinkedChain, rule: CompiledRule, skb: Skb): number {
    const at = this.#at;
    if (at.host.tracer !== null && isFollowed(skb)) this.#trace(chain, rule, skb);
    switch (rule.action) {
      case Action.CONTINUE:
        return -1;
      case Action.ACCEPT:
        return Outcome.ACCEPT;
      case Action.DROP:
        return Outcome.DROP;
      case Action.RETURN:
        return Outcome.CONTINUE;
      case Action.JUMP:
      case Action.GOTO: {
        const target = chain.target(rule);
        if (target === undefined) return -1;
        this.#depth++;
        const outcome = this.#walk(target, skb);
        this.#depth--;
        return outcome === Outcome.CONTINUE && rule.action === Action.JUMP ? -1 : outcome;
      }
      default:
        return this.#apply(rule.target!, skb);
    }
  }

  #apply(target: Target, skb: Skb): number {
    const at = this.#at;
    if (target.kind === 'MARK') {
      skb.mark = ((skb.mark & ~target.mask) ^ target.value) >>> 0;
      return -1;
    }
    at.repeatable = false;
    switch (target.kind) {
      case 'CONNMARK': {
        const conn = skb.ct;
        if (conn === null) return -1;
        if (target.mode === 'set') conn.mark = ((conn.mark & ~target.mask) ^ target.value) >>> 0;
        else {
          const nfmask = target.nfmask ?? target.mask;
          if (target.mode === 'save') conn.mark = ((conn.mark & ~target.mask) ^ (skb.mark & nfmask)) >>> 0;
          else skb.mark = ((skb.mark & ~nfmask) ^ (conn.mark & target.mask)) >>> 0;
        }
        return -1;
      }
      case 'DNAT':
      case 'SNAT':
      case 'MASQUERADE':
      case 'REDIRECT':
        return this.#actions.nat(skb, target, at) ? Outcome.ACCEPT : Outcome.DROP;
      case 'REJECT':
        this.#actions.reject(skb, target.with, at);
        return Outcome.REJECT;
      case 'CT':
        if (skb.ct === null) skb.ctInfo = CtInfo.UNTRACKED;
        return -1;
      case 'LOG':
        this.#actions.log(skb, target, at);
        return -1;
      case 'TRACE':
        skb.nfTrace = true;
        return -1;
      default:
        return -1;
    }
  }

  #trace(chain: LinkedChain, compiled: CompiledRule, skb: Skb): void {
    const at = this.#at;
    const { rule, index } = compiled;
    let probability: number | undefined;
    for (const match of rule.matches) {
      if (match.kind === 'statistic' && match.mode === 'random') {
        const chance = match.probability / 0x80000000;
        probability = match.not ? 1 - chance : chance;
      }
    }
    at.host.tracer?.step(at.host, skb, {
      kind: 'rule',
      action: actionText(rule.target),
      hook: hookNames[at.hook],
      table: this.#table,
      chain: chain.compiled.name,
      index,
      text: `-A ${chain.compiled.name} ${ruleText(rule, typeof skb.src === 'bigint' ? 6 : 4)}`.trimEnd(),
      ...(rule.origin === undefined ? {} : { origin: rule.origin }),
      ...(probability === undefined ? {} : { probability }),
    });
  }
}

/** Is a packet one that a listener wants to hear of? */
export function isFollowed(skb: Skb): boolean {
  return skb.trackId !== 0 || skb.nfTrace;
}

/** Verdict of a rule as a trace names it. */
export function actionText(target: Target | undefined): string {
  if (target === undefined) return 'CONTINUE';
  switch (target.kind) {
    case 'MARK':
    case 'CONNMARK':
    case 'CT':
    case 'LOG':
    case 'TRACE':
      return 'CONTINUE';
    case 'jump':
    case 'goto':
      return `${target.kind} ${target.chain}`;
    default:
      return target.kind;
  }
}

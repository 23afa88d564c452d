import type { Ip } from '@netsim/wire';
import { hookNames } from '../../hook.ts';
import type { Skb } from '../../skb.ts';
import type { HookContext } from '../iptables/context.ts';
import { isFollowed, Outcome, type TargetActions } from '../iptables/traverse.ts';
import type { CompiledNftRule } from './compile.ts';
import { Result } from './compile-statement.ts';
import { NftContext } from './context.ts';
import type { LinkedNftChain, LinkedNftTable } from './link.ts';
import { MAX_JUMPS } from './verify.ts';

const NEXT_RULE = -1;
const GOTO = -2;

/** A base chain at its hook. */
export interface NftHookChain {
  readonly table: LinkedNftTable;
  readonly chain: LinkedNftChain;
  readonly drops: boolean;
}

/** Walks chains of nft tables for a packet (Linux: nft_do_chain). */
export class NftTraversal {
  readonly #context: NftContext;
  readonly #actions: TargetActions;
  readonly #plain: boolean;
  /** A DNAT target, filled in from a spread. */
  readonly #end = {
    kind: 'DNAT' as const,
    range: { minAddress: 0 as Ip, maxAddress: 0 as Ip, minPort: 0, maxPort: 0 },
  };
  #depth = 0;
  #nat = false;
  #target: LinkedNftChain | null = null;
  /** Every rule is looked at: it is wanted so, or a listener may be told of it. */
  #seen = false;

  /** `plain`: ask every rule of every chain in turn; the outcome is the same. */
  constructor(at: HookContext, actions: TargetActions, plain: boolean) {
    this.#context = new NftContext(at);
    this.#actions = actions;
    this.#plain = plain;
  }

  /** A base chain, its policy included. `accept` ends this chain only: the caller goes on with the next. */
  run(base: NftHookChain, skb: Skb): Outcome {
    const context = this.#context;
    const outerTable = context.table;
    const outerDepth = this.#depth;
    const outerNat = this.#nat;
    const outerSeen = this.#seen;
    const outerFlat = context.flat;
    context.table = base.table;
    this.#depth = 0;
    this.#nat = base.chain.chain.base?.type === 'nat';
    this.#seen = this.#plain || context.at.host.tracer !== null;
    context.flat = this.#nat && !this.#seen;
    let outcome = this.#walk(base.chain, skb);
    if (outcome === Outcome.CONTINUE) {
      outcome = base.drops ? Outcome.DROP : Outcome.ACCEPT;
      const { host, hook } = context.at;
      if (host.tracer !== null && isFollowed(skb)) {
        host.tracer.step(host, skb, {
          kind: 'policy',
          action: base.drops ? 'DROP' : 'ACCEPT',
          hook: hookNames[hook],
          table: base.table.label,
          chain: base.chain.chain.name,
        });
      }
    }
    context.table = outerTable;
    this.#depth = outerDepth;
    this.#nat = outerNat;
    this.#seen = outerSeen;
    context.flat = outerFlat;
    return outcome;
  }

  #walk(first: LinkedNftChain, skb: Skb): Outcome {
    const context = this.#context;
    let chain = this.#seen ? first : first.entry;
    let rules = this.#rulesOf(chain);
    for (let i = 0; i < rules.length; i++) {
      if (context.at.budget-- <= 0) return Outcome.EXHAUSTED;
      const outcome = this.#ask(chain, rules[i]!, skb);
      if (outcome >= 0) return outcome as Outcome;
      if (outcome !== GOTO) continue;
      // The chain that is left is forgotten: a loop of these needs no stack, and ends with the budget.
      chain = this.#seen ? this.#target! : this.#target!.entry;
      rules = this.#rulesOf(chain);
      i = -1;
    }
    return Outcome.CONTINUE;
  }

  #rulesOf(chain: LinkedNftChain): readonly CompiledNftRule[] {
    return this.#seen ? chain.compiled.rules : chain.live;
  }

  /** An Outcome, NEXT_RULE, or GOTO with the chain in `#target`. */
  #ask(chain: LinkedNftChain, rule: CompiledNftRule, skb: Skb): number {
    const context = this.#context;
    const { statements } = rule;
    context.choices = 0;
    for (let i = 0; i < statements.length; i++) {
      const result = statements[i]!(skb, context);
      if (result === Result.NEXT) continue;
      if (result === Result.BREAK) return NEXT_RULE;
      if (result !== Result.LOG) return this.#act(result, chain, rule, skb);
      this.#actions.log(skb, context.log!, context.at);
    }
    if (context.at.host.tracer !== null && isFollowed(skb)) this.#trace(chain, rule, skb, 'CONTINUE');
    return NEXT_RULE;
  }

  #act(result: Result, chain: LinkedNftChain, rule: CompiledNftRule, skb: Skb): number {
    const context = this.#context;
    if (context.at.host.tracer !== null && isFollowed(skb)) this.#trace(chain, rule, skb, this.#actionText(result));
    switch (result) {
      case Result.ACCEPT:
        return Outcome.ACCEPT;
      case Result.DROP:
        return Outcome.DROP;
      case Result.RETURN:
        return Outcome.CONTINUE;
      case Result.JUMP:
      case Result.GOTO: {
        const target = rule.target === undefined ? context.table!.chain(context.chain) : chain.target(rule);
        if (target === undefined) return NEXT_RULE;
        if (result === Result.GOTO) {
          this.#target = target;
          return GOTO;
        }
        if (this.#depth >= MAX_JUMPS) return Outcome.EXHAUSTED;
        this.#depth++;
        const outcome = this.#walk(target, skb);
        this.#depth--;
        return outcome === Outcome.CONTINUE ? NEXT_RULE : outcome;
      }
      case Result.REJECT: {
        const { table } = context;
        this.#actions.reject(skb, context.reject, context.at);
        context.table = table;
        return Outcome.REJECT;
      }
      case Result.NAT:
        // The kernel takes no nat statement in a chain of another type.
        if (!this.#nat) return NEXT_RULE;
        return this.#actions.nat(skb, context.nat!, context.at) ? Outcome.ACCEPT : Outcome.DROP;
      case Result.SPREAD:
        return this.#spread(skb, context.spread);
      default:
        return NEXT_RULE;
    }
  }

  /** What the one rule of a chain that only spreads connections does. */
  #spread(skb: Skb, place: number): Outcome {
    const { at, table } = this.#context;
    if (at.budget-- <= 0) return Outcome.EXHAUSTED;
    at.repeatable = false;
    const { spreads } = table!;
    const ways = spreads.ways(place);
    const way = ways === 1 ? 0 : at.host.random.choose(ways, spreads.draw(place));
    const { range } = this.#end;
    range.minAddress = spreads.address(place, way);
    range.maxAddress = range.minAddress;
    range.minPort = spreads.port(place, way);
    range.maxPort = range.minPort;
    return this.#actions.nat(skb, this.#end, at) ? Outcome.ACCEPT : Outcome.DROP;
  }

  #actionText(result: Result): string {
    const { chain, nat } = this.#context;
    switch (result) {
      case Result.ACCEPT:
        return 'ACCEPT';
      case Result.DROP:
        return 'DROP';
      case Result.RETURN:
        return 'RETURN';
      case Result.JUMP:
        return `jump ${chain}`;
      case Result.GOTO:
        return `goto ${chain}`;
      case Result.REJECT:
        return 'REJECT';
      case Result.NAT:
        return nat!.kind;
      default:
        return 'CONTINUE';
    }
  }

  #trace(chain: LinkedNftChain, rule: CompiledNftRule, skb: Skb, action: string): void {
    const { at, table, chosen, choices } = this.#context;
    const { origin } = rule.rule;
    at.host.tracer?.step(at.host, skb, {
      kind: 'rule',
      action,
      hook: hookNames[at.hook],
      table: table!.label,
      chain: chain.chain.name,
      index: rule.index,
      text: rule.text,
      ...(origin === undefined ? {} : { origin }),
      ...(choices === 0 ? {} : { probability: 1 / choices, choice: { number: chosen, of: choices } }),
    });
  }
}

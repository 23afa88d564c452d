import { type CompiledStatement, compileStatement } from './compile-statement.ts';
import { hasState } from './idle.ts';
import { printNftRule } from './print-rule.ts';
import type { NftChain, NftRule, NftStatement } from './ruleset.ts';

/** A rule made ready to be asked. */
export class CompiledNftRule {
  readonly rule: NftRule;
  /** From 1. */
  readonly index: number;
  readonly statements: readonly CompiledStatement[];
  /** Where it leads whenever it matches; undefined where a map decides, or it leads nowhere. */
  readonly target: string | undefined;
  #text: string | undefined;

  constructor(rule: NftRule, index: number) {
    this.rule = rule;
    this.index = index;
    this.statements = cheapFirst(rule.statements)
      .map(compileStatement)
      .filter((statement) => statement !== undefined);
    const last = rule.statements.at(-1);
    this.target = last?.kind === 'verdict' && 'chain' in last.verdict ? last.verdict.chain : undefined;
  }

  /** As nft prints it; made when first shown. */
  get text(): string {
    this.#text ??= printNftRule(this.rule);
    return this.#text;
  }
}

/**
 * Comparisons that stand in a row may be asked in any order: one with a constant before one with a set, which may be large, or
 * with a route. What counts or draws stays where it is.
 */
function cheapFirst(statements: readonly NftStatement[]): NftStatement[] {
  const ordered: NftStatement[] = [];
  let dear: NftStatement[] = [];
  for (const statement of statements) {
    if (statement.kind !== 'match' || hasState(statement.left)) {
      ordered.push(...dear, statement);
      dear = [];
    } else if (statement.right.kind === 'value' && statement.left.kind !== 'fib') ordered.push(statement);
    else dear.push(statement);
  }
  return [...ordered, ...dear];
}

/** A chain made ready. It knows nothing of its table, so that unchanged chains outlive a change of others. */
export class CompiledNftChain {
  readonly chain: NftChain;
  readonly rules: readonly CompiledNftRule[];

  constructor(chain: NftChain) {
    this.chain = chain;
    this.rules = chain.rules.map((rule, i) => new CompiledNftRule(rule, i + 1));
  }
}

const compiled = new WeakMap<NftChain, CompiledNftChain>();

/** The chain made ready; the same for every table and netns that holds the same object. */
export function compileNftChain(chain: NftChain): CompiledNftChain {
  let known = compiled.get(chain);
  if (known === undefined) {
    known = new CompiledNftChain(chain);
    compiled.set(chain, known);
  }
  return known;
}

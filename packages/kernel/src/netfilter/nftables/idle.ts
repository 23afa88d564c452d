import type { NftExpression, NftRule } from './ruleset.ts';

/** What {@link isIdle} asks of a table. */
export interface IdleQuestions {
  /** Has a set no elements, and will it get none before the rules change? */
  isEmptySet(name: string): boolean;
  /** Has a chain no rule that is not idle? */
  isIdleChain(name: string): boolean;
}

/**
 * Can a rule do nothing to any packet, as its table is? It has no effect, asks for an element of a set that is empty, or jumps
 * to a chain of which the same holds: kube-proxy writes many such for what a cluster may have and most have not.
 */
export function isIdle({ statements }: NftRule, table: IdleQuestions): boolean {
  for (const statement of statements) {
    switch (statement.kind) {
      case 'counter':
        break;
      case 'match': {
        const { left, operator, right } = statement;
        if (hasState(left)) return false;
        if (right.kind === 'set' && operator === '==' && table.isEmptySet(right.name)) return true;
        break;
      }
      case 'vmap':
        return !hasState(statement.key) && statement.map.kind === 'set' && table.isEmptySet(statement.map.name);
      case 'verdict':
        return statement.verdict.kind === 'jump' && table.isIdleChain(statement.verdict.chain);
      default:
        return false;
    }
  }
  return true;
}

/** Is reading it an effect: does what comes next differ for it? */
export function hasState(expression: NftExpression): boolean {
  switch (expression.kind) {
    case 'numgen':
      return true;
    case 'concat':
      return expression.parts.some(hasState);
    case 'binary':
      return hasState(expression.left) || hasState(expression.right);
    case 'map':
      return hasState(expression.key);
    default:
      return false;
  }
}

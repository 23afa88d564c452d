import type { Step } from '@netsim/trace';

export type RuleStep = Extract<Step, { kind: 'rule' }>;

/**
 * The chains on the way to the last of these rules, from outside in. A chain that was left at its end leaves no step, so
 * that we see it only by the next rule standing in a chain further out.
 */
export function chainPath(rules: readonly RuleStep[]): string[] {
  const stack: string[] = [];
  for (const { chain } of rules) {
    const at = stack.lastIndexOf(chain);
    if (at >= 0) stack.length = at + 1;
    else stack.push(chain);
  }
  return stack;
}

const HASHED = /^(KUBE(?:-[A-Z]+)+?-)[A-Z2-7]{16}$/;

/** `KUBE-SVC-…` for a chain whose name ends in a hash, which tells a reader nothing. */
export function shortChain(chain: string): string {
  return chain.replace(HASHED, '$1…');
}

import { Hook, hookNames } from '../hook.ts';
import { type LinkedChain, linkTable } from './iptables/compile.ts';
import type { Rule, Ruleset, TableName } from './iptables/rule.ts';

/** One thing that happens at a hook. */
export interface Stage {
  readonly kind: 'table' | 'track' | 'nat' | 'confirm';
  readonly table: TableName | '';
  /** Chain of a table or nat stage. */
  readonly chain: LinkedChain | null;
}

/** What happens at one hook, in the order of Linux's priorities. */
export interface HookPlan {
  readonly stages: readonly Stage[];
  /** The same without chains that have no rules and accept: all that matters where nobody listens. */
  readonly busy: readonly Stage[];
  /** Conntrack comes first among the busy ones. */
  readonly tracks: boolean;
  /** What follows conntrack may be kept for the next packet of the same connection: no raw table has rules before it. */
  readonly repeatable: boolean;
}

const track: Stage = { kind: 'track', table: '', chain: null };
const confirm: Stage = { kind: 'confirm', table: '', chain: null };

/** Stages of each hook: raw -300, conntrack -200, mangle -150, dstnat -100, filter 0, security 50, srcnat 100, confirm last. */
const order: readonly (readonly (TableName | 'track' | 'confirm')[])[] = [
  ['raw', 'track', 'mangle', 'nat'],
  ['mangle', 'filter', 'security', 'nat', 'confirm'],
  ['mangle', 'filter', 'security'],
  ['raw', 'track', 'mangle', 'nat', 'filter', 'security'],
  ['mangle', 'security', 'nat', 'confirm'],
];

/** What the five hooks do under a ruleset. */
export function planHooks(ruleset: Ruleset): readonly HookPlan[] {
  const tracked = needsConntrack(ruleset);
  return Object.values(Hook).map((hook) => {
    const stages: Stage[] = [];
    for (const step of order[hook]!) {
      if (step === 'track' || step === 'confirm') {
        if (tracked) stages.push(step === 'track' ? track : confirm);
        continue;
      }
      const table = ruleset.tables.get(step);
      if (table === undefined || (step === 'nat' && !tracked)) continue;
      const chain = linkTable(table).chain(hookNames[hook]);
      if (chain !== undefined) stages.push({ kind: step === 'nat' ? 'nat' : 'table', table: step, chain });
    }
    const busy = stages.filter(
      ({ kind, chain }) =>
        kind !== 'table' || chain === null || chain.compiled.rules.length > 0 || chain.compiled.policy === 'DROP',
    );
    const at = busy.findIndex(({ kind }) => kind === 'track');
    return { stages, busy, tracks: at === 0, repeatable: at <= 0 };
  });
}

const conntrackTargets = new Set(['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'CT', 'CONNMARK']);
const conntrackMatches = new Set(['conntrack', 'state', 'connmark']);

const needs = new WeakMap<object, boolean>();

/**
 * Does any rule ask for connections? Linux hooks conntrack into a netns when the first rule comes that needs it
 * (nf_ct_netns_get); a nat table without rules does not.
 */
export function needsConntrack(ruleset: Ruleset): boolean {
  for (const table of ruleset.tables.values()) {
    for (const chain of table.chains.values()) {
      let needed = needs.get(chain);
      if (needed === undefined) {
        needed = chain.rules.some(ruleNeedsConntrack);
        needs.set(chain, needed);
      }
      if (needed) return true;
    }
  }
  return false;
}

function ruleNeedsConntrack(rule: Rule): boolean {
  if (rule.target !== undefined && conntrackTargets.has(rule.target.kind)) return true;
  return rule.matches.some((match) => conntrackMatches.has(match.kind));
}

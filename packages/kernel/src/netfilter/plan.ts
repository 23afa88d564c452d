import { Hook, hookNames } from '../hook.ts';
import { type LinkedChain, linkTable } from './iptables/compile.ts';
import type { Rule, Ruleset, TableName } from './iptables/rule.ts';
import type { NftHookChain } from './nftables/traverse.ts';

/** One thing that happens at a hook. */
export interface Stage {
  readonly kind: 'table' | 'nft' | 'track' | 'nat' | 'confirm' | 'ipvs';
  /** As a trace names it. */
  readonly table: string;
  /** Chain of an iptables table. */
  readonly chain: LinkedChain | null;
  /** Base chain of an nft table. */
  readonly nft: NftHookChain | null;
  /** What a nat stage asks, in turn, until one has decided: stages of the kinds `table` and `nft`. */
  readonly lookups: readonly Stage[];
  /** Those of them that can do anything. */
  readonly busyLookups: readonly Stage[];
}

/** What happens at one hook, in the order of Linux's priorities. */
export interface HookPlan {
  readonly stages: readonly Stage[];
  /** The same without chains that have no rules and accept: all that matters where nobody listens. */
  readonly busy: readonly Stage[];
  /** Conntrack comes first among the busy ones. */
  readonly tracks: boolean;
  /** What follows conntrack may be kept for the next packet of the same connection: no raw table has rules before it, and IPVS counts no packets here. */
  readonly repeatable: boolean;
}

/** A base chain of an nft table, and when it came: of chains with one priority the youngest is asked first. */
export interface NftHooked {
  readonly hook: Hook;
  readonly type: 'filter' | 'nat' | 'route';
  readonly priority: number;
  readonly age: number;
  readonly at: NftHookChain;
}

/** Base chains that see packets of one family, and whether a rule of their tables asks for connections. */
export interface NftHooks {
  readonly chains: readonly NftHooked[];
  readonly tracked: boolean;
}

const noLookups = { lookups: [], busyLookups: [] };
const track: Stage = { kind: 'track', table: '', chain: null, nft: null, ...noLookups };
const confirm: Stage = { kind: 'confirm', table: '', chain: null, nft: null, ...noLookups };
const ipvsStage: Stage = { kind: 'ipvs', table: 'ipvs', chain: null, nft: null, ...noLookups };
/** Where IPVS stands, if it is there: after the filter at INPUT and FORWARD, just after nat at OUTPUT. */
const ipvsPriority = [undefined, 99, 100, -98, undefined] as const;

const TRACK_PRIORITY = -200;
/** Priority of nat at PREROUTING and OUTPUT, and at INPUT and POSTROUTING. All nat chains are asked there, in their own order. */
const natPriority = [-100, 100, 0, -100, 100] as const;

/** Tables of iptables at each hook. */
const tablesAt: readonly (readonly TableName[])[] = [
  ['raw', 'mangle', 'nat'],
  ['mangle', 'filter', 'security', 'nat'],
  ['mangle', 'filter', 'security'],
  ['raw', 'mangle', 'nat', 'filter', 'security'],
  ['mangle', 'security', 'nat'],
];

const tablePriority = { raw: -300, mangle: -150, filter: 0, security: 50 } as const;

interface Entry {
  readonly priority: number;
  readonly age: number;
  readonly nat: boolean;
  readonly stage: Stage;
}

/** What the five hooks do under the rules of both kinds; `age`: when those of iptables came, see {@link NftHooked}. */
export function planHooks(ruleset: Ruleset, nft: NftHooks, age = 0, ipvs = false): readonly HookPlan[] {
  const tracked = ipvs || nft.tracked || needsConntrack(ruleset);
  return Object.values(Hook).map((hook) => {
    const entries: Entry[] = [];
    for (const table of tablesAt[hook]!) {
      const found = ruleset.tables.get(table);
      const chain = found === undefined ? undefined : linkTable(found).chain(hookNames[hook]);
      if (chain === undefined) continue;
      const priority = table === 'nat' ? natPriority[hook] : tablePriority[table];
      const stage: Stage = { kind: 'table', table, chain, nft: null, ...noLookups };
      entries.push({ priority, age, nat: table === 'nat', stage });
    }
    for (const { hook: own, type, priority, age: nftAge, at } of nft.chains) {
      if (own !== hook) continue;
      const stage: Stage = { kind: 'nft', table: at.table.label, chain: null, nft: at, ...noLookups };
      entries.push({ priority, age: nftAge, nat: type === 'nat', stage });
    }
    const priority = ipvs ? ipvsPriority[hook] : undefined;
    if (priority !== undefined) entries.push({ priority, age: 0, nat: false, stage: ipvsStage });
    return planHook(hook, entries, tracked);
  });
}

function planHook(hook: Hook, entries: readonly Entry[], tracked: boolean): HookPlan {
  const inOrder = [...entries].sort((a, b) => a.priority - b.priority || b.age - a.age);
  const lookups = inOrder.filter(({ nat }) => nat).map(({ stage }) => stage);
  const filters: Entry[] = inOrder.filter(({ nat }) => !nat);
  if (tracked && lookups.length > 0) {
    const stage: Stage = {
      kind: 'nat',
      table: 'nat',
      chain: null,
      nft: null,
      lookups,
      busyLookups: lookups.filter(isBusy),
    };
    const [first] = inOrder.filter(({ nat }) => nat);
    filters.push({ priority: natPriority[hook], age: first!.age, nat: true, stage });
  }
  filters.sort((a, b) => a.priority - b.priority || b.age - a.age);
  const stages = filters.map(({ stage }) => stage);
  if (tracked) {
    if (hook === Hook.PREROUTING || hook === Hook.OUTPUT) {
      const before = filters.filter(({ priority }) => priority < TRACK_PRIORITY).length;
      stages.splice(before, 0, track);
    } else if (hook !== Hook.FORWARD) stages.push(confirm);
  }
  const busy = stages.filter(isBusy);
  const at = busy.findIndex(({ kind }) => kind === 'track');
  return { stages, busy, tracks: at === 0, repeatable: at <= 0 && !stages.includes(ipvsStage) };
}

/** Can a stage do anything to a packet? */
function isBusy({ kind, chain, nft }: Stage): boolean {
  if (kind === 'table') return chain !== null && (chain.compiled.rules.length > 0 || chain.compiled.policy === 'DROP');
  if (kind === 'nft') return nft !== null && (nft.chain.live.length > 0 || nft.drops);
  return true;
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

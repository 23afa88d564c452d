import type { HookContext } from '../iptables/context.ts';
import type { RejectWith, Target } from '../iptables/rule.ts';
import type { LinkedNftTable } from './link.ts';

export type NatTarget = Extract<Target, { kind: 'DNAT' | 'SNAT' | 'MASQUERADE' | 'REDIRECT' }>;
export type LogTarget = Extract<Target, { kind: 'LOG' }>;

/** Where a packet is while nft rules look at it, and what the statement just asked decided. One object per netns, reused. */
export class NftContext {
  readonly at: HookContext;
  /** Counters of `numgen inc` and buckets of `limit`, by the statement or expression they belong to. */
  readonly state = new Map<object, { value: number; at: number }>();
  /** Whose rules are being asked. */
  table: LinkedNftTable | null = null;
  /** Nobody wants to see each rule: in a nat chain, chains that only spread connections may be taken in their flat form. */
  flat = false;
  /** Place of such a chain among the table's. */
  spread = 0;
  /** The chain that a verdict leads to. */
  chain = '';
  nat: NatTarget | null = null;
  reject: RejectWith = 'icmp-port-unreachable';
  log: LogTarget | null = null;
  /** The last random choice: which of how many; 0: none was made. */
  chosen = 0;
  choices = 0;

  constructor(at: HookContext) {
    this.at = at;
  }
}

import type { Ip } from '@netsim/wire';
import type { Hook, Verdict } from '../hook.ts';
import type { Ruleset } from '../netfilter/iptables/rule.ts';
import type { Skb } from '../skb.ts';
import type { Device } from './device.ts';

/** What a netns asks of its netfilter. */
export interface PacketFilter {
  hook(hook: Hook, skb: Skb, inDev: Device | null, outDev: Device | null): Verdict;
  loadRuleset(ruleset: Ruleset): void;
  /** An address of this netns is gone: what was masqueraded to it ends. */
  addressRemoved?(address: Ip): void;
}

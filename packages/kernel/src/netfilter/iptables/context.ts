import { Hook } from '../../hook.ts';
import type { Device } from '../../net/device.ts';
import type { NetfilterHost } from '../host.ts';
import type { IpSets } from '../ipset.ts';
import type { Match } from './rule.ts';

/** Where a packet is while rules look at it, and the state of one netns that rules read and change. One object per netns, reused. */
export class HookContext {
  readonly host: NetfilterHost;
  readonly sets: IpSets;
  /** Lists of `-m recent`, by name. */
  readonly recent = new Map<string, Map<string, RecentEntry>>();
  /** Counters of `statistic --mode nth` and buckets of `limit`, by the match they belong to. */
  readonly matchState = new Map<Match, { value: number; at: number }>();
  hook: Hook = Hook.PREROUTING;
  inDev: Device | null = null;
  outDev: Device | null = null;
  /** Rules that may still be looked at for this packet at this hook. */
  budget = 0;
  /**
   * Would the next packet of the same connection, with the same mark and devices, meet the same rules with the same end?
   * False as soon as a match is asked whose answer may be another one then, or a target acts on more than the mark.
   */
  repeatable = true;

  constructor(host: NetfilterHost, sets: IpSets) {
    this.host = host;
    this.sets = sets;
  }
}

/** A source seen by `-m recent`: times of its packets in ms, oldest first. */
export interface RecentEntry {
  stamps: number[];
  ttl: number;
}

import type { Ip } from '@netsim/wire';
import type { Hook } from '../hook.ts';
import type { Device } from '../net/device.ts';
import type { Skb } from '../skb.ts';
import { type Conn, CtInfo, CtStatus } from './conntrack.ts';
import type { HookPlan } from './plan.ts';

/** Walks of a confirmed connection's packets, at whatever hook, before what they met is kept. */
const WARM_UP = 12;

/**
 * What a hook did to one packet of a connection, with all that it depended on. The next packet for which all of this is the
 * same meets the same rules with the same end, so that they need not be asked again.
 *
 * Kept only of packets that were accepted, and never where a rule was looked at whose answer may differ from packet to
 * packet (`statistic`, `limit`, `recent`, TCP flags, sets) or that did more than set the mark: see `HookContext.repeatable`.
 */
export class Pass {
  #plan: HookPlan | null = null;
  #inDev: Device | null = null;
  #outDev: Device | null = null;
  #physIn: Device | null = null;
  #physOut: Device | null = null;
  #fibGeneration = 0;
  #ctInfo = 0;
  #status = 0;
  #connMark = 0;
  #mark = 0;
  #src: Ip = 0;
  #dst: Ip = 0;
  #sport = 0;
  #dport = 0;
  #newMark = 0;
  #newSrc: Ip = 0;
  #newDst: Ip = 0;
  #newSport = 0;
  #newDport = 0;

  /** Does to a packet what was done to the one before it. False where anything differs: then nothing was done. */
  repeat(
    plan: HookPlan,
    skb: Skb,
    conn: Conn,
    inDev: Device | null,
    outDev: Device | null,
    fibGeneration: number,
  ): boolean {
    if (
      this.#plan !== plan ||
      this.#status !== conn.status ||
      this.#ctInfo !== skb.ctInfo ||
      this.#mark !== skb.mark ||
      this.#sport !== skb.sport ||
      this.#dport !== skb.dport ||
      this.#inDev !== inDev ||
      this.#outDev !== outDev ||
      this.#physIn !== skb.physIn ||
      this.#physOut !== skb.physOut ||
      this.#fibGeneration !== fibGeneration ||
      this.#connMark !== conn.mark ||
      this.#src !== skb.src ||
      this.#dst !== skb.dst
    ) {
      return false;
    }
    skb.mark = this.#newMark;
    skb.src = this.#newSrc;
    skb.dst = this.#newDst;
    skb.sport = this.#newSport;
    skb.dport = this.#newDport;
    return true;
  }

  /** Before the walk: what the packet is like. */
  before(
    plan: HookPlan,
    skb: Skb,
    conn: Conn,
    inDev: Device | null,
    outDev: Device | null,
    fibGeneration: number,
  ): void {
    this.#plan = plan;
    this.#inDev = inDev;
    this.#outDev = outDev;
    this.#physIn = skb.physIn;
    this.#physOut = skb.physOut;
    this.#fibGeneration = fibGeneration;
    this.#ctInfo = skb.ctInfo;
    this.#status = conn.status;
    this.#connMark = conn.mark;
    this.#mark = skb.mark;
    this.#src = skb.src;
    this.#dst = skb.dst;
    this.#sport = skb.sport;
    this.#dport = skb.dport;
  }

  /** After it, the packet being accepted: what became of it. */
  after(skb: Skb, conn: Conn): void {
    if (skb.ct !== conn || conn.status !== this.#status) this.#plan = null;
    this.#newMark = skb.mark;
    this.#newSrc = skb.src;
    this.#newDst = skb.dst;
    this.#newSport = skb.sport;
    this.#newDport = skb.dport;
  }

  /** After a walk that says nothing of the next packet. */
  forget(): void {
    this.#plan = null;
  }
}

/** Kept passes of one connection: a place for each hook and direction, see {@link passIndex}. */
export type Passes = (Pass | null)[];

/** The place of a hook and direction. */
export function passIndex(hook: Hook, ctInfo: number): number {
  return ctInfo === CtInfo.ESTABLISHED_REPLY ? hook + 5 : hook;
}

/**
 * The pass to fill while a packet walks the rules; null where there have been too few packets to make it worth the while,
 * or where the packet is not an ordinary one of a connection whose tuples and translation are settled.
 */
export function passToFill(conn: Conn | null, hook: Hook, ctInfo: number): Pass | null {
  if (conn === null || (conn.status & CtStatus.CONFIRMED) === 0) return null;
  if (ctInfo === CtInfo.RELATED || ctInfo === CtInfo.RELATED_REPLY || ++conn.walks <= WARM_UP) return null;
  conn.passes ??= [null, null, null, null, null, null, null, null, null, null];
  const index = passIndex(hook, ctInfo);
  let pass = conn.passes[index]!;
  if (pass === null) {
    pass = new Pass();
    conn.passes[index] = pass;
  }
  return pass;
}

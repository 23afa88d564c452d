import type { Family, Ip } from '@netsim/wire';
import { formatEndpoint, formatIp } from '@netsim/wire';
import type { DropReason } from '../drop-reason.ts';
import { Hook, Verdict } from '../hook.ts';
import type { Device } from '../net/device.ts';
import type { Skb } from '../skb.ts';
import { type Conn, CtInfo, ctDirection } from './conntrack.ts';
import { type ConnFilter, connMatches, tupleText } from './conntrack-print.ts';
import type { NetfilterHost } from './host.ts';
import { IpSets } from './ipset.ts';
import { HookContext } from './iptables/context.ts';
import { IptablesError } from './iptables/error.ts';
import { applyRestore } from './iptables/restore.ts';
import type { NatRange, RejectWith, Rule, Ruleset, Target } from './iptables/rule.ts';
import { isFollowed, Outcome, RULE_BUDGET, type TargetActions, Traversal } from './iptables/traverse.ts';
import { setsOf, verifyRuleset } from './iptables/verify.ts';
import { logLine } from './log.ts';
import { Manip, manipOf, Nat } from './nat.ts';
import { applyNft } from './nftables/apply.ts';
import { NftState } from './nftables/load.ts';
import { emptyNftRuleset, type NftRuleset } from './nftables/ruleset.ts';
import { NftTraversal } from './nftables/traverse.ts';
import { passIndex, passToFill } from './pass.ts';
import { type HookPlan, planHooks, type Stage } from './plan.ts';
import { ConntrackTracker } from './tracker.ts';
import { isIcmpErrorType } from './tuple-of.ts';

type NatTarget = Extract<Target, { kind: 'DNAT' | 'SNAT' | 'MASQUERADE' | 'REDIRECT' }>;

export interface NetfilterOptions {
  /** Walk chains rule by rule for each packet, never by index or by what the packet before met. The outcome is the same; tests say so. */
  readonly plainWalk?: boolean;
}

/** What IPVS does with a packet at a hook. */
export interface IpvsHooks {
  hook(hook: Hook, skb: Skb): Verdict;
}

/**
 * Packet filter, NAT and connection tracking of one netns. Rulesets are values: two netns that load the same object share
 * what was compiled of it.
 *
 * At OUTPUT the packet's `dst` or `mark` may have changed: the caller compares, and routes again (Linux: ip_route_me_harder).
 */
export class Netfilter {
  readonly sets = new IpSets();
  readonly #host: NetfilterHost;
  readonly #at: HookContext;
  readonly #tracker: ConntrackTracker;
  readonly #nat: Nat;
  readonly #traversal: Traversal;
  readonly #nftTraversal: NftTraversal;
  readonly #nft = new NftState();
  /** Counts what is hooked in: the younger of two chains with one priority is asked first. */
  #age = 0;
  readonly #iptablesAge = { 4: 0, 6: 0 };
  readonly #plainWalk: boolean;
  readonly #rulesets: { 4: Ruleset; 6: Ruleset } = {
    4: { family: 4, tables: new Map() },
    6: { family: 6, tables: new Map() },
  };
  #ipvs: IpvsHooks | null = null;
  #plan4: readonly HookPlan[] | null = null;
  #plan6: readonly HookPlan[] | null = null;

  constructor(host: NetfilterHost, options: NetfilterOptions = {}) {
    this.#host = host;
    this.#at = new HookContext(host, this.sets);
    this.#tracker = new ConntrackTracker(host);
    this.#nat = new Nat(host, this.#tracker);
    const actions: TargetActions = {
      nat: (skb, target, at) => this.#natTarget(skb, target, at),
      log: (skb, target, at) => host.log(logLine(skb, target, at.hook, at.inDev, at.outDev)),
      reject: (skb, how, at) => this.#reject(skb, how, at.hook),
    };
    this.#plainWalk = options.plainWalk === true;
    this.#traversal = new Traversal(this.#at, actions, this.#plainWalk);
    this.#nftTraversal = new NftTraversal(this.#at, actions, this.#plainWalk);
  }

  /** The rules in force for a family; empty where none were loaded. */
  ruleset(family: Family): Ruleset {
    return this.#rulesets[family];
  }

  /**
   * Replaces all rules of the ruleset's family. Connections stay.
   *
   * @throws IptablesError where the kernel would refuse them; the old rules then stay in force
   */
  loadRuleset(ruleset: Ruleset): void {
    verifyRuleset(ruleset, this.#rulesets[ruleset.family]);
    this.#checkSets(ruleset);
    if (this.#rulesets[ruleset.family].tables.size === 0) this.#iptablesAge[ruleset.family] = ++this.#age;
    this.#rulesets[ruleset.family] = ruleset;
    this.#plan(ruleset.family);
  }

  /** IPVS takes its places at the hooks (Linux: nf_register_net_hooks of ip_vs_ops4 and ip_vs_ops6). */
  setIpvs(ipvs: IpvsHooks | null): void {
    this.#ipvs = ipvs;
    this.#plan(4);
    this.#plan(6);
  }

  #plan(family: Family): void {
    const ruleset = this.#rulesets[family];
    const nft = this.#nft.hooks(family);
    const idle = ruleset.tables.size === 0 && nft.chains.length === 0 && !nft.tracked && this.#ipvs === null;
    const plan = idle ? null : planHooks(ruleset, nft, this.#iptablesAge[family], this.#ipvs !== null);
    if (family === 4) this.#plan4 = plan;
    else this.#plan6 = plan;
  }

  /** The nft rules in force; without tables where none were loaded. Elements that packets added are not among them. */
  nftRuleset(): NftRuleset {
    return this.#nft.ruleset;
  }

  /** Puts nft rules in force in place of all there were. Connections and elements that packets added stay. */
  loadNft(ruleset: NftRuleset): void {
    this.#nft.load(ruleset, () => ++this.#age);
    this.#plan(4);
    this.#plan(6);
  }

  /**
   * Reads text as `nft -f` does and loads the result.
   *
   * @throws NftError where nft would refuse the text; the old rules then stay in force
   */
  applyNft(text: string): void {
    this.loadNft(applyNft(this.#nft.ruleset, text));
  }

  /** As `nft flush ruleset`. */
  flushNft(): void {
    this.loadNft(emptyNftRuleset);
  }

  /**
   * Reads text as `iptables-restore` (or ip6tables-restore) does and loads the result.
   *
   * @throws IptablesError where it would refuse the text; the old rules then stay in force
   */
  restore(text: string, family: Family, options: { readonly noflush?: boolean } = {}): void {
    this.loadRuleset(applyRestore(this.#rulesets[family], text, { ...options, family }));
  }

  /** Connections, oldest first. */
  connections(): Conn[] {
    return this.#tracker.table.list();
  }

  /** As `conntrack -F`. */
  flushConnections(): void {
    this.#tracker.table.clear();
  }

  /** As `conntrack -D`: forgets the connections that the filter describes; how many. */
  deleteConnections(filter: ConnFilter): number {
    return this.#tracker.table.removeIf((conn) => connMatches(conn, filter));
  }

  /** An address went away: connections masqueraded to it end (Linux: nf_nat_masquerade's notifiers). */
  addressRemoved(device: Device, address: Ip): void {
    this.#tracker.table.removeIf((conn) => conn.masqueradeDevice === device && conn.replDst === address);
  }

  /** A device went down or away: connections masqueraded through it end. */
  deviceDown(device: Device): void {
    this.#tracker.table.removeIf((conn) => conn.masqueradeDevice === device);
  }

  /** Takes a packet through a hook. The packet may be changed; for DROP `skb.dropReason` says why. */
  hook(hook: Hook, skb: Skb, inDev: Device | null, outDev: Device | null): Verdict {
    const plans = typeof skb.dst === 'number' ? this.#plan4 : this.#plan6;
    if (plans === null) return Verdict.ACCEPT;
    const plan = plans[hook]!;
    const host = this.#host;
    if (host.tracer !== null && isFollowed(skb)) return this.#walk(plan.stages, 0, hook, skb, inDev, outDev, true);
    const stages = plan.busy;
    if (stages.length === 0) return Verdict.ACCEPT;
    let first = 0;
    if (plan.tracks) {
      if (this.#tracker.track(skb) !== Verdict.ACCEPT) return this.#tableFull(skb);
      first = 1;
    }
    const conn = skb.ct;
    if (!plan.repeatable || conn === null) return this.#walk(stages, first, hook, skb, inDev, outDev, false);
    const generation = host.fibGeneration;
    if (conn.passes !== null) {
      const known = conn.passes[passIndex(hook, skb.ctInfo)]!;
      if (known?.repeat(plan, skb, conn, inDev, outDev, generation)) return Verdict.ACCEPT;
    }
    const pass = passToFill(conn, hook, skb.ctInfo);
    if (pass === null) return this.#walk(stages, first, hook, skb, inDev, outDev, false);
    pass.before(plan, skb, conn, inDev, outDev, generation);
    const at = this.#at;
    const outerRepeatable = at.repeatable;
    at.repeatable = !this.#plainWalk;
    const verdict = this.#walk(stages, first, hook, skb, inDev, outDev, false);
    if (verdict === Verdict.ACCEPT && at.repeatable) pass.after(skb, conn);
    else pass.forget();
    at.repeatable = outerRepeatable;
    return verdict;
  }

  /** Takes a packet through the stages of a hook, from one on. */
  #walk(
    stages: readonly Stage[],
    first: number,
    hook: Hook,
    skb: Skb,
    inDev: Device | null,
    outDev: Device | null,
    listening: boolean,
  ): Verdict {
    const at = this.#at;
    // A target may send a packet of its own, which comes through here before this one is done.
    const outerHook = at.hook;
    const outerIn = at.inDev;
    const outerOut = at.outDev;
    const outerBudget = at.budget;
    at.hook = hook;
    at.inDev = inDev;
    at.outDev = outDev;
    at.budget = RULE_BUDGET;
    let verdict: Verdict = Verdict.ACCEPT;
    for (let i = first; i < stages.length && verdict === Verdict.ACCEPT; i++)
      verdict = this.#stage(stages[i]!, hook, skb, listening);
    at.hook = outerHook;
    at.inDev = outerIn;
    at.outDev = outerOut;
    at.budget = outerBudget;
    return verdict;
  }

  #stage(stage: Stage, hook: Hook, skb: Skb, listening: boolean): Verdict {
    switch (stage.kind) {
      case 'track': {
        const verdict = this.#tracker.track(skb);
        if (listening) this.#showTracked(skb);
        return verdict === Verdict.ACCEPT ? verdict : this.#tableFull(skb);
      }
      case 'table':
      case 'nft':
        return this.#chain(stage, skb);
      case 'ipvs':
        return this.#ipvs!.hook(hook, skb);
      case 'nat':
        return this.#natStage(stage, hook, skb, listening);
      case 'confirm': {
        const conn = skb.ct;
        if (conn === null || skb.ctInfo !== CtInfo.NEW) return Verdict.ACCEPT;
        const known = (conn.status & 8) !== 0;
        if (this.#tracker.confirm(skb) !== Verdict.ACCEPT) {
          return this.#drop(skb, skb.dropReason as DropReason, 'another connection has the same tuple');
        }
        if (listening && !known) this.#showConn(skb, skb.ct ?? conn, 'confirmed', 'NEW');
        return Verdict.ACCEPT;
      }
    }
  }

  /** The chain of a table or nft stage. */
  #chain(stage: Stage, skb: Skb): Verdict {
    const outcome =
      stage.nft === null ? this.#traversal.run(stage.chain!, stage.table, skb) : this.#nftTraversal.run(stage.nft, skb);
    switch (outcome) {
      case Outcome.DROP: {
        const name = stage.nft === null ? stage.chain!.compiled.name : stage.nft.chain.chain.name;
        return this.#drop(skb, 'NETFILTER_DROP', `table ${stage.table}, chain ${name}`);
      }
      case Outcome.REJECT:
        skb.dropReason = 'NETFILTER_DROP';
        return Verdict.STOLEN;
      case Outcome.EXHAUSTED:
        return this.#drop(skb, 'NETSIM_RULE_BUDGET', `more than ${RULE_BUDGET} rules at one hook`);
      default:
        return Verdict.ACCEPT;
    }
  }

  /** Linux: nf_nat_ipv4_fn and nf_nat_inet_fn. */
  #natStage(stage: Stage, hook: Hook, skb: Skb, listening: boolean): Verdict {
    const conn = skb.ct;
    if (conn === null) return Verdict.ACCEPT;
    const info = skb.ctInfo;
    const nat = this.#nat;
    const isError =
      (info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY) && isIcmpErrorType(skb.protocol, skb.icmpType);
    if (!isError) {
      const manip = manipOf(hook);
      if (info === CtInfo.NEW && !nat.isDone(conn, manip)) {
        const lookups = listening ? stage.lookups : stage.busyLookups;
        for (let i = 0; i < lookups.length && !nat.isDone(conn, manip); i++) {
          const verdict = this.#chain(lookups[i]!, skb);
          if (verdict !== Verdict.ACCEPT) return verdict;
        }
        if (!nat.isDone(conn, manip)) nat.nullBinding(conn, manip);
      } else if (conn.masqueradeDevice !== null && nat.outDeviceChanged(skb, conn, hook, this.#at.outDev)) {
        this.#tracker.table.remove(conn);
        return this.#drop(skb, 'NETFILTER_DROP', 'the masqueraded connection would leave by another device');
      }
    }
    if (!listening) {
      nat.translate(skb, conn, hook);
      return Verdict.ACCEPT;
    }
    const before = { src: skb.src, dst: skb.dst, sport: skb.sport, dport: skb.dport };
    if (nat.translate(skb, conn, hook)) this.#showNat(skb, before, hook);
    return Verdict.ACCEPT;
  }

  #natTarget(skb: Skb, target: NatTarget, at: HookContext): boolean {
    const conn = skb.ct;
    // Linux's targets do nothing, and accept, for a packet without a connection.
    if (conn === null) return true;
    switch (target.kind) {
      case 'DNAT':
        this.#nat.setup(conn, Manip.DST, target.range);
        return true;
      case 'SNAT':
        this.#nat.setup(conn, Manip.SRC, target.range);
        return true;
      case 'MASQUERADE': {
        if (at.outDev === null || skb.src === 0) return true;
        const address = this.#host.masqueradeAddress(at.outDev, skb.dst);
        if (address === undefined) return false;
        conn.masqueradeDevice = at.outDev;
        this.#nat.setup(conn, Manip.SRC, withAddress(target.range, address));
        return true;
      }
      case 'REDIRECT': {
        const v4 = typeof skb.dst === 'number';
        let address: Ip | undefined;
        if (at.hook === Hook.OUTPUT) address = v4 ? 0x7f000001 : 1n;
        else if (at.inDev !== null) address = this.#host.deviceAddress(at.inDev, v4 ? 4 : 6);
        if (address === undefined) return false;
        this.#nat.setup(conn, Manip.DST, withAddress(target.range, address));
        return true;
      }
    }
  }

  #reject(skb: Skb, how: RejectWith, hook: Hook): void {
    this.#host.reject(skb, how, hook);
  }

  #tableFull(skb: Skb): Verdict {
    return this.#drop(skb, 'CONNTRACK_TABLE_FULL', 'nf_conntrack: table full');
  }

  #drop(skb: Skb, reason: DropReason, detail: string): Verdict {
    skb.dropReason = reason;
    const { tracer } = this.#host;
    if (tracer !== null && isFollowed(skb)) {
      tracer.step(this.#host, skb, { kind: 'drop', action: 'dropped', reason, detail });
    }
    return Verdict.DROP;
  }

  #checkSets(ruleset: Ruleset): void {
    const problems = [];
    for (const table of ruleset.tables.values()) {
      const missing = [...(setsOf(table) ?? [])].filter((name) => this.sets.get(name) === undefined);
      if (missing.length === 0) continue;
      for (const chain of table.chains.values()) {
        for (const name of setNames(chain.rules)) {
          if (missing.includes(name)) {
            problems.push({
              line: 0,
              message: `Set ${name} doesn't exist (table ${table.name}, chain ${chain.name})`,
              token: name,
            });
          }
        }
      }
    }
    if (problems.length > 0) throw new IptablesError(problems);
  }

  #showTracked(skb: Skb): void {
    const conn = skb.ct;
    if (conn === null) {
      const state = skb.ctInfo === CtInfo.UNTRACKED ? 'UNTRACKED' : 'INVALID';
      this.#host.tracer!.step(this.#host, skb, { kind: 'conntrack', action: 'lookup', state, original: '', reply: '' });
      return;
    }
    const state =
      skb.ctInfo === CtInfo.NEW
        ? 'NEW'
        : skb.ctInfo === CtInfo.RELATED || skb.ctInfo === CtInfo.RELATED_REPLY
          ? 'RELATED'
          : 'ESTABLISHED';
    this.#showConn(skb, conn, 'lookup', state);
  }

  #showConn(skb: Skb, conn: Conn, action: string, state: string): void {
    this.#host.tracer!.step(this.#host, skb, {
      kind: 'conntrack',
      action,
      state,
      original: tupleText(conn.original),
      reply: tupleText(conn.reply),
    });
  }

  #showNat(skb: Skb, before: { src: Ip; dst: Ip; sport: number; dport: number }, hook: Hook): void {
    const source = manipOf(hook) === Manip.SRC;
    const ports = skb.protocol === 6 || skb.protocol === 17 || skb.protocol === 132;
    const show = (ip: Ip, port: number): string => (ports ? formatEndpoint(ip, port) : formatIp(ip));
    const from = source ? show(before.src, before.sport) : show(before.dst, before.dport);
    const to = source ? show(skb.src, skb.sport) : show(skb.dst, skb.dport);
    if (from === to) return;
    const reply = ctDirection(skb.ctInfo) === 1;
    this.#host.tracer!.step(this.#host, skb, {
      kind: 'nat',
      action: reply ? 'restored' : 'translated',
      direction: source ? 'src' : 'dst',
      from,
      to,
      ...(reply ? { reply } : {}),
    });
  }
}

function withAddress(range: NatRange | undefined, address: Ip): NatRange {
  return { ...range, minAddress: address, maxAddress: address };
}

function setNames(rules: readonly Rule[]): string[] {
  return rules.flatMap((rule) => rule.matches.flatMap((match) => (match.kind === 'set' ? [match.name] : [])));
}

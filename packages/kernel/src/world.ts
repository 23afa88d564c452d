import type { Family, Mac } from '@netsim/wire';
import { Clock } from './clock.ts';
import type { ListenerConfig, NetnsConfig, WorldPlan } from './config.ts';
import type { DropReason } from './drop-reason.ts';
import type { Device } from './net/device.ts';
import { protocolReceive } from './net/ip-input.ts';
import { KernelError } from './net/kernel-error.ts';
import { Netns } from './net/netns.ts';
import { type LazyPort, Segment } from './net/segment.ts';
import type { Tracer } from './netfilter/host.ts';
import { type RandomSource, SeededRandom } from './random.ts';
import { PacketType, Skb } from './skb.ts';
import type { Socket } from './socket/socket.ts';

export interface WorldOptions {
  /** Default 1. */
  readonly seed?: number;
  /** In place of the one made from the seed. */
  readonly random?: RandomSource;
  /** Frames that one {@link World.run} handles; the rest are dropped. Default 1,000,000. */
  readonly runLimit?: number;
}

/** Who wants to know the fate of packets (those with a `trackId`). The skb must not be kept. */
export interface PacketWatcher {
  delivered?(netns: Netns, skb: Skb, socket: Socket): void;
  dropped?(netns: Netns, skb: Skb, reason: DropReason | string): void;
  /** A packet was made because of another: an ICMP error, a RST, an echo reply, a SYN ACK. */
  answered?(netns: Netns, about: Skb, answer: Skb): void;
}

/** Sees each frame at each device, as a capture does. */
export type FrameListener = (netns: Netns, dev: Device, direction: 'in' | 'out', skb: Skb) => void;

/** Frames that wait at once. */
const QUEUE_LIMIT = 65_536;
/** Frames that one {@link World.run} handles, and timers that one {@link World.runUntil} waits for. */
const RUN_LIMIT = 1_000_000;
/** Devices that one packet passes: more than any way with a TTL of 255 on it takes. */
const HOP_LIMIT = 1_024;

/** A machine that is built when the first packet reaches it. */
export interface LazyNode {
  readonly ports: readonly LazyPort[];
  /** Names of the netns that building it makes. */
  readonly names?: readonly string[];
  materialize(): void;
}

/**
 * Some machines and what joins them, with one clock and one random source. Nothing happens by itself: a packet moves in
 * {@link run}, time moves in {@link advance}.
 */
export class World {
  readonly clock = new Clock();
  readonly random: RandomSource;
  /** Listens to every step of every packet. Null: no step is made. */
  tracer: Tracer | null = null;
  watcher: PacketWatcher | null = null;
  frameListener: FrameListener | null = null;
  /** The datagram that a program is being called with: what it sends meanwhile answers it. */
  answering: Skb | null = null;
  /** Families of which the kernel is just sending an ICMP message of its own. */
  readonly icmpInTransmission = new Set<Family>();
  /** Frames handled since the beginning. */
  frames = 0;
  /** Times that all frames had been handled and none was left. */
  rests = 0;
  readonly #netns = new Map<string, Netns>();
  readonly #segments = new Map<string, Segment>();
  readonly #lazy = new Map<string, LazyNode>();
  readonly #macs = new Map<Mac, Mac>();
  #trackId = 0;
  // The softirq queue: a ring of frames, each with the device it arrives at.
  #devices: (Device | null)[] = new Array<Device | null>(1024).fill(null);
  #skbs: (Skb | null)[] = new Array<Skb | null>(1024).fill(null);
  #head = 0;
  #size = 0;
  #running = false;
  readonly #runLimit: number;
  readonly #pool: Skb[] = [];
  /** Last copy of a flood that found nobody, with its identity: reported where no other copy did better. */
  #strayed: { netns: Netns; skb: Skb } | null = null;
  #settled = new Set<number>();

  constructor(options: WorldOptions = {}) {
    this.random = options.random ?? new SeededRandom(options.seed ?? 1);
    this.#runLimit = options.runLimit ?? RUN_LIMIT;
    this.clock.afterTimer = () => {
      this.run();
    };
  }

  // --- what there is -------------------------------------------------------------------------------------------------

  netns(name: string): Netns | undefined {
    const known = this.#netns.get(name);
    if (known !== undefined) return known;
    if (!this.#lazy.has(name)) return undefined;
    this.materialize(name);
    return this.#netns.get(name);
  }
  requireNetns(name: string): Netns {
    const netns = this.netns(name);
    if (netns === undefined) throw new KernelError('ENOENT', `no netns "${name}"`);
    return netns;
  }
  /** Those that were built. */
  allNetns(): Netns[] {
    return [...this.#netns.values()];
  }
  segment(name: string): Segment {
    let segment = this.#segments.get(name);
    if (segment === undefined) {
      segment = new Segment(this, name);
      this.#segments.set(name, segment);
    }
    return segment;
  }

  // --- building ------------------------------------------------------------------------------------------------------

  /** An empty netns: only `lo`, down. */
  addNetns(name: string, machine: string, label: string): Netns {
    if (this.#netns.has(name)) throw new KernelError('EEXIST', `netns "${name}" exists already`);
    const netns = new Netns(this, name, machine, label);
    this.#netns.set(name, netns);
    return netns;
  }

  /** One netns with all of its config. The far ends of its veth pairs must exist already. */
  createNetns(config: NetnsConfig): Netns {
    this.loadNetns([config]);
    return this.#netns.get(config.name)!;
  }

  deleteNetns(name: string): void {
    const netns = this.requireNetns(name);
    for (const dev of netns.links()) if (dev !== netns.lo) netns.delLink(dev.name);
    netns.setDown('lo');
    this.#netns.delete(name);
  }

  /** Makes everything of a plan, beside what is there already. */
  load(plan: WorldPlan): void {
    this.loadNetns(plan.netns);
    for (const { netns, services } of plan.virtualServices ?? []) {
      const ipvs = this.requireNetns(netns).useIpvs();
      for (const service of services) ipvs.setService(service);
    }
    for (const { netns, text } of plan.ipsets ?? []) this.requireNetns(netns).restoreSets(text);
    for (const { netns, ruleset } of plan.rulesets) this.requireNetns(netns).loadRuleset(ruleset);
    for (const { netns, ruleset } of plan.nftRulesets ?? []) this.requireNetns(netns).loadNft(ruleset);
    for (const listener of plan.listeners) this.addListener(listener);
  }

  loadNetns(configs: readonly NetnsConfig[]): void {
    const made = configs.map((config) => this.addNetns(config.name, config.machine, config.label));
    configs.forEach((config, at) => {
      for (const link of config.links) made[at]!.addLink(link);
    });
    configs.forEach((config, at) => {
      made[at]!.configure(config);
    });
  }

  /** A program that accepts connections or takes datagrams, and does nothing with them. */
  addListener(config: ListenerConfig): Socket {
    const netns = this.requireNetns(config.netns);
    const { address, port, program } = config;
    const socket =
      config.protocol === 'tcp'
        ? netns.sockets.tcp.listen({ address, port, program })
        : config.protocol === 'udp'
          ? netns.sockets.udp.bind({ address, port, program })
          : netns.sockets.sctp.listen({ address, port, program });
    if (typeof socket === 'string')
      throw new KernelError(socket, `${config.protocol} port ${port} in ${config.netns}: ${socket}`);
    return socket;
  }

  /** A machine that is not built before a packet reaches one of its ports, or somebody asks for one of its netns by name. */
  addLazyNode(node: LazyNode): void {
    const once: LazyNode = {
      ports: node.ports,
      names: node.names ?? [],
      materialize: () => {
        for (const port of node.ports) this.segment(port.segment).removeLazy(port);
        for (const name of node.names ?? []) this.#lazy.delete(name);
        node.materialize();
      },
    };
    for (const port of node.ports)
      this.segment(port.segment).addLazy({ ...port, mac: this.internMac(port.mac) }, () => once.materialize());
    for (const name of node.names ?? []) this.#lazy.set(name, once);
  }

  /** Builds the lazy machine that has a netns of this name. False where there is none. */
  materialize(name: string): boolean {
    const node = this.#lazy.get(name);
    node?.materialize();
    return node !== undefined;
  }

  /** One string for each MAC, so that comparing two is comparing two pointers. */
  internMac(mac: Mac): Mac {
    const known = this.#macs.get(mac);
    if (known !== undefined) return known;
    this.#macs.set(mac, mac);
    return mac;
  }

  // --- running -------------------------------------------------------------------------------------------------------

  nextTrackId(): number {
    return ++this.#trackId;
  }

  /** A frame arrives at a device: it is handled in its turn. */
  enqueue(dev: Device, skb: Skb): void {
    const capacity = this.#skbs.length;
    if (this.#size === capacity) {
      if (capacity >= QUEUE_LIMIT) {
        dev.netns.drop(skb, 'NETSIM_QUEUE_BUDGET', `more than ${QUEUE_LIMIT} frames wait`);
        return;
      }
      this.#grow();
    }
    const at = (this.#head + this.#size) & (this.#skbs.length - 1);
    this.#devices[at] = dev;
    this.#skbs[at] = skb;
    this.#size++;
  }

  /** Handles frames until none waits. Called again from within (by a socket's program) it does nothing. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      let handled = 0;
      const limit = this.#runLimit;
      while (this.#size > 0) {
        const at = this.#head;
        const dev = this.#devices[at]!;
        const skb = this.#skbs[at]!;
        this.#skbs[at] = null;
        this.#head = (at + 1) & (this.#skbs.length - 1);
        this.#size--;
        if (++handled > limit) dev.netns.drop(skb, 'NETSIM_QUEUE_BUDGET', `more than ${limit} frames in one run`);
        else receiveFrame(this, dev, skb);
      }
      this.frames += handled;
      this.rests++;
    } finally {
      this.#running = false;
    }
    if (this.#strayed !== null) this.#reportStrayed();
  }

  /** Moves time; packets that timers make are handled as they come. */
  advance(ms: number): void {
    this.run();
    this.clock.advance(ms);
  }

  /** Runs, then moves time from timer to timer until `done` or until `maxMs` have passed. True where `done`. */
  runUntil(done: () => boolean, maxMs: number): boolean {
    this.run();
    const end = this.clock.now + maxMs;
    for (let fired = 0; !done() && fired < RUN_LIMIT; fired++) {
      const next = this.clock.next();
      if (next === undefined) break;
      if (next > end) {
        this.clock.advance(end - this.clock.now);
        break;
      }
      this.clock.fireNext();
    }
    return done();
  }

  #grow(): void {
    const capacity = this.#skbs.length;
    const devices = new Array<Device | null>(capacity * 2).fill(null);
    const skbs = new Array<Skb | null>(capacity * 2).fill(null);
    for (let at = 0; at < this.#size; at++) {
      const from = (this.#head + at) & (capacity - 1);
      devices[at] = this.#devices[from]!;
      skbs[at] = this.#skbs[from]!;
    }
    this.#devices = devices;
    this.#skbs = skbs;
    this.#head = 0;
  }

  /** A copy of a flooded frame that was for somebody else. */
  strayed(netns: Netns, skb: Skb): void {
    if (this.tracer !== null || this.watcher !== null) this.#strayed = { netns, skb };
  }
  /** A packet of this identity came to an end that is worth telling. */
  settled(trackId: number): void {
    if (this.#strayed !== null || this.tracer !== null || this.watcher !== null) this.#settled.add(trackId);
  }

  #reportStrayed(): void {
    const { netns, skb } = this.#strayed!;
    this.#strayed = null;
    if (!this.#settled.has(skb.trackId)) netns.drop(skb, 'OTHERHOST', `nobody has ${skb.dstMac}`);
    this.#settled.clear();
  }

  /** A packet header to fill, from those given back where there is one. */
  allocSkb(): Skb {
    return this.#pool.pop() ?? new Skb();
  }
  /** Gives back a packet of {@link allocSkb} that nobody holds any more. */
  freeSkb(skb: Skb): void {
    if (this.#pool.length >= 256) return;
    resetSkb(skb);
    this.#pool.push(skb);
  }
}

/** Makes a header as good as new, as far as one for a tunnel was filled. */
function resetSkb(skb: Skb): void {
  skb.inner = null;
  skb.vni = -1;
  skb.dev = null;
  skb.route = null;
  skb.mark = 0;
  skb.ct = null;
  skb.ctInfo = 0;
  skb.physIn = null;
  skb.physOut = null;
  skb.bridged = false;
  skb.ipvs = false;
  skb.nfTrace = false;
  skb.flooded = false;
  skb.tos = 0;
  skb.id = 0;
  skb.pktType = PacketType.HOST;
  skb.hops = 0;
  skb.dropReason = '';
  skb.socket = null;
  skb.trackId = 0;
}

/** A frame at the device it arrived at (Linux: __netif_receive_skb_core). */
function receiveFrame(world: World, dev: Device, skb: Skb): void {
  if (!dev.up) {
    dev.netns.drop(skb, 'DEV_READY', `${dev.name} is down`);
    return;
  }
  if (++skb.hops > HOP_LIMIT) {
    dev.netns.drop(skb, 'NETSIM_HOP_BUDGET', `passed more than ${HOP_LIMIT} devices`);
    return;
  }
  skb.dev = dev;
  if (world.frameListener !== null) world.frameListener(dev.netns, dev, 'in', skb);
  const { port } = dev;
  if (world.tracer !== null && skb.trackId !== 0 && (dev.kind === 'veth' || dev.kind === 'physical')) {
    if (port !== null || skb.pktType !== PacketType.OTHERHOST) dev.netns.stepReceive(skb, dev);
  }
  if (port !== null) port.bridge.handleFrame(port, skb);
  else protocolReceive(dev, skb);
}

import type { Mac } from '@netsim/wire';
import { cloneSkb, PacketType, type Skb } from '../skb.ts';
import { bridgeFilters, brNfForward, brNfPreRouting, brNfResume } from './br-netfilter.ts';
import { Device, devQueueXmit } from './device.ts';
import { isGroupMac } from './ethernet.ts';
import { protocolReceive } from './ip-input.ts';
import { packetLength } from './length.ts';
import type { Netns } from './netns.ts';
import { FRAME_SLACK } from './veth.ts';

/** Milliseconds after which a learned address is forgotten (Linux: ageing_time, 300 s). */
const AGEING_TIME = 300_000;
/** Addresses that a bridge learns at most. */
const FDB_LIMIT = 65_536;

/** A device enslaved to a bridge (Linux: net_bridge_port). */
export class BridgePort {
  readonly bridge: Bridge;
  readonly dev: Device;
  hairpin = false;
  learning = true;
  constructor(bridge: Bridge, dev: Device) {
    this.bridge = bridge;
    this.dev = dev;
  }
}

/** Where an address is (Linux: net_bridge_fdb_entry). */
export interface BridgeFdbEntry {
  readonly mac: Mac;
  /** Null for an address of the bridge device itself. */
  port: BridgePort | null;
  readonly local: boolean;
  readonly permanent: boolean;
  updated: number;
}

/** An Ethernet bridge (Linux: net/bridge): it is a device of the machine, and joins its ports. */
export class Bridge extends Device {
  readonly kind = 'bridge';
  readonly ports: BridgePort[] = [];
  readonly fdb = new Map<Mac, BridgeFdbEntry>();
  /** Its MAC was chosen; else it is the lowest of its ports (Linux: br_stp_recalculate_bridge_id). */
  readonly #macChosen: boolean;

  constructor(netns: Netns, name: string, mac: Mac | undefined, fallback: Mac, mtu: number) {
    super(netns, name, mac ?? fallback, mtu);
    this.#macChosen = mac !== undefined;
    this.#setLocal(null, this.mac);
  }

  override get carrier(): boolean {
    return this.up && (this.ports.length === 0 || this.ports.some((port) => port.dev.carrier));
  }

  addPort(dev: Device): BridgePort {
    const port = new BridgePort(this, dev);
    dev.port = port;
    this.ports.push(port);
    this.#setLocal(port, dev.mac);
    this.#chooseMac();
    return port;
  }

  removePort(dev: Device): void {
    const at = this.ports.findIndex((port) => port.dev === dev);
    if (at < 0) return;
    const [port] = this.ports.splice(at, 1);
    dev.port = null;
    for (const [mac, entry] of this.fdb) if (entry.port === port) this.fdb.delete(mac);
    this.#chooseMac();
  }

  #setLocal(port: BridgePort | null, mac: Mac): void {
    this.fdb.set(mac, { mac, port, local: true, permanent: true, updated: 0 });
  }

  #chooseMac(): void {
    if (this.#macChosen || this.ports.length === 0) return;
    const lowest = this.ports.map((port) => port.dev.mac).sort()[0]!;
    if (lowest === this.mac) return;
    const old = this.fdb.get(this.mac);
    if (old?.port === null) this.fdb.delete(this.mac);
    this.mac = lowest;
    if (!this.fdb.has(lowest)) this.#setLocal(null, lowest);
  }

  /** Entry of an address that has not aged out. */
  find(mac: Mac): BridgeFdbEntry | undefined {
    const entry = this.fdb.get(mac);
    if (entry !== undefined && !entry.permanent && this.netns.world.clock.now - entry.updated > AGEING_TIME) {
      this.fdb.delete(mac);
      return undefined;
    }
    return entry;
  }

  /** A frame that came in by a port (Linux: br_handle_frame). */
  handleFrame(port: BridgePort, skb: Skb): void {
    if (!this.up) {
      this.netns.drop(skb, 'DEV_READY', `${this.name} is down`);
      return;
    }
    if (skb.dstMac === this.mac) skb.pktType = PacketType.HOST;
    if (this.netns.netfilter !== null && bridgeFilters(this.netns, skb)) {
      if (!brNfPreRouting(this, port, skb)) return;
    }
    this.handleFrameFinish(port, skb);
  }

  /** Learns and decides where the frame goes (Linux: br_handle_frame_finish). */
  handleFrameFinish(port: BridgePort, skb: Skb): void {
    if (port.learning) this.#learn(port, skb.srcMac);
    const { dstMac } = skb;
    if (isGroupMac(dstMac)) {
      this.#passUp(port, cloneSkb(skb));
      this.#flood(port, skb);
      return;
    }
    const entry = this.find(dstMac);
    if (entry === undefined) {
      this.#flood(port, skb);
      return;
    }
    if (entry.local) {
      this.#passUp(port, skb);
      return;
    }
    const to = entry.port!;
    if (to === port && !port.hairpin) {
      this.netns.drop(skb, 'BRIDGE_NO_EGRESS_PORT', `${dstMac} is on the port it came in by, and hairpin is off`);
      return;
    }
    if (this.netns.world.tracer !== null && skb.trackId !== 0) {
      this.netns.step(skb, {
        kind: 'bridge',
        action: 'forward',
        bridge: this.name,
        from: port.dev.name,
        to: to.dev.name,
        mac: dstMac,
      });
    }
    this.#forward(to, port, skb);
  }

  #learn(port: BridgePort, mac: Mac): void {
    const entry = this.fdb.get(mac);
    if (entry !== undefined) {
      if (entry.permanent) return;
      entry.port = port;
      entry.updated = this.netns.world.clock.now;
      return;
    }
    if (isGroupMac(mac) || this.fdb.size >= FDB_LIMIT) return;
    this.fdb.set(mac, { mac, port, local: false, permanent: false, updated: this.netns.world.clock.now });
  }

  /** To the machine's own stack, as if received by the bridge device (Linux: br_pass_frame_up). */
  #passUp(port: BridgePort, skb: Skb): void {
    const { world } = this.netns;
    if (world.tracer !== null && skb.trackId !== 0 && skb.pktType === PacketType.HOST) {
      this.netns.step(skb, {
        kind: 'bridge',
        action: 'local',
        bridge: this.name,
        from: port.dev.name,
        mac: skb.dstMac,
      });
    }
    skb.dev = this;
    if (world.frameListener !== null) world.frameListener(this.netns, this, 'in', skb);
    protocolReceive(this, skb);
  }

  #flood(from: BridgePort | null, skb: Skb): void {
    const { world } = this.netns;
    if (world.tracer !== null && skb.trackId !== 0) {
      this.netns.step(skb, {
        kind: 'bridge',
        action: 'flood',
        bridge: this.name,
        from: from?.dev.name ?? this.name,
        mac: skb.dstMac,
      });
    }
    skb.flooded = true;
    let last: BridgePort | null = null;
    for (const port of this.ports) {
      if ((port === from && !port.hairpin) || !port.dev.up) continue;
      if (last !== null) this.#forward(last, from, cloneSkb(skb));
      last = port;
    }
    if (last !== null) this.#forward(last, from, skb);
    else if (skb.trackId !== 0 && !isGroupMac(skb.dstMac))
      this.netns.drop(skb, 'BRIDGE_NO_EGRESS_PORT', `no port of ${this.name} leads to ${skb.dstMac}`);
  }

  /** Out of a port; `from` is null for a frame that this machine sends itself (Linux: br_forward, br_dev_queue_push_xmit). */
  #forward(to: BridgePort, from: BridgePort | null, skb: Skb): void {
    if (from !== null && this.netns.netfilter !== null && bridgeFilters(this.netns, skb) && !brNfForward(this, to, skb))
      return;
    if (packetLength(skb) > to.dev.mtu + FRAME_SLACK) {
      this.netns.drop(skb, 'PKT_TOO_BIG', `${packetLength(skb)} bytes, mtu ${to.dev.mtu} of ${to.dev.name}`);
      return;
    }
    devQueueXmit(to.dev, skb);
  }

  /** A frame that this machine's own stack sends by the bridge device (Linux: br_dev_xmit). */
  xmit(skb: Skb): void {
    const waited = brNfResume(this, skb);
    if (waited !== null) {
      this.handleFrameFinish(waited, skb);
      return;
    }
    const { dstMac } = skb;
    if (skb.bridgedDnat !== '') {
      // Linux: br_nf_dev_xmit. It is still a bridged frame, so FORWARD and POSTROUTING are ahead of it.
      skb.srcMac = skb.bridgedDnat;
      skb.bridgedDnat = '';
      const port = skb.physIn?.port;
      if (port !== null && port !== undefined && port.bridge === this) {
        skb.dev = port.dev;
        this.handleFrameFinish(port, skb);
        return;
      }
    }
    if (isGroupMac(dstMac)) {
      this.#flood(null, skb);
      return;
    }
    const entry = this.find(dstMac);
    if (entry === undefined || entry.port === null) {
      if (entry?.local === true) this.netns.drop(skb, 'NOT_SPECIFIED', `${dstMac} is the bridge's own address`);
      else this.#flood(null, skb);
      return;
    }
    if (this.netns.world.tracer !== null && skb.trackId !== 0) {
      this.netns.step(skb, {
        kind: 'bridge',
        action: 'forward',
        bridge: this.name,
        from: this.name,
        to: entry.port.dev.name,
        mac: dstMac,
      });
    }
    this.#forward(entry.port, null, skb);
  }
}

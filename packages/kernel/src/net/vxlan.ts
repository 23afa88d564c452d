import { EtherType, formatIp, type Ip, IpProto, type Mac } from '@netsim/wire';
import { cloneSkb, type Skb, scrubSkb } from '../skb.ts';
import { Device } from './device.ts';
import { type Dst, DstKind } from './dst.ts';
import { isGroupMac, packetTypeFor } from './ethernet.ts';
import { ipLocalOut, routeOutput } from './ip-output.ts';
import { packetLength } from './length.ts';
import type { Netns } from './netns.ts';

/** Outer IPv4, UDP and VXLAN headers and the inner Ethernet header. */
const OVERHEAD4 = 50;
const OVERHEAD6 = 70;
const AGEING_TIME = 300_000;
const ALL_ZERO: Mac = '00:00:00:00:00:00';

export interface VxlanFdbEntry {
  readonly mac: Mac;
  /** VTEPs behind the address; several for the all-zero entry (head-end replication). */
  remotes: Ip[];
  readonly permanent: boolean;
  updated: number;
}

export interface VxlanOptions {
  readonly vni: number;
  readonly local: Ip | undefined;
  /** Name of the device under it. */
  readonly lower: string | undefined;
  readonly port: number;
  readonly learning: boolean;
  readonly remote: Ip | undefined;
}

/** A tunnel device that carries frames in UDP (Linux: drivers/net/vxlan; RFC 7348). */
export class Vxlan extends Device {
  readonly kind = 'vxlan';
  readonly options: VxlanOptions;
  /** Family of the outer packets: that of its endpoints, IPv4 where none is given (Linux: VXLAN_F_IPV6). */
  readonly overIpv6: boolean;
  readonly fdb = new Map<Mac, VxlanFdbEntry>();
  /** Routes to VTEPs, while the FIB stays as it is (Linux: dst_cache). */
  readonly #routes = new Map<Ip, Dst>();

  constructor(netns: Netns, name: string, mac: Mac, mtu: number, options: VxlanOptions) {
    super(netns, name, mac, mtu);
    this.options = options;
    this.overIpv6 = typeof (options.local ?? options.remote) === 'bigint';
    if (options.remote !== undefined) this.addFdb(ALL_ZERO, options.remote);
  }

  addFdb(mac: Mac, remote: Ip): void {
    const entry = this.fdb.get(mac);
    if (entry === undefined) this.fdb.set(mac, { mac, remotes: [remote], permanent: true, updated: 0 });
    else if (mac === ALL_ZERO || isGroupMac(mac)) {
      if (!entry.remotes.includes(remote)) entry.remotes.push(remote);
    } else entry.remotes = [remote];
  }

  delFdb(mac: Mac, remote: Ip | undefined): boolean {
    const entry = this.fdb.get(mac);
    if (entry === undefined || (remote !== undefined && !entry.remotes.includes(remote))) return false;
    entry.remotes = remote === undefined ? [] : entry.remotes.filter((other) => other !== remote);
    if (entry.remotes.length === 0) this.fdb.delete(mac);
    return true;
  }

  /** Linux: vxlan_xmit. */
  xmit(skb: Skb): void {
    let entry = this.fdb.get(skb.dstMac);
    if (entry !== undefined && !entry.permanent && this.netns.world.clock.now - entry.updated > AGEING_TIME) {
      this.fdb.delete(skb.dstMac);
      entry = undefined;
    }
    entry ??= this.fdb.get(ALL_ZERO);
    if (entry === undefined || entry.remotes.length === 0) {
      this.netns.drop(skb, 'VXLAN_NO_REMOTE', `${this.name} knows no VTEP for ${skb.dstMac}`);
      return;
    }
    const { remotes } = entry;
    for (let at = 1; at < remotes.length; at++) this.#send(cloneSkb(skb), remotes[at]!);
    this.#send(skb, remotes[0]!);
  }

  /** Linux: vxlan_xmit_one, udp_tunnel_xmit_skb. */
  #send(skb: Skb, remote: Ip): void {
    const { netns, options } = this;
    const { world } = netns;
    const v6 = typeof remote === 'bigint';
    const mark = skb.mark;
    let route = this.#routes.get(remote);
    if (route === undefined || route.generation !== netns.fibGeneration || netns.fibDependsOnFlow) {
      const oif = options.lower === undefined ? null : (netns.device(options.lower) ?? null);
      route = routeOutput(netns, remote, options.local, mark, oif);
      this.#routes.set(remote, route);
    }
    if (route.kind === DstKind.ERROR) {
      netns.drop(skb, 'IP_OUTNOROUTES', `no route to the VTEP ${formatIp(remote)}`);
      return;
    }
    const outer = world.allocSkb();
    outer.etherType = v6 ? EtherType.IPV6 : EtherType.IPV4;
    outer.protocol = IpProto.UDP;
    outer.src = options.local ?? route.src ?? (v6 ? 0n : 0);
    outer.dst = remote;
    outer.ttl = netns.defaultTtl(v6 ? 6 : 4);
    outer.df = false;
    outer.sport = flowSourcePort(netns, skb);
    outer.dport = options.port;
    outer.vni = options.vni;
    outer.mark = mark;
    outer.trackId = skb.trackId;
    outer.hops = skb.hops;
    outer.length = packetLength(skb) + (v6 ? OVERHEAD6 : OVERHEAD4);
    outer.inner = skb;
    if (world.tracer !== null && skb.trackId !== 0) {
      netns.step(skb, {
        kind: 'encap',
        action: 'encapsulated',
        type: 'vxlan',
        device: this.name,
        outerSrc: formatIp(outer.src),
        outerDst: formatIp(remote),
        vni: options.vni,
      });
    }
    scrubSkb(skb, false);
    ipLocalOut(netns, outer, route);
  }

  /** A datagram for its port and VNI (Linux: vxlan_rcv). The frame inside comes in by this device. */
  receive(outer: Skb): void {
    const { netns } = this;
    const { world } = netns;
    const skb = outer.inner!;
    if (!this.up) {
      netns.drop(skb, 'DEV_READY', `${this.name} is down`);
      return;
    }
    // A frame of our own that came back (Linux: vxlan_set_mac).
    if (skb.srcMac === this.mac) {
      netns.drop(skb, 'NOT_SPECIFIED', 'own frame came back');
      return;
    }
    if (this.options.learning) this.#learn(skb.srcMac, outer.src);
    skb.mark = outer.mark;
    skb.hops = outer.hops;
    skb.pktType = packetTypeFor(this, skb);
    if (world.tracer !== null && skb.trackId !== 0) {
      netns.step(skb, {
        kind: 'decap',
        action: 'decapsulated',
        type: 'vxlan',
        device: this.name,
        outerSrc: formatIp(outer.src),
        outerDst: formatIp(outer.dst),
        vni: outer.vni,
      });
    }
    world.freeSkb(outer);
    world.enqueue(this, skb);
  }

  #learn(mac: Mac, remote: Ip): void {
    const entry = this.fdb.get(mac);
    if (entry === undefined) {
      this.fdb.set(mac, { mac, remotes: [remote], permanent: false, updated: this.netns.world.clock.now });
      return;
    }
    if (entry.permanent) return;
    entry.remotes[0] = remote;
    entry.updated = this.netns.world.clock.now;
  }
}

/** A source port that is the same for every packet of a flow (Linux: udp_flow_src_port). */
function flowSourcePort(netns: Netns, skb: Skb): number {
  let hash = mix(0x9e3779b9, typeof skb.src === 'number' ? skb.src : Number(skb.src & 0xffff_ffffn));
  hash = mix(hash, typeof skb.dst === 'number' ? skb.dst : Number(skb.dst & 0xffff_ffffn));
  hash = mix(hash, (skb.sport << 16) | skb.dport);
  hash = mix(hash, skb.protocol);
  const { portMin, portMax } = netns;
  return portMin + ((hash >>> 0) % (portMax - portMin));
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

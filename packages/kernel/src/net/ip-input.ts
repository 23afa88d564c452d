import { EtherType, formatIp, type Ip, IpProto } from '@netsim/wire';
import { Hook, Verdict } from '../hook.ts';
import { PacketType, type Skb } from '../skb.ts';
import { arpReceive } from './arp.ts';
import type { Device } from './device.ts';
import { Dst, DstKind } from './dst.ts';
import type { Route } from './fib.ts';
import { icmpError, icmpReceive } from './icmp.ts';
import { ipOutput } from './ip-output.ts';
import { packetLength } from './length.ts';
import { isLinkLocal6, isMulticast6 } from './ndisc.ts';
import type { Netns } from './netns.ts';

/** Hands a frame that is for this machine to its protocol (Linux: deliver_skb in __netif_receive_skb_core). */
export function protocolReceive(dev: Device, skb: Skb): void {
  if (skb.etherType === EtherType.ARP) {
    if (skb.pktType !== PacketType.OTHERHOST) arpReceive(dev, skb);
    return;
  }
  ipReceive(dev.netns, dev, skb);
}

/** PREROUTING, then routing (Linux: ip_rcv, ip6_rcv). */
function ipReceive(netns: Netns, dev: Device, skb: Skb): void {
  if (skb.pktType === PacketType.OTHERHOST) {
    netns.otherHost(skb);
    return;
  }
  const sabotaged = skb.bridged;
  skb.bridged = false;
  if (
    !sabotaged &&
    netns.netfilter !== null &&
    netns.netfilter.hook(Hook.PREROUTING, skb, dev, null) !== Verdict.ACCEPT
  ) {
    netns.filtered(skb);
    return;
  }
  let route = skb.route;
  skb.iif = route === null ? dev : route.dev;
  if (route === null) {
    route = routeInput(netns, dev, skb);
    if (route === null) return;
    skb.route = route;
  }
  dstInput(netns, dev, skb, route);
}

/** Goes where the route decided (Linux: dst_input). */
function dstInput(netns: Netns, dev: Device, skb: Skb, route: Dst): void {
  switch (route.kind) {
    case DstKind.UNICAST:
      ipForward(netns, dev, skb, route);
      return;
    case DstKind.ERROR:
      ipError(netns, dev, skb, route);
      return;
    default:
      ipLocalDeliver(netns, dev, skb, route);
  }
}

/**
 * Decides what to do with a packet that came in (Linux: ip_route_input_slow, ip6_route_input). Null: it was a martian
 * or failed the reverse path filter, and is dropped already.
 */
export function routeInput(netns: Netns, dev: Device, skb: Skb): Dst | null {
  if (dev.inputGeneration !== netns.fibGeneration) {
    dev.inputRoutes.clear();
    dev.validSources.clear();
    dev.inputGeneration = netns.fibGeneration;
  }
  const { src, dst } = skb;
  const fib = typeof dst === 'number' ? netns.fib4 : netns.fib6;
  if (!fib.dependsOnFlow) {
    const known = dev.inputRoutes.get(dst);
    if (known !== undefined && dev.validSources.has(src)) return known;
  }
  if (typeof dst === 'number') {
    if (typeof src !== 'number') return null;
    return routeInput4(netns, dev, skb, src, dst, !fib.dependsOnFlow);
  }
  return routeInput6(netns, dev, skb, dst, !fib.dependsOnFlow);
}

/** Entries kept per device and cache; reaching it empties the cache. */
const CACHE_LIMIT = 65_536;

function keep(dev: Device, dst: Ip, src: Ip, decided: Dst): void {
  if (dev.inputRoutes.size >= CACHE_LIMIT) dev.inputRoutes.clear();
  if (dev.validSources.size >= CACHE_LIMIT) dev.validSources.clear();
  dev.inputRoutes.set(dst, decided);
  dev.validSources.add(src);
}

function routeInput4(netns: Netns, dev: Device, skb: Skb, src: number, dst: number, cacheable: boolean): Dst | null {
  const generation = netns.fibGeneration;
  const localnet = netns.sysctls.device(4, dev.name, 'route_localnet', 'or') !== 0;
  if (src >>> 28 === 14 || src === -1) return martian(netns, skb, 'IP_INVALID_SOURCE');
  const toAll = dst === -1 || (src === 0 && dst === 0);
  if (!toAll) {
    if (src >>> 24 === 0) return martian(netns, skb, 'IP_INVALID_SOURCE');
    if (dst >>> 24 === 0) return martian(netns, skb, 'IP_INVALID_DEST');
    if (dst >>> 24 === 127 && !localnet) return martian(netns, skb, 'IP_LOCALNET');
    if (src >>> 24 === 127 && !localnet) return martian(netns, skb, 'IP_LOCALNET');
  }
  if (toAll) return new Dst(DstKind.BROADCAST, dev, undefined, undefined, '', dev.mtu, null, generation);
  if (dst >>> 28 === 14) {
    netns.drop(skb, 'NOT_SPECIFIED', 'no member of the multicast group');
    return null;
  }
  const flow = { dst, src, mark: skb.mark, iif: dev.name, oif: null };
  const route = netns.fib4.lookup(flow);
  if (route === undefined) return failure(netns, dev, skb, undefined);
  if (route.type === 'broadcast') {
    return new Dst(DstKind.BROADCAST, dev, undefined, undefined, '', dev.mtu, route, generation);
  }
  const known = dev.validSources.has(src) && cacheable;
  if (route.type === 'local') {
    if (!known && !validateSource(netns, dev, skb, src)) return null;
    const decided = new Dst(DstKind.LOCAL, netns.lo, undefined, undefined, '', netns.lo.mtu, route, generation);
    if (cacheable) keep(dev, dst, src, decided);
    return decided;
  }
  if (!netns.forwarding4(dev) || route.type !== 'unicast' || route.dev === null) return failure(netns, dev, skb, route);
  if (!known && !validateSource(netns, dev, skb, src)) return null;
  const decided = new Dst(DstKind.UNICAST, route.dev, route.via, undefined, '', route.dev.mtu, route, generation);
  if (cacheable) keep(dev, dst, src, decided);
  return decided;
}

function routeInput6(netns: Netns, dev: Device, skb: Skb, dst: bigint, cacheable: boolean): Dst | null {
  const generation = netns.fibGeneration;
  if (dst === 1n || skb.src === 1n) return martian(netns, skb, 'IP_INADDRERRORS');
  if (isMulticast6(dst)) return new Dst(DstKind.MULTICAST, dev, undefined, undefined, '', dev.mtu, null, generation);
  const onLink = isLinkLocal6(dst);
  const route = netns.fib6.lookup({ dst, src: skb.src, mark: skb.mark, iif: dev.name, oif: onLink ? dev : null });
  if (route === undefined) return failure(netns, dev, skb, undefined);
  if (route.type === 'local' || route.type === 'anycast') {
    const decided = new Dst(DstKind.LOCAL, netns.lo, undefined, undefined, '', netns.lo.mtu, route, generation);
    if (cacheable) keep(dev, dst, skb.src, decided);
    return decided;
  }
  if (!netns.forwarding6(dev) || route.type !== 'unicast' || route.dev === null || onLink)
    return failure(netns, dev, skb, route);
  const decided = new Dst(DstKind.UNICAST, route.dev, route.via, undefined, '', route.dev.mtu, route, generation);
  if (cacheable) keep(dev, dst, skb.src, decided);
  return decided;
}

function failure(netns: Netns, dev: Device, skb: Skb, route: Route | undefined): Dst {
  const v6 = typeof skb.dst === 'bigint';
  let error: Dst['error'] = 'ENETUNREACH';
  if (!(v6 ? netns.forwarding6(dev) : netns.forwarding4(dev))) error = 'EHOSTUNREACH';
  else if (route?.type === 'blackhole') error = 'EINVAL';
  else if (route?.type === 'unreachable') error = 'EHOSTUNREACH';
  else if (route?.type === 'prohibit') error = 'EACCES';
  return new Dst(DstKind.ERROR, netns.lo, undefined, undefined, error, 0, route ?? null, netns.fibGeneration);
}

function martian(
  netns: Netns,
  skb: Skb,
  reason: 'IP_INVALID_SOURCE' | 'IP_INVALID_DEST' | 'IP_LOCALNET' | 'IP_INADDRERRORS',
): null {
  netns.drop(skb, reason, `martian: ${formatIp(skb.src)} to ${formatIp(skb.dst)}`);
  return null;
}

/** Linux: fib_validate_source. False: the packet was dropped. */
function validateSource(netns: Netns, dev: Device, skb: Skb, src: number): boolean {
  const mode = netns.sysctls.device(4, dev.name, 'rp_filter', 'max');
  const acceptLocal = netns.sysctls.device(4, dev.name, 'accept_local', 'or') !== 0;
  if (mode === 0 && (acceptLocal || !netns.fib4.hasCustomRules)) {
    if (!acceptLocal && netns.isInterfaceAddress(src)) {
      netns.drop(skb, 'IP_INVALID_SOURCE', `${formatIp(src)} is an address of this machine`);
      return false;
    }
    return true;
  }
  const verdict = reversePath(netns, dev, skb, mode, acceptLocal);
  if (verdict === 'ok') return true;
  if (verdict === 'martian') netns.drop(skb, 'IP_INVALID_SOURCE', `${formatIp(src)} is an address of this machine`);
  else netns.drop(skb, 'IP_RPFILTER', `the way back to ${formatIp(src)} is not by ${dev.name}`);
  return false;
}

/** Linux: __fib_validate_source. `mode`: 0 off, 1 strict, 2 loose. */
function reversePath(
  netns: Netns,
  dev: Device,
  skb: Skb,
  mode: number,
  acceptLocal: boolean,
): 'ok' | 'martian' | 'fail' {
  const mark = netns.sysctls.device(4, dev.name, 'src_valid_mark', 'or') !== 0 ? skb.mark : 0;
  const flow = { dst: skb.src, src: skb.dst, mark, iif: undefined, oif: null };
  const route = netns.fib4.lookup(flow);
  const reachable = route !== undefined && isReachable(route);
  if (reachable) {
    if (route.type !== 'unicast' && !(route.type === 'local' && acceptLocal)) return 'martian';
    if (route.dev === dev) return 'ok';
    if (dev.addresses.some((address) => typeof address.address === 'number')) {
      if (mode === 1) return 'fail';
      const byDev = netns.fib4.lookup({ ...flow, oif: dev });
      if (byDev !== undefined && byDev.type === 'unicast') return 'ok';
    }
  }
  // Linux: last_resort. A loose filter wants some route, and there is one where `reachable`.
  if (mode === 0) return 'ok';
  return mode === 2 && reachable ? 'ok' : 'fail';
}

function isReachable(route: Route): boolean {
  return route.type === 'unicast' || route.type === 'local' || route.type === 'broadcast' || route.type === 'anycast';
}

/** Linux: ip_forward, ip6_forward. */
function ipForward(netns: Netns, dev: Device, skb: Skb, route: Dst): void {
  if (skb.pktType !== PacketType.HOST) {
    netns.drop(skb, 'NOT_SPECIFIED', 'not sent to this machine by unicast');
    return;
  }
  const { world } = netns;
  if (world.tracer !== null && skb.trackId !== 0) netns.stepRoute(skb, 'forward', route);
  if (skb.ttl <= 1) {
    icmpError(netns, skb, 'ttl-exceeded');
    netns.drop(skb, 'TTL_EXPIRED', 'TTL reached 0');
    return;
  }
  if (packetLength(skb) > route.mtu && (typeof skb.dst === 'bigint' || skb.df)) {
    icmpError(netns, skb, 'too-big', route.mtu);
    netns.drop(skb, 'PKT_TOO_BIG', `${packetLength(skb)} bytes, mtu ${route.mtu} of ${route.dev.name}`);
    return;
  }
  skb.ttl--;
  if (netns.netfilter !== null) {
    const verdict = netns.netfilter.hook(Hook.FORWARD, skb, dev, route.dev);
    if (verdict !== Verdict.ACCEPT) {
      if (verdict !== Verdict.SENT) netns.filtered(skb);
      return;
    }
  }
  ipOutput(netns, skb, route, dev);
}

/** No way on: says so to the sender if this machine forwards at all (Linux: ip_error, ip6_pkt_discard). */
function ipError(netns: Netns, dev: Device, skb: Skb, route: Dst): void {
  const v6 = typeof skb.dst === 'bigint';
  if (netns.world.tracer !== null && skb.trackId !== 0) netns.stepRoute(skb, 'unreachable', route);
  if (!(v6 ? netns.forwarding6(dev) : netns.forwarding4(dev))) {
    netns.drop(
      skb,
      'IP_INADDRERRORS',
      `${formatIp(skb.dst)} is not an address of this machine, and it does not forward`,
    );
    return;
  }
  switch (route.error) {
    case 'EHOSTUNREACH':
      icmpError(netns, skb, v6 ? 'net-unreachable' : 'host-unreachable');
      break;
    case 'ENETUNREACH':
      icmpError(netns, skb, 'net-unreachable');
      break;
    case 'EACCES':
      icmpError(netns, skb, 'admin-prohibited');
      break;
    default:
  }
  netns.drop(skb, 'IP_INNOROUTES', `no route to ${formatIp(skb.dst)}`);
}

/** INPUT, then the protocol (Linux: ip_local_deliver). */
function ipLocalDeliver(netns: Netns, dev: Device, skb: Skb, route: Dst): void {
  const { world } = netns;
  if (world.tracer !== null && skb.trackId !== 0) netns.stepRoute(skb, 'local', route);
  if (netns.netfilter !== null) {
    const verdict = netns.netfilter.hook(Hook.INPUT, skb, dev, null);
    if (verdict !== Verdict.ACCEPT) {
      if (verdict !== Verdict.SENT) netns.filtered(skb);
      return;
    }
  }
  skb.dev = dev;
  const { sockets } = netns;
  switch (skb.protocol) {
    case IpProto.UDP:
      sockets.udp.receive(skb);
      return;
    case IpProto.TCP:
      sockets.tcp.receive(skb);
      return;
    case IpProto.ICMP:
    case IpProto.ICMPV6:
      icmpReceive(netns, skb);
      return;
    case IpProto.SCTP:
      sockets.sctp.receive(skb);
      return;
    default:
      icmpError(netns, skb, 'proto-unreachable');
      netns.drop(skb, 'IP_NOPROTO', `protocol ${skb.protocol}`);
  }
}

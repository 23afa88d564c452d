import { formatIp, type Ip, type Mac } from '@netsim/wire';
import { Hook, Verdict } from '../hook.ts';
import { PacketType, type Skb } from '../skb.ts';
import type { Errno } from '../socket/errno.ts';
import { type Device, devQueueXmit } from './device.ts';
import { Dst, DstKind } from './dst.ts';
import { formatRoute } from './fib.ts';
import { icmpError } from './icmp.ts';
import { packetLength } from './length.ts';
import { isMulticast6, xmitMulticast6 } from './ndisc.ts';
import { neighOutput } from './neighbour.ts';
import type { Netns } from './netns.ts';

/**
 * Decides the way of a packet that a local sender makes (Linux: ip_route_output_key_hash_rcu, ip6_route_output).
 * `src` undefined lets the route choose the source address. Decisions are kept until the FIB changes.
 */
export function routeOutput(netns: Netns, dst: Ip, src: Ip | undefined, mark: number, oif: Device | null): Dst {
  const fib = typeof dst === 'number' ? netns.fib4 : netns.fib6;
  const cacheable = oif === null && !fib.dependsOnFlow;
  if (cacheable) {
    const known = netns.outputRoutes.get(dst);
    if (known !== undefined && known.generation === netns.fibGeneration) return known;
  }
  const decided = decideOutput(netns, dst, src, mark, oif);
  return cacheable ? netns.keepOutputRoute(dst, decided) : decided;
}

function decideOutput(netns: Netns, dst: Ip, src: Ip | undefined, mark: number, oif: Device | null): Dst {
  const v6 = typeof dst === 'bigint';
  const fib = v6 ? netns.fib6 : netns.fib4;
  const generation = netns.fibGeneration;
  if (v6 ? isMulticast6(dst) : dst >>> 28 === 14 || dst === -1) {
    const dev = oif ?? fib.lookup({ dst, src, mark, iif: undefined, oif: null })?.dev ?? netns.firstDevice();
    const kind = dst === -1 ? DstKind.BROADCAST : DstKind.MULTICAST;
    return new Dst(kind, dev, undefined, netns.selectAddress(dev, dst, 'global'), '', dev.mtu, null, generation);
  }
  const target = dst === 0 ? 0x7f000001 : dst === 0n ? 1n : dst;
  const route = fib.lookup({ dst: target, src, mark, iif: undefined, oif });
  if (route === undefined) {
    // Linux: with a device given the destination is taken to be on its link.
    if (oif !== null && !v6)
      return new Dst(
        DstKind.UNICAST,
        oif,
        undefined,
        netns.selectAddress(oif, dst, 'link'),
        '',
        oif.mtu,
        null,
        generation,
      );
    return new Dst(DstKind.ERROR, netns.lo, undefined, undefined, 'ENETUNREACH', 0, null, generation);
  }
  switch (route.type) {
    case 'local':
    case 'anycast': {
      const own = route.src ?? target;
      return new Dst(DstKind.LOCAL, netns.lo, undefined, own, '', netns.lo.mtu, route, generation);
    }
    case 'blackhole':
      return new Dst(DstKind.ERROR, netns.lo, undefined, undefined, 'EINVAL', 0, route, generation);
    case 'unreachable':
    case 'throw':
      return new Dst(
        DstKind.ERROR,
        netns.lo,
        undefined,
        undefined,
        v6 && route.type === 'throw' ? 'ENETUNREACH' : 'EHOSTUNREACH',
        0,
        route,
        generation,
      );
    case 'prohibit':
      return new Dst(DstKind.ERROR, netns.lo, undefined, undefined, 'EACCES', 0, route, generation);
    default: {
      const dev = route.dev ?? netns.lo;
      const source =
        route.src ?? netns.selectAddress(dev, v6 ? dst : (route.via ?? 0), route.scope === 'link' ? 'link' : 'global');
      const kind =
        route.type === 'broadcast'
          ? DstKind.BROADCAST
          : route.type === 'multicast'
            ? DstKind.MULTICAST
            : DstKind.UNICAST;
      return new Dst(kind, dev, route.via, source, '', netns.pathMtu(dst, dev), route, generation);
    }
  }
}

/**
 * Sends a packet that this netns made: OUTPUT, route again where a rule changed the destination, POSTROUTING, neighbour
 * (Linux: ip_local_out, ip_route_me_harder, ip_output). Returns what the sending call would see: '' or an error.
 */
export function ipLocalOut(netns: Netns, skb: Skb, dst: Dst): Errno | '' {
  let way = dst;
  skb.route = way;
  skb.dev = way.dev;
  const { world, netfilter } = netns;
  if (skb.trackId !== 0) {
    if (world.tracer !== null) {
      netns.stepSend(skb, way.dev);
      netns.stepRoute(skb, 'output', way);
    }
  }
  if (netfilter !== null) {
    const to = skb.dst;
    const { src, mark } = skb;
    const verdict = netfilter.hook(Hook.OUTPUT, skb, null, way.dev);
    if (verdict !== Verdict.ACCEPT) {
      if (verdict === Verdict.SENT) return '';
      netns.filtered(skb);
      return 'EPERM';
    }
    if (skb.dst !== to || (skb.mark !== mark && netns.fibDependsOnFlow) || skb.src !== src) {
      way = routeOutput(netns, skb.dst, skb.src, skb.mark, null);
      if (way.kind === DstKind.ERROR) {
        netns.drop(skb, 'IP_OUTNOROUTES', `no route to ${formatIp(skb.dst)}`);
        return way.error === '' ? 'EPERM' : way.error;
      }
      skb.route = way;
      skb.dev = way.dev;
      if (world.tracer !== null && skb.trackId !== 0) netns.stepRoute(skb, 'output', way);
    }
  }
  return ipOutput(netns, skb, way, null);
}

/** POSTROUTING and out (Linux: ip_output, ip_finish_output). `inDev` is where a forwarded packet came in. */
export function ipOutput(netns: Netns, skb: Skb, dst: Dst, inDev: Device | null): Errno | '' {
  const { dev } = dst;
  skb.dev = dev;
  if (netns.netfilter !== null && netns.netfilter.hook(Hook.POSTROUTING, skb, inDev, dev) !== Verdict.ACCEPT) {
    netns.filtered(skb);
    return 'EPERM';
  }
  if (packetLength(skb) > dst.mtu && tooBig(netns, skb, dst)) return 'EMSGSIZE';
  switch (dst.kind) {
    case DstKind.LOCAL:
      devQueueXmit(dev, skb);
      return '';
    case DstKind.UNICAST:
      neighOutput(dst, skb);
      return '';
    case DstKind.MULTICAST:
      if (typeof skb.dst === 'bigint') xmitMulticast6(dev, skb);
      else {
        skb.srcMac = dev.mac;
        skb.dstMac = multicastMac4(skb.dst);
        devQueueXmit(dev, skb);
      }
      return '';
    default:
      skb.srcMac = dev.mac;
      skb.dstMac = 'ff:ff:ff:ff:ff:ff';
      devQueueXmit(dev, skb);
      return '';
  }
}

/** A packet longer than its way allows. Fragments are not modelled: one that may be cut goes on whole. */
function tooBig(netns: Netns, skb: Skb, dst: Dst): boolean {
  const mayCut = typeof skb.dst === 'number' && !skb.df;
  if (mayCut) return false;
  icmpError(netns, skb, 'too-big', dst.mtu);
  netns.drop(skb, 'PKT_TOO_BIG', `${packetLength(skb)} bytes, mtu ${dst.mtu} of ${dst.dev.name}`);
  return true;
}

function multicastMac4(ip: number): Mac {
  const hex = (value: number): string => (value & 255).toString(16).padStart(2, '0');
  return `01:00:5e:${hex((ip >>> 16) & 127)}:${hex(ip >>> 8)}:${hex(ip)}`;
}

/** Sends neighbour discovery: past the FIB, out of the device it is about, through OUTPUT and POSTROUTING. */
export function ipLocalOutTo(netns: Netns, dev: Device, skb: Skb, mac: Mac): void {
  skb.dev = dev;
  const { netfilter } = netns;
  if (
    netfilter !== null &&
    (netfilter.hook(Hook.OUTPUT, skb, null, dev) !== Verdict.ACCEPT ||
      netfilter.hook(Hook.POSTROUTING, skb, null, dev) !== Verdict.ACCEPT)
  ) {
    netns.filtered(skb);
    return;
  }
  skb.srcMac = dev.mac;
  skb.dstMac = mac;
  skb.pktType = PacketType.HOST;
  devQueueXmit(dev, skb);
}

/** How a route is shown in a trace. */
export function describeRoute(dst: Dst): string | undefined {
  return dst.route === null ? undefined : formatRoute(dst.route);
}

import { EtherType, formatIp } from '@netsim/wire';
import { Hook, Verdict } from '../hook.ts';
import { PacketType, type Skb } from '../skb.ts';
import type { Bridge, BridgePort } from './bridge.ts';
import { DstKind } from './dst.ts';
import { routeInput } from './ip-input.ts';
import { routeOutput } from './ip-output.ts';
import { Nud, neighbourOf } from './neighbour.ts';
import type { Netns } from './netns.ts';

/**
 * Bridged IP packets seen by iptables, as Linux's net/bridge/br_netfilter_hooks.c does it: PREROUTING as a frame comes in,
 * FORWARD and POSTROUTING as it is bridged on. The device that rules see is the bridge; the ports are for `-m physdev`.
 */
export function bridgeFilters(netns: Netns, skb: Skb): boolean {
  if (skb.etherType === EtherType.IPV4) return netns.bridgeCallIptables;
  return skb.etherType === EtherType.IPV6 && netns.bridgeCallIp6tables;
}

/**
 * PREROUTING. False: the packet is gone, or goes its own way. Where a rule gave it another destination it is routed here:
 * one that is on this same bridge is bridged there, with its TTL as it was; any other is handed to the stack.
 */
export function brNfPreRouting(bridge: Bridge, port: BridgePort, skb: Skb): boolean {
  const { netns } = bridge;
  const otherHost = skb.pktType === PacketType.OTHERHOST;
  if (otherHost) skb.pktType = PacketType.HOST;
  skb.physIn = port.dev;
  skb.dev = bridge;
  const before = skb.dst;
  if (netns.netfilter!.hook(Hook.PREROUTING, skb, bridge, null) !== Verdict.ACCEPT) {
    netns.filtered(skb);
    return false;
  }
  skb.bridged = true;
  if (otherHost) skb.pktType = PacketType.OTHERHOST;
  if (skb.dst === before) return true;
  if (otherHost) skb.pktType = PacketType.HOST;
  return redirected(bridge, port, skb);
}

function redirected(bridge: Bridge, port: BridgePort, skb: Skb): boolean {
  const { netns } = bridge;
  let route = routeInput(netns, bridge, skb);
  if (route === null) return false;
  if (route.kind === DstKind.ERROR) {
    // Bridged and translated traffic needs no forwarding, where the new destination is on the bridge.
    const v6 = typeof skb.dst === 'bigint';
    if (v6 ? netns.forwarding6(bridge) : netns.forwarding4(bridge)) {
      netns.drop(skb, 'IP_INNOROUTES', `no route to ${formatIp(skb.dst)}`);
      return false;
    }
    route = routeOutput(netns, skb.dst, undefined, 0, null);
    if (route.kind === DstKind.ERROR || route.dev !== bridge) {
      netns.drop(skb, 'IP_INNOROUTES', `no route to ${formatIp(skb.dst)}`);
      return false;
    }
  }
  if (route.kind !== DstKind.UNICAST || route.dev !== bridge) {
    skb.route = route;
    skb.dstMac = bridge.mac;
    skb.pktType = PacketType.HOST;
    return true;
  }
  const neigh = neighbourOf(bridge, route.gateway ?? skb.dst);
  const state = neigh.currentState();
  if ((state & (Nud.REACHABLE | Nud.PERMANENT | Nud.NOARP | Nud.STALE | Nud.DELAY | Nud.PROBE)) !== 0) {
    skb.dstMac = neigh.mac;
    skb.dev = port.dev;
    return true;
  }
  // Linux: br_nf_pre_routing_finish_bridge. Once the address is known the frame comes back through the bridge's own xmit.
  skb.bridgedDnat = skb.srcMac;
  neigh.resolve(skb);
  return false;
}

/**
 * The port to go on from for a packet that waited for the neighbour of its new destination; null for any other packet
 * that the bridge device is asked to send (Linux: br_nf_dev_xmit, br_nf_pre_routing_finish_bridge_slow).
 */
export function brNfResume(bridge: Bridge, skb: Skb): BridgePort | null {
  if (skb.bridgedFrom === '') return null;
  const port = skb.physIn?.port ?? null;
  skb.srcMac = skb.bridgedFrom;
  skb.bridgedFrom = '';
  return port !== null && port.bridge === bridge ? port : null;
}

/** FORWARD, then POSTROUTING of a frame that is bridged on to `to`. False: the packet is gone. */
export function brNfForward(bridge: Bridge, to: BridgePort, skb: Skb): boolean {
  const { netns } = bridge;
  // Only what came in by PREROUTING here carries a physical port (Linux: nf_bridge_info_get).
  if (skb.physIn === null) return true;
  skb.physOut = to.dev;
  const type = skb.pktType;
  skb.pktType = PacketType.HOST;
  if (netns.netfilter!.hook(Hook.FORWARD, skb, bridge, bridge) !== Verdict.ACCEPT) {
    netns.filtered(skb);
    return false;
  }
  if (netns.netfilter!.hook(Hook.POSTROUTING, skb, bridge, bridge) !== Verdict.ACCEPT) {
    netns.filtered(skb);
    return false;
  }
  skb.pktType = type;
  return true;
}

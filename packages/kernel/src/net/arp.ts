import { BROADCAST_MAC, EtherType, type Ip, type Mac } from '@netsim/wire';
import { Skb } from '../skb.ts';
import { type Device, devQueueXmit } from './device.ts';
import { Nud, neighbourOf } from './neighbour.ts';

const ArpOp = { REQUEST: 1, REPLY: 2 } as const;

function arpPacket(dev: Device, op: number, target: Ip, sender: Ip, targetMac: Mac, frameTo: Mac): Skb {
  const skb = new Skb();
  skb.etherType = EtherType.ARP;
  skb.arpOp = op;
  skb.dst = target;
  skb.src = sender;
  skb.arpSenderMac = dev.mac;
  skb.arpTargetMac = targetMac;
  skb.srcMac = dev.mac;
  skb.dstMac = frameTo;
  skb.ttl = 0;
  return skb;
}

/** Asks who has an address (Linux: arp_solicit with arp_announce 0: the source of the waiting packet, where it is ours). */
export function arpSolicit(dev: Device, target: number, to: Mac, waiting: Skb | null): void {
  const { netns } = dev;
  let sender: Ip | undefined;
  if (waiting !== null && typeof waiting.src === 'number' && netns.isLocal(waiting.src)) sender = waiting.src;
  sender ??= netns.selectAddress(dev, target, 'link');
  devQueueXmit(dev, arpPacket(dev, ArpOp.REQUEST, target, sender ?? 0, '00:00:00:00:00:00', to));
}

/** Answers requests for local addresses and learns from replies (Linux: arp_process). */
export function arpReceive(dev: Device, skb: Skb): void {
  const { src, dst } = skb;
  if (typeof src !== 'number' || typeof dst !== 'number' || dev.noArp) return;
  if (skb.arpOp === ArpOp.REQUEST) {
    if (!answers(dev, dst, src)) {
      // Not for us, but it may tell of a new MAC behind an address that we know: a gratuitous ARP does.
      const known = dev.neighbours.get(src);
      if (known !== undefined && (known.state & (Nud.PERMANENT | Nud.NOARP)) === 0)
        known.update(skb.arpSenderMac, Nud.STALE);
      return;
    }
    if (src !== 0) {
      const neigh = neighbourOf(dev, src);
      if ((neigh.state & (Nud.PERMANENT | Nud.NOARP)) === 0) {
        // Linux: neigh_event_ns. A known entry with the same address stays as fresh as it is.
        if (neigh.mac !== skb.arpSenderMac || (neigh.currentState() & (Nud.REACHABLE | Nud.DELAY | Nud.PROBE)) === 0) {
          neigh.update(skb.arpSenderMac, Nud.STALE);
        }
      }
    }
    devQueueXmit(dev, arpPacket(dev, ArpOp.REPLY, src, dst, skb.arpSenderMac, skb.arpSenderMac));
    return;
  }
  const neigh = dev.neighbours.get(src);
  if (neigh === undefined || (neigh.state & (Nud.PERMANENT | Nud.NOARP)) !== 0) return;
  neigh.update(skb.arpSenderMac, skb.dstMac === BROADCAST_MAC ? Nud.STALE : Nud.REACHABLE);
}

/** Linux: arp_process with arp_ignore and proxy_arp. */
function answers(dev: Device, target: number, sender: number): boolean {
  const { netns } = dev;
  if (dev.announced.has(target)) return true;
  if (netns.isLocal(target)) {
    if (target >>> 24 === 127) return false;
    const ignore = netns.sysctls.device(4, dev.name, 'arp_ignore', 'max');
    if (ignore === 0) return true;
    const own = dev.addresses.find((address) => address.address === target);
    if (ignore === 1) return own !== undefined;
    if (ignore === 2) {
      return (
        own !== undefined && typeof own.address === 'number' && (own.address ^ sender) >>> (32 - own.prefixLength) === 0
      );
    }
    return ignore !== 8;
  }
  if (netns.sysctls.device(4, dev.name, 'proxy_arp', 'or') === 0 || !netns.forwarding4(dev)) return false;
  const route = netns.fib4.lookup({ dst: target, src: sender, mark: 0, iif: dev.name, oif: null });
  return route !== undefined && route.type === 'unicast' && route.dev !== dev;
}

/** Tells everybody on the link that an address is behind this device (gratuitous ARP, RFC 5227, 3). */
export function arpAnnounce(dev: Device, ip: number): void {
  devQueueXmit(dev, arpPacket(dev, ArpOp.REQUEST, ip, ip, '00:00:00:00:00:00', BROADCAST_MAC));
}

import type { PacketSummary, Step } from '@netsim/trace';
import { formatIp, IpProto, protocolName, TcpFlag } from '@netsim/wire';
import type { Skb } from '../skb.ts';
import type { Dst } from './dst.ts';
import { icmpName } from './icmp.ts';
import { describeRoute } from './ip-output.ts';
import { packetLength } from './length.ts';

/** The header fields of a packet as a trace shows them. */
export function packetSummary(skb: Skb): PacketSummary {
  const summary = {
    src: formatIp(skb.src),
    dst: formatIp(skb.dst),
    protocol: skb.protocol === IpProto.ICMPV6 ? 'icmpv6' : protocolName(skb.protocol),
    ttl: skb.ttl,
    length: packetLength(skb),
  };
  switch (skb.protocol) {
    case IpProto.TCP:
      return { ...summary, sport: skb.sport, dport: skb.dport, info: flagNames(skb.flags) };
    case IpProto.UDP:
      return skb.vni >= 0
        ? { ...summary, sport: skb.sport, dport: skb.dport, info: 'vxlan' }
        : { ...summary, sport: skb.sport, dport: skb.dport };
    case IpProto.SCTP:
      return { ...summary, sport: skb.sport, dport: skb.dport };
    case IpProto.ICMP:
    case IpProto.ICMPV6:
      return { ...summary, info: icmpName(skb) };
    default:
      return summary;
  }
}

const flags: readonly (readonly [number, string])[] = [
  [TcpFlag.SYN, 'SYN'],
  [TcpFlag.FIN, 'FIN'],
  [TcpFlag.RST, 'RST'],
  [TcpFlag.PSH, 'PSH'],
  [TcpFlag.ACK, 'ACK'],
];
function flagNames(bits: number): string {
  return flags
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(',');
}

export function routeStep(skb: Skb, action: 'forward' | 'local' | 'unreachable' | 'output', dst: Dst): Step {
  const route = describeRoute(dst);
  return {
    kind: 'route',
    action,
    destination: formatIp(skb.dst),
    ...(route === undefined ? {} : { route }),
    ...(action === 'unreachable' || action === 'local' ? {} : { device: dst.dev.name }),
    ...(dst.gateway === undefined ? {} : { via: formatIp(dst.gateway) }),
    ...(action === 'output' ? { src: formatIp(skb.src) } : {}),
  };
}

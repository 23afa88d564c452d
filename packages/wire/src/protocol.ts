/** IANA protocol numbers, as in the IPv4 protocol and IPv6 next-header field. */
export const IpProto = { ICMP: 1, IPIP: 4, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132 } as const;
export const EtherType = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
/** TCP header flags. */
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32 } as const;

const names: Record<number, string> = { 1: 'icmp', 4: 'ipip', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp', 132: 'sctp' };
/** The name iptables prints for a protocol number, or the number. */
export function protocolName(protocol: number): string {
  return names[protocol] ?? String(protocol);
}

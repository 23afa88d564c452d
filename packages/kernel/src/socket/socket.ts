import { formatEndpoint, type Ip } from '@netsim/wire';
import type { SocketError } from '../net/icmp.ts';
import type { Netns } from '../net/netns.ts';
import type { Skb } from '../skb.ts';

export type SocketProtocol = 'tcp' | 'udp' | 'sctp' | 'icmp' | 'vxlan';

/** What every socket has (Linux: struct sock). */
export abstract class Socket {
  abstract readonly protocol: SocketProtocol;
  readonly netns: Netns;
  /** Name shown by `ss -p` and in traces; empty where unknown. */
  program: string;
  /** Undefined: every address, of both families. 0: every IPv4 address. */
  localAddress: Ip | undefined;
  localPort: number;
  remoteAddress: Ip | undefined = undefined;
  remotePort = 0;

  constructor(netns: Netns, localAddress: Ip | undefined, localPort: number, program: string) {
    this.netns = netns;
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.program = program;
  }

  /** State as `ss` names it: LISTEN, ESTAB, UNCONN, ... */
  abstract state(): string;

  /** One line: `tcp *:8080`, `udp 10.0.0.1:53`. */
  describe(): string {
    return `${this.protocol} ${formatLocal(this.localAddress, this.localPort)}`;
  }

  /** An ICMP error about a packet that it sent. */
  receiveError(_skb: Skb, _about: Skb, _error: SocketError): void {}

  /** Would a packet to this address be for it? */
  accepts(address: Ip): boolean {
    const own = this.localAddress;
    return own === undefined || own === address || (own === 0 && typeof address === 'number') || own === 0n;
  }
}

function formatLocal(address: Ip | undefined, port: number): string {
  return address === undefined ? `*:${port}` : formatEndpoint(address, port);
}

/** Whether two sockets may not have one port (Linux: inet_rcv_saddr_equal, without SO_REUSEADDR). */
export function bindConflict(a: Ip | undefined, b: Ip | undefined): boolean {
  if (a === b || isWild(a) || isWild(b)) {
    const families = (ip: Ip | undefined): number =>
      ip === undefined || ip === 0n ? 3 : typeof ip === 'number' ? 1 : 2;
    return (families(a) & families(b)) !== 0;
  }
  return false;
}

function isWild(ip: Ip | undefined): boolean {
  return ip === undefined || ip === 0 || ip === 0n;
}

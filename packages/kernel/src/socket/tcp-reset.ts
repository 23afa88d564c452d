import { TcpFlag } from '@netsim/wire';
import { Skb } from '../skb.ts';

/** Sequence space that a segment takes. */
export function segmentLength(skb: Skb): number {
  return skb.payloadLength + ((skb.flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((skb.flags & TcpFlag.FIN) !== 0 ? 1 : 0);
}

/** The RST that answers a segment nobody wants (RFC 9293, 3.10.7.1; Linux: tcp_v4_send_reset, nf_reject_ip_tcphdr_put). */
export function tcpResetFor(skb: Skb): Skb {
  const reset = new Skb();
  reset.etherType = skb.etherType;
  reset.protocol = skb.protocol;
  reset.src = skb.dst;
  reset.dst = skb.src;
  reset.sport = skb.dport;
  reset.dport = skb.sport;
  reset.window = 0;
  if ((skb.flags & TcpFlag.ACK) !== 0) {
    reset.flags = TcpFlag.RST;
    reset.seq = skb.ack;
  } else {
    reset.flags = TcpFlag.RST | TcpFlag.ACK;
    reset.ack = (skb.seq + segmentLength(skb)) >>> 0;
  }
  return reset;
}

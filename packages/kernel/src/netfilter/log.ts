import { formatIp } from '@netsim/wire';
import type { Hook } from '../hook.ts';
import type { Device } from '../net/device.ts';
import type { Skb } from '../skb.ts';
import { iptablesProtocol } from './iptables/names.ts';
import type { Target } from './iptables/rule.ts';

const flagNames = [
  ['URG', 32],
  ['ACK', 16],
  ['PSH', 8],
  ['RST', 4],
  ['SYN', 2],
  ['FIN', 1],
] as const;

/** The line that LOG writes to the kernel log (Linux: nf_log_syslog.c), as far as a packet here has the fields. */
export function logLine(
  skb: Skb,
  target: Extract<Target, { kind: 'LOG' }>,
  _hook: Hook,
  inDev: Device | null,
  outDev: Device | null,
): string {
  const v6 = typeof skb.src === 'bigint';
  let line = `${target.prefix ?? ''}IN=${inDev?.name ?? ''} OUT=${outDev?.name ?? ''} `;
  if (skb.physIn !== null) line += `PHYSIN=${skb.physIn.name} `;
  if (skb.physOut !== null) line += `PHYSOUT=${skb.physOut.name} `;
  line += `SRC=${formatIp(skb.src)} DST=${formatIp(skb.dst)} `;
  line += v6
    ? `TC=${skb.tos} HOPLIMIT=${skb.ttl} `
    : `TOS=0x${hex2(skb.tos & 0x1e)} PREC=0x${hex2(skb.tos & 0xe0)} TTL=${skb.ttl} ID=${skb.id} `;
  if (!v6 && skb.df) line += 'DF ';
  line += `PROTO=${iptablesProtocol(skb.protocol).toUpperCase()} `;
  if (skb.protocol === 6) {
    line += `SPT=${skb.sport} DPT=${skb.dport} WINDOW=${skb.window} RES=0x00 `;
    for (const [name, bit] of flagNames) if ((skb.flags & bit) !== 0) line += `${name} `;
    line += 'URGP=0 ';
  } else if (skb.protocol === 17) line += `SPT=${skb.sport} DPT=${skb.dport} LEN=${skb.payloadLength + 8} `;
  else if (skb.protocol === 1 || skb.protocol === 58) {
    line += `TYPE=${skb.icmpType} CODE=${skb.icmpCode} `;
    if (skb.inner === null) line += `ID=${skb.sport} SEQ=${skb.icmpData} `;
  }
  if (skb.mark !== 0) line += `MARK=0x${(skb.mark >>> 0).toString(16)} `;
  return line;
}

function hex2(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

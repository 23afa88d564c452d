import { formatIp, type Ip, IpProto, TcpFlag } from '@netsim/wire';

/**
 * A packet as seen on its way, read from as many bytes as there are: captures are cut, and the kernel's trace shows
 * headers only. So nothing is checked here, and what is not there is left out.
 */
export interface Packet {
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  /** TCP and UDP ports; for an ICMP echo its identifier stands in both. */
  readonly sport: number;
  readonly dport: number;
  /** TCP: flags as in `SYN,ACK`; ICMP: `type/code`. */
  readonly info: string;
  readonly ttl: number;
  /** The packet inside a VXLAN datagram, or quoted by an ICMP error. */
  readonly inner?: Packet;
  readonly vni?: number;
}

const ETHERNET_HEADER = 14;

/** Reads an Ethernet frame; undefined for what is not IP. */
export function decodeFrame(bytes: Uint8Array, vxlanPorts: ReadonlySet<number>): Packet | undefined {
  if (bytes.length < ETHERNET_HEADER) return undefined;
  const type = (bytes[12]! << 8) | bytes[13]!;
  if (type !== 0x0800 && type !== 0x86dd) return undefined;
  return decodeIp(bytes.subarray(ETHERNET_HEADER), vxlanPorts);
}

/** Reads an IP packet of either family. */
export function decodeIp(bytes: Uint8Array, vxlanPorts: ReadonlySet<number>): Packet | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  const header = version === 4 ? (bytes[0]! & 15) * 4 : 40;
  if ((version !== 4 && version !== 6) || bytes.length < header) return undefined;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const address = (offset: number): Ip =>
    version === 4 ? data.getInt32(offset) : (data.getBigUint64(offset) << 64n) | data.getBigUint64(offset + 8);
  const protocol = version === 4 ? bytes[9]! : bytes[6]!;
  return {
    src: formatIp(address(version === 4 ? 12 : 8)),
    dst: formatIp(address(version === 4 ? 16 : 24)),
    protocol,
    ttl: version === 4 ? bytes[8]! : bytes[7]!,
    ...decodeTransport(protocol, bytes.subarray(header), vxlanPorts),
  };
}

type Transport = Pick<Packet, 'sport' | 'dport' | 'info' | 'inner' | 'vni'>;

function decodeTransport(protocol: number, bytes: Uint8Array, vxlanPorts: ReadonlySet<number>): Transport {
  if (bytes.length < 4) return { sport: 0, dport: 0, info: '' };
  const word = (offset: number): number => ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
  switch (protocol) {
    case IpProto.TCP:
      return { sport: word(0), dport: word(2), info: tcpFlags(bytes[13] ?? 0) };
    case IpProto.UDP: {
      const ports = { sport: word(0), dport: word(2), info: '' };
      if (!vxlanPorts.has(ports.dport) || bytes.length < 16 + ETHERNET_HEADER) return ports;
      const vni = (bytes[12]! << 16) | (bytes[13]! << 8) | bytes[14]!;
      const inner = decodeFrame(bytes.subarray(16), vxlanPorts);
      return inner === undefined ? ports : { ...ports, vni, inner };
    }
    case IpProto.ICMP:
    case IpProto.ICMPV6: {
      const info = `${bytes[0]}/${bytes[1]}`;
      if (isEcho(protocol, bytes[0]!)) return { sport: word(4), dport: word(4), info };
      const inner = isIcmpError(protocol, bytes[0]!) ? decodeIp(bytes.subarray(8), NO_PORTS) : undefined;
      return inner === undefined ? { sport: 0, dport: 0, info } : { sport: 0, dport: 0, info, inner };
    }
    default:
      return { sport: 0, dport: 0, info: '' };
  }
}

const NO_PORTS: ReadonlySet<number> = new Set();

function isEcho(protocol: number, type: number): boolean {
  return protocol === IpProto.ICMP ? type === 0 || type === 8 : type === 128 || type === 129;
}

function isIcmpError(protocol: number, type: number): boolean {
  return protocol === IpProto.ICMP ? type === 3 || type === 11 || type === 12 : type >= 1 && type <= 4;
}

function tcpFlags(bits: number): string {
  const names: readonly (readonly [string, number])[] = [
    ['FIN', TcpFlag.FIN],
    ['SYN', TcpFlag.SYN],
    ['RST', TcpFlag.RST],
    ['ACK', TcpFlag.ACK],
  ];
  return names
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',');
}

/**
 * Text of a packet for comparing: ports that somebody chose at random are `*`. Undefined for a packet that says nothing
 * of the verdict (a bare acknowledgement, data of an open connection, the end of one): two honest TCPs differ there.
 */
export function packetKey(packet: Packet, ports: KnownPorts): string | undefined {
  const { src, dst, protocol, info, inner, vni } = packet;
  const sport = ports.show(packet.sport);
  const dport = ports.show(packet.dport);
  switch (protocol) {
    case IpProto.TCP:
      if (!/SYN|RST/.test(info)) return undefined;
      return `tcp ${src}:${sport} > ${dst}:${dport} ${info}`;
    case IpProto.UDP: {
      if (vni === undefined) return `udp ${src}:${sport} > ${dst}:${dport}`;
      const inside = inner === undefined ? undefined : packetKey(inner, ports);
      return inside === undefined ? undefined : `vxlan ${vni} ${src} > ${dst} [ttl ${inner?.ttl} ${inside}]`;
    }
    case IpProto.ICMP:
    case IpProto.ICMPV6: {
      if (isEcho(protocol, Number(info.split('/')[0]))) return `icmp ${src} > ${dst} ${info} id ${sport}`;
      if (inner === undefined)
        return isIcmpError(protocol, Number(info.split('/')[0])) ? `icmp ${src} > ${dst} ${info}` : undefined;
      return `icmp ${src} > ${dst} ${info} [${packetKey(inner, ports) ?? ''}]`;
    }
    default:
      return undefined;
  }
}

/** As {@link packetKey} of the headers alone: the kernel's trace shows no more. */
export function headerKey(packet: Packet, ports: KnownPorts): string | undefined {
  const { inner, vni, ...header } = packet;
  return packetKey(header, ports);
}

/** Ports that both sides must agree on; the others are the free choice of a port allocator. */
export class KnownPorts {
  readonly #known: ReadonlySet<number>;
  readonly #client: number;
  constructor(client: number, known: ReadonlySet<number>) {
    this.#client = client;
    this.#known = known;
  }
  show(port: number): string {
    if (port === this.#client) return 'client';
    return this.#known.has(port) ? String(port) : '*';
  }
}

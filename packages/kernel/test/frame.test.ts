import {
  EtherType,
  IcmpType,
  Icmpv6Type,
  IpProto,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIcmpv6,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseTcp,
  parseUdp,
  parseVxlan,
  solicitedNode,
  TcpFlag,
} from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { capture, dissect, tsharkMissing } from '../../wire/test/tshark.ts';
import { frameBytes, l3Length } from '../src/frame.ts';
import { Skb } from '../src/skb.ts';

const A4 = parseIp('10.244.1.5');
const B4 = parseIp('10.244.2.7');
const A6 = parseIp('fd00:10:244:1::5');
const B6 = parseIp('fd00:10:244:2::7');

function skb(fields: Partial<Skb>): Skb {
  return Object.assign(new Skb(), { srcMac: '0a:58:0a:f4:01:05', dstMac: '0a:58:0a:f4:01:01' }, fields);
}
function v4(fields: Partial<Skb>): Skb {
  return skb({ etherType: EtherType.IPV4, src: A4, dst: B4, ...fields });
}
function v6(fields: Partial<Skb>): Skb {
  return skb({ etherType: EtherType.IPV6, src: A6, dst: B6, ...fields });
}

const syn = { protocol: IpProto.TCP, sport: 40000, dport: 80, flags: TcpFlag.SYN, seq: 7, mss: 1410 };
const udp = { protocol: IpProto.UDP, sport: 40000, dport: 9000 };

function vxlan(inner: Skb): Skb {
  return v4({
    src: parseIp('192.168.1.101'),
    dst: parseIp('192.168.1.102'),
    protocol: IpProto.UDP,
    sport: 53211,
    dport: 8472,
    df: false,
    vni: 1,
    inner,
  });
}

/** Every kind of packet that the kernel makes. */
const samples: readonly (readonly [name: string, skb: Skb])[] = [
  ['a SYN', v4(syn)],
  ['a SYN over IPv6', v6(syn)],
  [
    'an ACK with data',
    v4({ ...syn, mss: 0, flags: TcpFlag.ACK | TcpFlag.PSH, payload: new TextEncoder().encode('GET /') }),
  ],
  ['a RST', v4({ ...syn, mss: 0, flags: TcpFlag.RST | TcpFlag.ACK, id: 0 })],
  ['UDP of which only the length is known', v4({ ...udp, payloadLength: 33 })],
  ['UDP over IPv6', v6({ ...udp, payloadLength: 0 })],
  [
    'an echo request',
    v4({ protocol: IpProto.ICMP, icmpType: IcmpType.ECHO_REQUEST, sport: 9, icmpData: 1, payloadLength: 56 }),
  ],
  [
    'an echo reply over IPv6',
    v6({ protocol: IpProto.ICMPV6, icmpType: Icmpv6Type.ECHO_REPLY, sport: 9, icmpData: 1, payloadLength: 56 }),
  ],
  [
    'a port unreachable',
    v4({ protocol: IpProto.ICMP, icmpType: 3, icmpCode: 3, inner: v4({ ...udp, payloadLength: 5 }) }),
  ],
  [
    'a fragmentation needed',
    v4({
      protocol: IpProto.ICMP,
      icmpType: 3,
      icmpCode: 4,
      icmpData: 1450,
      inner: v4({ ...udp, payloadLength: 1472 }),
    }),
  ],
  [
    'a port unreachable over IPv6',
    v6({ protocol: IpProto.ICMPV6, icmpType: 1, icmpCode: 4, inner: v6({ ...udp, payloadLength: 5 }) }),
  ],
  [
    'a packet too big',
    v6({ protocol: IpProto.ICMPV6, icmpType: 2, icmpData: 1450, inner: v6({ ...udp, payloadLength: 1452 }) }),
  ],
  [
    'a neighbour solicitation',
    v6({
      protocol: IpProto.ICMPV6,
      icmpType: 135,
      ttl: 255,
      dst: solicitedNode(B6 as bigint),
      ndTarget: B6,
      arpSenderMac: '0a:58:0a:f4:01:05',
    }),
  ],
  [
    'a neighbour advertisement',
    v6({ protocol: IpProto.ICMPV6, icmpType: 136, ttl: 255, ndTarget: A6, arpSenderMac: '0a:58:0a:f4:01:05' }),
  ],
  [
    'a solicitation without link-layer address',
    v6({ src: 0n, protocol: IpProto.ICMPV6, icmpType: 135, ttl: 255, ndTarget: B6 }),
  ],
  ['an ARP request', skb({ etherType: EtherType.ARP, arpOp: 1, src: A4, dst: B4, arpSenderMac: '0a:58:0a:f4:01:05' })],
  ['an SCTP INIT', v4({ protocol: IpProto.SCTP, sport: 40000, dport: 9999, seq: 5 })],
  ['an SCTP ABORT', v4({ protocol: IpProto.SCTP, sport: 9999, dport: 40000, flags: 6 })],
  ['SCTP data', v4({ protocol: IpProto.SCTP, sport: 40000, dport: 9999, payloadLength: 5 })],
  ['VXLAN with a SYN inside', vxlan(v4(syn))],
  ['VXLAN with IPv6 inside', vxlan(v6({ ...udp, payloadLength: 7 }))],
  ['VXLAN with ARP inside', vxlan(skb({ etherType: EtherType.ARP, arpOp: 2, src: A4, dst: B4 }))],
];

test.each(samples)('%s is as long in bytes as l3Length says', (_, packet) => {
  expect(frameBytes(packet).length).toBe(14 + l3Length(packet));
});

test('the length is that of the bytes, whatever the packet', () => {
  const transport = fc.oneof(
    fc.record({ protocol: fc.constant(IpProto.TCP), mss: fc.constantFrom(0, 1460) }),
    fc.record({ protocol: fc.constantFrom(IpProto.UDP, 47) }),
    fc.record({ protocol: fc.constant(IpProto.SCTP), flags: fc.constantFrom(0, 1, 2, 6) }),
    fc.record({ protocol: fc.constant(IpProto.ICMP), icmpType: fc.constantFrom(0, 3, 8, 11) }),
    fc.record({ protocol: fc.constant(IpProto.ICMPV6), icmpType: fc.constantFrom(1, 2, 3, 128, 129, 135, 136) }),
  );
  const leaf = fc
    .tuple(transport, fc.constantFrom(v4, v6), fc.nat({ max: 1500 }))
    .map(([fields, make, payloadLength]) => make({ ...fields, payloadLength }));
  const any = fc.oneof(
    leaf,
    leaf.map((inner) => vxlan(inner)),
    leaf.map((inner) => v4({ protocol: IpProto.ICMP, icmpType: 3, inner })),
    leaf.map((inner) => v6({ protocol: IpProto.ICMPV6, icmpType: 1, inner })),
  );
  fc.assert(
    fc.property(any, (packet) => {
      expect(frameBytes(packet).length).toBe(14 + l3Length(packet));
    }),
  );
});

describe('what stands in the bytes', () => {
  test('a SYN with its maximum segment size', () => {
    const frame = parseEthernet(frameBytes(v4({ ...syn, ttl: 62, id: 9, df: true, tos: 0x10 })));
    expect(frame).toMatchObject({ src: '0a:58:0a:f4:01:05', dst: '0a:58:0a:f4:01:01', type: EtherType.IPV4 });
    const packet = parseIpv4(frame.payload);
    expect(packet).toMatchObject({ src: A4, dst: B4, ttl: 62, id: 9, dontFragment: true, tos: 0x10 });
    const segment = parseTcp(packet.payload, packet);
    expect(segment).toMatchObject({ sport: 40000, dport: 80, seq: 7, flags: TcpFlag.SYN, window: 65535 });
    expect([...segment.options]).toEqual([2, 4, 1410 >> 8, 1410 & 255]);
  });

  test('the payload, where it is known', () => {
    const packet = parseIpv6(parseEthernet(frameBytes(v6({ ...udp, payload: Uint8Array.of(1, 2, 3) }))).payload);
    expect(parseUdp(packet.payload, packet)).toEqual({ sport: 40000, dport: 9000, payload: Uint8Array.of(1, 2, 3) });
  });

  test('sequence numbers above the signed range', () => {
    const packet = parseIpv4(parseEthernet(frameBytes(v4({ ...syn, seq: -1, ack: 2 ** 31 }))).payload);
    expect(parseTcp(packet.payload, packet)).toMatchObject({ seq: 0xffff_ffff, ack: 0x8000_0000 });
  });

  test('an ARP reply with both ends', () => {
    const packet = skb({
      etherType: EtherType.ARP,
      arpOp: 2,
      src: A4,
      dst: B4,
      arpSenderMac: '0a:58:0a:f4:01:05',
      arpTargetMac: '0a:58:0a:f4:02:07',
    });
    expect(parseArp(parseEthernet(frameBytes(packet)).payload)).toEqual({
      operation: 2,
      senderMac: '0a:58:0a:f4:01:05',
      senderIp: A4,
      targetMac: '0a:58:0a:f4:02:07',
      targetIp: B4,
    });
  });

  test('the whole frame inside VXLAN', () => {
    const inner = v4(syn);
    const outer = parseIpv4(parseEthernet(frameBytes(vxlan(inner))).payload);
    const { vni, payload } = parseVxlan(parseUdp(outer.payload, outer).payload);
    expect(vni).toBe(1);
    expect(payload).toEqual(frameBytes(inner));
  });

  test('an advertisement that nobody asked for is not called solicited', () => {
    for (const [dst, solicited] of [
      [B6, true],
      [parseIp('ff02::1'), false],
    ] as const) {
      const packet = v6({
        protocol: IpProto.ICMPV6,
        icmpType: 136,
        dst,
        ndTarget: A6,
        arpSenderMac: '0a:58:0a:f4:01:05',
      });
      const { payload, ...ends } = parseIpv6(parseEthernet(frameBytes(packet)).payload);
      expect(parseIcmpv6(payload, ends)).toMatchObject({ target: A6, solicited, mac: '0a:58:0a:f4:01:05' });
    }
  });
});

describe('an ICMP error quotes', () => {
  test('a short packet whole', () => {
    const inner = v4({ ...udp, payloadLength: 5 });
    const packet = parseIpv4(
      parseEthernet(frameBytes(v4({ protocol: IpProto.ICMP, icmpType: 3, icmpCode: 3, inner }))).payload,
    );
    expect(parseIcmp(packet.payload)).toMatchObject({
      kind: 'unreachable',
      code: 3,
      quoted: frameBytes(inner).subarray(14),
    });
  });

  test('of a long one as much as makes 576 bytes in all', () => {
    const inner = v4({ ...udp, payloadLength: 1000 });
    expect(l3Length(v4({ protocol: IpProto.ICMP, icmpType: 3, icmpCode: 3, inner }))).toBe(576);
  });

  test('over IPv6 as much as makes 1280 bytes in all', () => {
    const inner = v6({ ...udp, payloadLength: 1452 });
    const error = v6({ protocol: IpProto.ICMPV6, icmpType: 2, icmpData: 1400, inner });
    expect(l3Length(error)).toBe(1280);
    const { payload, ...ends } = parseIpv6(parseEthernet(frameBytes(error)).payload);
    expect(parseIcmpv6(payload, ends)).toMatchObject({ kind: 'packet-too-big', mtu: 1400 });
  });

  test('the MTU of the next hop, where fragmentation is needed', () => {
    const inner = v4({ ...udp, payloadLength: 1472 });
    const error = v4({ protocol: IpProto.ICMP, icmpType: 3, icmpCode: 4, icmpData: 1450, inner });
    expect(parseIcmp(parseIpv4(parseEthernet(frameBytes(error)).payload).payload)).toMatchObject({
      code: 4,
      mtu: 1450,
    });
  });
});

const title = tsharkMissing === undefined ? 'tshark reads' : `tshark reads (skipped: ${tsharkMissing})`;
describe.skipIf(tsharkMissing !== undefined)(title, () => {
  const file = capture(
    ['eth0'],
    samples.map(([comment, packet], timestamp) => ({ interface: 0, timestamp, frame: frameBytes(packet), comment })),
  );
  const packets = tsharkMissing === undefined ? dissect(file) : [];

  test.each(samples.map(([name], index) => [name, index] as const))(
    '%s, whole and with good checksums',
    (name, index) => {
      const packet = packets[index];
      expect(packet.comment).toBe(name);
      expect(packet.malformed).toBe('');
      // Of a packet quoted only in part, the checksum cannot be looked at.
      expect(packet.checksums).not.toContain('0');
      if (!packet.protocols.endsWith('arp')) expect(packet.checksums).toContain('1');
    },
  );
});

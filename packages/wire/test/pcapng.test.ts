import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';
import { capture, dissect, tsharkMissing } from './tshark.ts';

const v4 = { src: wire.parseIp('10.244.1.5') as number, dst: wire.parseIp('10.244.2.7') as number };
const v6 = { src: wire.parseIp('fd00:10:244:1::5') as bigint, dst: wire.parseIp('fd00:10:244:2::7') as bigint };
const none = new Uint8Array(0);
const text = (value: string) => new TextEncoder().encode(value);

function over4(protocol: number, payload: Uint8Array, ends = v4): Uint8Array {
  const packet = wire.encodeIpv4({
    tos: 0,
    id: 7,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    ttl: 64,
    protocol,
    ...ends,
    options: none,
    payload,
  });
  return frame(wire.EtherType.IPV4, packet);
}

function over6(nextHeader: number, payload: Uint8Array, hopLimit = 64): Uint8Array {
  return frame(
    wire.EtherType.IPV6,
    wire.encodeIpv6({ trafficClass: 0, flowLabel: 0, nextHeader, hopLimit, ...v6, payload }),
  );
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  return wire.encodeEthernet({ dst: '0a:58:0a:f4:01:01', src: '0a:58:0a:f4:01:05', type, payload });
}

const syn = {
  sport: 40000,
  dport: 80,
  seq: 1,
  ack: 0,
  flags: wire.TcpFlag.SYN,
  window: 65535,
  urgent: 0,
  // Maximum segment size 1410.
  options: Uint8Array.of(2, 4, 5, 0x82),
  payload: none,
};
const tcp4 = over4(wire.IpProto.TCP, wire.encodeTcp(syn, v4));
const udp4 = over4(wire.IpProto.UDP, wire.encodeUdp({ sport: 40000, dport: 9000, payload: text('hello') }, v4));
const nodes = { src: wire.parseIp('192.168.1.101') as number, dst: wire.parseIp('192.168.1.102') as number };
const vxlan = over4(
  wire.IpProto.UDP,
  wire.encodeUdp({ sport: 53211, dport: 8472, payload: wire.encodeVxlan({ vni: 1, payload: tcp4 }) }, nodes),
  nodes,
);

const samples: readonly (readonly [name: string, frame: Uint8Array, protocols: string])[] = [
  ['TCP', tcp4, 'eth:ethertype:ip:tcp'],
  ['TCP over IPv6', over6(wire.IpProto.TCP, wire.encodeTcp(syn, v6)), 'eth:ethertype:ipv6:tcp'],
  ['UDP', udp4, 'eth:ethertype:ip:udp:data'],
  [
    'UDP over IPv6, of odd length',
    over6(wire.IpProto.UDP, wire.encodeUdp({ sport: 40000, dport: 9000, payload: text('hello') }, v6)),
    'eth:ethertype:ipv6:udp:data',
  ],
  [
    'an echo request',
    over4(
      wire.IpProto.ICMP,
      wire.encodeIcmp({ kind: 'echo-request', identifier: 1, sequence: 1, payload: new Uint8Array(56) }),
    ),
    'eth:ethertype:ip:icmp:data',
  ],
  [
    'an ICMP error',
    over4(
      wire.IpProto.ICMP,
      wire.encodeIcmp({ kind: 'unreachable', code: wire.IcmpUnreachable.PORT, mtu: 0, quoted: udp4.subarray(14) }),
    ),
    'eth:ethertype:ip:icmp:ip:udp:data',
  ],
  [
    'an echo reply over IPv6',
    over6(
      wire.IpProto.ICMPV6,
      wire.encodeIcmpv6({ kind: 'echo-reply', identifier: 1, sequence: 1, payload: new Uint8Array(56) }, v6),
    ),
    'eth:ethertype:ipv6:icmpv6:data',
  ],
  [
    'a too-big error over IPv6',
    over6(
      wire.IpProto.ICMPV6,
      wire.encodeIcmpv6(
        {
          kind: 'packet-too-big',
          mtu: 1450,
          quoted: over6(17, wire.encodeUdp({ sport: 1, dport: 2, payload: text('abcd') }, v6)).subarray(14),
        },
        v6,
      ),
    ),
    'eth:ethertype:ipv6:icmpv6:ipv6:udp:data',
  ],
  [
    'a neighbour solicitation',
    over6(
      wire.IpProto.ICMPV6,
      wire.encodeIcmpv6({ kind: 'neighbor-solicitation', target: v6.dst, mac: '0a:58:0a:f4:01:05' }, v6),
      255,
    ),
    'eth:ethertype:ipv6:icmpv6',
  ],
  [
    'an ARP request',
    frame(
      wire.EtherType.ARP,
      wire.encodeArp({
        operation: wire.ArpOp.REQUEST,
        senderMac: '0a:58:0a:f4:01:05',
        senderIp: v4.src,
        targetMac: '',
        targetIp: v4.dst,
      }),
    ),
    'eth:ethertype:arp',
  ],
  [
    'SCTP',
    over4(
      wire.IpProto.SCTP,
      wire.encodeSctp({
        sport: 40000,
        dport: 9999,
        verificationTag: 0,
        chunks: [
          {
            type: wire.SctpChunkType.INIT,
            flags: 0,
            value: Uint8Array.of(0, 0, 0, 1, 0, 0, 255, 255, 0, 1, 0, 1, 0, 0, 0, 1),
          },
        ],
      }),
    ),
    'eth:ethertype:ip:sctp',
  ],
  ['VXLAN', vxlan, 'eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp'],
];

const interfaces = ['w1-k8s/eth0', 'w1-k8s/flannel.1'];
const START = 1_700_000_000_000_000;
const file = capture(
  interfaces,
  samples.map(([name, bytes], index) => ({
    interface: index % 2,
    timestamp: START + index,
    frame: bytes,
    comment: name,
  })),
);

const title = tsharkMissing === undefined ? 'tshark reads' : `tshark reads (skipped: ${tsharkMissing})`;
describe.skipIf(tsharkMissing !== undefined)(title, () => {
  const packets = tsharkMissing === undefined ? dissect(file, ['vxlan.vni', 'ip.dst', 'tcp.options.mss_val']) : [];

  test.each(samples.map(([name], index) => [name, index] as const))('%s, whole and with good checksums', (_, index) => {
    const packet = packets[index];
    expect(packet.protocols).toBe(samples[index][2]);
    expect(packet.malformed).toBe('');
    expect(packet.checksums.filter((status) => status !== '1')).toEqual([]);
    if (!packet.protocols.endsWith(':arp')) expect(packet.checksums.length).toBeGreaterThan(0);
  });

  test('each packet on its interface, at its microsecond, with its comment', () => {
    expect(packets.map(({ interface: name, time, comment }) => [name, time, comment])).toEqual(
      samples.map(([name], index) => [interfaces[index % 2], `1700000000.${String(index).padStart(6, '0')}000`, name]),
    );
  });

  test('the packet inside VXLAN', () => {
    const packet = packets.at(-1)!;
    expect(packet.field('vxlan.vni')).toBe('1');
    expect(packet.field('ip.dst')).toBe('192.168.1.102,10.244.2.7');
    expect(packet.field('tcp.options.mss_val')).toBe('1410');
  });

  test('a bad checksum as bad, so that the tests above can fail', () => {
    const broken = tcp4.slice();
    broken[broken.length - 1] ^= 1;
    const [packet] = dissect(capture(interfaces, [{ interface: 0, timestamp: START, frame: broken }]));
    expect(packet.checksums).toContain('0');
  });

  test('a capture without packets', () => {
    expect(dissect(capture(interfaces, []))).toEqual([]);
  });
});

test('blocks are whole words, and say their length before and after', () => {
  const data = new DataView(file.buffer);
  let blocks = 0;
  for (let at = 0; at < file.length; blocks++) {
    const length = data.getUint32(at + 4, true);
    expect(length % 4).toBe(0);
    expect(data.getUint32(at + length - 4, true)).toBe(length);
    at += length;
  }
  expect(blocks).toBe(1 + interfaces.length + samples.length);
});

test('a packet of an interface that is not there is refused', () => {
  expect(() => capture(interfaces, [{ interface: 2, timestamp: 0, frame: none }])).toThrow(RangeError);
});

test('a time that is no count of microseconds is refused', () => {
  expect(() => capture(interfaces, [{ interface: 0, timestamp: -1, frame: none }])).toThrow(wire.WireError);
});

test('an interface may be added after packets of another', () => {
  const writer = new wire.PcapngWriter();
  writer.addPacket(writer.addInterface({ name: 'a' }), tcp4, START);
  writer.addPacket(writer.addInterface({ name: 'b' }), udp4, START);
  if (tsharkMissing === undefined) {
    expect(dissect(writer.bytes()).map((packet) => packet.interface)).toEqual(['a', 'b']);
  }
  expect(writer.bytes().length).toBeGreaterThan(tcp4.length + udp4.length);
});

import { describe, expect, test } from 'vitest';
import {
  ArpView,
  EthernetView,
  EtherType,
  encodeArp,
  encodeIcmpv6,
  encodeIpv4,
  encodeSctp,
  encodeTcp,
  encodeUdp,
  encodeVxlan,
  formatIp,
  type Ip,
  IpProto,
  Ipv4View,
  Ipv6View,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIcmpv6,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseSctp,
  parseTcp,
  parseUdp,
  parseVxlan,
  TcpFlag,
  TcpView,
  UdpView,
  VxlanView,
  WireError,
} from '../src/index.ts';
import { bytes, dirty, hex } from './support.ts';

const v4 = (text: string) => parseIp(text) as number;
const v6 = (text: string) => parseIp(text) as bigint;
const none = new Uint8Array(0);

describe('frames recorded from a Linux veth pair', () => {
  test('an echo request over IPv4', () => {
    const frame = parseEthernet(
      bytes('02000000000b 02000000000a 0800 45000024eb26400040013b9e0a0900010a090002 0800b3c0382e00010001020304050607'),
    );
    expect(frame).toMatchObject({ dst: '02:00:00:00:00:0b', src: '02:00:00:00:00:0a', type: EtherType.IPV4 });
    const packet = parseIpv4(frame.payload);
    expect(packet).toMatchObject({ ttl: 64, protocol: IpProto.ICMP, dontFragment: true, id: 0xeb26 });
    expect(text(packet)).toBe('10.9.0.1 > 10.9.0.2');
    expect(parseIcmp(packet.payload)).toEqual({
      kind: 'echo-request',
      identifier: 0x382e,
      sequence: 1,
      payload: bytes('0001020304050607'),
    });
  });

  test('the reset that answers a SYN to a closed port', () => {
    const frame = bytes(
      '02000000000a 02000000000b 0800 4500002800004000400626bc0a0900020a090001 1f90ed3600000000ef4ada3050140000c5790000',
    );
    const packet = parseIpv4(parseEthernet(frame).payload);
    const segment = parseTcp(packet.payload, packet);
    expect(segment).toMatchObject({
      sport: 8080,
      flags: TcpFlag.RST | TcpFlag.ACK,
      seq: 0,
      ack: 0xef4ada30,
      window: 0,
    });
    const again = encodeIpv4({ ...packet, payload: encodeTcp(segment, packet) });
    expect(hex(again)).toBe(hex(frame.subarray(14)));
  });

  test('a port-unreachable error that quotes the datagram', () => {
    const packet = parseIpv4(
      bytes(
        '45c0003dea04000040017be70a0900020a090001 0303d63a00000000 45000021bd604000401169570a0900010a090002e36d0035000d14336b75626961',
      ),
    );
    const message = parseIcmp(packet.payload);
    if (message.kind !== 'unreachable') throw new Error(message.kind);
    expect(message.code).toBe(3);
    const quoted = parseIpv4(message.quoted);
    expect(text(quoted)).toBe('10.9.0.1 > 10.9.0.2');
    expect(new TextDecoder().decode(new UdpView(quoted.payload).payload)).toBe('kubia');
  });

  test('a neighbour solicitation with its link-layer address', () => {
    const raw = bytes(
      '6000000000203afffd090000000000000000000000000001ff0200000000000000000001ff000002 87007d7c00000000fd090000000000000000000000000002010102000000000a',
    );
    const packet = parseIpv6(raw);
    expect(text(packet)).toBe('fd09::1 > ff02::1:ff00:2');
    expect(packet.hopLimit).toBe(255);
    const message = parseIcmpv6(packet.payload, packet);
    expect(message).toEqual({ kind: 'neighbor-solicitation', target: v6('fd09::2'), mac: '02:00:00:00:00:0a' });
    expect(encodeIcmpv6(message, packet)).toEqual(packet.payload);
  });

  test('a solicitation of duplicate address detection: no address option, but a nonce', () => {
    const packet = parseIpv6(
      bytes(
        '6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff00000a 870093ef00000000fe80000000000000000000fffe00000a0e015d5332864b41',
      ),
    );
    expect(parseIcmpv6(packet.payload, packet)).toEqual({
      kind: 'neighbor-solicitation',
      target: v6('fe80::ff:fe00:a'),
    });
  });

  test('a neighbour advertisement', () => {
    const packet = parseIpv6(
      bytes(
        '6000000000203afffd090000000000000000000000000002fd090000000000000000000000000001 88001c7660000000fd090000000000000000000000000002020102000000000b',
      ),
    );
    expect(parseIcmpv6(packet.payload, packet)).toEqual({
      kind: 'neighbor-advertisement',
      target: v6('fd09::2'),
      router: false,
      solicited: true,
      override: true,
      mac: '02:00:00:00:00:0b',
    });
  });

  test('a frame inside VXLAN', () => {
    const outer = parseIpv4(
      bytes(
        '45000053bd6100004011a9240a0900010a090002 acb52118003f1aaa 0800000000000100 02000000010b02000000010a0800 450000219b3b400040118b7e0a0800010a080002e2290035000d1431696e6e6572',
      ),
    );
    const { vni, payload } = parseVxlan(new UdpView(outer.payload).payload);
    expect(vni).toBe(1);
    expect(text(parseIpv4(parseEthernet(payload).payload))).toBe('10.8.0.1 > 10.8.0.2');
  });

  test('a datagram whose checksum was left to the card is refused, but can be looked at', () => {
    const packet = parseIpv4(bytes('45000021bd604000401169570a0900010a090002 e36d0035000d14336b75626961'));
    expect(() => parseUdp(packet.payload, packet)).toThrow(new WireError('UDP', 'checksum', 'wrong checksum'));
    expect(new UdpView(packet.payload).dport).toBe(53);
  });
});

describe('a header built field by field over a dirty buffer', () => {
  test('Ethernet', () => {
    const view = new EthernetView(dirty(14));
    view.dst = 'ff:ff:ff:ff:ff:ff';
    view.src = '0a:58:0a:f4:01:05';
    view.type = EtherType.ARP;
    expect(hex(view.bytes)).toBe('ffffffffffff0a580af401050806');
  });

  test('ARP', () => {
    const view = new ArpView(dirty(28));
    view.hardwareType = 1;
    view.protocolType = EtherType.IPV4;
    view.hardwareLength = 6;
    view.protocolLength = 4;
    view.operation = 1;
    view.senderMac = '0a:58:0a:f4:01:05';
    view.senderIp = v4('10.244.1.5');
    view.targetMac = '';
    view.targetIp = v4('10.244.1.1');
    expect(hex(view.bytes)).toBe('0001080006040001 0a580af40105 0af40105 000000000000 0af40101'.replaceAll(' ', ''));
  });

  test('IPv4', () => {
    const view = new Ipv4View(dirty(20));
    view.version = 4;
    view.headerLength = 20;
    view.tos = 0;
    view.totalLength = 0x73;
    view.id = 0;
    view.fragmentOffset = 0;
    view.dontFragment = true;
    view.moreFragments = false;
    view.bytes[6] &= 0x7f;
    view.ttl = 64;
    view.protocol = IpProto.UDP;
    view.src = v4('192.168.0.1');
    view.dst = v4('192.168.0.199');
    view.fillChecksum();
    expect(hex(view.bytes)).toBe('45000073000040004011b861c0a80001c0a800c7');
    expect(view.hasValidChecksum()).toBe(true);
  });

  test('IPv6', () => {
    const view = new Ipv6View(dirty(40));
    view.version = 6;
    view.trafficClass = 0;
    view.flowLabel = 0;
    view.payloadLength = 0;
    view.nextHeader = 59;
    view.hopLimit = 64;
    view.src = v6('fd09::1');
    view.dst = v6('fd09::2');
    expect(hex(view.bytes)).toBe(`6000000000003b40${'fd09'.padEnd(31, '0')}1${'fd09'.padEnd(31, '0')}2`);
  });

  test('TCP, with the flags of a SYN', () => {
    const ends = { src: v4('10.0.0.1'), dst: v4('10.0.0.2') };
    const view = new TcpView(dirty(20));
    view.sport = 40000;
    view.dport = 80;
    view.seq = 1;
    view.ack = 0;
    view.headerLength = 20;
    view.flags = TcpFlag.SYN;
    view.window = 65535;
    view.urgent = 0;
    view.fillChecksum(ends);
    expect(view.bytes).toEqual(
      encodeTcp(
        {
          ...view,
          sport: 40000,
          dport: 80,
          seq: 1,
          ack: 0,
          flags: 2,
          window: 65535,
          urgent: 0,
          options: none,
          payload: none,
        },
        ends,
      ),
    );
  });

  test('VXLAN: reserved fields are zero', () => {
    expect(hex(encodeVxlan({ vni: 0xabcdef, payload: none }))).toBe('08000000abcdef00');
    const view = new VxlanView(dirty(8));
    view.vni = 5;
    expect(view.vni).toBe(5);
  });
});

describe('malformed packets', () => {
  const good = encodeIpv4({
    tos: 0,
    id: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    ttl: 64,
    protocol: 17,
    src: 1,
    dst: 2,
    options: none,
    payload: new Uint8Array(8),
  });
  const broken = (change: (bytes: Uint8Array) => void) => {
    const copy = good.slice();
    change(copy);
    return copy;
  };

  test.each([
    ['of version 6', broken((b) => (b[0] = 0x65)), 'version is 6'],
    ['with a header of 16 bytes', broken((b) => (b[0] = 0x44)), 'header length 16 is less than 20'],
    ['longer than there are bytes', broken((b) => (b[2] = 1)), 'total length 284 is more than the 28 bytes there are'],
    ['shorter than its header', broken((b) => (b[3] = 19)), "total length 19 is less than the header's 20"],
  ])('an IPv4 packet %s says so', (_, packet, fault) => {
    expect(() => parseIpv4(packet)).toThrow(new WireError('IPv4', 'malformed', fault));
  });

  test('link padding after an IPv4 packet is not its payload', () => {
    const padded = new Uint8Array(46);
    padded.set(good);
    expect(parseIpv4(padded).payload.length).toBe(8);
  });

  test('a value that does not fit its field is refused, not cut', () => {
    const ends = { src: 1, dst: 2 };
    expect(() => encodeUdp({ sport: 65536, dport: 1, payload: none }, ends)).toThrow(
      'sport 65536 does not fit in 16 bits',
    );
    expect(() => encodeVxlan({ vni: 1 << 24, payload: none })).toThrow(WireError);
    expect(() => encodeUdp({ sport: 1, dport: 1, payload: new Uint8Array(70_000) }, ends)).toThrow(WireError);
    const arp = { operation: 1, senderMac: 'no mac', senderIp: 1, targetMac: '', targetIp: 2 };
    expect(() => encodeArp(arp)).toThrow('"no mac" is not a MAC address');
  });

  test('ARP for other than IPv4 over Ethernet is refused', () => {
    const packet = encodeArp({ operation: 1, senderMac: '', senderIp: 1, targetMac: '', targetIp: 2 });
    packet[1] = 6;
    expect(() => parseArp(packet)).toThrow('hardware type 6 is not Ethernet');
  });

  test('a neighbour discovery option of length 0 does not loop', () => {
    const ends = { src: 1n, dst: 2n };
    const message = encodeIcmpv6({ kind: 'neighbor-solicitation', target: 3n, mac: '02:00:00:00:00:01' }, ends);
    message[25] = 0;
    expect(() => parseIcmpv6(message, ends)).toThrow('option of length 0');
  });

  test('an SCTP chunk of length 0 does not loop', () => {
    const packet = encodeSctp({ sport: 1, dport: 2, verificationTag: 3, chunks: [{ type: 0, flags: 0, value: none }] });
    packet[15] = 0;
    expect(() => parseSctp(packet)).toThrow('chunk length 0 is less than 4');
  });
});

test('UDP over IPv4 without checksum is accepted, over IPv6 it is not', () => {
  const datagram = { sport: 1, dport: 2, payload: none };
  for (const [ends, accepted] of [
    [{ src: 1, dst: 2 }, true],
    [{ src: 1n, dst: 2n }, false],
  ] as const) {
    const packet = encodeUdp(datagram, ends);
    new UdpView(packet).checksum = 0;
    expect(new UdpView(packet).hasValidChecksum(ends)).toBe(accepted);
  }
});

test('a UDP checksum that comes out as 0 is sent as 0xffff', () => {
  const ends = { src: 0, dst: 0 };
  // Pseudo header 17 + 8 twice (length), so that the ports make the sum 0xffff.
  const packet = encodeUdp({ sport: 0xffff - 17 - 16, dport: 0, payload: none }, ends);
  expect(new UdpView(packet).checksum).toBe(0xffff);
  expect(new UdpView(packet).hasValidChecksum(ends)).toBe(true);
});

function text({ src, dst }: { src: Ip; dst: Ip }): string {
  return `${formatIp(src)} > ${formatIp(dst)}`;
}

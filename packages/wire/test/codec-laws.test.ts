import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';
import { byte, dirty, ends, ipv4, ipv6, mac, options, payload, port, word } from './support.ts';

/** What every codec promises, held for each. */
interface Codec<T> {
  readonly name: string;
  readonly value: fc.Arbitrary<T>;
  readonly encode: (value: T, ends: wire.Ends) => Uint8Array;
  readonly parse: (bytes: Uint8Array, ends: wire.Ends) => T;
  readonly view: new (bytes: Uint8Array) => wire.View;
  /** Bits that a checksum guards: from and to (exclusive) byte. Absent where the protocol has none. */
  readonly guarded?: (encoded: Uint8Array) => readonly [from: number, to: number];
}

function codec<T>(definition: Codec<T>): Codec<T> {
  return definition;
}

const whole = (encoded: Uint8Array) => [0, encoded.length] as const;
const echo = fc.record({
  kind: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
  identifier: port,
  sequence: port,
  payload,
});
const optionalMac = fc.option(mac, { nil: undefined }).map((value) => (value === undefined ? {} : { mac: value }));

const ethernet = codec<wire.EthernetFrame>({
  name: 'Ethernet',
  value: fc.record({ dst: mac, src: mac, type: fc.integer({ min: 0x600, max: 0xffff }), payload }),
  encode: wire.encodeEthernet,
  parse: wire.parseEthernet,
  view: wire.EthernetView,
});
const arp = codec<wire.ArpPacket>({
  name: 'ARP',
  value: fc.record({ operation: port, senderMac: mac, senderIp: ipv4, targetMac: mac, targetIp: ipv4 }),
  encode: wire.encodeArp,
  parse: wire.parseArp,
  view: wire.ArpView,
});
const ipv4Codec = codec<wire.Ipv4Packet>({
  name: 'IPv4',
  value: fc.record({
    tos: byte,
    id: port,
    dontFragment: fc.boolean(),
    moreFragments: fc.boolean(),
    fragmentOffset: fc.integer({ min: 0, max: 0x1fff }).map((units) => units * 8),
    ttl: byte,
    protocol: byte,
    src: ipv4,
    dst: ipv4,
    options,
    payload,
  }),
  encode: wire.encodeIpv4,
  parse: wire.parseIpv4,
  view: wire.Ipv4View,
  guarded: (encoded) => [0, (encoded[0] & 15) * 4],
});
const ipv6Codec = codec<wire.Ipv6Packet>({
  name: 'IPv6',
  value: fc.record({
    trafficClass: byte,
    flowLabel: fc.integer({ min: 0, max: 0xf_ffff }),
    nextHeader: byte,
    hopLimit: byte,
    src: ipv6,
    dst: ipv6,
    payload,
  }),
  encode: wire.encodeIpv6,
  parse: wire.parseIpv6,
  view: wire.Ipv6View,
});
const icmp = codec<wire.IcmpMessage>({
  name: 'ICMP',
  value: fc.oneof(
    echo,
    fc.record({
      kind: fc.constantFrom('unreachable' as const, 'time-exceeded' as const),
      code: byte,
      mtu: port,
      quoted: payload,
    }),
    fc.record({
      kind: fc.constant('other' as const),
      type: fc.constantFrom(5, 13, 40, 255),
      code: byte,
      rest: word,
      payload,
    }),
  ),
  encode: wire.encodeIcmp,
  parse: wire.parseIcmp,
  view: wire.IcmpView,
  guarded: whole,
});
const icmpv6 = codec<wire.Icmpv6Message>({
  name: 'ICMPv6',
  value: fc.oneof(
    echo,
    fc.record({ kind: fc.constantFrom('unreachable' as const, 'time-exceeded' as const), code: byte, quoted: payload }),
    fc.record({ kind: fc.constant('packet-too-big' as const), mtu: word, quoted: payload }),
    fc
      .tuple(fc.record({ kind: fc.constant('neighbor-solicitation' as const), target: ipv6 }), optionalMac)
      .map(([message, option]) => ({ ...message, ...option })),
    fc
      .tuple(
        fc.record({
          kind: fc.constant('neighbor-advertisement' as const),
          target: ipv6,
          router: fc.boolean(),
          solicited: fc.boolean(),
          override: fc.boolean(),
        }),
        optionalMac,
      )
      .map(([message, option]) => ({ ...message, ...option })),
    fc.record({
      kind: fc.constant('other' as const),
      type: fc.constantFrom(133, 143),
      code: byte,
      rest: word,
      payload,
    }),
  ),
  encode: wire.encodeIcmpv6,
  parse: wire.parseIcmpv6,
  view: wire.Icmpv6View,
  guarded: whole,
});
const tcp = codec<wire.TcpSegment>({
  name: 'TCP',
  value: fc.record({
    sport: port,
    dport: port,
    seq: word,
    ack: word,
    flags: byte,
    window: port,
    urgent: port,
    options,
    payload,
  }),
  encode: wire.encodeTcp,
  parse: wire.parseTcp,
  view: wire.TcpView,
  guarded: whole,
});
const udp = codec<wire.UdpDatagram>({
  name: 'UDP',
  value: fc.record({ sport: port, dport: port, payload }),
  encode: wire.encodeUdp,
  parse: wire.parseUdp,
  view: wire.UdpView,
  guarded: whole,
});
const sctp = codec<wire.SctpPacket>({
  name: 'SCTP',
  value: fc.record({
    sport: port,
    dport: port,
    verificationTag: word,
    chunks: fc.array(fc.record({ type: byte, flags: byte, value: payload }), { maxLength: 4 }),
  }),
  encode: wire.encodeSctp,
  parse: wire.parseSctp,
  view: wire.SctpView,
  guarded: whole,
});
const vxlan = codec<wire.VxlanPacket>({
  name: 'VXLAN',
  value: fc.record({ vni: fc.integer({ min: 0, max: 0xff_ffff }), payload }),
  encode: wire.encodeVxlan,
  parse: wire.parseVxlan,
  view: wire.VxlanView,
});

function laws<T>({ name, value, encode, parse, view, guarded }: Codec<T>): void {
  describe(name, () => {
    test('a value comes back as it was from its bytes', () => {
      fc.assert(
        fc.property(value, ends, (packet, at) => {
          expect(parse(encode(packet, at), at)).toEqual(packet);
        }),
      );
    });

    test('bytes come back as they were from their value', () => {
      fc.assert(
        fc.property(value, ends, (packet, at) => {
          const encoded = encode(packet, at);
          expect(encode(parse(encoded, at), at)).toEqual(encoded);
        }),
      );
    });

    test('what was encoded is valid as a view', () => {
      fc.assert(fc.property(value, ends, (packet, at) => new view(encode(packet, at)).isValid()));
    });

    test('a truncated packet is a WireError or a shorter packet, never a crash', () => {
      fc.assert(
        fc.property(value, ends, fc.nat({ max: 300 }), (packet, at, length) => {
          const encoded = encode(packet, at);
          attempt(() => parse(encoded.subarray(0, length % encoded.length), at));
        }),
      );
    });

    test('any bytes are a WireError or a packet, never a crash', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120 }), ends, (bytes, at) => {
          attempt(() => parse(bytes, at));
        }),
      );
    });

    test('a view over any bytes can be read in every field', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
          attempt(() => {
            const over = new view(bytes);
            const getters = Object.entries(Object.getOwnPropertyDescriptors(view.prototype)).filter(
              ([, { get }]) => get,
            );
            for (const [field] of getters) expect(Reflect.get(over, field)).toBeDefined();
            over.isValid();
          });
        }),
      );
    });

    test('nothing is left unwritten in a buffer, and the view is over the bytes given', () => {
      fc.assert(
        fc.property(value, ends, (packet, at) => {
          const encoded = encode(packet, at);
          const larger = dirty(encoded.length + 8);
          larger.set(encoded, 4);
          expect(parse(larger.subarray(4, 4 + encoded.length), at)).toEqual(packet);
        }),
      );
    });

    if (guarded === undefined) return;
    test('a flipped bit under the checksum never passes for the same packet', () => {
      fc.assert(
        fc.property(value, ends, fc.nat(), (packet, at, chosen) => {
          const encoded = encode(packet, at);
          const [from, to] = guarded(encoded);
          const bit = from * 8 + (chosen % ((to - from) * 8));
          encoded[bit >> 3] ^= 0x80 >> (bit & 7);
          const parsed = attempt(() => parse(encoded, at));
          expect(parsed).not.toEqual(packet);
        }),
      );
    });
  });
}

/** Runs it; a WireError is an answer, anything else is thrown on. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof wire.WireError) return undefined;
    throw error;
  }
}

laws(ethernet);
laws(arp);
laws(ipv4Codec);
laws(ipv6Codec);
laws(icmp);
laws(icmpv6);
laws(tcp);
laws(udp);
laws(sctp);
laws(vxlan);

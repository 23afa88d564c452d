import type { Step } from '@netsim/trace';
import type { Ip } from '@netsim/wire';
import { parseIp } from '@netsim/wire';
import { Hook, Verdict } from '../../src/hook.ts';
import type { Device } from '../../src/net/device.ts';
import type { NetfilterHost, Tracer } from '../../src/netfilter/host.ts';
import type { AddressType, RejectWith } from '../../src/netfilter/iptables/rule.ts';
import { Netfilter, type NetfilterOptions } from '../../src/netfilter/netfilter.ts';
import { type RandomSource, SeededRandom } from '../../src/random.ts';
import { Skb } from '../../src/skb.ts';

/** A netns of which netfilter sees only what it asks for. */
export class FakeHost implements NetfilterHost {
  readonly name = 'test';
  readonly machine = 'test';
  readonly label = 'host';
  random: RandomSource = new SeededRandom(1);
  tracer: Tracer | null = null;
  time = 0;
  readonly sysctls = new Map<string, number>();
  readonly local = new Set<Ip>([parseIp('192.168.0.1')]);
  readonly logged: string[] = [];
  readonly rejected: { how: RejectWith; hook: Hook }[] = [];
  masquerade: Ip = parseIp('192.168.0.1');
  reversePath = true;
  fibGeneration = 0;
  rests = 0;
  #sysctlGeneration = 0;
  /** A test may set one at any time. */
  get sysctlGeneration(): number {
    return ++this.#sysctlGeneration;
  }

  now(): number {
    return this.time;
  }
  sysctl(name: string): number {
    return this.sysctls.get(name) ?? defaults[name] ?? 0;
  }
  addressType(ip: Ip): AddressType {
    return this.local.has(ip) ? 'LOCAL' : 'UNICAST';
  }
  masqueradeAddress(_out: Device, destination: Ip): Ip | undefined {
    return typeof destination === 'number' ? this.masquerade : parseIp('fd00::1');
  }
  deviceAddress(_dev: Device, family: 4 | 6): Ip | undefined {
    return family === 4 ? parseIp('192.168.0.1') : parseIp('fd00::1');
  }
  virtualServiceOf(): null {
    return null;
  }
  reversePathOk(): boolean {
    return this.reversePath;
  }
  reject(_skb: Skb, how: RejectWith, hook: Hook): void {
    this.rejected.push({ how, hook });
  }
  log(line: string): void {
    this.logged.push(line);
  }
}

const defaults: Readonly<Record<string, number>> = {
  'net.netfilter.nf_conntrack_max': 262144,
  'net.netfilter.nf_conntrack_generic_timeout': 600,
  'net.netfilter.nf_conntrack_icmp_timeout': 30,
  'net.netfilter.nf_conntrack_icmpv6_timeout': 30,
  'net.netfilter.nf_conntrack_udp_timeout': 30,
  'net.netfilter.nf_conntrack_udp_timeout_stream': 120,
  'net.netfilter.nf_conntrack_tcp_loose': 1,
  'net.netfilter.nf_conntrack_tcp_timeout_syn_sent': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_syn_recv': 60,
  'net.netfilter.nf_conntrack_tcp_timeout_established': 432000,
  'net.netfilter.nf_conntrack_tcp_timeout_fin_wait': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_close_wait': 60,
  'net.netfilter.nf_conntrack_tcp_timeout_last_ack': 30,
  'net.netfilter.nf_conntrack_tcp_timeout_time_wait': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_close': 10,
  'net.netfilter.nf_conntrack_tcp_timeout_unacknowledged': 300,
  'net.netfilter.nf_conntrack_sctp_timeout_cookie_wait': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_established': 210,
};

export const eth0 = { name: 'eth0' } as Device;
export const eth1 = { name: 'eth1' } as Device;

export interface PacketFields {
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly protocol?: 'tcp' | 'udp' | 'icmp' | 'icmp6' | 'sctp';
  readonly flags?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly mark?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  readonly inner?: Skb;
  readonly length?: number;
  readonly traced?: boolean;
}

const numbers = { tcp: 6, udp: 17, icmp: 1, icmp6: 58, sctp: 132 } as const;

export function packet(fields: PacketFields): Skb {
  const skb = new Skb();
  skb.src = parseIp(fields.src ?? '10.0.0.1');
  skb.dst = parseIp(fields.dst ?? '10.0.0.2');
  skb.etherType = typeof skb.src === 'number' ? 0x0800 : 0x86dd;
  skb.protocol = numbers[fields.protocol ?? 'udp'];
  skb.sport = fields.sport ?? 1000;
  skb.dport = fields.dport ?? (fields.protocol?.startsWith('icmp') ? 0 : 80);
  skb.flags = fields.flags ?? 2;
  skb.seq = fields.seq ?? 0;
  skb.ack = fields.ack ?? 0;
  skb.mark = fields.mark ?? 0;
  skb.icmpType = fields.icmpType ?? (fields.protocol === 'icmp6' ? 128 : 8);
  skb.icmpCode = fields.icmpCode ?? 0;
  skb.inner = fields.inner ?? null;
  skb.payloadLength = fields.length ?? 0;
  skb.trackId = fields.traced === true ? 1 : 0;
  return skb;
}

export interface World {
  readonly host: FakeHost;
  readonly netfilter: Netfilter;
  readonly steps: Step[];
}

/** A netns with these rules (one text for IPv4, one for IPv6), and the steps that it tells of packets that are traced. */
export function world(rules: string, options: NetfilterOptions & { readonly rules6?: string } = {}): World {
  const host = new FakeHost();
  const netfilter = new Netfilter(host, options);
  if (rules !== '') netfilter.restore(rules, 4);
  if (options.rules6 !== undefined) netfilter.restore(options.rules6, 6);
  const steps: Step[] = [];
  host.tracer = { step: (_where, _skb, step) => steps.push(step) };
  return { host, netfilter, steps };
}

/** Takes a packet through PREROUTING, FORWARD and POSTROUTING, from eth0 to eth1. */
export function forward(netfilter: Netfilter, skb: Skb): Verdict {
  for (const hook of [Hook.PREROUTING, Hook.FORWARD, Hook.POSTROUTING]) {
    const verdict = netfilter.hook(
      hook,
      skb,
      hook === Hook.POSTROUTING ? null : eth0,
      hook === Hook.PREROUTING ? null : eth1,
    );
    if (verdict !== Verdict.ACCEPT) return verdict;
  }
  return Verdict.ACCEPT;
}

/** As it arrives again on the other side: what belongs to one machine only is gone. */
export function fresh(skb: Skb): Skb {
  skb.ct = null;
  skb.ctInfo = 0;
  skb.mark = 0;
  return skb;
}

/** The answer to a packet, as its receiver sends it. */
export function answer(skb: Skb, flags = 18, seq = 0, ack = skb.seq + 1): Skb {
  const reply = new Skb();
  reply.src = skb.dst;
  reply.dst = skb.src;
  reply.etherType = skb.etherType;
  reply.protocol = skb.protocol;
  reply.sport = skb.dport;
  reply.dport = skb.sport;
  reply.flags = flags;
  reply.seq = seq;
  reply.ack = ack;
  reply.trackId = skb.trackId;
  if (skb.protocol === 1 || skb.protocol === 58) {
    reply.sport = skb.sport;
    reply.dport = 0;
    reply.icmpType = skb.protocol === 1 ? 0 : 129;
  }
  return reply;
}

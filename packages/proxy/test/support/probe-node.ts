import type { Device, Netns, NftTable, RandomSource, Ruleset, Tracer } from '@netsim/kernel';
import { Hook, Netfilter, Skb, Verdict, World } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { familyOf, formatEndpoint, IpProto, parseIp, parsePrefix, prefixContains, TcpFlag } from '@netsim/wire';

/** A packet row of the vectors. */
export interface Probe {
  readonly name: string;
  readonly sourceIP: string;
  readonly protocol: string;
  readonly destIP: string;
  readonly destPort: number;
  readonly output: string;
  readonly masq: boolean;
  readonly kernel?: { readonly output: string; readonly masq: boolean };
}

export interface Outcome {
  /** As in the vectors: '' for a packet that goes on as it was, `ip:port` after DNAT, ACCEPT, DROP or REJECT. */
  readonly output: string;
  readonly masq: boolean;
}

/** Draws nothing: the n-th rule with a random match is taken, so that every endpoint can be had in turn. */
class Choice implements RandomSource {
  take = 0;
  #asked = 0;

  start(take: number): void {
    this.take = take;
    this.#asked = 0;
  }
  chance(): boolean {
    return this.#asked++ === this.take;
  }
  choose(n: number): number {
    return this.take % n;
  }
  below(): number {
    return 0;
  }
}

/** Hears whether a rule of the filter table accepted the packet: such a rule leaves no other mark. */
class Listener implements Tracer {
  accepted = false;
  step(_where: unknown, _skb: unknown, step: Parameters<Tracer['step']>[2]): void {
    if (step.kind === 'rule' && step.table === 'filter' && step.chain === 'KUBE-NODEPORTS') this.accepted = true;
  }
}

const protocols: Readonly<Record<string, number>> = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };
const podNetworks = [parsePrefix('10.0.0.0/8'), parsePrefix('fd00:10::/32')];
const LOCALHOST: readonly Ip[] = [parseIp('127.0.0.1'), parseIp('::1')];

/**
 * The node of the vectors: its addresses, an uplink, and an interface that pods are behind. Packets are taken through the
 * hooks of the kernel package's netfilter, in the order in which the stack calls them.
 */
export class ProbeNode {
  readonly #netns: Netns;
  readonly #uplink: Device;
  readonly #pods: Device;
  readonly #lo: Device;
  #netfilter: Netfilter;
  readonly #choice = new Choice();
  readonly #listener = new Listener();
  #sport = 20_000;

  constructor(addresses: readonly Ip[], podInterface: string) {
    const world = new World({ random: this.#choice });
    world.tracer = this.#listener;
    this.#netns = world.addNetns('node', 'node', 'host');
    for (const name of ['eth0', podInterface]) {
      this.#netns.addLink({ kind: 'dummy', name });
      this.#netns.setUp(name);
    }
    for (const address of addresses) {
      if (LOCALHOST.includes(address)) continue;
      this.#netns.addAddress({ dev: 'eth0', address, prefixLength: familyOf(address) === 4 ? 24 : 64 });
    }
    for (const family of [4, 6] as const) this.#netns.addRoute({ family, dev: 'eth0' });
    this.#uplink = this.#netns.requireDevice('eth0');
    this.#pods = this.#netns.requireDevice(podInterface);
    this.#netns.setUp('lo');
    this.#lo = this.#netns.lo;
    this.#netfilter = new Netfilter(this.#netns);
  }

  /** Puts rules in force, and forgets connections and affinity. */
  load(ruleset: Ruleset): void {
    this.#netfilter = new Netfilter(this.#netns);
    this.#netfilter.loadRuleset(ruleset);
  }

  /** As {@link load}, for an nft table. */
  loadTable(table: NftTable): void {
    this.#netfilter = new Netfilter(this.#netns);
    this.changeTable(table);
  }

  /** Puts a changed table in force; what packets have put into sets stays. */
  changeTable(table: NftTable): void {
    this.#netfilter.loadNft({ tables: [table] });
  }

  isLocal(ip: Ip): boolean {
    return this.#netns.addressType(ip) === 'LOCAL';
  }

  /** What becomes of the first packet of a connection that takes the n-th choice it is given. */
  probe({ sourceIP, destIP, destPort, protocol }: Probe, take: number): Outcome {
    const netfilter = this.#netfilter;
    netfilter.flushConnections();
    this.#choice.start(take);
    this.#listener.accepted = false;
    const skb = new Skb();
    skb.trackId = 1;
    skb.src = parseIp(sourceIP);
    skb.dst = parseIp(destIP);
    skb.protocol = protocols[protocol]!;
    skb.sport = this.#sport++;
    skb.dport = destPort;
    skb.etherType = familyOf(skb.src) === 4 ? 0x0800 : 0x86dd;
    if (skb.protocol === IpProto.TCP) skb.flags = TcpFlag.SYN;
    const verdict = this.isLocal(skb.src) ? this.#send(netfilter, skb) : this.#receive(netfilter, skb);
    if (verdict === Verdict.DROP) return { output: 'DROP', masq: false };
    if (verdict === Verdict.STOLEN) return { output: 'REJECT', masq: false };
    if (this.#listener.accepted) return { output: 'ACCEPT', masq: false };
    const moved = skb.dst !== parseIp(destIP) || skb.dport !== destPort;
    return { output: moved ? formatEndpoint(skb.dst, skb.dport) : '', masq: skb.src !== parseIp(sourceIP) };
  }

  #send(netfilter: Netfilter, skb: Skb): Verdict {
    const before = this.isLocal(skb.dst) ? this.#lo : this.#uplink;
    const verdict = netfilter.hook(Hook.OUTPUT, skb, null, before);
    if (verdict !== Verdict.ACCEPT) return verdict;
    if (!this.isLocal(skb.dst)) return netfilter.hook(Hook.POSTROUTING, skb, null, this.#uplink);
    for (const hook of [Hook.POSTROUTING, Hook.PREROUTING, Hook.INPUT]) {
      const out = hook === Hook.POSTROUTING;
      const next = netfilter.hook(hook, skb, out ? null : this.#lo, out ? this.#lo : null);
      if (next !== Verdict.ACCEPT) return next;
    }
    return Verdict.ACCEPT;
  }

  #receive(netfilter: Netfilter, skb: Skb): Verdict {
    const fromPod = podNetworks.some((network) => prefixContains(network, skb.src));
    const from = fromPod ? this.#pods : this.#uplink;
    skb.dev = from;
    const verdict = netfilter.hook(Hook.PREROUTING, skb, from, null);
    if (verdict !== Verdict.ACCEPT) return verdict;
    if (this.isLocal(skb.dst)) return netfilter.hook(Hook.INPUT, skb, from, null);
    const forward = netfilter.hook(Hook.FORWARD, skb, from, this.#uplink);
    return forward === Verdict.ACCEPT ? netfilter.hook(Hook.POSTROUTING, skb, null, this.#uplink) : forward;
  }
}

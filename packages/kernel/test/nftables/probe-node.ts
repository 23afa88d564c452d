import type { Ip } from '@netsim/wire';
import { familyOf, formatEndpoint, parseIp, parsePrefix, prefixContains } from '@netsim/wire';
import { Hook, Verdict } from '../../src/hook.ts';
import type { Device } from '../../src/net/device.ts';
import type { Netns } from '../../src/net/netns.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import type { NftRuleset } from '../../src/netfilter/nftables/index.ts';
import type { RandomSource } from '../../src/random.ts';
import { Skb } from '../../src/skb.ts';
import { World } from '../../src/world.ts';

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

export interface Answer {
  /** As in the vectors: '' for a packet that goes on as it was, `ip:port` after DNAT, DROP or REJECT. */
  readonly output: string;
  readonly masq: boolean;
}

/** Takes the same way at every choice. */
class OneWay implements RandomSource {
  way = 0;
  ways = 0;
  chance(): boolean {
    return true;
  }
  choose(n: number): number {
    this.ways = n;
    return this.way % n;
  }
  below(): number {
    return 0;
  }
}

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };
const podNetworks = [parsePrefix('10.0.0.0/8'), parsePrefix('fd00:10::/32')];
const loopbacks: readonly Ip[] = [parseIp('127.0.0.1'), parseIp('::1')];

/**
 * The node of the vectors: its addresses, an uplink, and an interface that pods are behind. Packets are taken through the
 * hooks in the order in which the stack calls them.
 */
export class ProbeNode {
  readonly #netns: Netns;
  readonly #uplink: Device;
  readonly #pods: Device;
  readonly #random = new OneWay();
  #netfilter: Netfilter;
  #sport = 20_000;

  constructor(addresses: readonly Ip[], podInterface: string) {
    const world = new World({ random: this.#random });
    this.#netns = world.addNetns('node', 'node', 'host');
    for (const name of ['eth0', podInterface]) {
      this.#netns.addLink({ kind: 'dummy', name });
      this.#netns.setUp(name);
    }
    for (const address of addresses) {
      if (loopbacks.includes(address)) continue;
      this.#netns.addAddress({ dev: 'eth0', address, prefixLength: familyOf(address) === 4 ? 24 : 64 });
    }
    for (const family of [4, 6] as const) this.#netns.addRoute({ family, dev: 'eth0' });
    this.#uplink = this.#netns.requireDevice('eth0');
    this.#pods = this.#netns.requireDevice(podInterface);
    this.#netns.setUp('lo');
    this.#netfilter = new Netfilter(this.#netns);
  }

  /** Puts rules in force, and forgets connections and affinity. */
  load(ruleset: NftRuleset): void {
    this.#netfilter = new Netfilter(this.#netns);
    this.#netfilter.loadNft(ruleset);
  }

  isLocal(ip: Ip): boolean {
    return this.#netns.addressType(ip) === 'LOCAL';
  }

  /** What becomes of the first packet of a connection, once for each way that `numgen` may choose. */
  answers(ruleset: NftRuleset, probe: Probe): Answer[] {
    const found: Answer[] = [];
    this.#random.ways = 1;
    for (let way = 0; way < this.#random.ways; way++) {
      this.load(ruleset);
      this.#random.way = way;
      found.push(this.#answer(probe));
    }
    return found;
  }

  #answer({ sourceIP, destIP, destPort, protocol }: Probe): Answer {
    const skb = new Skb();
    skb.src = parseIp(sourceIP);
    skb.dst = parseIp(destIP);
    skb.protocol = protocols[protocol]!;
    skb.sport = this.#sport++;
    skb.dport = destPort;
    skb.etherType = familyOf(skb.src) === 4 ? 0x0800 : 0x86dd;
    if (skb.protocol === 6) skb.flags = 2;
    const verdict = this.isLocal(skb.src) ? this.#send(skb) : this.#receive(skb);
    if (verdict === Verdict.DROP) return { output: 'DROP', masq: false };
    if (verdict === Verdict.STOLEN) return { output: 'REJECT', masq: false };
    const moved = skb.dst !== parseIp(destIP) || skb.dport !== destPort;
    return { output: moved ? formatEndpoint(skb.dst, skb.dport) : '', masq: skb.src !== parseIp(sourceIP) };
  }

  #send(skb: Skb): Verdict {
    const netfilter = this.#netfilter;
    const { lo } = this.#netns;
    const verdict = netfilter.hook(Hook.OUTPUT, skb, null, this.isLocal(skb.dst) ? lo : this.#uplink);
    if (verdict !== Verdict.ACCEPT) return verdict;
    if (!this.isLocal(skb.dst)) return netfilter.hook(Hook.POSTROUTING, skb, null, this.#uplink);
    for (const hook of [Hook.POSTROUTING, Hook.PREROUTING, Hook.INPUT]) {
      const out = hook === Hook.POSTROUTING;
      const next = netfilter.hook(hook, skb, out ? null : lo, out ? lo : null);
      if (next !== Verdict.ACCEPT) return next;
    }
    return Verdict.ACCEPT;
  }

  #receive(skb: Skb): Verdict {
    const netfilter = this.#netfilter;
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

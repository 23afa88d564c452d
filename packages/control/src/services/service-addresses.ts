import type { Service } from '@netsim/manifest';
import {
  addressAt,
  addressOffset,
  familyBits,
  familyOf,
  formatIp,
  type Ip,
  type Prefix,
  prefixContains,
  tryParseIp,
} from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';
import { addressBand, BandedRange } from './banded-range.ts';
import { familyName, type IpFamily } from './service-families.ts';

interface Block {
  readonly prefix: Prefix;
  readonly range: BandedRange;
}

/**
 * The cluster IPs of all services. An address that is asked for is given if it is free; any other comes from the high
 * band of the service CIDR, at a place that depends on the seed and the service's name alone.
 */
export class ServiceAddresses {
  readonly #blocks = new Map<IpFamily, Block>();

  constructor(config: ClusterConfig) {
    for (const prefix of config.serviceCIDRs) {
      const size = 2 ** Math.min(familyBits(familyOf(prefix.address)) - prefix.length, 32);
      // Neither the network address nor, in IPv4, the broadcast address.
      const last = familyOf(prefix.address) === 4 ? size - 2 : size - 1;
      const range = new BandedRange(1, last, addressBand(size));
      this.#blocks.set(familyName(familyOf(prefix.address)), { prefix, range });
    }
    for (const ip of config.clusterDNS) this.#locate(ip, (range, offset) => range.reserve(offset, dnsHolder));
  }

  /** Who has the address; nobody where it is free or outside the service CIDRs. */
  holder(text: string): string | undefined {
    return this.#read(text, (range, offset) => range.holder(offset));
  }

  /** Gives the address to the service unless another has it; false where another has it. */
  reserve(text: string, holder: string): boolean {
    const taken = this.holder(text);
    if (taken !== undefined && taken !== holder && taken !== dnsHolder) return false;
    this.#read(text, (range, offset) => range.reserve(offset, holder));
    return true;
  }

  release(service: Service, holder: string): void {
    for (const text of [service.spec.clusterIP ?? '', ...(service.spec.clusterIPs ?? [])]) {
      this.#read(text, (range, offset) => range.release(offset, holder));
    }
  }

  allocate(family: IpFamily, holder: string, pick: (bound: number) => number): string | undefined {
    const block = this.#blocks.get(family);
    const offset = block?.range.allocate(holder, pick);
    return offset === undefined ? undefined : formatIp(addressAt(block!.prefix, offset));
  }

  #read<T>(text: string, act: (range: BandedRange, offset: number) => T): T | undefined {
    const ip = tryParseIp(text);
    return ip === undefined ? undefined : this.#locate(ip, act);
  }

  #locate<T>(ip: Ip, act: (range: BandedRange, offset: number) => T): T | undefined {
    const block = this.#blocks.get(familyName(familyOf(ip)));
    if (block === undefined || !prefixContains(block.prefix, ip)) return undefined;
    return act(block.range, Number(addressOffset(block.prefix, ip)));
  }
}

/** The cluster's DNS address is kept free for the Service that asks for it. */
const dnsHolder = 'clusterDNS';

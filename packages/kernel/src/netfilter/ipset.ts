import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyBits, familyOf, formatIp, IpProto, prefixOf, tryParseIp, tryParsePrefix } from '@netsim/wire';
import type { Device } from '../net/device.ts';
import type { Skb } from '../skb.ts';
import { ipsetSaveText } from './ipset-print.ts';
import { IptablesError, type IptablesProblem, RuleSyntaxError } from './iptables/error.ts';

/** Set types that netsim knows. */
export const ipsetTypes = [
  'hash:ip',
  'hash:net',
  'hash:ip,port',
  'hash:net,port',
  'hash:ip,port,ip',
  'hash:ip,port,net',
  'hash:net,iface',
  'hash:mac',
  'bitmap:port',
] as const;
export type IpsetType = (typeof ipsetTypes)[number];

/** One element, in the words that `ipset save` prints: `10.0.0.1,tcp:80`. */
interface Element {
  readonly text: string;
  readonly nomatch: boolean;
}

/** A named set (Linux: ip_set). Lookups are by hash; nets are tried once for each prefix length in the set. */
export class IpSet {
  readonly name: string;
  readonly type: IpsetType;
  readonly family: Family;
  /** Options of `create` as written, after the type: `family inet hashsize 1024 maxelem 65536`. */
  readonly options: string;
  readonly #elements = new Map<string, Element>();
  /** How many elements have each prefix length, by dimension. */
  readonly #lengths: Map<number, number>[] = [];
  readonly #dimensions: readonly string[];

  constructor(name: string, type: IpsetType, options: string, family: Family) {
    this.name = name;
    this.type = type;
    this.options = options;
    this.family = family;
    this.#dimensions = type.slice(type.indexOf(':') + 1).split(',');
    for (const _ of this.#dimensions) this.#lengths.push(new Map());
  }

  get size(): number {
    return this.#elements.size;
  }

  get dimensions(): number {
    return this.#dimensions.length;
  }

  /** @throws RuleSyntaxError for text that is no element of this type */
  add(text: string, nomatch = false): void {
    const element = this.#read(text);
    if (!this.#elements.has(element.key)) this.#count(element.lengths, 1);
    this.#elements.set(element.key, { text: element.text, nomatch });
  }

  delete(text: string): boolean {
    const element = this.#read(text);
    if (!this.#elements.delete(element.key)) return false;
    this.#count(element.lengths, -1);
    return true;
  }

  clear(): void {
    this.#elements.clear();
    for (const lengths of this.#lengths) lengths.clear();
  }

  /** Elements as `ipset save` prints them, in order of text. */
  elements(): string[] {
    return [...this.#elements.values()].map((e) => (e.nomatch ? `${e.text} nomatch` : e.text)).sort();
  }

  /** Is the packet in the set, looked at by the given sides? */
  test(skb: Skb, flags: readonly ('src' | 'dst')[], inDev: Device | null, outDev: Device | null): boolean {
    if (this.#elements.size === 0) return false;
    return this.#try(skb, flags, inDev, outDev, 0, '');
  }

  #try(
    skb: Skb,
    flags: readonly ('src' | 'dst')[],
    inDev: Device | null,
    outDev: Device | null,
    dimension: number,
    key: string,
  ): boolean {
    if (dimension === this.#dimensions.length) {
      const found = this.#elements.get(key);
      return found !== undefined && !found.nomatch;
    }
    const side = flags[dimension] ?? flags.at(-1) ?? 'src';
    const next = (word: string): boolean => this.#try(skb, flags, inDev, outDev, dimension + 1, `${key}${word}|`);
    switch (this.#dimensions[dimension]) {
      case 'port': {
        const port = side === 'src' ? skb.sport : skb.dport;
        return next(this.type === 'bitmap:port' ? String(port) : `${skb.protocol}:${port}`);
      }
      case 'iface':
        return next((side === 'src' ? inDev : outDev)?.name ?? '');
      case 'mac':
        return next(side === 'src' ? skb.srcMac : skb.dstMac);
      default: {
        const ip = side === 'src' ? skb.src : skb.dst;
        if (familyOf(ip) !== this.family) return false;
        const lengths = [...this.#lengths[dimension]!.keys()].sort((a, b) => b - a);
        for (const length of lengths) {
          const block = prefixOf(ip, length);
          const word = `${block.address}/${length}`;
          // The longest match decides, also where it says `nomatch`.
          if (this.#dimensions.length === 1) {
            const found = this.#elements.get(`${word}|`);
            if (found !== undefined) return !found.nomatch;
          } else if (next(word)) return true;
        }
        return false;
      }
    }
  }

  #count(lengths: readonly (number | undefined)[], by: number): void {
    lengths.forEach((length, dimension) => {
      if (length === undefined) return;
      const counts = this.#lengths[dimension]!;
      const count = (counts.get(length) ?? 0) + by;
      if (count === 0) counts.delete(length);
      else counts.set(length, count);
    });
  }

  #read(text: string): { key: string; text: string; lengths: (number | undefined)[] } {
    const words = text.split(',');
    if (words.length !== this.#dimensions.length) {
      throw new RuleSyntaxError(`"${text}" is not an element of a ${this.type} set`, text);
    }
    let key = '';
    const texts: string[] = [];
    const lengths: (number | undefined)[] = [];
    this.#dimensions.forEach((dimension, i) => {
      const word = words[i]!;
      switch (dimension) {
        case 'port': {
          const port = readPort(word, this.type === 'bitmap:port');
          key += `${port.key}|`;
          texts.push(port.text);
          lengths.push(undefined);
          return;
        }
        case 'iface':
        case 'mac':
          key += `${word}|`;
          texts.push(word);
          lengths.push(undefined);
          return;
        default: {
          const prefix = readBlock(word, this.family, dimension === 'ip');
          key += `${prefix.address}/${prefix.length}|`;
          texts.push(
            prefix.length === familyBits(this.family)
              ? formatIp(prefix.address)
              : `${formatIp(prefix.address)}/${prefix.length}`,
          );
          lengths.push(prefix.length);
        }
      }
    });
    return { key, text: texts.join(','), lengths };
  }
}

function readBlock(word: string, family: Family, host: boolean): Prefix {
  const ip: Ip | undefined = tryParseIp(word);
  const prefix = ip === undefined ? tryParsePrefix(word) : { address: ip, length: familyBits(familyOf(ip)) };
  if (prefix === undefined || familyOf(prefix.address) !== family) {
    throw new RuleSyntaxError(`"${word}" is not an IPv${family} ${host ? 'address' : 'network'}`, word);
  }
  if (host && prefix.length !== familyBits(family))
    throw new RuleSyntaxError(`"${word}" is a network, the set holds addresses`, word);
  return prefix;
}

const protocols: Readonly<Record<string, number>> = {
  tcp: IpProto.TCP,
  udp: IpProto.UDP,
  sctp: IpProto.SCTP,
  icmp: IpProto.ICMP,
  icmpv6: IpProto.ICMPV6,
  udplite: 136,
};

function readPort(word: string, bare: boolean): { key: string; text: string } {
  const parts = /^(?:([a-z0-9]+):)?([0-9]+)$/.exec(word);
  const port = parts === null ? -1 : Number(parts[2]);
  const name = parts?.[1] ?? 'tcp';
  const protocol = protocols[name];
  if (port < 0 || port > 65535) throw new RuleSyntaxError(`"${word}" is not a port`, word);
  if (bare) return { key: String(port), text: String(port) };
  if (protocol === undefined)
    throw new RuleSyntaxError(`"${name}" is not a protocol with ports`, name, Object.keys(protocols));
  return { key: `${protocol}:${port}`, text: `${name}:${port}` };
}

/** The sets of one netns, as `ipset` manages them. */
export class IpSets {
  readonly #sets = new Map<string, IpSet>();

  get(name: string): IpSet | undefined {
    return this.#sets.get(name);
  }
  names(): IterableIterator<string> {
    return this.#sets.keys();
  }

  /** False too where there is no such set. */
  test(
    name: string,
    skb: Skb,
    flags: readonly ('src' | 'dst')[],
    inDev: Device | null,
    outDev: Device | null,
  ): boolean {
    return this.#sets.get(name)?.test(skb, flags, inDev, outDev) ?? false;
  }

  /** As `ipset save` prints all sets: each `create` followed by its `add` lines. */
  save(): string {
    return [...this.#sets.values()].map(ipsetSaveText).join('');
  }

  /**
   * As `ipset restore`: lines of create, add, del, flush, destroy, rename and swap. Nothing is done if a line is wrong.
   *
   * @throws IptablesError with every problem found
   */
  restore(text: string): void {
    const problems: IptablesProblem[] = [];
    const trial = this.#clone();
    text.split('\n').forEach((row, i) => {
      const words = row.trim().split(/\s+/);
      if (words[0] === '' || words[0]!.startsWith('#') || words[0] === 'COMMIT') return;
      try {
        trial.#apply(words);
      } catch (error) {
        if (!(error instanceof RuleSyntaxError)) throw error;
        problems.push({
          line: i + 1,
          message: error.message,
          ...(error.token === undefined ? {} : { token: error.token }),
          ...(error.suggestion === undefined ? {} : { suggestion: error.suggestion }),
        });
      }
    });
    if (problems.length > 0) throw new IptablesError(problems);
    this.#sets.clear();
    for (const [name, set] of trial.#sets) this.#sets.set(name, set);
  }

  #clone(): IpSets {
    const copy = new IpSets();
    for (const set of this.#sets.values()) {
      const same = new IpSet(set.name, set.type, set.options, set.family);
      for (const element of set.elements()) {
        const nomatch = element.endsWith(' nomatch');
        same.add(nomatch ? element.slice(0, -8) : element, nomatch);
      }
      copy.#sets.set(set.name, same);
    }
    return copy;
  }

  #apply(words: readonly string[]): void {
    const [command = '', name = '', what = '', ...rest] = words;
    const known = (): IpSet => {
      const set = this.#sets.get(name);
      if (set === undefined)
        throw new RuleSyntaxError(`The set with the given name does not exist: ${name}`, name, this.#sets.keys());
      return set;
    };
    switch (command) {
      case 'create':
      case '-N': {
        const type = ipsetTypes.find((candidate) => candidate === what);
        if (type === undefined) throw new RuleSyntaxError(`unknown set type "${what}"`, what, ipsetTypes);
        if (name.length > 31) throw new RuleSyntaxError(`set name "${name}" is too long (at most 31 characters)`, name);
        if (this.#sets.has(name)) {
          if (rest.includes('-exist')) return;
          throw new RuleSyntaxError(`Set cannot be created: set with the same name already exists: ${name}`, name);
        }
        const options = rest.filter((word) => word !== '-exist');
        const family = options[options.indexOf('family') + 1] === 'inet6' && options.includes('family') ? 6 : 4;
        this.#sets.set(name, new IpSet(name, type, defaultOptions(type, options, family), family));
        return;
      }
      case 'add':
      case '-A':
        known().add(what, rest.includes('nomatch'));
        return;
      case 'del':
      case '-D':
        if (!known().delete(what) && !rest.includes('-exist')) {
          throw new RuleSyntaxError(`Element cannot be deleted from the set: it's not added: ${what}`, what);
        }
        return;
      case 'flush':
      case '-F':
        if (name === '') for (const set of this.#sets.values()) set.clear();
        else known().clear();
        return;
      case 'destroy':
      case '-X':
        if (name === '') this.#sets.clear();
        else {
          known();
          this.#sets.delete(name);
        }
        return;
      case 'rename':
      case 'swap':
        this.#rename(known(), what, command === 'swap');
        return;
      default:
        throw new RuleSyntaxError(`unknown command "${command}"`, command, [
          'create',
          'add',
          'del',
          'flush',
          'destroy',
          'rename',
          'swap',
        ]);
    }
  }

  #rename(set: IpSet, to: string, swap: boolean): void {
    const other = this.#sets.get(to);
    if (swap !== (other !== undefined)) {
      throw new RuleSyntaxError(
        swap ? `Sets cannot be swapped: the second set does not exist: ${to}` : `a set named ${to} already exists`,
        to,
      );
    }
    const moved = renamed(set, to);
    if (other === undefined) this.#sets.delete(set.name);
    else this.#sets.set(set.name, renamed(other, set.name));
    this.#sets.set(to, moved);
  }
}

function renamed(set: IpSet, name: string): IpSet {
  const copy = new IpSet(name, set.type, set.options, set.family);
  for (const element of set.elements()) {
    const nomatch = element.endsWith(' nomatch');
    copy.add(nomatch ? element.slice(0, -8) : element, nomatch);
  }
  return copy;
}

/** What `ipset save` prints after the type where nothing was said. */
function defaultOptions(type: IpsetType, options: readonly string[], family: Family): string {
  if (options.length > 0 && (type === 'bitmap:port' || options.includes('maxelem'))) return options.join(' ');
  if (type === 'bitmap:port') return 'range 0-65535';
  if (type === 'hash:mac') return 'hashsize 1024 maxelem 65536';
  return `family ${family === 4 ? 'inet' : 'inet6'} hashsize 1024 maxelem 65536`;
}

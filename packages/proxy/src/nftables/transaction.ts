import type { NftChain } from '@netsim/kernel';
import type { NodeProxyConfig } from '../config.ts';
import type { FixedSet } from './base-rules.ts';
import { masqueradeMark, TABLE_COMMENT } from './base-rules.ts';
import { sameElement } from './elements.ts';
import type { ElementChange, NftablesRules } from './generator.ts';
import { ipWord, type ProxyRule } from './rule-parts.ts';

export interface NftTransactionOptions {
  /** How the masquerade mark is written; `0x` and eight digits unless told otherwise. */
  readonly mark?: string;
}

/**
 * What the last sync handed to `nft -f -`, in kube-proxy's own way of writing. It takes services in random order, here they are
 * in the order in which they came: see {@link canonicalNftText}.
 */
export function nftTransaction(
  rules: NftablesRules,
  config: NodeProxyConfig,
  options: NftTransactionOptions = {},
): string {
  const { sync } = rules;
  const writer = new Writer(config, options.mark);
  if (sync.full) {
    writer.add('add table', '', `{ comment "${TABLE_COMMENT}" ; }`);
    const bases = sync.fixed.chains.filter((chain) => chain.base !== undefined);
    if (sync.first) {
      for (const { name } of bases) {
        writer.add('add chain', name);
        writer.add('delete chain', name);
      }
    }
    for (const chain of sync.fixed.chains) writer.chain(chain);
    for (const set of sync.fixed.sets) writer.set(set);
    if (!sync.fixed.sets.some(({ name }) => name === 'nodeport-ips')) writer.noNodePortIps();
    for (const chain of sync.fixed.chains) writer.rules(chain);
  }
  const written = sync.written();
  for (const { chains, affinity } of written) {
    for (const chain of chains) writer.chain(chain);
    for (const { name, timeout } of affinity) {
      const type = `type ${writer.address} ; flags dynamic,timeout ; timeout ${timeout! / 1000}s ;`;
      writer.add('add set', name, `{ ${type} }`);
    }
  }
  for (const change of sync.elements) writer.newElements(change);
  for (const { chains } of written) for (const chain of chains) writer.rules(chain);
  for (const name of sync.stale) writer.add('flush chain', name);
  for (const name of sync.deletedSets) writer.add('delete set', name);
  for (const change of sync.elements) writer.oldElements(change);
  return writer.text();
}

/** What the last sync handed to `nft -f -` before that: chains deleted that nobody had used for a while. Mostly nothing. */
export function nftCleanup(rules: NftablesRules, config: NodeProxyConfig): string {
  const writer = new Writer(config);
  for (const name of rules.sync.deletedChains) writer.add('delete chain', name);
  return writer.text();
}

/** The whole table as kube-proxy would write it in one piece, in the order of {@link canonicalNftText}. */
export function nftTableText(
  rules: NftablesRules,
  config: NodeProxyConfig,
  options: NftTransactionOptions = {},
): string {
  const { table, sync } = rules;
  const writer = new Writer(config, options.mark);
  writer.add('add table', '', `{ comment "${TABLE_COMMENT}" ; }`);
  for (const chain of table.chains.values()) {
    writer.chain(chain, false);
    writer.rules(chain);
  }
  for (const set of sync.fixed.sets) writer.set(set, false);
  for (const { name, flags, timeout } of table.sets.values()) {
    if (!flags.includes('timeout')) continue;
    writer.add('add set', name, `{ type ${writer.address} ; flags dynamic,timeout ; timeout ${timeout! / 1000}s ; }`);
  }
  for (const [set, elements] of rules.elements) {
    for (const element of elements.values()) writer.add('add element', set, `{ ${element.text} }`);
  }
  return canonicalNftText(writer.text());
}

class Writer {
  readonly address: string;
  readonly #table: string;
  readonly #mark: [string, string] | undefined;
  readonly #lines: string[] = [];

  constructor(config: NodeProxyConfig, mark?: string) {
    this.#table = `${ipWord(config.family)} kube-proxy`;
    this.address = config.family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    if (mark !== undefined) this.#mark = [masqueradeMark(config).text, mark];
  }

  text(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }

  add(verb: string, name: string, rest = ''): void {
    this.#lines.push(`${verb} ${this.#table}${name === '' ? '' : ` ${name}`}${rest === '' ? '' : ` ${rest}`}`);
  }

  chain(chain: NftChain, flush = true): void {
    const { name, base, comment } = chain;
    let rest = '';
    if (base !== undefined) rest = `{ type ${base.type} hook ${base.hook} priority ${base.priority} ; }`;
    if (comment !== undefined) rest = `{ comment "${comment}" ; }`;
    this.add('add chain', name, rest);
    if (flush) this.add('flush chain', name);
  }

  rules(chain: NftChain): void {
    for (const rule of chain.rules as readonly ProxyRule[]) {
      const { text } = rule;
      this.add('add rule', chain.name, this.#mark === undefined ? text : text.replaceAll(...this.#mark));
    }
  }

  set({ name, type, data, comment, elements }: FixedSet, flush = true): void {
    const kind = data === undefined ? 'set' : 'map';
    const value = data === undefined ? '' : ` : ${data}`;
    this.add(`add ${kind}`, name, `{ type ${type.join(' . ')}${value} ; comment "${comment}" ; }`);
    if (name !== 'nodeport-ips') return;
    if (flush) this.add('flush set', name);
    for (const { text } of elements) this.add('add element', name, `{ ${text} }`);
  }

  /** Makes sure that the set is not there: a delete alone would fail where it is not. */
  noNodePortIps(): void {
    this.add('add set', 'nodeport-ips', `{ type ${this.address} ; comment "IPs that accept NodePort traffic" ; }`);
    this.add('delete set', 'nodeport-ips');
  }

  newElements({ set, keys, before, after }: ElementChange): void {
    for (const key of keys) {
      const old = before.get(key);
      const element = after.get(key);
      if (element === undefined || (old !== undefined && sameElement(old, element))) continue;
      if (old !== undefined) this.add('delete element', set, `{ ${key} }`);
      this.add('add element', set, `{ ${element.text} }`);
    }
  }

  oldElements({ set, keys, before, after }: ElementChange): void {
    for (const key of keys) {
      if (before.has(key) && !after.has(key)) this.add('delete element', set, `{ ${key} }`);
    }
  }
}

const objectOrder = ['table', 'chain', 'rule', 'set', 'map', 'element'];

/**
 * The same commands in one fixed order: by kind of object, then by its name, elements by their text; the commands about one
 * object, and the rules of one chain, keep their order. kube-proxy's own order is random, so two texts of the same meaning are
 * equal only in this form.
 */
export function canonicalNftText(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const keyed = lines.map((line) => {
    const [, kind, , , name] = line.split(' ', 5);
    const rest = kind === 'element' ? line.slice(line.indexOf('{')).replace(/( comment "[^"]*")?( : .*)? }$/, '') : '';
    return { line, rank: objectOrder.indexOf(kind!), name: name ?? '', rest };
  });
  keyed.sort((a, b) => a.rank - b.rank || compare(a.name, b.name) || compare(a.rest, b.rest));
  return keyed.map(({ line }) => `${line}\n`).join('');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

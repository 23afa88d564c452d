import type { Chain, Match, Rule, Table, Target } from '@netsim/kernel';
import type { Prefix } from '@netsim/wire';
import { formatEndpoint, formatIp, formatPrefix, protocolName } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import { masqueradeMark } from './base-rules.ts';
import type { IptablesRules } from './generator.ts';
import { HostPrefix } from './rule-parts.ts';

export interface RestoreTextOptions {
  /** How the masquerade mark is written; `0x` and eight digits unless told otherwise. */
  readonly mark?: string;
  /** Only what the last sync wrote, as a partial sync does: the shared chains and those of changed services. */
  readonly lastSync?: boolean;
}

/**
 * What kube-proxy hands to `iptables-restore --noflush --counters` for these rules: its own way of writing, with the
 * matches in the order of its source. The jumps from built-in chains and the canaries are not part of it: it makes those
 * one by one. kube-proxy takes services in random order, here they are in the order of their names.
 */
export function restoreText(rules: IptablesRules, config: NodeProxyConfig, options: RestoreTextOptions = {}): string {
  const { ruleset, sync } = rules;
  const mark = options.mark ?? `0x${masqueradeMark(config).toString(16).padStart(8, '0')}`;
  const filter = ruleset.tables.get('filter')!;
  const nat = ruleset.tables.get('nat')!;
  const lines: string[] = ['*filter'];
  const filterNames =
    config.family === 4 && config.localhostNodePorts ? [...filterChains, 'KUBE-FIREWALL'] : filterChains;
  writeChains(pick(filter, filterNames), mark, lines);
  lines.push('COMMIT', '*nat');
  const ofServices =
    options.lastSync === true && !sync.full
      ? [...new Set(sync.written.flatMap((port) => port.chains))]
      : serviceChains(nat);
  writeChains([...pick(nat, natChains), ...ofServices], mark, lines, options.lastSync === true ? sync.deleted : []);
  lines.push('COMMIT', '');
  return lines.join('\n');
}

const filterChains = [
  'KUBE-SERVICES',
  'KUBE-EXTERNAL-SERVICES',
  'KUBE-FORWARD',
  'KUBE-NODEPORTS',
  'KUBE-PROXY-FIREWALL',
];
const natChains = ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'];

function pick(table: Table, names: readonly string[]): Chain[] {
  return names.map((name) => table.chains.get(name)).filter((chain) => chain !== undefined);
}

function serviceChains(nat: Table): Chain[] {
  return [...nat.chains.values()].filter((chain) => chain.policy === undefined && !natChains.includes(chain.name));
}

function writeChains(chains: readonly Chain[], mark: string, lines: string[], deleted: readonly string[] = []): void {
  for (const { name } of chains) lines.push(`:${name} - [0:0]`);
  for (const name of deleted) lines.push(`:${name} - [0:0]`);
  for (const { name, rules } of chains) {
    for (const rule of rules) lines.push(restoreRule(name, rule, mark));
  }
  for (const name of deleted) lines.push(`-X ${name}`);
}

/** One rule as kube-proxy writes it. Understands the rules that kube-proxy writes, no others. */
function restoreRule(chain: string, rule: Rule, mark: string): string {
  const words = ['-A', chain];
  const protocol = rule.protocol === undefined ? undefined : protocolName(rule.protocol.value);
  let addressed = false;
  const address = () => {
    if (addressed) return;
    addressed = true;
    if (rule.destination !== undefined)
      words.push(...negated(rule.destination.not), '-d', cidr(rule.destination.value));
  };
  const source = () => {
    if (rule.source !== undefined) words.push(...negated(rule.source.not), '-s', cidr(rule.source.value));
    if (rule.inInterface !== undefined) words.push(...negated(rule.inInterface.not), '-i', rule.inInterface.value);
  };
  let sourced = false;
  for (const match of rule.matches) {
    // Addresses follow the comment, but for the port match that has the destination in its middle.
    if (match.kind === 'conntrack' && rule.source !== undefined) {
      address();
      source();
      sourced = true;
    }
    if (match.kind === protocol) {
      words.push('-m', protocol, '-p', protocol);
      address();
    }
    words.push(...matchWords(match, mark));
  }
  address();
  if (!sourced) source();
  if (rule.target !== undefined) words.push(...targetWords(rule.target, mark));
  return words.join(' ');
}

function negated(not: boolean | undefined): string[] {
  return not === true ? ['!'] : [];
}

function cidr(prefix: Prefix): string {
  return prefix instanceof HostPrefix ? formatIp(prefix.address) : formatPrefix(prefix);
}

function quoted(text: string): string {
  return text.includes(' ') ? `"${text}"` : text;
}

function matchWords(match: Match, mark: string): string[] {
  switch (match.kind) {
    case 'comment':
      return ['-m', 'comment', '--comment', quoted(match.text)];
    case 'tcp':
    case 'udp':
    case 'sctp':
      return match.dport === undefined ? [] : ['--dport', String(match.dport.value.from)];
    case 'conntrack':
      return ['-m', 'conntrack', ...negated(match.states?.not), '--ctstate', (match.states?.value ?? []).join()];
    case 'mark':
      return ['-m', 'mark', ...negated(match.not), '--mark', `${mark}/${mark}`];
    case 'statistic':
      return ['-m', 'statistic', '--mode', 'random', '--probability', probability(match)];
    case 'recent': {
      const rcheck =
        match.command === 'rcheck' ? ['--rcheck', '--seconds', String(match.seconds), '--reap'] : ['--set'];
      return ['-m', 'recent', '--name', match.name, ...rcheck];
    }
    case 'addrtype':
      return match.dstType === undefined
        ? ['-m', 'addrtype', '--src-type', (match.srcType?.value ?? []).join()]
        : ['-m', 'addrtype', '--dst-type', match.dstType.value.join()];
    case 'nfacct':
      return ['-m', 'nfacct', '--nfacct-name', match.name];
    default:
      throw new Error(`kube-proxy writes no match ${match.kind}`);
  }
}

/** Ten decimals of 1/n, which the kernel's 31 bits no longer hold exactly: found again by way of n. */
function probability(match: Match & { kind: 'statistic' }): string {
  if (match.mode !== 'random') throw new Error('kube-proxy writes no statistic match but random');
  return (1 / Math.round(0x80000000 / match.probability)).toFixed(10);
}

function targetWords(target: Target, mark: string): string[] {
  switch (target.kind) {
    case 'jump':
      return ['-j', target.chain];
    case 'MARK':
      return ['-j', 'MARK', target.mask === 0 ? '--xor-mark' : '--or-mark', mark];
    case 'MASQUERADE':
      return target.range?.randomFully === true ? ['-j', 'MASQUERADE', '--random-fully'] : ['-j', 'MASQUERADE'];
    case 'DNAT': {
      const { minAddress, minPort } = target.range;
      return ['-j', 'DNAT', '--to-destination', formatEndpoint(minAddress!, minPort!)];
    }
    default:
      return ['-j', target.kind];
  }
}

/**
 * The same transaction in one fixed order: tables and chains by name (KUBE-NODEPORTS and KUBE-SERVICES first, other
 * KUBE- chains, the rest), and in the chains that services share the rules by service port. kube-proxy's own order is
 * random there, so two texts of the same meaning are equal only in this form.
 */
export function canonicalRestoreText(text: string): string {
  const tables: { name: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) tables.push({ name: line.slice(1), lines: [] });
    else if (line !== '' && line !== 'COMMIT') tables.at(-1)?.lines.push(line);
  }
  tables.sort((a, b) => compare(a.name, b.name));
  const lines: string[] = [];
  for (const table of tables) lines.push(`*${table.name}`, ...canonicalTable(table.lines), 'COMMIT');
  return `${lines.join('\n')}\n`;
}

function canonicalTable(lines: readonly string[]): string[] {
  const chains = lines.filter((line) => line.startsWith(':')).sort((a, b) => byChain(a.slice(1), b.slice(1)));
  const rules = lines.filter((line) => line.startsWith('-A ')).map((line) => ({ line, chain: line.split(' ', 2)[1]! }));
  const others = lines.filter((line) => !line.startsWith(':') && !line.startsWith('-A ')).sort(compare);
  rules.sort((a, b) => byChain(a.chain, b.chain) || (sharedChains.has(a.chain) ? byService(a.line, b.line) : 0));
  return [...chains, ...rules.map((rule) => rule.line), ...others];
}

const sharedChains = new Set(['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL']);

function byChain(a: string, b: string): number {
  const nameA = a.split(' ', 1)[0]!;
  const nameB = b.split(' ', 1)[0]!;
  return rank(nameA) - rank(nameB) || compare(nameA, nameB);
}

function rank(chain: string): number {
  return chain === 'KUBE-NODEPORTS' ? 0 : chain === 'KUBE-SERVICES' ? 1 : chain.startsWith('KUBE-') ? 2 : 3;
}

function byService(a: string, b: string): number {
  const nameA = serviceOf(a);
  const nameB = serviceOf(b);
  if (nameA === undefined && nameB === undefined) return compare(a, b);
  if (nameA === undefined || nameB === undefined) return nameA === undefined ? 1 : -1;
  return compare(nameA, nameB);
}

/** `namespace/name` and port that the comment starts with; none in the rule for node ports. */
function serviceOf(line: string): string | undefined {
  // A colon would sort behind digits: svc2:http behind svc20.
  return /--comment "?([^ "/]+\/[^ "]+)/.exec(line)?.[1]?.replace(':', ' ');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import type { Family, Prefix } from '@netsim/wire';
import { formatIp } from '@netsim/wire';
import { addressTypes, builtinChains, ctStates, ctStatuses, iptablesProtocol, tcpFlagBits } from './names.ts';
import type { Chain, Match, NatRange, Negatable, PortRange, Rule, Ruleset, Table, TableName, Target } from './rule.ts';

/** Packets and bytes that a rule or a policy has seen. */
export interface Counter {
  readonly packets: number;
  readonly bytes: number;
}

export interface PrintOptions {
  /** Only these tables. Default: all, in the ruleset's order. */
  readonly tables?: readonly TableName[];
  /** As `iptables-save -c`: counters before each rule. `true`: all zero. */
  readonly counters?: boolean | ((rule: Rule) => Counter);
}

/** The ruleset as `iptables-save` 1.8.9 prints it, without the two comment lines that carry a date. Ends in a newline. */
export function printIptablesSave(ruleset: Ruleset, options: PrintOptions = {}): string {
  const lines: string[] = [];
  for (const table of ruleset.tables.values()) {
    if (options.tables === undefined || options.tables.includes(table.name)) {
      printTable(table, ruleset.family, options, lines);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function printTable(table: Table, family: Family, options: PrintOptions, lines: string[]): void {
  const chains = chainsInOrder(table);
  lines.push(`*${table.name}`);
  for (const chain of chains) lines.push(`:${chain.name} ${chain.policy ?? '-'} [0:0]`);
  for (const chain of chains) {
    for (const rule of chain.rules) {
      lines.push(`${counterText(rule, options)}-A ${chain.name}${ruleBody(rule, family)}`);
    }
  }
  lines.push('COMMIT');
}

function counterText(rule: Rule, options: PrintOptions): string {
  if (options.counters === undefined || options.counters === false) return '';
  if (options.counters === true) return '[0:0] ';
  const { packets, bytes } = options.counters(rule);
  return `[${packets}:${bytes}] `;
}

/** Built-in chains in hook order, then user chains by the bytes of their names. */
function chainsInOrder(table: Table): Chain[] {
  const builtins = builtinChains[table.name];
  const first: Chain[] = [];
  for (const name of builtins) {
    const chain = table.chains.get(name);
    if (chain !== undefined) first.push(chain);
  }
  const rest = [...table.chains.values()].filter((chain) => !builtins.includes(chain.name));
  rest.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return [...first, ...rest];
}

/** A rule as iptables-save prints it: `-A CHAIN ...` with a chain, else only the part after it. */
export function printRule(rule: Rule, options: { readonly family?: Family; readonly chain?: string } = {}): string {
  const body = ruleBody(rule, options.family ?? guessFamily(rule));
  return options.chain === undefined ? body.slice(1) : `-A ${options.chain}${body}`;
}

/** The family shows only in a rule's addresses; where there are none both print alike, but for the default mask of `recent`. */
function guessFamily(rule: Rule): Family {
  if (rule.target?.kind === 'REJECT' && rule.target.with.startsWith('icmp6')) return 6;
  if (rule.protocol?.value === 58) return 6;
  const address = rule.source?.value.address ?? rule.destination?.value.address;
  return typeof address === 'bigint' ? 6 : 4;
}

function ruleBody(rule: Rule, family: Family): string {
  let out = '';
  if (rule.source !== undefined) out += `${bang(rule.source)} -s ${prefixText(rule.source.value)}`;
  if (rule.destination !== undefined) out += `${bang(rule.destination)} -d ${prefixText(rule.destination.value)}`;
  if (rule.inInterface !== undefined) out += `${bang(rule.inInterface)} -i ${rule.inInterface.value}`;
  if (rule.outInterface !== undefined) out += `${bang(rule.outInterface)} -o ${rule.outInterface.value}`;
  if (rule.protocol !== undefined) out += `${bang(rule.protocol)} -p ${iptablesProtocol(rule.protocol.value)}`;
  if (rule.fragment !== undefined) out += `${bang(rule.fragment)} -f`;
  for (const match of rule.matches) out += ` -m ${match.kind}${matchText(match, family)}`;
  if (rule.target !== undefined) out += targetText(rule.target);
  return out;
}

function bang(value: { readonly not?: boolean }): string {
  return value.not === true ? ' !' : '';
}

function prefixText(prefix: Prefix): string {
  return `${formatIp(prefix.address)}/${prefix.length}`;
}

/** conntrack's addresses print without a mask where it is all ones. */
function hostText(prefix: Prefix): string {
  const bits = typeof prefix.address === 'number' ? 32 : 128;
  return prefix.length === bits ? formatIp(prefix.address) : prefixText(prefix);
}

function portsText(range: PortRange): string {
  return range.from === range.to ? String(range.from) : `${range.from}:${range.to}`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

function markText(mark: number, mask: number): string {
  return mask >>> 0 === 0xffffffff ? hex(mark) : `${hex(mark)}/${hex(mask)}`;
}

/** Words stay bare only where every character is safe in a shell, as libxtables decides it. */
function quoted(text: string): string {
  return /^[-_0-9A-Za-z]+$/.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`;
}

function option<T>(name: string, value: Negatable<T> | undefined, show: (value: T) => string): string {
  return value === undefined ? '' : `${bang(value)} --${name} ${show(value.value)}`;
}

function inOrder<T extends string>(words: readonly T[], order: readonly T[]): string {
  return order.filter((word) => words.includes(word)).join(',');
}

function flagNames(bits: number): string {
  const names = tcpFlagBits.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'NONE' : names.join(',');
}

function matchText(match: Match, family: Family): string {
  switch (match.kind) {
    case 'comment':
      return ` --comment ${quoted(match.text)}`;
    case 'tcp':
    case 'udp':
    case 'sctp':
      return (
        option('sport', match.sport, portsText) +
        option('dport', match.dport, portsText) +
        option('tcp-option', match.option, String) +
        option('tcp-flags', match.flags, ({ mask, comp }) => `${flagNames(mask)} ${flagNames(comp)}`)
      );
    case 'icmp':
    case 'icmp6':
      return option(match.kind === 'icmp' ? 'icmp-type' : 'icmpv6-type', match.type, ({ type, code }) => {
        if (type === 255 && match.kind === 'icmp') return 'any';
        return code === undefined ? String(type) : `${type}/${code}`;
      });
    case 'multiport': {
      const name = { source: 'sports', destination: 'dports', either: 'ports' }[match.which];
      return `${bang(match)} --${name} ${match.ports.map(portsText).join(',')}`;
    }
    case 'conntrack':
      return (
        option('ctstate', match.states, (states) => inOrder(states, ctStates)) +
        option('ctproto', match.protocol, String) +
        option('ctorigsrc', match.origSource, hostText) +
        option('ctorigdst', match.origDestination, hostText) +
        option('ctreplsrc', match.replSource, hostText) +
        option('ctrepldst', match.replDestination, hostText) +
        option('ctorigsrcport', match.origSport, portsText) +
        option('ctorigdstport', match.origDport, portsText) +
        option('ctreplsrcport', match.replSport, portsText) +
        option('ctrepldstport', match.replDport, portsText) +
        option('ctstatus', match.status, (status) => inOrder(status, ctStatuses) || 'NONE') +
        (match.direction === undefined ? '' : ` --ctdir ${match.direction}`)
      );
    case 'state':
      return option('state', match.states, (states) => inOrder(states, ctStates));
    case 'mark':
    case 'connmark':
      return `${bang(match)} --mark ${markText(match.mark, match.mask)}`;
    case 'statistic':
      return match.mode === 'random'
        ? ` --mode random${bang(match)} --probability ${(match.probability / 0x80000000).toFixed(11)}`
        : ` --mode nth${bang(match)} --every ${match.every} --packet ${match.packet}`;
    case 'recent':
      return recentText(match, family);
    case 'addrtype':
      return (
        option('src-type', match.srcType, (types) => inOrder(types, addressTypes)) +
        option('dst-type', match.dstType, (types) => inOrder(types, addressTypes)) +
        (match.limitIfaceIn ? ' --limit-iface-in' : '') +
        (match.limitIfaceOut ? ' --limit-iface-out' : '')
      );
    case 'set':
      return `${bang(match)} --match-set ${match.name} ${match.flags.join(',')}`;
    case 'physdev':
      return (
        (match.isIn === undefined ? '' : `${bang(match.isIn)} --physdev-is-in`) +
        option('physdev-in', match.physIn, String) +
        (match.isOut === undefined ? '' : `${bang(match.isOut)} --physdev-is-out`) +
        option('physdev-out', match.physOut, String) +
        (match.isBridged === undefined ? '' : `${bang(match.isBridged)} --physdev-is-bridged`)
      );
    case 'rpfilter':
      return (
        (match.loose ? ' --loose' : '') +
        (match.validmark ? ' --validmark' : '') +
        (match.acceptLocal ? ' --accept-local' : '') +
        (match.invert ? ' --invert' : '')
      );
    case 'ipvs':
      return (
        option('vproto', match.protocol, String) +
        option('vaddr', match.address, hostText) +
        option('vport', match.port, String)
      );
    case 'nfacct':
      return ` --nfacct-name  ${match.name}`;
    case 'limit':
      return ` --limit ${match.text}${match.burst === 5 ? '' : ` --limit-burst ${match.burst}`}`;
  }
}

const allOnes = { 4: '255.255.255.255', 6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } as const;

function recentText(match: Extract<Match, { kind: 'recent' }>, family: Family): string {
  return (
    `${bang(match)} --${match.command}` +
    (match.seconds === undefined ? '' : ` --seconds ${match.seconds}`) +
    (match.reap ? ' --reap' : '') +
    (match.hitcount === undefined ? '' : ` --hitcount ${match.hitcount}`) +
    ` --name ${match.name} --mask ${match.mask ?? allOnes[family]}` +
    (match.side === 'dest' ? ' --rdest' : ' --rsource')
  );
}

function natPorts(range: NatRange): string {
  if (range.minPort === undefined) return '';
  const { minPort, maxPort = minPort } = range;
  return minPort === maxPort ? String(minPort) : `${minPort}-${maxPort}`;
}

function natTo(range: NatRange): string {
  const { minAddress, maxAddress = minAddress } = range;
  const ports = natPorts(range);
  if (minAddress === undefined || maxAddress === undefined) return `:${ports}`;
  const addresses =
    minAddress === maxAddress ? formatIp(minAddress) : `${formatIp(minAddress)}-${formatIp(maxAddress)}`;
  if (ports === '') return addresses;
  return typeof minAddress === 'number' ? `${addresses}:${ports}` : `[${addresses}]:${ports}`;
}

function natSwitches(range: NatRange): string {
  return (
    (range.random ? ' --random' : '') +
    (range.randomFully ? ' --random-fully' : '') +
    (range.persistent ? ' --persistent' : '')
  );
}

function targetText(target: Target): string {
  switch (target.kind) {
    case 'jump':
      return ` -j ${target.chain}`;
    case 'goto':
      return ` -g ${target.chain}`;
    case 'REJECT':
      return ` -j REJECT --reject-with ${target.with}`;
    case 'MARK':
      return ` -j MARK --set-xmark ${hex(target.value)}/${hex(target.mask)}`;
    case 'CONNMARK':
      return target.mode === 'set'
        ? ` -j CONNMARK --set-xmark ${hex(target.value)}/${hex(target.mask)}`
        : ` -j CONNMARK --${target.mode}-mark --nfmask ${hex(target.nfmask ?? target.mask)} --ctmask ${hex(target.mask)}`;
    case 'DNAT':
      return ` -j DNAT --to-destination ${natTo(target.range)}${natSwitches(target.range)}`;
    case 'SNAT':
      return ` -j SNAT --to-source ${natTo(target.range)}${natSwitches(target.range)}`;
    case 'MASQUERADE':
    case 'REDIRECT': {
      if (target.range === undefined) return ` -j ${target.kind}`;
      const ports = natPorts(target.range);
      return ` -j ${target.kind}${ports === '' ? '' : ` --to-ports ${ports}`}${natSwitches(target.range)}`;
    }
    case 'CT':
      return target.alias ? ' -j NOTRACK' : ' -j CT --notrack';
    case 'LOG':
      return (
        ' -j LOG' +
        (target.prefix === undefined ? '' : ` --log-prefix ${quoted(target.prefix)}`) +
        (target.level === undefined || target.level === 4 ? '' : ` --log-level ${target.level}`) +
        (target.options ?? []).map((name) => ` ${name}`).join('')
      );
    default:
      return ` -j ${target.kind}`;
  }
}

import type { AddressConfig, FibRuleConfig, LinkConfig, NetnsConfig, RouteConfig } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { familyOf, formatIp, formatPrefix } from '@netsim/wire';

export interface IpCommandOptions {
  /** Name of the real namespace for a netns of the plan; the same unless told otherwise. */
  readonly netnsName?: (name: string) => string;
  /**
   * Commands that bring a physical interface into the netns. Unless told otherwise it is expected to be there, and only
   * named in a comment.
   */
  readonly physical?: (link: LinkConfig & { readonly kind: 'physical' }) => readonly string[];
}

/**
 * The commands that, run as root inside a fresh network namespace, make what the plan says: `sysctl`, `ip` and `bridge`, in
 * an order in which each finds what it needs. The namespaces of the other ends of veth pairs have to be there already; a
 * pod's own commands come after its node's, which bring its eth0.
 */
export function printIpCommands(config: NetnsConfig, options: IpCommandOptions = {}): string[] {
  const commands = ['ip link set lo up'];
  const { early, late } = splitSysctls(config);
  // Duplicate address detection is not modelled; in the real kernel it would keep a new address from use for seconds.
  const six = config.addresses.some((address) => familyOf(address.address) === 6);
  if (six) commands.push('sysctl -qw net.ipv6.conf.default.accept_dad=0');
  for (const [name, value] of early) commands.push(`sysctl -qw ${name}=${value}`);
  for (const link of masterFirst(config.links)) commands.push(...linkCommands(link, options));
  for (const [name, value] of late) commands.push(`sysctl -qw ${name}=${value}`);
  const own = new Set(config.links.map((link) => link.name));
  const given = new Set(config.addresses.map((address) => address.dev).filter((dev) => dev !== 'lo' && !own.has(dev)));
  for (const dev of given) {
    if (six) commands.push(`sysctl -qw net.ipv6.conf.${dev}.accept_dad=0`);
    commands.push(`ip link set ${dev} up`);
  }
  for (const address of config.addresses) commands.push(addressCommand(address));
  for (const neighbour of config.neighbours ?? []) {
    const { ip, mac, dev, state } = neighbour;
    commands.push(`${ipTool(ip)} neigh replace ${formatIp(ip)} lladdr ${mac} dev ${dev} nud ${state ?? 'permanent'}`);
  }
  for (const { mac, dev, dst } of config.fdb ?? []) {
    commands.push(
      `bridge fdb append ${mac} dev ${dev}${dst === undefined ? ' master static' : ` dst ${formatIp(dst)}`}`,
    );
  }
  for (const route of linkRoutesFirst(config.routes)) commands.push(routeCommand(route));
  for (const rule of config.rules ?? []) commands.push(ruleCommand(rule));
  return commands;
}

/** Settings of one device can be made only when it is there. */
function splitSysctls(config: NetnsConfig): { early: [string, number][]; late: [string, number][] } {
  const early: [string, number][] = [];
  const late: [string, number][] = [];
  for (const [name, value] of Object.entries(config.sysctls ?? {})) {
    const dev = /^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./.exec(name)?.[1];
    const ofDevice = dev !== undefined && dev !== 'all' && dev !== 'default' && dev !== 'lo';
    (ofDevice ? late : early).push([name, value]);
  }
  return { early, late };
}

/** Bridges before their ports, the underlay before what is built on it. */
function masterFirst(links: readonly LinkConfig[]): LinkConfig[] {
  const rank = { physical: 0, dummy: 0, bridge: 1, vxlan: 2, veth: 3 };
  return [...links].sort((a, b) => rank[a.kind] - rank[b.kind]);
}

function linkCommands(link: LinkConfig, options: IpCommandOptions): string[] {
  const { name } = link;
  const commands = createCommands(link, options);
  if (link.master !== undefined) commands.push(`ip link set ${name} master ${link.master}`);
  if (link.hairpin === true) commands.push(`bridge link set dev ${name} hairpin on`);
  if (link.up !== false) commands.push(`ip link set ${name} up`);
  return commands;
}

function createCommands(link: LinkConfig, options: IpCommandOptions): string[] {
  const { name } = link;
  const common = `${link.mac === undefined ? '' : ` address ${link.mac}`}${link.mtu === undefined ? '' : ` mtu ${link.mtu}`}`;
  switch (link.kind) {
    case 'physical': {
      const present = options.physical?.(link) ?? [`# ${name}: network interface on segment ${link.segment}`];
      return common === '' ? [...present] : [...present, `ip link set ${name}${common}`];
    }
    case 'bridge':
    case 'dummy':
      return [`ip link add ${name}${common} type ${link.kind}`];
    case 'veth': {
      const { peer } = link;
      const netns = options.netnsName?.(peer.netns) ?? peer.netns;
      const mac = peer.mac === undefined ? '' : ` address ${peer.mac}`;
      const mtu = peer.mtu === undefined ? '' : ` mtu ${peer.mtu}`;
      return [`ip link add ${name}${common} type veth peer name ${peer.name}${mac}${mtu} netns ${netns}`];
    }
    case 'vxlan': {
      const words = [`ip link add ${name}${common} type vxlan id ${link.vni}`];
      if (link.local !== undefined) words.push(`local ${formatIp(link.local)}`);
      if (link.remote !== undefined) words.push(`remote ${formatIp(link.remote)}`);
      if (link.dev !== undefined) words.push(`dev ${link.dev}`);
      words.push(`dstport ${link.port ?? 8472}`, link.learning ? 'learning' : 'nolearning');
      return [words.join(' ')];
    }
  }
}

function ipTool(ip: Ip): string {
  return familyOf(ip) === 4 ? 'ip' : 'ip -6';
}

function addressCommand({ dev, address, prefixLength, scope }: AddressConfig): string {
  const detection = familyOf(address) === 6 ? ' nodad' : '';
  const scoped = scope === undefined || familyOf(address) === 6 ? '' : ` scope ${scope}`;
  return `${ipTool(address)} addr add ${formatIp(address)}/${prefixLength} dev ${dev}${detection}${scoped}`;
}

/** A gateway has to be reachable when a route by it is made. */
function linkRoutesFirst(routes: readonly RouteConfig[]): RouteConfig[] {
  return [...routes].sort((a, b) => Number(a.via !== undefined) - Number(b.via !== undefined));
}

function routeCommand(route: RouteConfig): string {
  const { destination, via, dev, src, metric, table, onlink, scope, type } = route;
  const ip = destination?.address ?? via ?? src;
  const family = ip === undefined ? (route.family ?? 4) : familyOf(ip);
  const words = [family === 4 ? 'ip route add' : 'ip -6 route add'];
  if (type !== undefined && type !== 'unicast') words.push(type);
  words.push(destination === undefined ? 'default' : formatPrefix(destination));
  if (via !== undefined) words.push(`via ${formatIp(via)}`);
  if (dev !== undefined) words.push(`dev ${dev}`);
  if (src !== undefined) words.push(`src ${formatIp(src)}`);
  if (metric !== undefined) words.push(`metric ${metric}`);
  if (table !== undefined) words.push(`table ${table}`);
  if (scope !== undefined && family === 4) words.push(`scope ${scope}`);
  if (onlink === true) words.push('onlink');
  return words.join(' ');
}

function ruleCommand(rule: FibRuleConfig): string {
  const family = rule.family ?? familyOf(rule.from?.address ?? rule.to?.address ?? 0);
  const words = [family === 4 ? 'ip rule add' : 'ip -6 rule add', `priority ${rule.priority}`];
  if (rule.from !== undefined) words.push(`from ${formatPrefix(rule.from)}`);
  if (rule.to !== undefined) words.push(`to ${formatPrefix(rule.to)}`);
  if (rule.fwmark !== undefined) {
    words.push(`fwmark 0x${rule.fwmark.value.toString(16)}/0x${rule.fwmark.mask.toString(16)}`);
  }
  if (rule.iif !== undefined) words.push(`iif ${rule.iif}`);
  words.push(`lookup ${rule.table}`);
  return words.join(' ');
}

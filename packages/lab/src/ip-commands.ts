import type { FdbConfig, LinkConfig, NetnsConfig, RouteConfig } from '@netsim/kernel';
import { type Family, familyOf, formatIp, formatPrefix } from '@netsim/wire';

/** The end of a veth pair that is described at the other end. */
export type VethPeer = Extract<LinkConfig, { kind: 'veth' }>['peer'];

/**
 * The devices that tie netns together, as lines of `ip -batch`: veth pairs, and for every `physical` device a veth
 * whose other end is a port of the segment's switch.
 */
export function cableLines(
  plan: readonly NetnsConfig[],
  realName: (netns: string) => string,
  switchPort: (segment: string) => { readonly netns: string; readonly port: string },
): string[] {
  const lines: string[] = [];
  for (const netns of plan) {
    for (const link of netns.links) {
      const near = `link add name ${link.name}${linkOptions(link)} netns ${realName(netns.name)}`;
      if (link.kind === 'veth') {
        lines.push(
          `${near} type veth peer name ${link.peer.name}${linkOptions(link.peer)} netns ${realName(link.peer.netns)}`,
        );
      } else if (link.kind === 'physical') {
        const { netns: far, port } = switchPort(link.segment);
        const mtu = link.mtu === undefined ? '' : ` mtu ${link.mtu}`;
        lines.push(`${near} type veth peer name ${port}${mtu} netns ${far}`);
      }
    }
  }
  return lines;
}

function linkOptions(link: { readonly mac?: string; readonly mtu?: number }): string {
  return (link.mtu === undefined ? '' : ` mtu ${link.mtu}`) + (link.mac === undefined ? '' : ` address ${link.mac}`);
}

/** All of one netns except its cables, as lines of `ip -batch` run inside it. `peers` are ends of veths given elsewhere. */
export function netnsLines(config: NetnsConfig, peers: readonly VethPeer[]): string[] {
  const lines = ['link set dev lo up'];
  for (const link of config.links) lines.push(...ownLink(link));
  for (const link of config.links) {
    if (link.master === undefined) continue;
    lines.push(`link set dev ${link.name} master ${link.master}`);
    if (link.hairpin === true) lines.push(`link set dev ${link.name} type bridge_slave hairpin on`);
  }
  // A device may be listed here to say more of a peer that was given at the other end.
  for (const link of config.links) if (link.up !== false) lines.push(`link set dev ${link.name} up`);
  for (const peer of peers) {
    if (!config.links.some((link) => link.name === peer.name)) lines.push(`link set dev ${peer.name} up`);
  }
  for (const { dev, address, prefixLength, scope } of config.addresses) {
    const nodad = familyOf(address) === 6 ? ' nodad' : '';
    const scoped = scope === undefined ? '' : ` scope ${scope}`;
    lines.push(`addr replace ${formatIp(address)}/${prefixLength} dev ${dev}${scoped}${nodad}`);
  }
  for (const route of config.routes) lines.push(routeLine(route));
  for (const rule of config.rules ?? []) {
    const family = rule.family ?? familyOf(rule.from?.address ?? rule.to?.address ?? 0);
    const parts = [`${family === 6 ? '-6 ' : ''}rule add priority ${rule.priority}`];
    if (rule.from !== undefined) parts.push(`from ${formatPrefix(rule.from)}`);
    if (rule.to !== undefined) parts.push(`to ${formatPrefix(rule.to)}`);
    if (rule.fwmark !== undefined) parts.push(`fwmark ${rule.fwmark.value}/${rule.fwmark.mask}`);
    if (rule.iif !== undefined) parts.push(`iif ${rule.iif}`);
    lines.push(`${parts.join(' ')} lookup ${rule.table}`);
  }
  for (const { dev, ip, mac, state } of config.neighbours ?? []) {
    lines.push(`neigh replace ${formatIp(ip)} lladdr ${mac} dev ${dev} nud ${state ?? 'permanent'}`);
  }
  return lines;
}

function ownLink(link: LinkConfig): string[] {
  const add = `link add name ${link.name}${linkOptions(link)}`;
  switch (link.kind) {
    case 'bridge':
      return [`${add} type bridge`];
    case 'dummy':
      return [`${add} type dummy`];
    case 'vxlan': {
      const parts = [`${add} type vxlan id ${link.vni} dstport ${link.port ?? 8472}`];
      if (link.local !== undefined) parts.push(`local ${formatIp(link.local)}`);
      if (link.remote !== undefined) parts.push(`remote ${formatIp(link.remote)}`);
      if (link.dev !== undefined) parts.push(`dev ${link.dev}`);
      parts.push(link.learning ? 'learning' : 'nolearning');
      return [parts.join(' ')];
    }
    case 'veth':
    case 'physical':
      return [];
  }
}

function routeLine(route: RouteConfig): string {
  const family: Family =
    route.family ?? familyOf(route.destination?.address ?? route.via ?? route.src ?? (0 as number | bigint));
  const destination = route.destination === undefined ? anywhere(family) : formatPrefix(route.destination);
  const parts = [`route add ${route.type === undefined ? '' : `${route.type} `}${destination}`];
  if (route.via !== undefined) parts.push(`via ${formatIp(route.via)}`);
  if (route.dev !== undefined) parts.push(`dev ${route.dev}`);
  if (route.src !== undefined) parts.push(`src ${formatIp(route.src)}`);
  if (route.metric !== undefined) parts.push(`metric ${route.metric}`);
  if (route.table !== undefined) parts.push(`table ${route.table}`);
  if (route.scope !== undefined) parts.push(`scope ${route.scope}`);
  if (route.onlink === true) parts.push('onlink');
  return parts.join(' ');
}

function anywhere(family: Family): string {
  return family === 4 ? '0.0.0.0/0' : '::/0';
}

/** Forwarding entries as lines of `bridge -batch`. */
export function fdbLines(config: NetnsConfig): string[] {
  return (config.fdb ?? []).map((entry) => fdbLine(entry, config.links));
}

function fdbLine({ dev, mac, dst }: FdbConfig, links: readonly LinkConfig[]): string {
  if (dst !== undefined) return `fdb append ${mac} dev ${dev} dst ${formatIp(dst)} self permanent`;
  const port = links.some((link) => link.name === dev && link.master !== undefined);
  return `fdb add ${mac} dev ${dev} ${port ? 'master static' : 'self permanent'}`;
}

/**
 * Path under /proc/sys of a sysctl's dotted name. A device's own dots (`flannel.1`) may be written as they are or as `/`,
 * as sysctl(8) has it.
 */
export function sysctlPath(name: string): string {
  const words = name.split('.');
  const perDevice = words[0] === 'net' && (words[2] === 'conf' || words[2] === 'neigh') && words.length > 5;
  if (!perDevice) {
    return `/proc/sys/${words.map((word) => word.replaceAll('/', '.')).join('/')}`;
  }
  const device = words.slice(3, -1).join('.');
  return `/proc/sys/${words.slice(0, 3).join('/')}/${device.replaceAll('/', '.')}/${words.at(-1)}`;
}

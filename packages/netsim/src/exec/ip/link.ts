import type { Device, InterfaceAddress, Netns } from '@netsim/kernel';
import { familyOf, formatIp, prefixMask } from '@netsim/wire';
import { ToolExit } from '../tool.ts';
import { linkDetail, linkFlags, linkName, operState, peerNetnsId, queueDiscipline } from './format.ts';
import { type IpOptions, readKeywords } from './options.ts';

const FOREVER = '       valid_lft forever preferred_lft forever';

interface LinkFilter {
  readonly devices: readonly Device[];
  readonly scope: string | undefined;
  /** One device was named. */
  readonly named: boolean;
}

function filterLinks(netns: Netns, words: readonly string[]): LinkFilter {
  let name: string | undefined;
  const keywords = readKeywords(
    words,
    ['dev', 'master', 'type', 'scope', 'label', 'to'],
    ['up', 'dynamic', 'permanent'],
    (word) => {
      name = word;
    },
  );
  name = keywords.get('dev') ?? name;
  if (name !== undefined && netns.device(name) === undefined) throw new ToolExit(1, `Device "${name}" does not exist.`);
  const master = keywords.get('master');
  if (master !== undefined && netns.device(master) === undefined) {
    throw new ToolExit(1, `Error: argument "${master}" is wrong: Device does not exist\n`);
  }
  const type = keywords.get('type');
  const devices = netns
    .links()
    .filter(
      (dev) =>
        (name === undefined || dev.name === name) &&
        (!keywords.has('up') || dev.up) &&
        (master === undefined || dev.port?.bridge.name === master) &&
        (type === undefined || dev.kind === type),
    );
  return { devices, scope: keywords.get('scope'), named: name !== undefined };
}

/** `ip link show`. */
export function showLinks(netns: Netns, words: readonly string[], options: IpOptions): string {
  const { devices } = filterLinks(netns, words);
  if (options.brief) {
    return devices.map((dev) => `${briefHead(dev)}${dev.mac} ${linkFlags(dev)} \n`).join('');
  }
  return devices.map((dev) => block([linkHead(dev, ' mode DEFAULT'), ...hardware(dev, options)], options)).join('');
}

/** `ip addr show`. */
export function showAddresses(netns: Netns, words: readonly string[], options: IpOptions): string {
  const { devices, scope, named } = filterLinks(netns, words);
  const { family } = options;
  let text = '';
  for (const dev of devices) {
    const addresses = dev.addresses.filter(
      (entry) =>
        (family === undefined || familyOf(entry.address) === family) && (scope === undefined || entry.scope === scope),
    );
    if (family !== undefined && addresses.length === 0) continue;
    if (options.brief) {
      const list = addresses.map(({ address, prefixLength }) => `${formatIp(address)}/${prefixLength} `);
      text += `${briefHead(dev)}${list.join('')}\n`;
    } else if (options.oneLine) {
      const start = `${dev.ifindex}: ${dev.name}    `;
      text += addresses.map((entry) => `${start}${addressLine(dev, entry).trimStart()}\\${FOREVER}\n`).join('');
    } else {
      const lines = addresses.flatMap((entry) => [addressLine(dev, entry), FOREVER]);
      text += block([...addressHead(dev, options, named), ...lines], options);
    }
  }
  return text;
}

/** With -4 and -6 the kernel is asked for less, and `ip` shows less of the link. */
function addressHead(dev: Device, options: IpOptions, named: boolean): string[] {
  if (options.family === undefined) return [linkHead(dev, ''), ...hardware(dev, options)];
  if (options.family === 6 && !named) {
    const { ifindex, name, mtu } = dev;
    return [`${ifindex}: ${name}: ${linkFlags(dev)} mtu ${mtu} state ${operState(dev)} qlen 1000`];
  }
  return [linkHead(dev, '') + netnsId(dev)];
}

function block(lines: readonly string[], { oneLine }: IpOptions): string {
  return `${lines.join(oneLine ? '\\' : '\n')}\n`;
}

function linkHead(dev: Device, mode: string): string {
  const master = dev.port === null ? '' : ` master ${dev.port.bridge.name}`;
  return (
    `${dev.ifindex}: ${linkName(dev)}: ${linkFlags(dev)} mtu ${dev.mtu} qdisc ${queueDiscipline(dev)}${master} ` +
    `state ${operState(dev)}${mode} group default qlen 1000`
  );
}

function hardware(dev: Device, options: IpOptions): string[] {
  const loopback = dev.kind === 'loopback';
  const mac = loopback ? '00:00:00:00:00:00' : dev.mac;
  const line = `    link/${loopback ? 'loopback' : 'ether'} ${mac} brd ${loopback ? mac : 'ff:ff:ff:ff:ff:ff'}${netnsId(dev)}`;
  const detail = options.detail ? linkDetail(dev) : undefined;
  return detail === undefined ? [line] : [`${line} promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535 `, `    ${detail}`];
}

function netnsId(dev: Device): string {
  const id = peerNetnsId(dev);
  return id === undefined ? '' : ` link-netnsid ${id}`;
}

function addressLine(dev: Device, { address, prefixLength, scope, secondary }: InterfaceAddress): string {
  const text = `${formatIp(address)}/${prefixLength}`;
  if (typeof address === 'bigint') return `    inet6 ${text} scope ${scope} `;
  const broadcast =
    dev.kind === 'loopback' || prefixLength > 30 ? undefined : address | ~(prefixMask(4, prefixLength) as number);
  const brd = broadcast === undefined ? '' : ` brd ${formatIp(broadcast)}`;
  return `    inet ${text}${brd} scope ${scope} ${secondary ? 'secondary ' : ''}${dev.name}`;
}

function briefHead(dev: Device): string {
  return `${linkName(dev).padEnd(16)} ${operState(dev).padEnd(14)} `;
}

import type { FibRule, Netns } from '@netsim/kernel';
import { familyBits, familyOf, formatIp, type Prefix } from '@netsim/wire';
import { tableName } from './format.ts';
import type { IpOptions } from './options.ts';

/** `ip rule show`. */
export function showRules(netns: Netns, options: IpOptions): string {
  return netns
    .rules(options.family ?? 4)
    .map(line)
    .join('');
}

function line({ priority, from, to, fwmark, iif, table }: FibRule): string {
  const words = [`from ${from === undefined ? 'all' : prefixText(from)}`];
  if (to !== undefined) words.push(`to ${prefixText(to)}`);
  if (fwmark !== undefined) {
    const mask = fwmark.mask >>> 0;
    words.push(`fwmark 0x${(fwmark.value >>> 0).toString(16)}${mask === 0xffffffff ? '' : `/0x${mask.toString(16)}`}`);
  }
  if (iif !== undefined) words.push(`iif ${iif}`);
  words.push(`lookup ${tableName(table)}`);
  return `${priority}:\t${words.join(' ')}\n`;
}

function prefixText({ address, length }: Prefix): string {
  return length === familyBits(familyOf(address)) ? formatIp(address) : `${formatIp(address)}/${length}`;
}

import { type Neighbour, type Netns, Nud, nudName } from '@netsim/kernel';
import { familyOf, formatIp, prefixContains, tryParsePrefix } from '@netsim/wire';
import { ToolExit } from '../tool.ts';
import { type IpOptions, readKeywords } from './options.ts';

/** `ip neigh show`: what is known of addresses on the links; entries that need no resolution are left out, as there. */
export function showNeighbours(netns: Netns, words: readonly string[], options: IpOptions): string {
  let wanted: string | undefined;
  const keywords = readKeywords(words, ['dev', 'nud', 'to'], [], (word) => {
    wanted = word;
  });
  wanted = keywords.get('to') ?? wanted;
  const prefix = wanted === undefined ? undefined : tryParsePrefix(wanted);
  if (wanted !== undefined && prefix === undefined) {
    throw new ToolExit(1, `Error: any valid prefix is expected rather than "${wanted}".`);
  }
  const dev = keywords.get('dev');
  if (dev !== undefined && netns.device(dev) === undefined) throw new ToolExit(1, `Cannot find device "${dev}"`);
  const nud = keywords.get('nud')?.toUpperCase();
  const shown = netns.neighbours().filter((neighbour) => {
    const state = neighbour.currentState();
    if (nud === undefined ? (state & Nud.NOARP) !== 0 || state === Nud.NONE : nud !== 'ALL' && nudName(state) !== nud)
      return false;
    return (
      (dev === undefined || neighbour.dev.name === dev) &&
      (options.family === undefined || familyOf(neighbour.ip) === options.family) &&
      (prefix === undefined || prefixContains(prefix, neighbour.ip))
    );
  });
  shown.sort((a, b) => familyOf(a.ip) - familyOf(b.ip));
  return shown.map((neighbour) => line(neighbour, dev !== undefined)).join('');
}

function line(neighbour: Neighbour, withoutDevice: boolean): string {
  const { ip, mac, dev } = neighbour;
  const state = nudName(neighbour.currentState());
  const where = withoutDevice ? '' : ` dev ${dev.name}`;
  const known = mac !== '' && state !== 'FAILED' && state !== 'INCOMPLETE';
  return `${formatIp(ip)}${where}${known ? ` lladdr ${mac}` : ''} ${state} \n`;
}

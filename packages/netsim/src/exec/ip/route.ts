import { type Netns, type Route, RouteTable } from '@netsim/kernel';
import { familyOf, formatIp, type Ip, type Prefix, prefixContains, tryParseIp, tryParsePrefix } from '@netsim/wire';
import { ToolExit } from '../tool.ts';
import { inTableOrder, routeLine, tableName, tableOf } from './format.ts';
import { type IpOptions, readKeywords } from './options.ts';

/** `ip route show`: table main of IPv4, unless something else is asked for. */
export function showRoutes(netns: Netns, words: readonly string[], options: IpOptions): string {
  let exact: Prefix | undefined;
  let family = options.family;
  const prefix = (word: string): Prefix => {
    if (word === 'default') return { address: family === 6 ? 0n : 0, length: 0 };
    const parsed = tryParsePrefix(word);
    if (parsed === undefined) throw new ToolExit(1, `Error: any valid prefix is expected rather than "${word}".`);
    family ??= familyOf(parsed.address);
    return parsed;
  };
  const keywords = readKeywords(
    words,
    ['dev', 'table', 'via', 'src', 'proto', 'scope', 'type', 'root', 'match', 'exact', 'to'],
    [],
    (word) => {
      exact = prefix(word);
    },
  );
  const exactWord = keywords.get('exact') ?? keywords.get('to');
  if (exactWord !== undefined) exact = prefix(exactWord);
  const root = keywords.get('root');
  const under = root === undefined ? undefined : prefix(root);
  const match = keywords.get('match');
  const over = match === undefined ? undefined : prefix(match);

  const dev = keywords.get('dev');
  if (dev !== undefined && netns.device(dev) === undefined) throw new ToolExit(1, `Cannot find device "${dev}"`);
  const word = keywords.get('table') ?? 'main';
  const all = word === 'all';
  const table = all ? RouteTable.MAIN : tableOf(word);
  if (table === undefined) throw new ToolExit(255, `Error: argument "${word}" is wrong: table id value is invalid\n`);

  const families: readonly (4 | 6)[] = family === undefined ? (all ? [4, 6] : [4]) : [family];
  let text = '';
  for (const wanted of families) {
    const { tables } = netns.fibOf(wanted);
    if (!all && !tables.has(table))
      throw new ToolExit(2, `Error: ipv${wanted}: FIB table does not exist.\nDump terminated`);
    const numbers = all ? [...tables.keys()].sort((a, b) => a - b) : [table];
    const routes = numbers.flatMap((number) => inTableOrder(netns.routes(number, wanted)));
    for (const route of routes) {
      if (dev !== undefined && route.dev?.name !== dev) continue;
      if (exact !== undefined && !samePrefix(exact, route)) continue;
      if (
        under !== undefined &&
        !(route.destination.length >= under.length && prefixContains(under, route.destination.address))
      )
        continue;
      if (
        over !== undefined &&
        !(route.destination.length <= over.length && prefixContains(route.destination, over.address))
      )
        continue;
      if (!fits(route, keywords)) continue;
      text += routeLine(route, { withoutDevice: dev !== undefined, withTable: all });
    }
  }
  return text;
}

function samePrefix(prefix: Prefix, { destination }: Route): boolean {
  return prefix.length === destination.length && prefix.address === destination.address;
}

function fits(route: Route, keywords: ReadonlyMap<string, string>): boolean {
  const is = (keyword: string, value: string | undefined) => !keywords.has(keyword) || keywords.get(keyword) === value;
  const ip = (address: Ip | undefined) => (address === undefined ? undefined : formatIp(address));
  return (
    is('via', ip(route.via)) &&
    is('src', ip(route.src)) &&
    is('proto', route.protocol) &&
    is('type', route.type) &&
    is('scope', route.scope)
  );
}

/** What the kernel answers where a look-up ends at a route that leads nowhere. */
const nowhere: Readonly<Record<string, string>> = {
  unreachable: 'No route to host',
  prohibit: 'Permission denied',
  blackhole: 'Invalid argument',
};

/** `ip route get ADDRESS`: what the FIB says of one packet. */
export function getRoute(netns: Netns, words: readonly string[]): string {
  let destination: string | undefined;
  const keywords = readKeywords(words, ['from', 'mark', 'oif', 'dev', 'to', 'uid', 'iif'], [], (word) => {
    destination = word;
  });
  destination = keywords.get('to') ?? destination;
  if (destination === undefined) throw new ToolExit(1, 'need at least a destination address');
  if (keywords.has('iif')) throw new ToolExit(1, 'netsim: ip route get ... iif is not emulated');
  const to = address(destination);
  const fromText = keywords.get('from');
  const from = fromText === undefined ? undefined : address(fromText);
  const mark = Number(keywords.get('mark') ?? 0);
  const oifName = keywords.get('oif') ?? keywords.get('dev');
  const oif = oifName === undefined ? null : netns.device(oifName);
  if (oif === undefined) throw new ToolExit(1, `Cannot find device "${oifName}"`);

  const family = familyOf(to);
  const fib = netns.fibOf(family);
  const route = fib.lookup({ dst: to, src: from, mark, iif: undefined, oif });
  if (route === undefined) throw new ToolExit(2, 'RTNETLINK answers: Network is unreachable');
  const refusal = nowhere[route.type];
  if (refusal !== undefined || route.dev === null) throw new ToolExit(2, `RTNETLINK answers: ${refusal}`);
  const local = route.type === 'local';
  const kind = route.type === 'unicast' ? '' : `${route.type} `;
  const dev = local ? netns.lo : route.dev;
  const via = route.via === undefined ? '' : `via ${formatIp(route.via)} `;
  // The kernel names the table only where rules besides its own three were looked at.
  const table = route.table !== RouteTable.MAIN && fib.hasCustomRules ? `table ${tableName(route.table)} ` : '';
  const chosen = local ? to : (route.src ?? netns.selectAddress(route.dev, route.via ?? to, 'global'));
  const src = chosen === undefined ? '' : `src ${formatIp(chosen)} `;
  const fwmark = mark === 0 ? '' : `mark 0x${mark.toString(16)} `;
  if (typeof to === 'bigint') {
    const proto = route.protocol === 'kernel' ? 'proto kernel ' : '';
    const start = `${kind}${formatIp(to)} from ${from === undefined ? '::' : formatIp(from)} `;
    return `${start}${via}dev ${dev.name} ${table}${proto}${src}metric ${route.metric} pref medium\n`;
  }
  const start = `${kind}${formatIp(to)} ${from === undefined ? '' : `from ${formatIp(from)} `}`;
  const cache = local ? 'cache <local> ' : route.type === 'broadcast' ? 'cache <local,brd> ' : 'cache ';
  return `${start}${via}dev ${dev.name} ${table}${from === undefined ? src : ''}${fwmark}uid 0 \n    ${cache}\n`;
}

function address(word: string): Ip {
  const ip = tryParseIp(word.replace(/\/(32|128)$/, ''));
  if (ip === undefined) throw new ToolExit(1, `Error: any valid prefix is expected rather than "${word}".`);
  return ip;
}

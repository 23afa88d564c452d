import { Bridge, type Device, type Route, RouteTable, Veth, Vxlan } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';

/** Number and name of routing tables, as /etc/iproute2/rt_tables has them. */
const tableNames: ReadonlyMap<number, string> = new Map([
  [RouteTable.DEFAULT, 'default'],
  [RouteTable.MAIN, 'main'],
  [RouteTable.LOCAL, 'local'],
]);

export function tableName(table: number): string {
  return tableNames.get(table) ?? String(table);
}

/** The table that a word means; undefined where it means none. */
export function tableOf(word: string): number | undefined {
  for (const [table, name] of tableNames) if (name === word) return table;
  return /^[0-9]+$/.test(word) ? Number(word) : undefined;
}

/** `eth0@if7`: the other end of a veth pair by its index, or by name where it is in the same netns; a vxlan has none. */
export function linkName(dev: Device): string {
  if (!(dev instanceof Veth) || dev.peer === null) return dev.name;
  return dev.peer.netns === dev.netns ? `${dev.name}@${dev.peer.name}` : `${dev.name}@if${dev.peer.ifindex}`;
}

export function linkFlags(dev: Device): string {
  const flags: string[] = [];
  if (dev.up && !dev.carrier) flags.push('NO-CARRIER');
  if (dev.kind === 'loopback') flags.push('LOOPBACK');
  else if (dev.kind === 'dummy') flags.push('BROADCAST', 'NOARP');
  else flags.push('BROADCAST', 'MULTICAST');
  if (dev.up) flags.push('UP');
  if (dev.up && dev.carrier) flags.push('LOWER_UP');
  return `<${flags.join(',')}>`;
}

/** RFC 2863 state: devices without a link of their own do not know theirs. */
export function operState(dev: Device): 'UP' | 'DOWN' | 'UNKNOWN' {
  if (!dev.up || !dev.carrier) return 'DOWN';
  switch (dev.kind) {
    case 'loopback':
    case 'vxlan':
    case 'dummy':
      return 'UNKNOWN';
    case 'bridge':
      return dev instanceof Bridge && dev.ports.length === 0 ? 'UNKNOWN' : 'UP';
    default:
      return 'UP';
  }
}

export function queueDiscipline(dev: Device): string {
  if (dev.kind === 'physical') return 'fq_codel';
  return dev.up ? 'noqueue' : 'noop';
}

/** Identifier of the netns of a veth's other end, as this netns numbers them: in the order of its links. */
export function peerNetnsId(dev: Device): number | undefined {
  if (!(dev instanceof Veth) || dev.peer === null || dev.peer.netns === dev.netns) return undefined;
  const seen = new Set<unknown>();
  for (const other of dev.netns.links()) {
    if (!(other instanceof Veth) || other.peer === null || other.peer.netns === dev.netns) continue;
    if (other.peer.netns === dev.peer.netns) return seen.size;
    seen.add(other.peer.netns);
  }
  return undefined;
}

/** What `ip -d link` adds for the kind of a device. */
export function linkDetail(dev: Device): string | undefined {
  if (dev instanceof Vxlan) {
    const { vni, local, lower, port, learning } = dev.options;
    const from = local === undefined ? '' : ` local ${formatIp(local)}`;
    const over = lower === undefined ? '' : ` dev ${lower}`;
    return `vxlan id ${vni}${from}${over} srcport 0 0 dstport ${port}${learning ? '' : ' nolearning'} ttl auto ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx `;
  }
  switch (dev.kind) {
    case 'veth':
      return 'veth ';
    case 'bridge':
      return 'bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 30000 stp_state 0 priority 32768 ';
    case 'dummy':
      return 'dummy ';
    default:
      return undefined;
  }
}

/** Which tokens of a route are left out, because the request named them. */
export interface RouteForm {
  readonly withoutDevice?: boolean;
  readonly withTable?: boolean;
}

/** One line of `ip route`. IPv4 lines end in a space, as they do there; IPv6 lines do not. */
export function routeLine(route: Route, form: RouteForm = {}): string {
  const { destination, type, via, dev, src, family } = route;
  const host = destination.length === (family === 4 ? 32 : 128);
  const address = formatIp(destination.address);
  const to = destination.length === 0 ? 'default' : host ? address : `${address}/${destination.length}`;
  const words = [type === 'unicast' ? to : `${type} ${to}`];
  if (via !== undefined) words.push(`via ${formatIp(via)}`);
  if (dev !== null && form.withoutDevice !== true) words.push(`dev ${dev.name}`);
  if (form.withTable === true && route.table !== RouteTable.MAIN) words.push(`table ${tableName(route.table)}`);
  if (route.protocol !== 'boot') words.push(`proto ${route.protocol}`);
  if (family === 4) {
    if (route.scope !== 'global') words.push(`scope ${route.scope}`);
    if (src !== undefined) words.push(`src ${formatIp(src)}`);
    if (route.metric !== 0) words.push(`metric ${route.metric}`);
    if (route.onlink) words.push('onlink');
    if (dev?.up === true && !dev.carrier) words.push('linkdown');
    return `${words.join(' ')} \n`;
  }
  if (src !== undefined && type !== 'local') words.push(`src ${formatIp(src)}`);
  words.push(`metric ${route.metric}`);
  if (route.onlink) words.push('onlink');
  if (dev?.up === true && !dev.carrier) words.push('linkdown');
  return `${words.join(' ')} pref medium\n`;
}

/** In the order that the kernel lists a table: by address, the longer prefix first; IPv6 has its default route last. */
export function inTableOrder(routes: readonly Route[]): Route[] {
  const key = ({ destination: { address } }: Route) => (typeof address === 'number' ? BigInt(address >>> 0) : address);
  const last = ({ family, destination }: Route) => family === 6 && destination.length === 0;
  return [...routes].sort((a, b) => {
    if (a.family !== b.family) return a.family - b.family;
    if (last(a) !== last(b)) return last(a) ? 1 : -1;
    const [x, y] = [key(a), key(b)];
    if (x !== y) return x < y ? -1 : 1;
    return b.destination.length - a.destination.length || a.metric - b.metric;
  });
}

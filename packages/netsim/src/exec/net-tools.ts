import { type Neighbour, Nud, type Route, RouteTable, type Socket } from '@netsim/kernel';
import { formatIp, type Ip, prefixMask } from '@netsim/wire';
import { parseArgs } from './args.ts';
import { inTableOrder } from './ip/format.ts';
import { serviceName } from './services.ts';
import { type ExecContext, fail, ok, type Tool } from './tool.ts';

/** `netstat` of net-tools or of BusyBox: sockets of TCP and UDP, and with -r the routes of IPv4. */
export const netstat: Tool = (args, context) => {
  const { flags, operands, problem } = parseArgs(args, {
    short: 'tulanprie46wWsxo',
    long: { tcp: 't', udp: 'u', listening: 'l', all: 'a', numeric: 'n', programs: 'p', route: 'r', wide: 'W' },
  });
  if (problem !== undefined) return fail(4, `netstat: invalid option -- '${problem.option}'`);
  for (const letter of ['i', 's', 'x', 'w'] as const) {
    if (flags.has(letter)) return fail(1, `netsim: netstat -${letter} is not emulated: see ip -s link, ss`);
  }
  if (operands.length > 0) return fail(1, `netsim: netstat takes no operands: ${operands.join(' ')}`);
  if (flags.has('r')) return ok(routeTable(context, netstatRoute, netstatHead));
  const only = flags.has('l') ? '(only servers)' : flags.has('a') ? '(servers and established)' : '(w/o servers)';
  const gnu = context.userland === 'gnu';
  const programs = flags.has('p');
  const wanted = (['tcp', 'udp'] as const).filter(
    (name) => flags.has(name[0]!) || (!flags.has('t') && !flags.has('u')),
  );
  const sockets = wanted.flatMap((protocol) =>
    context.netns.sockets
      .list()
      .filter((socket) => socket.protocol === protocol && isShown(socket, flags))
      .sort((a, b) => a.localPort - b.localPort),
  );
  const state = (text: string): string => (programs || !gnu ? `${text.padEnd(11)} ` : text.padEnd(11));
  const program = (text: string): string => (programs ? (gnu ? text.padEnd(20) : text) : '');
  const lines = sockets.map((socket) => {
    const v6 = socket.localAddress === undefined || typeof socket.localAddress === 'bigint';
    const end = (ip: Ip | undefined, port: number): string => {
      const name = flags.has('n') ? undefined : serviceName(port, socket.protocol);
      const any = name === undefined ? '::' : '[::]';
      return `${ip === undefined ? (v6 ? any : '0.0.0.0') : formatIp(ip)}:${port === 0 ? '*' : (name ?? port)}`;
    };
    const listening = isListening(socket);
    return [
      `${socket.protocol}${v6 ? '6' : ''}`.padEnd(5),
      '     0',
      '     0',
      end(socket.localAddress, socket.localPort).padEnd(23),
      end(listening ? undefined : socket.remoteAddress, listening ? 0 : socket.remotePort).padEnd(23),
      state(socket.state() === 'LISTEN' ? 'LISTEN' : socket.state() === 'UNCONN' ? '' : stateName(socket.state())) +
        program(socket.program === '' ? '-' : `1/${socket.program}`),
    ].join(' ');
  });
  const head = `Proto Recv-Q Send-Q Local Address           Foreign Address         ${state('State')}${program('PID/Program name')}`;
  return ok(`Active Internet connections ${only}\n${[head, ...lines].map((line) => `${line}\n`).join('')}`);
};

function isListening(socket: Socket): boolean {
  return socket.state() === 'LISTEN' || socket.state() === 'UNCONN';
}

function isShown(socket: Socket, flags: ReadonlySet<string>): boolean {
  return flags.has('a') || flags.has('l') === isListening(socket);
}

/** netstat has older names of states than ss. */
function stateName(state: string): string {
  return (
    {
      ESTAB: 'ESTABLISHED',
      'SYN-SENT': 'SYN_SENT',
      'SYN-RECV': 'SYN_RECV',
      'FIN-WAIT-1': 'FIN_WAIT1',
      'FIN-WAIT-2': 'FIN_WAIT2',
      'TIME-WAIT': 'TIME_WAIT',
      'CLOSE-WAIT': 'CLOSE_WAIT',
      'LAST-ACK': 'LAST_ACK',
    }[state] ?? state
  );
}

/** `route -n`, of net-tools or of BusyBox: they print the same. */
export const route: Tool = (args, context) => {
  const { operands, problem } = parseArgs(args, { short: 'nevFCA:46' });
  if (problem !== undefined) return fail(1, `route: invalid option -- '${problem.option}'`);
  if (operands.length > 0) return fail(1, 'netsim: routes are not changed by hand: ip route and route show them');
  return ok(routeTable(context, plainRoute, plainHead));
};

const netstatHead = 'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface';
const plainHead = 'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface';

/** What a line has besides destination, gateway and mask. */
interface RouteCells {
  readonly flags: string;
  readonly metric: number;
  readonly device: string;
  /** The kernel refuses what goes there: some figures are dashes. */
  readonly rejects: boolean;
}

type RouteLine = (cells: RouteCells) => string;
const netstatRoute: RouteLine = ({ flags, device, rejects }) =>
  rejects ? `${flags.padEnd(5)}     - -          - ${device}` : `${flags.padEnd(5)}     0 0          0 ${device}`;
const plainRoute: RouteLine = ({ flags, metric, device, rejects }) =>
  `${flags.padEnd(5)} ${String(metric).padEnd(6)} ${rejects ? '-' : '0'}        0 ${device}`;

function routeTable({ netns }: ExecContext, line: RouteLine, head: string): string {
  const lines = inTableOrder(netns.routes(RouteTable.MAIN, 4)).map((each) => {
    const { destination, type, via, metric, dev } = each;
    const rejects = type === 'unreachable' || type === 'prohibit';
    const ends = [
      formatIp(destination.address),
      rejects ? '-' : formatIp(via ?? 0),
      formatIp(prefixMask(4, destination.length)),
    ];
    const device = dev?.name ?? (rejects ? '-' : '*');
    const cells = { flags: rejects ? '!' : flagsOf(each), metric, device, rejects };
    return ends.map((text) => `${text.padEnd(15)} `).join('') + line(cells);
  });
  return `Kernel IP routing table\n${[head, ...lines].map((text) => `${text}\n`).join('')}`;
}

function flagsOf({ via, destination }: Route): string {
  return `U${via === undefined ? '' : 'G'}${destination.length === 32 ? 'H' : ''}`;
}

/** `arp`, of net-tools or of BusyBox; names are not looked up. */
export const arp: Tool = (args, { netns, userland }) => {
  const { flags, operands, problem } = parseArgs(args, { short: 'anevi:H:d:s:' });
  if (problem !== undefined) return fail(1, `arp: invalid option -- '${problem.option}'`);
  const shown = netns.neighbours().filter((neighbour) => {
    const state = neighbour.currentState();
    if (typeof neighbour.ip === 'bigint' || state === Nud.NONE || (state & Nud.NOARP) !== 0) return false;
    return operands.length === 0 || operands.includes(formatIp(neighbour.ip));
  });
  const [host] = operands;
  if (host !== undefined && shown.length === 0) return fail(1, `${host} (${host}) -- no entry`);
  if (userland === 'gnu' && !flags.has('a')) {
    if (shown.length === 0) return ok('');
    const lines = shown.map((neighbour) => {
      const known = isKnown(neighbour);
      const flag = known ? (permanent(neighbour) ? 'CM' : 'C') : '';
      const hardware = known
        ? `${'ether'.padEnd(8)}${neighbour.mac.padEnd(20)}`
        : `${' '.repeat(8)}${'(incomplete)'.padEnd(20)}`;
      return `${formatIp(neighbour.ip).padEnd(25)}${hardware}${flag.padEnd(22)}${neighbour.dev.name}\n`;
    });
    return ok(`Address                  HWtype  HWaddress           Flags Mask            Iface\n${lines.join('')}`);
  }
  const gap = userland === 'gnu' ? '' : ' ';
  return ok(
    shown
      .map((neighbour) => {
        const { mac, dev } = neighbour;
        const what = isKnown(neighbour)
          ? `${mac} [ether] ${permanent(neighbour) ? 'PERM ' : gap}`
          : `<incomplete> ${gap}`;
        return `? (${formatIp(neighbour.ip)}) at ${what}on ${dev.name}\n`;
      })
      .join(''),
  );
};

function isKnown(neighbour: Neighbour): boolean {
  return neighbour.mac !== '' && (neighbour.currentState() & (Nud.INCOMPLETE | Nud.FAILED)) === 0;
}

function permanent(neighbour: Neighbour): boolean {
  return (neighbour.currentState() & Nud.PERMANENT) !== 0;
}

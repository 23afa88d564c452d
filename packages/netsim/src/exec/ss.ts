import type { Socket } from '@netsim/kernel';
import { familyOf, formatIp, type Ip } from '@netsim/wire';
import { parseArgs } from './args.ts';
import { serviceName } from './services.ts';
import { fail, ok, type Tool } from './tool.ts';

/** Length of the queue of a listening socket, where nobody set another: Linux's net.core.somaxconn. */
const BACKLOG = 4096;

/** `ss`, of iproute2, as it prints to a pipe. */
export const ss: Tool = (args, { netns }) => {
  const { flags, problem, operands } = parseArgs(args, {
    short: 'tulanp46xwHeiomsOrS',
    long: {
      tcp: 't',
      udp: 'u',
      listening: 'l',
      all: 'a',
      numeric: 'n',
      processes: 'p',
      ipv4: '4',
      ipv6: '6',
      'no-header': 'H',
      extended: 'e',
      oneline: 'O',
      sctp: 'S',
    },
  });
  if (problem !== undefined) return fail(255, `ss: invalid option -- '${problem.option.replace(/^--/, '')}'`);
  if (operands.length > 0) return fail(255, `netsim: ss filters are not emulated: ${operands.join(' ')}`);
  if (flags.has('x')) return fail(255, 'netsim: ss -x is not emulated: Unix sockets are no part of the network');

  const chosen = (['u', 't', 'S'] as const).filter((flag) => flags.has(flag));
  const protocols =
    chosen.length > 0 ? chosen.map((flag) => ({ u: 'udp', t: 'tcp', S: 'sctp' })[flag]) : ['udp', 'tcp', 'sctp'];
  const family = flags.has('4') === flags.has('6') ? undefined : flags.has('4') ? 4 : 6;
  const sockets = protocols.flatMap((protocol) =>
    netns.sockets
      .list()
      .filter((socket) => socket.protocol === protocol && isWanted(socket, flags) && ofFamily(socket, family))
      .sort((a, b) => a.localPort - b.localPort),
  );
  const withNetid = protocols.length > 1;
  return ok(table(sockets, { withNetid, processes: flags.has('p'), numeric: flags.has('n'), header: !flags.has('H') }));
};

function isListening(socket: Socket): boolean {
  return socket.state() === 'LISTEN' || (socket.protocol === 'udp' && socket.state() === 'UNCONN');
}

function isWanted(socket: Socket, flags: ReadonlySet<string>): boolean {
  if (flags.has('a')) return true;
  return flags.has('l') === isListening(socket);
}

function ofFamily({ localAddress }: Socket, family: 4 | 6 | undefined): boolean {
  if (family === undefined) return true;
  return (localAddress === undefined ? 6 : familyOf(localAddress)) === family;
}

interface TableOptions {
  readonly withNetid: boolean;
  readonly processes: boolean;
  readonly numeric: boolean;
  readonly header: boolean;
}

const titles = ['State', 'Recv-Q', 'Send-Q', 'Local Address:', 'Port', 'Peer Address:', 'Port', 'Process'];

/** Columns as wide as their widest cell; addresses stand to the right, so that the colons are under each other. */
function table(sockets: readonly Socket[], { withNetid, processes, numeric, header }: TableOptions): string {
  const rows = sockets.map((socket) => {
    const port = (number: number) => (numeric ? undefined : serviceName(number, socket.protocol)) ?? String(number);
    const listening = isListening(socket);
    const { remoteAddress } = socket;
    return [
      ...(withNetid ? [socket.protocol] : []),
      socket.state(),
      '0',
      socket.state() === 'LISTEN' ? String(BACKLOG) : '0',
      `${addressText(socket.localAddress)}:`,
      port(socket.localPort),
      `${remoteAddress === undefined ? anyLike(socket.localAddress) : addressText(remoteAddress)}:`,
      listening && remoteAddress === undefined ? '*' : port(socket.remotePort),
      processes && socket.program !== '' ? ` users:(("${socket.program}",pid=1,fd=3))` : '',
    ];
  });
  const head = [...(withNetid ? ['Netid'] : []), ...titles];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const lines = (header ? [head, ...rows] : rows).map((row) =>
    row
      .map((cell, i) => {
        const width = widths[i]!;
        const title = head[i]!;
        const padded = title.endsWith(':') ? cell.padStart(width) : cell.padEnd(width);
        const glued = title === 'Port' || title === 'Process' || i === 0;
        return glued ? padded : ` ${padded}`;
      })
      .join(''),
  );
  return lines.map((line) => `${line}\n`).join('');
}

function addressText(ip: Ip | undefined): string {
  if (ip === undefined) return '*';
  return typeof ip === 'bigint' ? `[${formatIp(ip)}]` : formatIp(ip);
}

/** The peer of a socket that has none, in the family of its own address. */
function anyLike(ip: Ip | undefined): string {
  return ip === undefined ? '*' : typeof ip === 'bigint' ? '[::]' : '0.0.0.0';
}

import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { lastValue, parseArgs } from './args.ts';
import { strerror } from './errno.ts';
import { addressesOf } from './lookup.ts';
import { serviceName } from './services.ts';
import { connectTcp, Inbox } from './tcp-attempt.ts';
import { type ExecContext, fail, type Tool } from './tool.ts';
import { waitUntil } from './wait.ts';

const usage = `usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
\t  [destination] [port]`;
/** Milliseconds that a UDP scan waits for a "port unreachable" in the real one. */
const UDP_PATIENCE = 3_000;
/** Milliseconds to listen to a server that speaks first, where there is nothing to send. */
const BANNER_PATIENCE = 1_000;

interface Target {
  readonly host: string;
  /** As messages name it: with its address where the host was a name. */
  readonly shown: string;
  readonly ip: Ip;
  readonly port: number;
}

/** `nc`, of OpenBSD: scanning (-z) and connecting; there is no standard input. */
export const nc: Tool = async (args, context) => {
  const parsed = parseArgs(args, { short: '46CDdFhklNnrStUuvZzI:i:M:m:O:P:p:q:s:T:V:W:w:X:x:' });
  const { flags, operands, problem } = parsed;
  if (problem?.kind === 'unknown') return fail(1, `nc: invalid option -- '${problem.option}'\n${usage}`);
  if (problem !== undefined) return fail(1, `nc: option requires an argument -- '${problem.option}'\n${usage}`);
  if (flags.has('l'))
    return fail(1, 'netsim: nc -l is not emulated: what listens is said with the annotation netsim.dev/listen');
  const [host, portWord] = operands;
  if (host === undefined) return fail(1, usage);
  if (portWord === undefined) return fail(1, 'nc: missing port number');
  const ports = readPorts(portWord);
  if (ports === undefined) return fail(1, `nc: port number invalid: ${portWord}`);
  const wait = lastValue(parsed, 'w');
  if (wait !== undefined && !/^[1-9][0-9]*$/.test(wait))
    return fail(1, `nc: timeout ${Number.isNaN(Number(wait)) ? 'invalid' : 'too small'}: ${wait}`);
  const timeout = wait === undefined ? undefined : Number(wait) * 1000;

  const family = flags.has('6') ? 6 : flags.has('4') ? 4 : undefined;
  const literal = tryParseIp(host) !== undefined;
  const addresses = flags.has('n') && !literal ? [] : await addressesOf(host, context, family);
  if (addresses.length === 0) {
    return fail(1, `nc: getaddrinfo for host "${host}" port ${ports[0]}: Name or service not known`);
  }
  const verbose = flags.has('v');
  let stdout = '';
  let stderr = '';
  let failed = false;
  for (const port of ports) {
    let connected = false;
    for (const ip of addresses) {
      const target: Target = { host, ip, port, shown: literal ? host : `${host} (${formatIp(ip)})` };
      const result = flags.has('u')
        ? scanUdp(context, target, verbose)
        : tryTcp(context, target, verbose, timeout, flags.has('z'));
      stdout += result.stdout;
      stderr += result.stderr;
      connected = result.connected;
      if (connected) break;
    }
    failed ||= !connected;
  }
  return { stdout, stderr, code: failed ? 1 : 0 };
};

function readPorts(word: string): number[] | undefined {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(word);
  if (match === null) return undefined;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  if (from < 1 || from > 65535 || to > 65535) return undefined;
  const [low, high] = from <= to ? [from, to] : [to, from];
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

interface Scan {
  readonly stdout: string;
  readonly stderr: string;
  readonly connected: boolean;
}

function tryTcp(
  { netns }: ExecContext,
  target: Target,
  verbose: boolean,
  timeout: number | undefined,
  scan: boolean,
): Scan {
  const inbox = new Inbox();
  const { ip: dst, port: dport, shown } = target;
  const { outcome, connection } = connectTcp(netns, { dst, dport, program: 'nc', timeout }, inbox);
  if (outcome !== '') {
    // With -w nc connects without blocking; what it then reports is the state of that.
    const why = outcome === 'timeout' ? 'timed out: Operation now in progress' : `failed: ${strerror(outcome)}`;
    return {
      stdout: '',
      stderr: verbose ? `nc: connect to ${shown} port ${dport} (tcp) ${why}\n` : '',
      connected: false,
    };
  }
  if (!scan) waitUntil(netns.world, () => inbox.ended || inbox.closed, BANNER_PATIENCE);
  connection.close();
  netns.world.run();
  const stdout = scan ? '' : new TextDecoder().decode(inbox.bytes);
  return { stdout, stderr: verbose ? success(target, 'tcp') : '', connected: true };
}

function scanUdp({ netns }: ExecContext, target: Target, verbose: boolean): Scan {
  const { ip: dst, port: dport, shown } = target;
  const failure = (why: string): Scan => ({
    stdout: '',
    stderr: verbose ? `nc: connect to ${shown} port ${dport} (udp) failed: ${why}\n` : '',
    connected: false,
  });
  let refused = false;
  const socket = netns.sockets.udp.bind({
    program: 'nc',
    onError: () => {
      refused = true;
    },
  });
  if (typeof socket === 'string') return failure(strerror(socket));
  try {
    const error = socket.connect(dst, dport);
    if (error !== '') return failure(strerror(error));
    socket.send({ payload: new TextEncoder().encode('X') });
    waitUntil(netns.world, () => refused, UDP_PATIENCE);
    // No answer at all looks like success: UDP has no other sign.
    return { stdout: '', stderr: verbose && !refused ? success(target, 'udp') : '', connected: !refused };
  } finally {
    socket.close();
  }
}

function success({ shown, port }: Target, protocol: 'tcp' | 'udp'): string {
  return `Connection to ${shown} ${port} port [${protocol}/${serviceName(port, protocol) ?? '*'}] succeeded!\n`;
}

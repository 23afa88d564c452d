import { formatIp, type Ip } from '@netsim/wire';
import { lastValue, parseArgs } from './args.ts';
import { strerror } from './errno.ts';
import { addressesOf } from './lookup.ts';
import { type ExecContext, fail, type Tool } from './tool.ts';
import { waitUntil } from './wait.ts';

const BASE_PORT = 33_434;

/** What came back for one probe. */
interface Answer {
  readonly from: Ip;
  /** Behind the time: `!H` and its like. */
  readonly mark: string;
  /** The way ends here: the destination, or somebody who knows no way on. */
  readonly final: boolean;
  readonly time: number;
}

/** `traceroute`, of Linux or of BusyBox by the image: UDP, or echo requests with -I, whose TTL ends on the way. Names of hops are not looked up. */
export const traceroute: Tool = async (args, context) => {
  const gnu = context.userland === 'gnu';
  const parsed = parseArgs(args, { short: gnu ? '46dFITnrUf:m:p:q:w:s:t:z:i:N:' : '46FIlnrvf:m:p:q:w:s:t:z:i:' });
  const { flags, operands, problem } = parsed;
  if (problem !== undefined) {
    const bad = `\`-${problem.option}' (argc 1)`;
    if (problem.kind === 'unknown') {
      return gnu ? fail(2, `Bad option ${bad}`) : fail(1, `traceroute: invalid option -- '${problem.option}'`);
    }
    return gnu
      ? fail(2, `Option ${bad} requires an argument`)
      : fail(1, `traceroute: option requires an argument -- '${problem.option}'`);
  }
  const [host] = operands;
  if (host === undefined)
    return fail(gnu ? 2 : 1, 'Usage: traceroute [-46In] [-f 1ST_TTL] [-m MAXTTL] [-q PROBES] [-w WAIT_SEC] HOST');
  if (flags.has('T'))
    return fail(2, 'netsim: traceroute -T is not emulated: netsim trace shows the way of a TCP packet');
  const number = (name: string, otherwise: number, most: number): number | undefined => {
    const text = lastValue(parsed, name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    return /^[0-9]+(\.[0-9]+)?$/.test(text) && value >= 1 && value <= most ? value : undefined;
  };
  const first = number('f', 1, 255);
  const most = number('m', 30, 255);
  const probes = number('q', 3, 10);
  const patience = number('w', gnu ? 5 : 3, 86_400);
  const port = number('p', BASE_PORT, 65_535);
  if (
    first === undefined ||
    most === undefined ||
    probes === undefined ||
    patience === undefined ||
    port === undefined
  ) {
    return fail(gnu ? 2 : 1, 'traceroute: invalid number');
  }
  const family = flags.has('6') ? 6 : flags.has('4') ? 4 : undefined;
  const [dst] = await addressesOf(host, context, family);
  if (dst === undefined) {
    if (!gnu) return fail(1, `traceroute: bad address '${host}'`);
    return fail(
      2,
      `${host}: Name or service not known\nCannot handle "host" cmdline arg \`${host}' on position 1 (argc 1)`,
    );
  }
  const size = gnu ? (typeof dst === 'number' ? 60 : 80) : 46;
  let stdout = `traceroute to ${host} (${formatIp(dst)}), ${most} hops max, ${size} byte packets\n`;
  let sent = 0;
  for (let ttl = first; ttl <= most; ttl++) {
    let line = `${String(ttl).padStart(2)}${gnu ? ' ' : ''}`;
    let last: Ip | undefined;
    let ends = false;
    for (let probe = 0; probe < probes; probe++) {
      const where = { dst, ttl, dport: Math.min(port + sent, 65_535), sequence: sent + 1, size: size - 28 };
      sent++;
      const answer = send(context, where, flags.has('I'), patience * 1000);
      if (typeof answer === 'string') {
        const why = gnu ? `connect: ${answer}` : `traceroute: sendto: ${answer}`;
        return fail(1, why, gnu ? '' : stdout);
      }
      if (answer === undefined) {
        line += gnu ? ' *' : '  *';
        continue;
      }
      if (answer.from !== last) {
        const address = formatIp(answer.from);
        line += `${gnu ? ' ' : '  '}${flags.has('n') ? address : `${address} (${address})`}`;
        last = answer.from;
      }
      line += `  ${answer.time.toFixed(3)} ms${answer.mark}`;
      ends ||= answer.final;
    }
    stdout += `${line}\n`;
    if (ends) break;
  }
  return { stdout, stderr: '', code: 0 };
};

interface Probe {
  readonly dst: Ip;
  readonly ttl: number;
  readonly dport: number;
  readonly sequence: number;
  readonly size: number;
}

/** One probe: its answer, nothing where none comes in time, or why it cannot be sent. */
function send({ netns }: ExecContext, probe: Probe, echo: boolean, patience: number): Answer | undefined | string {
  const { dst, ttl, dport, sequence, size } = probe;
  const { world } = netns;
  const started = world.clock.now;
  let answer: Answer | undefined;
  const hear = (from: Ip, mark: string, final: boolean): void => {
    answer ??= { from, mark, final, time: world.clock.now - started };
  };
  const onError = ({ from, icmpType, icmpCode }: { from: Ip; icmpType: number; icmpCode: number }): void => {
    const expired = typeof from === 'number' ? icmpType === 11 : icmpType === 3;
    hear(from, expired ? '' : markOf(from, icmpCode, from === dst), !expired);
  };
  if (echo) {
    const socket = netns.sockets.ping.open({
      dst,
      ttl,
      size,
      program: 'traceroute',
      onAnswer: (each) => (each.kind === 'reply' ? hear(each.from, '', true) : onError(each)),
    });
    const error = socket.send(sequence);
    if (error === '') waitUntil(world, () => answer !== undefined, patience);
    socket.close();
    return error === '' ? answer : strerror(error);
  }
  const socket = netns.sockets.udp.bind({
    program: 'traceroute',
    onMessage: ({ src }) => hear(src, '', true),
    onIcmpError: onError,
  });
  if (typeof socket === 'string') return strerror(socket);
  const error = socket.send({ dst, dport, ttl, payloadLength: size });
  if (error === '') waitUntil(world, () => answer !== undefined, patience);
  socket.close();
  return error === '' ? answer : strerror(error);
}

/** What stands behind the time for an ICMP error that ends the way. */
function markOf(from: Ip, code: number, destination: boolean): string {
  if (typeof from === 'bigint') return code === 4 ? '' : code === 1 ? ' !X' : code === 0 ? ' !N' : ' !H';
  if (code === 3 && destination) return '';
  const marks: Readonly<Record<number, string>> = {
    0: ' !N',
    1: ' !H',
    2: ' !P',
    3: '',
    4: ' !F',
    9: ' !X',
    10: ' !X',
    13: ' !X',
  };
  return marks[code] ?? ` !<${code}>`;
}

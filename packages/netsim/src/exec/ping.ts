import type { EchoAnswer } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import { lastValue, parseArgs } from './args.ts';
import { strerror } from './errno.ts';
import { addressesOf } from './lookup.ts';
import { type ExecContext, fail, type Tool, type ToolResult } from './tool.ts';
import { waitUntil } from './wait.ts';

/** Requests that are sent where no -c says how many: the real one would not end. */
const ENDLESS_COUNT = 4;
/** Milliseconds to wait for answers after the last request, where none ever came (iputils: MAXWAIT). */
const LINGER = 10_000;
const SIZE_LIMIT = 65_507;

interface PingOptions {
  readonly host: string;
  readonly count: number;
  readonly endless: boolean;
  readonly interval: number;
  readonly linger: number | undefined;
  readonly deadline: number | undefined;
  readonly size: number;
  readonly ttl: number | undefined;
  readonly quiet: boolean;
  readonly family: 4 | 6 | undefined;
}

/** `ping`, of iputils: real echo requests through the emulated network; time is the virtual one. */
export const ping: Tool = async (args, context) => {
  const busybox = context.userland === 'busybox';
  const options = readOptions(args, busybox);
  if ('code' in options) return options;
  const { host, size, endless } = options;
  const [dst] = await addressesOf(host, context, options.family);
  if (dst === undefined && busybox) return fail(1, `ping: bad address '${host}'`);
  if (dst === undefined) return fail(2, `ping: ${host}: Name or service not known`);

  const stderr = endless ? `netsim: ping without -c ends after ${ENDLESS_COUNT} requests\n` : '';
  const text = formatIp(dst);
  const head = busybox
    ? `PING ${host} (${text}): ${size} data bytes\n`
    : typeof dst === 'number'
      ? `PING ${host} (${text}) ${size}(${size + 28}) bytes of data.\n`
      : host === text
        ? `PING ${host}(${host}) ${size} data bytes\n`
        : `PING ${host}(${host} (${text})) ${size} data bytes\n`;
  const session = new PingSession(context, options);
  const error = session.run(dst);
  if (error !== undefined && busybox) return fail(1, `ping: sendto: ${error}`, head);
  if (error !== undefined) return fail(2, `ping: connect: ${error}`);
  return { stdout: head + session.lines + session.statistics(), stderr, code: session.received > 0 ? 0 : 1 };
};

function readOptions(args: readonly string[], busybox: boolean): PingOptions | ToolResult {
  const parsed = parseArgs(args, { short: 'c:W:w:i:s:t:I:M:m:p:Q:qn46Ov' });
  const { flags, operands, problem } = parsed;
  const misused = busybox ? 1 : 2;
  if (problem?.kind === 'unknown') return fail(misused, `ping: invalid option -- '${problem.option}'`);
  if (problem !== undefined) return fail(misused, `ping: option requires an argument -- '${problem.option}'`);
  const [host] = operands;
  if (host === undefined) return fail(1, 'ping: usage error: Destination address required');
  const count = number(lastValue(parsed, 'c'), 1);
  const size = number(lastValue(parsed, 's'), 0, SIZE_LIMIT);
  const ttl = number(lastValue(parsed, 't'), 1, 255);
  const interval = seconds(lastValue(parsed, 'i'));
  const linger = seconds(lastValue(parsed, 'W'));
  const deadline = seconds(lastValue(parsed, 'w'));
  for (const value of [count, size, ttl, interval, linger, deadline]) {
    if (typeof value === 'string')
      return fail(1, busybox ? `ping: invalid number ${value.split(':')[0]}` : `ping: invalid argument: ${value}`);
  }
  return {
    host,
    count: (count as number | undefined) ?? (deadline === undefined ? ENDLESS_COUNT : Number.MAX_SAFE_INTEGER),
    endless: count === undefined && deadline === undefined,
    interval: (interval as number | undefined) ?? 1000,
    linger: linger as number | undefined,
    deadline: deadline as number | undefined,
    size: (size as number | undefined) ?? 56,
    ttl: ttl as number | undefined,
    quiet: flags.has('q'),
    family: flags.has('6') ? 6 : flags.has('4') ? 4 : undefined,
  };
}

/** A number, undefined where not given, or what is wrong with it. */
function number(text: string | undefined, least: number, most?: number): number | string | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]+$/.test(text)) return `'${text}'`;
  const value = Number(text);
  const limit = most ?? 9223372036854775807n;
  if (value < least || value > limit) return `'${text}': out of range: ${least} <= value <= ${limit}`;
  return value;
}

function seconds(text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  return /^[0-9]+(\.[0-9]*)?$/.test(text) ? Math.round(Number(text) * 1000) : `'${text}'`;
}

class PingSession {
  readonly #context: ExecContext;
  readonly #options: PingOptions;
  readonly #sentAt = new Map<number, number>();
  readonly #times: number[] = [];
  #transmitted = 0;
  #errors = 0;
  #pipe = 0;
  #lastSent = 0;
  #started = 0;
  received = 0;
  lines = '';

  constructor(context: ExecContext, options: PingOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Sends all requests and waits for the answers. Returns what kept the first one from being sent. */
  run(dst: Parameters<ExecContext['netns']['sockets']['ping']['open']>[0]['dst']): string | undefined {
    const { netns } = this.#context;
    const { world } = netns;
    const { count, interval, size, ttl, deadline, linger } = this.#options;
    const socket = netns.sockets.ping.open({ dst, size, ttl, onAnswer: (answer) => this.#answer(answer) });
    this.#started = world.clock.now;
    const end = this.#started + (deadline ?? Number.POSITIVE_INFINITY);
    try {
      for (let sequence = 1; sequence <= count && world.clock.now < end; sequence++) {
        this.#sentAt.set(sequence, world.clock.now);
        this.#lastSent = world.clock.now;
        this.#transmitted++;
        const error = socket.send(sequence);
        if (error === 'EPERM') this.lines += 'ping: sendmsg: Operation not permitted\n';
        else if (error !== '') return strerror(error);
        world.run();
        if (sequence < count) world.advance(Math.min(interval, Math.max(0, end - world.clock.now)));
      }
      const rtt = this.#times.length > 0 ? 2 * Math.max(...this.#times, 500) : LINGER;
      const wait = Math.min(linger ?? rtt, Math.max(0, end - world.clock.now));
      waitUntil(world, () => this.received + this.#errors >= this.#transmitted, wait);
      return undefined;
    } finally {
      socket.close();
    }
  }

  #answer(answer: EchoAnswer): void {
    const { netns } = this.#context;
    const sent = this.#sentAt.get(answer.sequence);
    if (sent === undefined) return;
    this.#pipe = Math.max(this.#pipe, this.#transmitted - answer.sequence + 1);
    const { quiet } = this.#options;
    if (answer.kind === 'error') {
      this.#errors++;
      // BusyBox says nothing of them.
      if (!quiet && !this.#busybox)
        this.lines += `From ${formatIp(answer.from)} icmp_seq=${answer.sequence} ${errorText(answer)}\n`;
      return;
    }
    this.received++;
    const time = netns.world.clock.now - sent;
    this.#times.push(time);
    if (quiet) return;
    const bytes = answer.payloadLength + 8;
    if (this.#busybox) {
      this.lines += `${bytes} bytes from ${formatIp(answer.from)}: seq=${answer.sequence - 1} ttl=${answer.ttl} time=${time.toFixed(3)} ms\n`;
      return;
    }
    this.lines += `${bytes} bytes from ${formatIp(answer.from)}: icmp_seq=${answer.sequence} ttl=${answer.ttl} time=${milliseconds(time)} ms\n`;
  }

  get #busybox(): boolean {
    return this.#context.userland === 'busybox';
  }

  statistics(): string {
    if (this.#busybox) return this.#busyboxStatistics();
    const loss = this.#transmitted === 0 ? 0 : ((this.#transmitted - this.received) * 100) / this.#transmitted;
    const errors = this.#errors > 0 ? `+${this.#errors} errors, ` : '';
    let text = `\n--- ${this.#options.host} ping statistics ---\n`;
    text += `${this.#transmitted} packets transmitted, ${this.received} received, ${errors}${percent(loss)}% packet loss, `;
    text += `time ${Math.max(0, this.#lastSent - this.#started)}ms\n`;
    const pipe = this.#pipe > 1 ? `pipe ${this.#pipe}` : '';
    if (this.#times.length === 0) return `${text}${pipe}\n`;
    const sum = this.#times.reduce((a, b) => a + b, 0);
    const average = sum / this.#times.length;
    const squares = this.#times.reduce((a, b) => a + b * b, 0) / this.#times.length;
    const deviation = Math.sqrt(Math.max(0, squares - average * average));
    const [least, most] = [Math.min(...this.#times), Math.max(...this.#times)];
    const figures = [least, average, most, deviation].map((value) => value.toFixed(3)).join('/');
    return `${text}rtt min/avg/max/mdev = ${figures} ms${pipe === '' ? '' : `, ${pipe}`}\n`;
  }

  #busyboxStatistics(): string {
    const loss =
      this.#transmitted === 0 ? 0 : Math.floor(((this.#transmitted - this.received) * 100) / this.#transmitted);
    let text = `\n--- ${this.#options.host} ping statistics ---\n`;
    text += `${this.#transmitted} packets transmitted, ${this.received} packets received, ${loss}% packet loss\n`;
    if (this.#times.length === 0) return text;
    const average = this.#times.reduce((a, b) => a + b, 0) / this.#times.length;
    const figures = [Math.min(...this.#times), average, Math.max(...this.#times)];
    return `${text}round-trip min/avg/max = ${figures.map((value) => value.toFixed(3)).join('/')} ms\n`;
  }
}

/** C's %g, as ping prints the loss: six significant digits, no zeros behind. */
function percent(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function milliseconds(time: number): string {
  if (time >= 100) return time.toFixed(0);
  if (time >= 10) return time.toFixed(1);
  if (time >= 1) return time.toFixed(2);
  return time.toFixed(3);
}

/** What iputils calls the ICMP errors, by code. */
const unreachable: Readonly<Record<number, string>> = {
  0: 'Destination Net Unreachable',
  1: 'Destination Host Unreachable',
  2: 'Destination Protocol Unreachable',
  3: 'Destination Port Unreachable',
  5: 'Source Route Failed',
  6: 'Destination Net Unknown',
  7: 'Destination Host Unknown',
  9: 'Destination Net Prohibited',
  10: 'Destination Host Prohibited',
  13: 'Packet filtered',
};
const unreachable6: Readonly<Record<number, string>> = {
  0: 'No route',
  1: 'Administratively prohibited',
  2: 'Beyond scope of source address',
  3: 'Address unreachable',
  4: 'Port unreachable',
};

function errorText({ from, icmpType, icmpCode, icmp }: EchoAnswer & { kind: 'error' }): string {
  if (typeof from === 'number') {
    if (icmpType === 11) return 'Time to live exceeded';
    if (icmpType === 3 && icmpCode === 4) return 'Frag needed and DF set';
    return unreachable[icmpCode] ?? `Dest Unreachable, Bad Code: ${icmpCode}`;
  }
  if (icmpType === 3) return 'Time exceeded: Hop limit';
  if (icmpType === 1) return `Destination unreachable: ${unreachable6[icmpCode] ?? `Unknown code ${icmpCode}`}`;
  return icmpType === 2 ? 'Packet too big' : icmp;
}

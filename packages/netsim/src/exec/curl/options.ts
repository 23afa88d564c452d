import { lastValue, parseArgs } from '../args.ts';
import { fail, type ToolResult } from '../tool.ts';

const hint = "curl: try 'curl --help' or 'curl --manual' for more information";
const short = 'sSvo:w:Im:X:H:d:iLkfA:46gNOJu:e:b:c:TG#qx:';
const long: Readonly<Record<string, string>> = {
  silent: 's',
  'show-error': 'S',
  verbose: 'v',
  output: 'o:',
  'write-out': 'w:',
  head: 'I',
  'max-time': 'm:',
  'connect-timeout': 'connect-timeout:',
  request: 'X:',
  header: 'H:',
  data: 'd:',
  'data-ascii': 'd:',
  'data-raw': 'd:',
  'data-binary': 'd:',
  include: 'i',
  location: 'L',
  insecure: 'k',
  fail: 'f',
  'user-agent': 'A:',
  ipv4: '4',
  ipv6: '6',
  resolve: 'resolve:',
  interface: 'interface:',
  url: 'url:',
  'http1.1': 'http1.1',
  'http1.0': 'http1.1',
  'no-buffer': 'N',
  globoff: 'g',
  'progress-bar': '#',
  'max-redirs': 'max-redirs:',
  get: 'G',
  cookie: 'b:',
  'cookie-jar': 'c:',
  referer: 'e:',
  'no-progress-meter': 'no-progress-meter',
  compressed: 'compressed',
  disable: 'q',
  noproxy: 'noproxy:',
  retry: 'retry:',
};

/** `--resolve HOST:PORT:ADDRESS`. */
export interface ResolveEntry {
  readonly host: string;
  readonly port: number;
  readonly address: string;
}

export interface CurlOptions {
  readonly urls: readonly string[];
  readonly silent: boolean;
  readonly showError: boolean;
  readonly verbose: boolean;
  readonly include: boolean;
  readonly head: boolean;
  readonly follow: boolean;
  readonly insecure: boolean;
  readonly failOnError: boolean;
  readonly output: string | undefined;
  readonly writeOut: string | undefined;
  readonly maxTime: number | undefined;
  readonly connectTimeout: number | undefined;
  readonly method: string;
  readonly headers: readonly string[];
  readonly data: string | undefined;
  readonly userAgent: string;
  readonly family: 4 | 6 | undefined;
  readonly resolve: readonly ResolveEntry[];
  readonly source: string | undefined;
  readonly maxRedirects: number;
}

/** Reads a command line, or says what curl says of a wrong one. */
export function readCurlOptions(args: readonly string[]): CurlOptions | ToolResult {
  const parsed = parseArgs(args, { short, long });
  const { flags, values, operands, problem } = parsed;
  if (problem !== undefined) {
    const option = problem.option.startsWith('--') ? problem.option : `-${problem.option}`;
    return fail(
      2,
      `curl: option ${option}: ${problem.kind === 'unknown' ? 'is unknown' : 'requires parameter'}\n${hint}`,
    );
  }
  const urls = [...(values.get('url') ?? []), ...operands];
  if (urls.length === 0) return fail(2, hint);
  for (const option of ['x', 'T'] as const) {
    if (flags.has(option) || values.has(option)) return fail(2, `netsim: curl -${option} is not emulated`);
  }

  const maxTime = milliseconds(lastValue(parsed, 'm'));
  const connectTimeout = milliseconds(lastValue(parsed, 'connect-timeout'));
  if (Number.isNaN(maxTime)) return wrongNumber('-m');
  if (Number.isNaN(connectTimeout)) return wrongNumber('--connect-timeout');
  const resolve: ResolveEntry[] = [];
  for (const entry of values.get('resolve') ?? []) {
    const match = /^([^:]+):([0-9]+):\[?([^\]]+)\]?$/.exec(entry);
    if (match === null) return fail(49, `curl: (49) Couldn't parse CURLOPT_RESOLVE entry '${entry}'`);
    resolve.push({ host: match[1]!, port: Number(match[2]), address: match[3]! });
  }
  const data = values.get('d')?.join('&');
  const head = flags.has('I');
  const method = lastValue(parsed, 'X') ?? (head ? 'HEAD' : data === undefined || flags.has('G') ? 'GET' : 'POST');
  return {
    urls:
      flags.has('G') && data !== undefined ? urls.map((url) => `${url}${url.includes('?') ? '&' : '?'}${data}`) : urls,
    silent: flags.has('s'),
    showError: flags.has('S'),
    verbose: flags.has('v'),
    include: flags.has('i') || head,
    head,
    follow: flags.has('L'),
    insecure: flags.has('k'),
    failOnError: flags.has('f'),
    output: lastValue(parsed, 'o'),
    writeOut: lastValue(parsed, 'w'),
    maxTime,
    connectTimeout,
    method,
    headers: [
      ...(values.get('H') ?? []),
      ...(values.get('b') ?? []).map((cookie) => `Cookie: ${cookie}`),
      ...(values.get('e') ?? []).map((referer) => `Referer: ${referer}`),
    ],
    data: flags.has('G') ? undefined : data,
    userAgent: lastValue(parsed, 'A') ?? 'curl/7.88.1',
    family: flags.has('6') ? 6 : flags.has('4') ? 4 : undefined,
    resolve,
    source: lastValue(parsed, 'interface'),
    maxRedirects: Number(lastValue(parsed, 'max-redirs') ?? 50),
  };
}

function milliseconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^[0-9]+(\.[0-9]*)?$/.test(text) ? Math.round(Number(text) * 1000) : Number.NaN;
}

function wrongNumber(option: string): ToolResult {
  return fail(2, `curl: option ${option}: expected a proper numerical parameter\n${hint}`);
}

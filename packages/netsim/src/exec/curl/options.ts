import { lastValue, type ParsedArgs, parseArgs } from '../args.ts';
import { type ExecContext, fail, type ToolResult } from '../tool.ts';
import { longOptions, otherLetters, otherNames, refusals, shortOptions } from './option-names.ts';
import { postData } from './post-data.ts';

const hint = "curl: try 'curl --help' or 'curl --manual' for more information";
export const VERSION = '7.88.1';

/** `--resolve HOST:PORT:ADDRESS[,ADDRESS]...`; the host `*` is any. */
export interface ResolveEntry {
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
}

/** `--connect-to HOST1:PORT1:HOST2:PORT2`; an empty part is any, or stays as it is. */
export interface ConnectTo {
  readonly host: string;
  readonly port: string;
  readonly toHost: string;
  readonly toPort: string;
}

/** Where the body of a transfer goes: `-o FILE`, or `-O`. */
export type Output = { readonly file: string } | 'remote-name';

export interface CurlOptions {
  readonly urls: readonly string[];
  readonly silent: boolean;
  readonly showError: boolean;
  readonly verbose: boolean;
  readonly include: boolean;
  readonly head: boolean;
  readonly follow: boolean;
  readonly insecure: boolean;
  /** `-f`, and whether the body is printed all the same. */
  readonly failOnError: 'no' | 'fail' | 'with-body';
  /** The first is for the first URL, and so on. */
  readonly outputs: readonly Output[];
  readonly outputDir: string;
  readonly createDirs: boolean;
  readonly dumpHeader: string | undefined;
  readonly writeOut: string | undefined;
  readonly maxTime: number | undefined;
  readonly connectTimeout: number | undefined;
  /** `-X`. */
  readonly customMethod: string | undefined;
  readonly httpVersion: '1.0' | '1.1';
  readonly headers: readonly string[];
  readonly data: string | undefined;
  readonly userAgent: string;
  readonly referer: string | undefined;
  readonly range: string | undefined;
  readonly compressed: boolean;
  /** `USER:PASSWORD`. */
  readonly user: string | undefined;
  readonly cookies: readonly string[];
  readonly cookieJar: string | undefined;
  readonly caFile: string | undefined;
  readonly family: 4 | 6 | undefined;
  readonly resolve: readonly ResolveEntry[];
  readonly connectTo: readonly ConnectTo[];
  readonly source: string | undefined;
  readonly maxRedirects: number;
  /** Do credentials follow to another host? */
  readonly trustRedirects: boolean;
  readonly glob: boolean;
  readonly pathAsIs: boolean;
  readonly requestTarget: string | undefined;
  readonly retries: number;
  readonly retryRefused: boolean;
  /** Seconds between tries; 0: doubled each time from one second on. */
  readonly retryDelay: number;
  /** Said before anything is done. */
  readonly warnings: string;
}

/** Reads a command line, or says what curl says of a wrong one. */
export function readCurlOptions(
  args: readonly string[],
  { files }: Pick<ExecContext, 'files'>,
): CurlOptions | ToolResult {
  const parsed = parseArgs(args, {
    short: shortOptions,
    long: { ...Object.fromEntries([...otherNames].map((name) => [name, `other ${name}`])), ...longOptions },
  });
  const { flags, values, operands, problem, sequence } = parsed;
  const refused = sequence.map(({ name }) => refusalOf(name)).find((text) => text !== undefined);
  if (refused !== undefined) return fail(2, refused);
  if (problem !== undefined) {
    const what = { unknown: 'is unknown', ambiguous: 'is ambiguous', 'needs-value': 'requires parameter' };
    return fail(2, `curl: option ${problem.word}: ${what[problem.kind]}\n${hint}`);
  }
  if (flags.has('V')) {
    const text = `curl ${VERSION} (netsim) libcurl/${VERSION}\nProtocols: http https\nFeatures: IPv6 SSL\n`;
    return { stdout: text, stderr: '', code: 0 };
  }
  const urls = [...(values.get('url') ?? []), ...operands];
  if (urls.length === 0) return fail(2, args.length === 0 ? hint : `curl: no URL specified!\n${hint}`);
  const numbers = new Map<string, number>();
  for (const { name, value } of sequence) {
    if (value === undefined || !numeric.has(name)) continue;
    const text = Number.isNaN(Number(value)) || value.trim() === '' ? 'proper' : Number(value) < 0 ? 'positive' : '';
    if (text !== '' && !(name === 'max-redirs' && value === '-1')) {
      return fail(2, `curl: option ${optionText(args, name)}: expected a ${text} numerical parameter\n${hint}`);
    }
    numbers.set(name, Number(value));
  }
  if (flags.has('f') && flags.has('fail-with-body')) {
    const later = sequence.findLast(({ name }) => name === 'f' || name === 'fail-with-body')?.name;
    const why = 'curl: You must select either --fail or --fail-with-body, not both.';
    return fail(2, `${why}\ncurl: option ${optionText(args, later ?? 'f')}: is badly used here\n${hint}`);
  }
  const resolve: ResolveEntry[] = [];
  for (const entry of values.get('resolve') ?? []) {
    const match = /^\+?([^:]+):([0-9]+):(.+)$/.exec(entry);
    if (match === null) return fail(49, `curl: (49) Couldn't parse CURLOPT_RESOLVE entry '${entry}'`);
    const addresses = match[3]!.split(',').map((address) => address.replace(/^\[(.*)\]$/, '$1'));
    resolve.push({ host: match[1]!, port: Number(match[2]), addresses });
  }
  const form = postData(parsed, files);
  if ('code' in form) return form;
  const { data, headers: formHeaders, warnings } = form;
  const head = flags.has('I');
  const { headers, warnings: headerWarnings } = headersOf(parsed, files);
  const maxTime = numbers.get('m');
  const connectTimeout = numbers.get('connect-timeout');
  const asQuery = flags.has('G') && data !== undefined;
  return {
    urls: asQuery ? urls.map((url) => withQuery(url, data)) : urls,
    silent: flags.has('s'),
    showError: flags.has('S'),
    verbose: flags.has('v'),
    include: flags.has('i') || head,
    head,
    follow: flags.has('L') || flags.has('location-trusted'),
    insecure: flags.has('k'),
    failOnError: flags.has('fail-with-body') ? 'with-body' : flags.has('f') ? 'fail' : 'no',
    outputs: sequence.flatMap(({ name, value }): Output[] => {
      if (name === 'O') return ['remote-name'];
      return name === 'o' ? [{ file: value ?? '' }] : [];
    }),
    outputDir: lastValue(parsed, 'output-dir') ?? '',
    createDirs: flags.has('create-dirs'),
    dumpHeader: lastValue(parsed, 'D'),
    writeOut: writeOutText(lastValue(parsed, 'w'), files),
    maxTime: maxTime === undefined || maxTime === 0 ? undefined : Math.round(maxTime * 1000),
    connectTimeout:
      connectTimeout === undefined || connectTimeout === 0 ? undefined : Math.round(connectTimeout * 1000),
    customMethod: lastValue(parsed, 'X'),
    httpVersion: flags.has('0') ? '1.0' : '1.1',
    headers: [
      ...headers,
      ...formHeaders.filter((text) => !headers.some((given) => fieldName(given) === fieldName(text))),
    ],
    data: asQuery ? undefined : data,
    userAgent: lastValue(parsed, 'A') ?? `curl/${VERSION}`,
    referer: lastValue(parsed, 'e')?.replace(/;auto$/, ''),
    range: lastValue(parsed, 'r'),
    compressed: flags.has('compressed'),
    user: lastValue(parsed, 'u'),
    cookies: values.get('b') ?? [],
    cookieJar: lastValue(parsed, 'c'),
    caFile: lastValue(parsed, 'cacert'),
    family: flags.has('6') ? 6 : flags.has('4') ? 4 : undefined,
    resolve,
    connectTo: (values.get('connect-to') ?? []).map(readConnectTo),
    source: lastValue(parsed, 'interface'),
    maxRedirects: numbers.get('max-redirs') ?? 50,
    trustRedirects: flags.has('location-trusted'),
    glob: !flags.has('g'),
    pathAsIs: flags.has('path-as-is'),
    requestTarget: lastValue(parsed, 'request-target'),
    retries: numbers.get('retry') ?? 0,
    retryRefused: flags.has('retry-connrefused') || flags.has('retry-all-errors'),
    retryDelay: numbers.get('retry-delay') ?? 0,
    warnings: headerWarnings + warnings,
  };
}

const numeric = new Set([
  'm',
  'connect-timeout',
  'max-redirs',
  'retry',
  'retry-delay',
  'retry-max-time',
  'keepalive-time',
]);

/** An option as its user wrote it. */
function optionText(args: readonly string[], name: string): string {
  const long = Object.keys(longOptions).filter((each) => longOptions[each]!.replace(':', '') === name);
  const wanted = (arg: string): boolean =>
    (name.length === 1 && /^-[^-]/.test(arg) && arg.includes(name)) || long.some((each) => arg === `--${each}`);
  return args.find(wanted) ?? (name.length === 1 ? `-${name}` : `--${name}`);
}

function refusalOf(name: string): string | undefined {
  const long = name.startsWith('other ') ? name.slice('other '.length) : undefined;
  if (long === undefined && !otherLetters.has(name)) return undefined;
  const key = long ?? name;
  const why = Object.hasOwn(refusals, key) ? `: ${refusals[key]}` : '';
  return `netsim: curl ${long === undefined ? '-' : '--'}${key} is not emulated${why}`;
}

/** `-H @FILE` takes lines of a file. */
function headersOf(
  { values }: ParsedArgs,
  files: ExecContext['files'],
): { readonly headers: readonly string[]; readonly warnings: string } {
  const headers: string[] = [];
  let warnings = '';
  for (const text of values.get('H') ?? []) {
    if (!text.startsWith('@')) {
      headers.push(text);
      continue;
    }
    const found = files.read(text.slice(1));
    if (typeof found !== 'string') warnings += `Warning: Failed to open ${text.slice(1)}!\n`;
    else headers.push(...found.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#')));
  }
  return { headers, warnings };
}

/** `-w @FILE`. */
function writeOutText(text: string | undefined, files: ExecContext['files']): string | undefined {
  if (text === undefined || !text.startsWith('@')) return text;
  const found = files.read(text.slice(1));
  return typeof found === 'string' ? found : '';
}

function readConnectTo(text: string): ConnectTo {
  const parts = /^(\[[^\]]*\]|[^:]*)(?::([^:]*))?(?::(\[[^\]]*\]|[^:]*))?(?::(.*))?$/.exec(text);
  const bare = (part: string | undefined): string => (part ?? '').replace(/^\[(.*)\]$/, '$1');
  return { host: bare(parts?.[1]), port: parts?.[2] ?? '', toHost: bare(parts?.[3]), toPort: parts?.[4] ?? '' };
}

export function fieldName(text: string): string {
  return text.split(/[:;]/, 1)[0]!.trim().toLowerCase();
}

function withQuery(url: string, data: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}${data}`;
}

import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { httpCall } from '../http/client.ts';
import { fieldOf, type HttpResponse, statusText } from '../http/message.ts';
import { lastValue, type ParsedArgs, parseArgs } from './args.ts';
import { strerror } from './errno.ts';
import { addressesOf } from './lookup.ts';
import { type ExecContext, fail, type Tool, type ToolResult } from './tool.ts';

/** Milliseconds that wget waits for a server, of GNU and of BusyBox alike. */
const PATIENCE = 900_000;
const MOST_REDIRECTS = { gnu: 20, busybox: 5 } as const;

interface Options {
  readonly quiet: boolean;
  readonly spider: boolean;
  readonly showServer: boolean;
  readonly output: string | undefined;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  readonly agent: string | undefined;
  readonly timeout: number;
  readonly family: 4 | 6 | undefined;
}

/** `wget` for HTTP, of GNU or of BusyBox by the image; rates are not told, as virtual time stands still in between. */
export const wget: Tool = async (args, context) => {
  const gnu = context.userland === 'gnu';
  const parsed = parseArgs(args, {
    short: gnu ? 'qO:SvT:t:46U:P:nco:Y:d' : 'cqSO:o:P:U:Y:T:t:',
    long: {
      spider: 'spider',
      quiet: 'q',
      'output-document': 'O:',
      'server-response': 'S',
      header: 'header:',
      'post-data': 'post-data:',
      'no-check-certificate': 'no-check-certificate',
      timeout: 'T:',
      tries: 't:',
      'user-agent': 'U:',
      'no-verbose': 'n',
    },
  });
  const { operands, problem } = parsed;
  const usage = gnu ? "\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options." : '';
  if (problem !== undefined) {
    const text = problem.option.startsWith('--')
      ? `unrecognized option '${problem.option}'`
      : `${problem.kind === 'unknown' ? 'invalid option' : 'option requires an argument'} -- '${problem.option}'`;
    return fail(gnu ? 2 : 1, `wget: ${text}${usage}`);
  }
  if (operands.length === 0) return fail(1, gnu ? `wget: missing URL${usage}` : 'wget: too few arguments');
  const options = optionsOf(parsed);
  if (typeof options === 'string') return fail(gnu ? 2 : 1, options);
  const results: ToolResult[] = [];
  for (const url of operands) results.push(await fetchOne(url, options, context));
  return {
    stdout: results.map(({ stdout }) => stdout).join(''),
    stderr: results.map(({ stderr }) => stderr).join(''),
    code: Math.max(...results.map(({ code }) => code)),
  };
};

function optionsOf(parsed: ParsedArgs): Options | string {
  const { flags, values } = parsed;
  const timeout = lastValue(parsed, 'T');
  if (timeout !== undefined && !/^[0-9]+(\.[0-9]+)?$/.test(timeout)) {
    return `wget: timeout: Invalid time period ‘${timeout}’`;
  }
  const fields = (values.get('header') ?? []).map((text): [string, string] => {
    const colon = text.indexOf(':');
    return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1).trim()];
  });
  return {
    quiet: flags.has('q'),
    spider: flags.has('spider'),
    showServer: flags.has('S'),
    output: lastValue(parsed, 'O'),
    fields,
    body: lastValue(parsed, 'post-data'),
    agent: lastValue(parsed, 'U'),
    timeout: timeout === undefined || Number(timeout) === 0 ? PATIENCE : Number(timeout) * 1000,
    family: flags.has('4') ? 4 : flags.has('6') ? 6 : undefined,
  };
}

/** What one URL came to, with the words of either program. */
class Log {
  readonly #gnu: boolean;
  readonly #options: Options;
  readonly #now: () => Date;
  stdout = '';
  stderr = '';

  constructor({ userland, dns }: ExecContext, options: Options) {
    this.#gnu = userland === 'gnu';
    this.#options = options;
    this.#now = () => dns?.now() ?? new Date(0);
  }

  get time(): string {
    return this.#now().toISOString().slice(0, 19).replace('T', ' ');
  }

  gnu(text: string): void {
    if (this.#gnu && !this.#options.quiet) this.stderr += text;
  }

  busybox(text: string): void {
    if (!this.#gnu && !this.#options.quiet) this.stderr += text;
  }

  /** BusyBox tells errors in spite of -q. */
  end(gnuStatus: number, busyboxError: string): ToolResult {
    if (!this.#gnu) this.stderr += `wget: ${busyboxError}\n`;
    return { stdout: this.stdout, stderr: this.stderr, code: this.#gnu ? gnuStatus : 1 };
  }
}

async function fetchOne(text: string, options: Options, context: ExecContext): Promise<ToolResult> {
  const { userland } = context;
  const log = new Log(context, options);
  if (options.spider) log.gnu('Spider mode enabled. Check if remote file exists.\n');
  let target = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  for (let redirects = 0; ; redirects++) {
    const url = URL.canParse(target) ? new URL(target) : undefined;
    if (url === undefined)
      return fail(1, userland === 'gnu' ? `${text}: Invalid host name.` : `wget: bad address '${text}'`);
    if (url.protocol !== 'http:') {
      return fail(1, `netsim: wget of ${url.protocol}//: TLS is emulated for curl: try curl -k ${target}`);
    }
    const found = await connect(url, options, context, log);
    if ('code' in found) return found;
    const { response } = found;
    const location = fieldOf(response, 'location');
    if (location !== undefined && response.status >= 300 && response.status < 400) {
      if (redirects >= MOST_REDIRECTS[userland]) {
        log.gnu(`${MOST_REDIRECTS[userland]} redirections exceeded.\n`);
        return log.end(8, 'too many redirections');
      }
      log.gnu(`Location: ${location} [following]\n`);
      target = new URL(location, url).href;
      continue;
    }
    return finish(url, response, options, context, log);
  }
}

async function connect(
  url: URL,
  options: Options,
  context: ExecContext,
  log: Log,
): Promise<ToolResult | { readonly response: HttpResponse }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || 80);
  const literal = tryParseIp(host) !== undefined;
  log.gnu(`--${log.time}--  ${url.href}\n`);
  const addresses = await addressesOf(host, context, options.family);
  if (addresses.length === 0) {
    log.gnu(
      `Resolving ${host} (${host})... failed: Name or service not known.\nwget: unable to resolve host address ‘${host}’\n`,
    );
    return log.end(4, `bad address '${host}'`);
  }
  const shown = addresses.map(formatIp).join(', ');
  if (!literal) log.gnu(`Resolving ${host} (${host})... ${shown}\n`);
  let last = '';
  let failed: Ip = addresses[0]!;
  for (const ip of addresses) {
    failed = ip;
    const at = formatIp(ip);
    const name = literal ? `${at}:${port}` : `${host} (${host})|${at}|:${port}`;
    log.gnu(`Connecting to ${name}... `);
    log.busybox(`Connecting to ${host}${url.port === '' ? '' : `:${port}`} (${at}:${port})\n`);
    try {
      const response = await httpCall({
        netns: context.netns,
        programs: context.programs ?? { pending: 0, answered: () => Promise.resolve() },
        program: 'wget',
        ip,
        port,
        timeout: options.timeout,
        request: requestOf(url, options, context),
      });
      log.gnu('connected.\nHTTP request sent, awaiting response... ');
      return { response };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (code === '') throw error;
      last = code === 'EPROTO' ? 'Bad response' : strerror(code as Parameters<typeof strerror>[0]);
      log.gnu(`failed: ${last}.\n`);
    }
  }
  if (last === strerror('ETIMEDOUT')) log.gnu('Giving up.\n\n');
  return log.end(4, `can't connect to remote host (${formatIp(failed)}): ${last}`);
}

function requestOf(url: URL, { fields, body, agent, spider }: Options, { userland }: ExecContext) {
  const gnu = userland === 'gnu';
  const bytes = new TextEncoder().encode(body ?? '');
  const own: [string, string][] = [
    ['Host', url.host],
    ['User-Agent', agent ?? (gnu ? 'Wget/1.21.3' : 'Wget')],
  ];
  if (gnu) own.push(['Accept', '*/*'], ['Accept-Encoding', 'identity'], ['Connection', 'Keep-Alive']);
  else own.push(['Connection', 'close']);
  if (body !== undefined) {
    own.push(['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(bytes.length)]);
  }
  const given = new Set(fields.map(([name]) => name.toLowerCase()));
  return {
    method: body !== undefined ? 'POST' : spider && gnu ? 'HEAD' : 'GET',
    target: url.pathname + url.search,
    version: '1.1' as const,
    fields: [...own.filter(([name]) => !given.has(name.toLowerCase())), ...fields],
    body: bytes,
  };
}

function finish(url: URL, response: HttpResponse, options: Options, { files }: ExecContext, log: Log): ToolResult {
  const phrase = response.statusText || statusText(response.status);
  const line = `${response.status} ${phrase}`;
  const server = [`HTTP/1.1 ${line}`, ...response.fields.map(([name, value]) => `${name}: ${value}`)];
  const head = server.map((each) => `  ${each}\n`).join('');
  if (options.showServer) {
    log.gnu(`\n${head}`);
    log.busybox(`${head}  \n`);
  } else log.gnu(`${line}\n`);
  if (response.status < 200 || response.status >= 300) {
    if (options.spider) log.gnu('Remote file does not exist -- broken link!!!\n\n');
    else log.gnu(`${log.time} ERROR ${response.status}: ${phrase}.\n\n`);
    return log.end(8, `server returned error: HTTP/1.1 ${line}`);
  }
  const { body } = response;
  const length = Number(fieldOf(response, 'content-length') ?? body.length);
  const type = fieldOf(response, 'content-type');
  log.gnu(`Length: ${length}${type === undefined ? '' : ` [${type.split(';')[0]}]`}\n`);
  if (options.spider) {
    log.gnu('Remote file exists.\n\n');
    log.busybox('remote file exists\n');
    return { stdout: '', stderr: log.stderr, code: 0 };
  }
  const name = options.output ?? (url.pathname.split('/').at(-1) || 'index.html');
  const text = new TextDecoder().decode(body);
  const stdout = name === '-';
  if (!stdout && name !== '/dev/null') {
    if (options.output === undefined && typeof files.stat(name) !== 'string') {
      return log.end(1, `can't open '${name}': File exists`);
    }
    const error = files.write(name, text);
    if (error !== undefined) {
      log.gnu(`${name}: No such file or directory\n`);
      return log.end(1, `can't open '${name}': No such file or directory`);
    }
  }
  const size = String(body.length);
  log.gnu(`Saving to: ‘${stdout ? 'STDOUT' : name}’\n\n     0K${' '.repeat(55)}100% 0.00 =0s\n\n`);
  log.gnu(`${log.time} (0.00 B/s) - ${stdout ? 'written to stdout' : `‘${name}’ saved`} [${size}/${length}]\n\n`);
  const bar = `${(stdout ? '-' : name.split('/').at(-1)!).padEnd(20)} 100% |${'*'.repeat(32)}| ${size.padStart(5)}  0:00:00 ETA\n`;
  log.busybox(
    `${stdout ? 'writing to stdout' : `saving to '${name}'`}\n${bar}${stdout ? 'written to stdout' : `'${name}' saved`}\n`,
  );
  return { stdout: stdout ? text : '', stderr: log.stderr, code: 0 };
}

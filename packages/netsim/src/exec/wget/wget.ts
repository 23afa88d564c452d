import { formatIp, tryParseIp } from '@netsim/wire';
import { HttpError, httpCall } from '../../http/client.ts';
import { fieldOf, type HttpResponse, statusText } from '../../http/message.ts';
import { parseArgs } from '../args.ts';
import { strerror } from '../errno.ts';
import { addressesOf } from '../lookup.ts';
import { type ExecContext, fail, type Tool, type ToolResult } from '../tool.ts';
import type { Failed } from './failed.ts';
import { Log } from './log.ts';
import { type Options, optionsOf } from './options.ts';
import { authoritiesOf, TlsSession } from './tls.ts';

/** Milliseconds of the longest pause between two tries (--waitretry). */
const LONGEST_PAUSE = 10_000;
const MOST_REDIRECTS = { gnu: 20, busybox: 5 } as const;

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
      'ca-certificate': 'ca-certificate:',
      'directory-prefix': 'P:',
      'retry-connrefused': 'retry-connrefused',
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

async function fetchOne(text: string, options: Options, context: ExecContext): Promise<ToolResult> {
  const { userland } = context;
  const log = new Log(context, options);
  if (options.spider) log.gnu('Spider mode enabled. Check if remote file exists.\n');
  let target = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  for (let redirects = 0; ; redirects++) {
    const url = URL.canParse(target) ? new URL(target) : undefined;
    if (url === undefined)
      return fail(1, userland === 'gnu' ? `${text}: Invalid host name.` : `wget: bad address '${text}'`);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      const scheme = url.protocol.slice(0, -1);
      return fail(
        1,
        userland === 'gnu' ? `${text}: Unsupported scheme ‘${scheme}’.` : `wget: not an http or ftp url: ${text}`,
      );
    }
    const found = await withTries(url, options, context, log);
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

/** GNU's wget tries again where the network failed, with longer and longer pauses. */
async function withTries(
  url: URL,
  options: Options,
  context: ExecContext,
  log: Log,
): Promise<ToolResult | { readonly response: HttpResponse }> {
  const { userland, netns } = context;
  for (let tried = 1; ; tried++) {
    const result = await once(url, options, context, log, tried);
    if (!('again' in result)) return result;
    log.gnu(result.gnu);
    if (userland !== 'gnu' || !result.again) return log.end(result.code, result.busybox);
    if (tried >= options.tries) {
      log.gnu('Giving up.\n\n');
      return log.end(result.code, result.busybox);
    }
    log.gnu('Retrying.\n\n');
    netns.world.advance(Math.min(tried * 1000, LONGEST_PAUSE));
  }
}

async function once(
  url: URL,
  options: Options,
  context: ExecContext,
  log: Log,
  tried: number,
): Promise<ToolResult | Failed | { readonly response: HttpResponse }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  const literal = tryParseIp(host) !== undefined;
  log.gnu(`--${log.time}--  ${tried === 1 ? '' : `(try:${String(tried).padStart(2)})  `}${url.href}\n`);
  const trust = secure ? authoritiesOf(options, context, log) : [];
  const addresses = await addressesOf(host, context, options.family);
  if (addresses.length === 0) {
    log.gnu(
      `Resolving ${host} (${host})... failed: Name or service not known.\nwget: unable to resolve host address ‘${host}’\n`,
    );
    return log.end(4, `bad address '${host}'`);
  }
  const shown = addresses.map(formatIp).join(', ');
  if (!literal && tried === 1) log.gnu(`Resolving ${host} (${host})... ${shown}\n`);
  let last: Failed | undefined;
  for (const ip of addresses) {
    const at = formatIp(ip);
    const name = literal ? `${at}:${port}` : `${host} (${host})|${at}|:${port}`;
    log.gnu(`Connecting to ${name}... `);
    log.busybox(`Connecting to ${host}${url.port === '' ? '' : `:${port}`} (${at}:${port})\n`);
    const session = new TlsSession(host, options, context, trust);
    try {
      const response = await httpCall({
        netns: context.netns,
        programs: context.programs ?? { pending: 0, answered: () => Promise.resolve() },
        program: 'wget',
        ip,
        port,
        timeout: options.timeout,
        request: requestOf(url, options, context),
        ...(secure ? { secure: (stream, ready) => session.open(stream, ready) } : {}),
      });
      log.gnu(`connected.\n${session.said}`);
      if (secure && context.userland === 'busybox' && options.checkCertificate) {
        log.busybox('wget: note: TLS certificate validation not implemented\n');
      }
      log.gnu('HTTP request sent, awaiting response... ');
      return { response };
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      last = failedBy(error, session, at, options);
      if (error.phase !== 'connect') {
        log.gnu(session.failed === undefined ? 'connected.\nHTTP request sent, awaiting response... ' : 'connected.\n');
        return last;
      }
      if (ip !== addresses.at(-1)) log.gnu(last.gnu);
    }
  }
  return last!;
}

function failedBy({ code, phase, empty }: HttpError, session: TlsSession, at: string, options: Options): Failed {
  if (session.failed !== undefined) return session.failed;
  const text = code === 'EPROTO' ? 'Protocol error' : strerror(code as Parameters<typeof strerror>[0]);
  if (phase === 'connect') {
    return {
      gnu: `failed: ${text}.\n`,
      busybox: `can't connect to remote host (${at}): ${text}`,
      code: 4,
      again: code !== 'ECONNREFUSED' && code !== 'ENETUNREACH' && code !== 'EHOSTUNREACH' ? true : options.retryRefused,
    };
  }
  if (empty) return { gnu: 'No data received.\n', busybox: 'error getting response', code: 4, again: true };
  if (code === 'EPROTO') {
    return { gnu: '200 No headers, assuming HTTP/0.9\n', busybox: 'bad response from server', code: 4, again: false };
  }
  const busybox = code === 'ETIMEDOUT' ? 'download timed out' : `error getting response: ${text}`;
  return { gnu: `Read error (${text}) in headers.\n`, busybox, code: 4, again: true };
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
  const base = url.pathname.split('/').at(-1) || 'index.html';
  const name = options.output ?? (options.directory === undefined ? base : `${options.directory}/${base}`);
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

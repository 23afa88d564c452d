import type { Tool } from '../tool.ts';
import { type CurlOptions, readCurlOptions } from './options.ts';
import { type Transfer, transfer } from './transfer.ts';

/** `curl` for HTTP, as it writes to a terminal (no progress meter). Files named with -o are written to nowhere. */
export const curl: Tool = async (args, context) => {
  const options = readCurlOptions(args);
  if ('code' in options) return options;
  const decoder = new TextDecoder();
  let stdout = '';
  let stderr = '';
  let code = 0;
  let connections = 0;
  const log = (line: string) => {
    if (options.verbose) stderr += `${line}\n`;
  };
  for (const url of options.urls) {
    let done = await transfer(url, options, context, connections++, log);
    for (let redirects = 0; followed(done, options); redirects++) {
      if (redirects === options.maxRedirects) {
        done = { ...done, code: 47, error: `Maximum (${options.maxRedirects}) redirects followed` };
        break;
      }
      if (options.include) stdout += done.head;
      const next = new URL(done.location!, done.url.includes('://') ? done.url : `http://${done.url}`).href;
      log(`* Issue another request to this URL: '${next}'`);
      done = await transfer(next, options, context, connections++, log);
    }
    const shown = (options.include ? done.head : '') + decoder.decode(done.body);
    if (options.output === undefined || options.output === '-') stdout += shown;
    if (done.code !== 0 && (!options.silent || options.showError)) stderr += `curl: (${done.code}) ${done.error}\n`;
    if (options.writeOut !== undefined) stdout += writeOut(options.writeOut, done, options);
    code = done.code;
  }
  return { stdout, stderr, code };
};

function followed({ status, location, code }: Transfer, { follow }: CurlOptions): boolean {
  return follow && code === 0 && location !== undefined && status >= 300 && status < 400;
}

/** The text of -w: `%{name}` for figures of the transfer, and C's escapes. */
function writeOut(format: string, done: Transfer, options: CurlOptions): string {
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(6);
  const values: Readonly<Record<string, string>> = {
    http_code: String(done.status).padStart(3, '0'),
    response_code: String(done.status).padStart(3, '0'),
    http_version: done.status === 0 ? '0' : '1.1',
    content_type: done.contentType ?? '',
    errormsg: done.error,
    exitcode: String(done.code),
    local_ip: done.local?.ip ?? '',
    local_port: String(done.local?.port ?? 0),
    remote_ip: done.remote?.ip ?? '',
    remote_port: String(done.remote?.port ?? 0),
    method: options.method,
    num_connects: done.remote === undefined ? '0' : '1',
    redirect_url: done.location ?? '',
    scheme: done.remote === undefined ? '' : /^https:/i.test(done.url) ? 'HTTPS' : 'HTTP',
    size_download: String(done.body.length),
    size_header: String(done.head.length),
    time_namelookup: seconds(0),
    time_connect: seconds(done.connectedAt),
    time_pretransfer: seconds(done.connectedAt),
    time_starttransfer: seconds(done.status === 0 ? 0 : done.endedAt),
    time_total: seconds(done.endedAt),
    url: done.url,
    url_effective: effective(done.url),
  };
  const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };
  return format.replace(/%%|%\{([a-z_]+)\}|\\(.)/g, (whole, name: string | undefined, escaped: string | undefined) => {
    if (name !== undefined) return values[name] ?? '';
    if (escaped !== undefined) return escapes[escaped] ?? whole;
    return '%';
  });
}

function effective(url: string): string {
  return url.includes('://') ? new URL(url).href : new URL(`http://${url}`).href;
}

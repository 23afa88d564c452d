import { type CurlOptions, VERSION } from './options.ts';
import type { Transfer } from './transfer.ts';

/** What -w can name of a transfer, in the order of its JSON. */
function variables(done: Transfer, options: CurlOptions): Readonly<Record<string, string | number | null>> {
  const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(6);
  const speed = (bytes: number): number => (done.endedAt === 0 ? 0 : Math.round((bytes * 1000) / done.endedAt));
  return {
    certs: '',
    content_type: done.contentType ?? null,
    errormsg: done.error === '' ? null : done.error,
    exitcode: done.code,
    filename_effective: done.savedAs ?? null,
    ftp_entry_path: null,
    http_code: done.status,
    http_connect: 0,
    http_version: done.status === 0 ? '0' : (/^HTTP\/([0-9.]+)/.exec(done.head)?.[1] ?? '0'),
    local_ip: done.local?.ip ?? '',
    local_port: done.local?.port ?? 0,
    method: done.method,
    num_certs: 0,
    num_connects: done.connects,
    num_headers: Math.max(0, done.head.split('\r\n').length - 3),
    num_redirects: done.redirects,
    proxy_ssl_verify_result: 0,
    redirect_url: options.follow ? null : redirectUrl(done),
    referer: null,
    remote_ip: done.remote?.ip ?? '',
    remote_port: done.remote?.port ?? 0,
    response_code: done.status,
    scheme: done.remote === undefined ? null : /^https:/i.test(done.url) ? 'HTTPS' : 'HTTP',
    size_download: done.body.length,
    size_header: done.headBytes,
    size_request: done.requestBytes,
    size_upload: done.uploaded,
    speed_download: speed(done.body.length),
    speed_upload: speed(done.uploaded),
    ssl_verify_result: 0,
    time_appconnect: /^https:/i.test(done.url) ? seconds(done.connectedAt) : seconds(0),
    time_connect: seconds(done.connectedAt),
    time_namelookup: seconds(done.resolvedAt),
    time_pretransfer: seconds(done.connectedAt),
    time_redirect: seconds(done.redirectTime),
    time_starttransfer: seconds(done.status === 0 ? 0 : done.endedAt),
    time_total: seconds(done.endedAt),
    url: done.asked,
    url_effective: effective(done.url),
    urlnum: done.number,
    curl_version: `libcurl/${VERSION}`,
  };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };

/** The text of -w: `%{name}` for figures of the transfer, and C's escapes; where it goes changes on the way. */
export function writeOut(format: string, done: Transfer, options: CurlOptions): { stdout: string; stderr: string } {
  const values = variables(done, options);
  const text = { stdout: '', stderr: '' };
  let to: 'stdout' | 'stderr' = 'stdout';
  const token = /%%|%(header)?\{([^}]*)\}|\\(.)|[\s\S]/g;
  for (const [whole, header, name, escaped] of format.matchAll(token)) {
    if (escaped !== undefined) text[to] += escapes[escaped] ?? whole;
    else if (whole === '%%') text[to] += '%';
    else if (name === undefined) text[to] += whole;
    else if (header !== undefined) text[to] += fieldOf(done.head, name);
    else if (name === 'stdout' || name === 'stderr') to = name;
    else if (name === 'onerror') {
      if (done.code === 0) break;
    } else if (name === 'json') text[to] += json(values);
    else if (Object.hasOwn(values, name)) text[to] += plain(name, values[name]!);
    else text.stderr += `curl: unknown --write-out variable: '${name}'\n`;
  }
  return text;
}

function plain(name: string, value: string | number | null): string {
  if (name === 'http_code' || name === 'response_code' || name === 'http_connect')
    return String(value).padStart(3, '0');
  return value === null ? '' : String(value);
}

function json(values: Readonly<Record<string, string | number | null>>): string {
  const shown = Object.entries(values).map(([name, value]) => {
    return `${JSON.stringify(name)}:${name.startsWith('time_') ? value : JSON.stringify(value)}`;
  });
  return `{${shown.join(',')}}`;
}

function fieldOf(head: string, name: string): string {
  const line = head.split('\r\n').find((each) => each.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line === undefined ? '' : line.slice(name.length + 1).trim();
}

/** Where the response would have led. */
function redirectUrl({ location, url, status }: Transfer): string | null {
  if (location === undefined || status < 300 || status > 399) return null;
  return URL.canParse(location, effective(url)) ? new URL(location, effective(url)).href : location;
}

function effective(url: string): string {
  const whole = url.includes('://') ? url : `http://${url}`;
  return URL.canParse(whole) ? new URL(whole).href : whole;
}

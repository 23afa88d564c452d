import { execFile, spawnSync } from 'node:child_process';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { TcpConnection } from '@netsim/kernel';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Cluster, type ExecResult } from '../../src/index.ts';

/** What a server of either world does with a connection. */
interface Peer {
  send(text: string): void;
  close(): void;
  reset(): void;
}
type Behaviour = (request: string, peer: Peer) => void;

/** Answers request after request; `reply` has the whole message. */
const http =
  (reply: (line: string, request: string) => string): Behaviour =>
  (request, peer) => {
    peer.send(reply(request.split('\r\n')[0]!, request));
  };
const page = (status: string, body: string, ...fields: string[]): string =>
  [`HTTP/1.1 ${status}`, 'Content-Type: text/plain', ...fields, `Content-Length: ${body.length}`, '', body].join(
    '\r\n',
  );

const ok = http((line, request) => {
  if (line.startsWith('HEAD')) return page('200 OK', '').replace('Length: 0', 'Length: 15');
  if (line.includes('/missing')) return page('404 Not Found', 'no\n');
  if (line.includes('/moved')) return page('302 Found', 'moved\n', 'Location: /end');
  if (line.includes('/loop')) return page('302 Found', '', 'Location: /loop');
  if (line.includes('/cookie')) return page('200 OK', 'c\n', 'Set-Cookie: a=1; Path=/; HttpOnly', 'Set-Cookie: b=2');
  if (line.includes('/close')) return page('200 OK', 'bye\n', 'Connection: close');
  if (line.includes('/echo')) return page('200 OK', request);
  return page('200 OK', "You've hit me\n");
});

const servers: Readonly<Record<string, Behaviour>> = {
  OK: ok,
  EMPTY: (_, peer) => peer.close(),
  RESET: (_, peer) => peer.reset(),
  SHORT: (_, peer) => {
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
    peer.close();
  },
  FOREIGN: (_, peer) => {
    peer.send('220 hello there\r\n');
  },
};

const missing = spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout?.startsWith('curl 7.88.1 ')
  ? undefined
  : 'curl 7.88.1 is not installed';
if (missing !== undefined) console.log(`curl against the real one: skipped, ${missing}`);

describe.skipIf(missing !== undefined)('as the real curl does', () => {
  const ports = new Map<string, number>();
  const open: Server[] = [];
  let cluster: Cluster;

  beforeAll(async () => {
    for (const [name, behaviour] of Object.entries(servers)) {
      const server = createTcpServer((socket: Socket) => {
        socket.on('error', () => {});
        socket.on('data', (data) =>
          behaviour(data.toString(), {
            send: (text) => void socket.write(text),
            close: () => void socket.end(),
            reset: () => void socket.resetAndDestroy(),
          }),
        );
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      ports.set(name, typeof address === 'object' && address !== null ? address.port : 0);
      open.push(server);
    }
    // Nobody listens there.
    const gone = createTcpServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const address = gone.address();
    ports.set('NOBODY', typeof address === 'object' && address !== null ? address.port : 0);
    await new Promise((resolve) => gone.close(resolve));
  });
  afterAll(() => {
    for (const server of open) server.close();
  });

  beforeEach(async () => {
    const containers = [{ name: 'box', image: 'debian:12', command: ['sleep', 'infinity'] }];
    cluster = await Cluster.load({
      objects: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'box' }, spec: { containers } }],
    });
    const { sockets } = cluster.netnsOfPod(cluster.pod('box').object);
    for (const [name, behaviour] of Object.entries(servers)) {
      sockets.tcp.listen({
        port: ports.get(name)!,
        program: 'server',
        onConnection: (connection: TcpConnection) => {
          connection.handlers.onEnd = () => connection.close();
          connection.handlers.onData = (data) =>
            behaviour(new TextDecoder().decode(data), {
              send: (text) => void connection.send(new TextEncoder().encode(text)),
              close: () => connection.close(),
              reset: () => connection.abort(),
            });
        },
      });
    }
  });

  const argv = (line: readonly string[]): string[] =>
    line.map((word) =>
      word.replace(/\b(OK|EMPTY|RESET|SHORT|FOREIGN|NOBODY)\b/g, (name) => `127.0.0.1:${ports.get(name)}`),
    );
  /** What differs from run to run: pointers, milliseconds, local ports. */
  const settled = ({ stdout, stderr, code }: ExecResult): ExecResult => ({
    stdout: stdout.replace(/^127\.0\.0\.1 [0-9]+$/gm, 'local'),
    stderr: stderr.replace(/0x[0-9a-f]+/g, '0x').replace(/after [0-9]+ ms/g, 'after 0 ms'),
    code,
  });

  const both = async (line: readonly string[]): Promise<[real: ExecResult, emulated: ExecResult]> => {
    const run = promisify(execFile);
    const { PATH } = process.env;
    const real = await run('curl', argv(line), { env: { PATH, LC_ALL: 'C.UTF-8' }, cwd: '/' }).then(
      ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
    return [settled(real), settled(await cluster.exec('box', ['curl', ...argv(line)]))];
  };

  // -sS where the real one would show its meter, as it does to a pipe.
  test.each([
    ['a page', ['-sS', 'http://OK/']],
    ['a page with its head', ['-sSi', 'OK/path']],
    ['the head alone', ['-sSI', 'http://OK']],
    ['a missing page', ['-sSf', 'http://OK/missing']],
    ['a missing page without words', ['-sf', 'http://OK/missing']],
    ['a missing page with its body', ['-sS', '--fail-with-body', 'http://OK/missing']],
    ['nobody listens', ['-sS', 'http://NOBODY/']],
    ['nobody listens, silent', ['-s', 'http://NOBODY/']],
    ['no such name', ['-sS', '--resolve', 'a:80:127.0.0.1', 'http://nope.invalid/']],
    ['an empty answer', ['-sS', 'http://EMPTY/']],
    ['a reset', ['-sS', 'http://RESET/']],
    ['a body that is cut short', ['-sS', 'http://SHORT/']],
    ['another protocol', ['-sS', 'http://FOREIGN/']],
    ['TLS to a server that does not speak it', ['-sS', 'https://FOREIGN/']],
    ['TLS to a server that closes', ['-sS', 'https://EMPTY/']],
    ['TLS to a server that resets', ['-sS', 'https://RESET/']],
    ['--cacert that is not there', ['-sS', '--cacert', '/nope', 'https://OK/']],
    ['a redirect that is not followed', ['-sS', '-w', '%{redirect_url}\n', 'http://OK/moved']],
    [
      'a redirect',
      [
        '-sSL',
        '-w',
        '%{num_redirects} %{num_connects} %{url_effective} %{size_request} %{size_header}\n',
        'http://OK/moved',
      ],
    ],
    ['redirects without end', ['-sSL', '--max-redirs', '3', 'http://OK/loop']],
    ['two URLs over one connection', ['-sS', '-w', '%{num_connects} %{urlnum}\n', 'http://OK/a', 'http://OK/b']],
    ['a pattern of URLs', ['-sS', '-w', '%{url}\n', 'http://OK/{a,b}[08-10]']],
    ['a pattern that is off', ['-sSg', 'http://OK/[1-3]']],
    ['a wrong pattern', ['-sS', 'http://OK/[3-1]']],
    ['an unmatched brace', ['-sS', 'http://OK/{a']],
    ['a port that is none', ['-sS', 'http://x:99999/']],
    ['a space in the URL', ['-sS', 'http://OK/a b']],
    ['a scheme that is none', ['-sS', 'foo://x']],
    ['data', ['-sS', '-d', 'a=1', '-d', 'b=2', 'http://OK/echo']],
    ['raw, encoded and joined data', ['-sS', '--data-raw', '@x', '--data-urlencode', "q=a b&c!'()", 'http://OK/echo']],
    ['data of a file that is not there', ['-sS', '-d', '@/nope', 'http://OK/echo']],
    ['data of a file that is not there, not silent', ['--no-progress-meter', '-d', '@/nope', 'http://OK/echo']],
    ['data in the query', ['-sS', '-G', '-d', 'a=1', 'http://OK/echo?b=2']],
    ['JSON', ['-sS', '--json', '{"a":1}', 'http://OK/echo']],
    ['headers', ['-sS', '-H', 'Host: shop.example', '-H', 'X-A: 1', '-H', 'Accept:', '-H', 'X-E;', 'http://OK/echo']],
    [
      'method, agent, referer, range',
      ['-sS', '-X', 'DELETE', '-A', 'me', '-e', 'http://r/', '-r', '0-1', 'http://OK/echo'],
    ],
    ['credentials', ['-sS', '-u', 'me:pw', 'http://OK/echo']],
    ['credentials in the URL', ['-sS', 'http://me:p%20w@OK/echo']],
    ['a cookie', ['-sS', '-b', 'a=1', '-b', 'c=2', 'http://OK/echo']],
    ['compression', ['-sS', '--compressed', '--http1.0', 'http://OK/echo']],
    ['dots in the path', ['-sS', 'http://OK/a/../echo', '--path-as-is', 'http://OK/a/../echo']],
    ['another request target', ['-sS', '--request-target', '*', '-X', 'OPTIONS', 'http://OK/']],
    ['cookies kept for the next request', ['-sS', '-c', '-', 'http://OK/cookie/x', 'http://OK/cookie/echo']],
    ['the head to stdout', ['-sS', '-D', '-', 'http://OK/']],
    ['--resolve', ['-sS', '--resolve', 'shop.example:80:127.0.0.1', 'http://shop.example:81/']],
    ['--resolve that is none', ['--resolve', 'foo', 'http://x']],
    ['--connect-to', ['-sS', '--connect-to', 'shop.example:80:OK', 'http://shop.example/echo']],
    [
      'figures',
      [
        '-sS',
        '-w',
        '%{http_code}|%{exitcode}|%{errormsg}|%{content_type}|%{scheme}|%{method}|%{size_download}|%{num_headers}|%{http_version}|%%|%{nope}\n',
        'http://OK/',
      ],
    ],
    ['figures of a failure', ['-s', '-w', '%{http_code} %{exitcode} %{errormsg}\n', 'http://EMPTY/']],
    ['a directory that is not there', ['-sS', '-o', '/nope/x', 'http://OK/']],
    ['-O without a name', ['-O', 'http://OK/']],
    ['more outputs than URLs', ['--no-progress-meter', '-o', '/dev/null', '-o', '/dev/null', 'http://OK/']],
    ['the next URL is asked all the same', ['-sS', 'http://NOBODY/', 'http://OK/']],
  ])('%s', async (_, line) => {
    const [real, emulated] = await both(line);
    expect(emulated).toEqual(real);
  });

  test.each([
    ['a page', ['http://OK/']],
    ['nobody listens', ['http://NOBODY/']],
    ['an empty answer', ['http://EMPTY/']],
    ['a reset', ['http://RESET/']],
    ['a body that is cut short', ['http://SHORT/']],
    ['another protocol', ['http://FOREIGN/']],
    ['a missing page', ['-f', 'http://OK/missing']],
    ['a redirect over the same connection', ['-L', 'http://OK/moved']],
    ['two URLs', ['http://OK/a', 'http://OK/b']],
    ['a server that closes between two URLs', ['http://OK/close', 'http://OK/b']],
    ['credentials', ['-u', 'me:pw', 'http://OK/']],
    ['--connect-to', ['--connect-to', '::OK', 'http://shop.example/']],
    [
      '--resolve for any name',
      ['--resolve', '*:80:127.0.0.1', '--connect-to', 'a:80::1', 'http://shop.example:82/', 'OK'],
    ],
    ['cookies', ['-c', '-', 'http://OK/cookie/x', 'http://OK/cookie/y']],
    ['an interface that is none', ['--interface', 'nope0', 'http://OK/']],
    ['the head alone', ['-I', 'http://OK/']],
  ])('step by step: %s', async (_, line) => {
    const [real, emulated] = await both(['-sSv', ...line]);
    // To a pipe the real one counts what it writes and reads; a terminal does not show what ends the lines of HTTP.
    const stderr = real.stderr.replace(/^[{}] \[[0-9]+ bytes data\]\n/gm, '').replaceAll('\r\n', '\n');
    expect(emulated).toEqual({ ...real, stderr });
  });

  test.each([
    [['--foo']],
    [['--foo', 'http://x']],
    [['-sW']],
    [['-so']],
    [['-m']],
    [['-m', 'x', 'http://x']],
    [['-sm', 'x', 'http://x']],
    [['--max-time', '-1', 'http://x']],
    [['--connect-timeout', 'x', 'http://x']],
    [['--retry', 'x', 'http://x']],
    [['--max-redirs', 'x', 'http://x']],
    [['--ma', '1', 'http://x']],
    [['-o', 'x']],
    [['--output']],
    [[]],
    [['-f', '--fail-with-body', 'http://x']],
    [['--no-progress-meter', '-H', '@/nope', 'http://NOBODY/']],
  ])('usage: %j', async (line) => {
    const [real, emulated] = await both(line);
    expect(emulated).toEqual(real);
  });
});

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Server as NginxServer, Place } from '../src/ingress/nginx/render.ts';
import { printNginxConf } from '../src/nginx/print.ts';

/** What came back for one request: the answer of nginx, or what a backend was sent. */
export interface Answer {
  readonly status: number;
  readonly location?: string;
  readonly backend?: string;
  readonly target?: string;
  readonly host?: string;
}

export const nginxProgram = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) =>
  existsSync(path),
);

function backendText({ upstream }: Place): string {
  const { backend } = upstream;
  return backend.kind === 'service' ? `${backend.name}:${backend.port}` : 'upstream-default-backend';
}

/** The configuration with what the template puts around the locations. */
function configuration(servers: readonly NginxServer[], listen: string, backend: string): string {
  const places = new Map<unknown, Place>(servers.flatMap(({ locations }) => locations.map((each) => [each, each])));
  const roots = new Map<unknown, string>(servers.map((each) => [each, each.appRoot]));
  return printNginxConf(
    { servers },
    {
      listen,
      server: (server) => {
        const root = roots.get(server) ?? '';
        return root === '' ? [] : [`if ($uri = /) { return 302 $scheme://$http_host${root}; }`];
      },
      body: (location) => {
        const place = places.get(location)!;
        const { settings } = place;
        const { redirect, upstreamVhost = '', bodySize = 0 } = settings ?? {};
        return {
          before: [
            `proxy_set_header Host ${upstreamVhost === '' ? '$best_http_host' : `"${upstreamVhost}"`};`,
            `proxy_set_header X-Oracle-Backend "${backendText(place)}";`,
            'proxy_redirect off;',
            `client_max_body_size ${bodySize};`,
            ...(redirect === undefined ? [] : [`return ${redirect.code} ${redirect.url};`]),
          ],
          after: [`proxy_pass http://unix:${backend};`],
        };
      },
    },
  );
}

/** A running nginx over sockets of its own folder; nothing of it is reachable from elsewhere. */
export class RealNginx {
  readonly #folder = mkdtempSync(join(tmpdir(), 'netsim-nginx-'));
  readonly #backend: Server;
  #process: ChildProcess | undefined;

  constructor() {
    this.#backend = createServer((socket) => {
      let text = '';
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        const end = text.indexOf('\r\n\r\n');
        if (end === -1) return;
        const [line = '', ...fields] = text.slice(0, end).split('\r\n');
        const field = (name: string): string =>
          fields.find((each) => each.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
        const target = line.replace(/^\S+ /, '').replace(/ HTTP\/1\.[01]$/, '');
        const body = JSON.stringify({ backend: field('X-Oracle-Backend'), target, host: field('Host') });
        socket.end(`HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1');
      });
    });
  }

  async start(scenarios: readonly (readonly NginxServer[])[]): Promise<void> {
    const backend = join(this.#folder, 'backend');
    await new Promise<void>((resolve) => this.#backend.listen(backend, resolve));
    const file = this.#write(scenarios.map((servers, i) => configuration(servers, `unix:${this.#socket(i)}`, backend)));
    const tested = spawnSync(nginxProgram!, ['-t', '-e', 'stderr', '-c', file], { encoding: 'utf8' });
    if (tested.status !== 0) throw new Error(`nginx refuses a configuration that ours takes: ${tested.stderr}`);
    this.#process = spawn(nginxProgram!, ['-e', join(this.#folder, 'error.log'), '-c', file], { stdio: 'ignore' });
    const last = this.#socket(scenarios.length - 1);
    for (let i = 0; i < 200 && !existsSync(last); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** What `nginx -t` says of servers; undefined: it takes them. */
  test(servers: readonly NginxServer[]): string | undefined {
    const file = this.#write([
      configuration(servers, `unix:${join(this.#folder, 'tested')}`, join(this.#folder, 'none')),
    ]);
    const { status, stderr } = spawnSync(nginxProgram!, ['-t', '-e', 'stderr', '-c', file], { encoding: 'utf8' });
    return status === 0 ? undefined : stderr;
  }

  #socket(scenario: number): string {
    return join(this.#folder, `s${scenario}`);
  }

  #write(servers: readonly string[]): string {
    const file = join(this.#folder, 'nginx.conf');
    // Started by root, the worker would be somebody else, who may not enter the folder.
    const user = process.getuid?.() === 0 ? 'user root;\n' : '';
    const text = `${user}daemon off;\nworker_processes 1;\npid ${this.#folder}/pid;\nevents { worker_connections 2048; }\nhttp {
access_log off;
client_body_temp_path ${this.#folder}/body;
proxy_temp_path ${this.#folder}/proxy;
fastcgi_temp_path ${this.#folder}/fastcgi;
uwsgi_temp_path ${this.#folder}/uwsgi;
scgi_temp_path ${this.#folder}/scgi;
server_names_hash_bucket_size 128;
server_names_hash_max_size 65536;
variables_hash_max_size 2048;
port_in_redirect off;
proxy_http_version 1.1;
map $http_host $best_http_host { default $http_host; '' $host; }
${servers.join('')}}\n`;
    writeFileSync(file, text, 'latin1');
    return file;
  }

  /** Sends bytes to a scenario, and reads what comes back. */
  ask(scenario: number, bytes: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#socket(scenario));
      let text = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('close', () => resolve(readAnswer(text)));
      socket.write(bytes, 'latin1');
    });
  }

  async stop(): Promise<void> {
    const running = this.#process;
    if (running !== undefined) {
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGTERM');
      await ended;
    }
    this.#backend.close();
    rmSync(this.#folder, { recursive: true });
  }
}

function readAnswer(text: string): Answer {
  const status = Number(/^HTTP\/1\.\d (\d+)/.exec(text)?.[1] ?? 0);
  if (status === 200) return { status, ...JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) };
  const location = /\r\nLocation: ([^\r]*)/.exec(text.split('\r\n\r\n')[0]!)?.[1];
  return { status, ...(location !== undefined && { location }) };
}

export function nginxVersion(): string {
  return spawnSync(nginxProgram!, ['-v'], { encoding: 'utf8' }).stderr.trim();
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Exchange } from '../../../src/resolver/index.ts';

/** One message that a real program sent. */
export interface SeenQuery {
  readonly server: string;
  readonly transport: 'udp' | 'tcp';
  readonly message: Uint8Array;
  readonly at: number;
}
export interface ProgramRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly queries: readonly SeenQuery[];
}

interface FromRelay {
  ready?: true;
  id?: number;
  server?: string;
  transport?: 'udp' | 'tcp';
  query?: string;
  status?: number | null;
  stdout?: string;
}

/** Why real programs cannot be run in a namespace here, or undefined where they can. */
export function whyNoNamespace(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'not root';
  const tried = spawnSync('unshare', ['-m', '-n', 'sh', '-c', 'mount --make-rprivate / && ip link set lo up']);
  return tried.status === 0 ? undefined : 'no right to make namespaces';
}

const SETUP = [
  'mount --make-rprivate /',
  'mount --bind "$1/resolv.conf" /etc/resolv.conf',
  'mount --bind "$1/hosts" /etc/hosts',
  'mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf',
  'ip link set lo up',
  'ip link add veth0 type veth peer name veth1',
  'ip link set veth0 up && ip link set veth1 up',
  'ip addr add 10.9.9.9/24 dev veth0',
  'ip addr add fd00:9::9/64 dev veth0 nodad',
  'exec "$2" "$3"',
].join(' && ');

/** A network and mount namespace in which DNS messages to 127.0.0.1, .2 and .3 are answered by a function. */
export class DnsNamespace {
  readonly #folder = mkdtempSync(join(tmpdir(), 'netsim-dns-'));
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  #exchange: Exchange = () => undefined;
  #queries: SeenQuery[] = [];
  #started = 0;
  #done: ((run: { status: number | null; stdout: string }) => void) | undefined;

  constructor() {
    this.#write('resolv.conf', '');
    this.#write('hosts', '127.0.0.1 localhost\n::1 localhost\n');
    this.#write('nsswitch.conf', 'hosts: files dns\n');
    const relay = join(import.meta.dirname, 'relay.mjs');
    this.#child = spawn('unshare', ['-m', '-n', 'sh', '-c', SETUP, 'sh', this.#folder, process.execPath, relay], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ready = new Promise((resolve, reject) => {
      this.#child.once('exit', () => reject(new Error('the namespace could not be set up')));
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        const message = JSON.parse(line) as FromRelay;
        if (message.ready) resolve();
        else if (message.query !== undefined) this.#answer(message);
        else this.#done?.({ status: message.status ?? null, stdout: message.stdout ?? '' });
      });
    });
  }

  /** Runs a program with that configuration; its messages are answered by `exchange`, without its delays. */
  async run(
    command: readonly string[],
    files: { resolvConf: string; hosts?: string },
    exchange: Exchange,
  ): Promise<ProgramRun> {
    await this.#ready;
    this.#write('resolv.conf', files.resolvConf);
    if (files.hosts !== undefined) this.#write('hosts', files.hosts);
    this.#exchange = exchange;
    this.#queries = [];
    const ended = new Promise<{ status: number | null; stdout: string }>((resolve) => {
      this.#done = resolve;
    });
    this.#started = performance.now();
    this.#send({ run: command });
    return { ...(await ended), queries: this.#queries };
  }

  close(): void {
    this.#child.removeAllListeners('exit');
    this.#child.stdin!.end();
    rmSync(this.#folder, { recursive: true });
  }

  #answer({ id, server = '', transport = 'udp', query = '' }: FromRelay): void {
    const message = Buffer.from(query, 'hex');
    this.#queries.push({ server, transport, message, at: performance.now() - this.#started });
    const result = this.#exchange(server, message, { transport });
    const reply = result !== undefined && 'message' in result ? Buffer.from(result.message).toString('hex') : null;
    this.#send({ id, reply });
  }

  #send(message: object): void {
    this.#child.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  /** In place, so that a file that is mounted elsewhere changes there as well. */
  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text);
  }
}

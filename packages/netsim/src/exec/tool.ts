import type { Family, LookupResult, ResolvConf } from '@netsim/dns';
import type { Netns } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import type { FileSystem } from '../containers/file-system.ts';
import type { Userland } from '../containers/userland.ts';

/** What a tool printed, and its exit status. */
export interface ToolResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Names as a container has them. */
export interface ToolDns {
  readonly conf: ResolvConf;
  /** Whose nslookup the image has. */
  readonly nslookup: 'bind' | 'busybox';
  /** `getaddrinfo` of the container's C library. */
  lookup(name: string, family: Family): LookupResult;
  /** Time of day, of the virtual clock. */
  now(): Date;
}

/** Where a tool runs. Output goes to a terminal: curl shows no progress meter, for one. */
export interface ExecContext {
  readonly netns: Netns;
  /** What `hostname` prints: the pod's name, or the node's. */
  readonly hostname: string;
  /** A node or an outside host: tools that need the machine's own network namespace and root are there. */
  readonly privileged: boolean;
  /** What the machine or the container has of files. */
  readonly files: FileSystem;
  readonly env: ReadonlyMap<string, string>;
  /** Whose small tools the image has: they word their messages differently, and some print other things. */
  readonly userland: Userland;
  /** The programs that answer in this world: some of them take their time, in real time. */
  readonly programs?: {
    /** Requests not answered yet. */
    readonly pending: number;
    /** Resolves when one more has been answered. */
    answered(): Promise<void>;
  };
  /** What the tools that ask name servers need; only in pods. */
  readonly dns?: ToolDns;
  /** Looks a name up, as the C library would. Undefined or empty: there is no such name. */
  resolve(name: string): readonly Ip[] | undefined | Promise<readonly Ip[] | undefined>;
}

/** A tool: its arguments without its own name. */
export type Tool = (args: readonly string[], context: ExecContext) => ToolResult | Promise<ToolResult>;

export function ok(stdout: string): ToolResult {
  return { stdout, stderr: '', code: 0 };
}

/** A message on stderr; its newline is added. */
export function fail(code: number, message: string, stdout = ''): ToolResult {
  return { stdout, stderr: message === '' ? '' : `${message}\n`, code };
}

/** Thrown inside a tool to end it with a message and an exit status. */
export class ToolExit extends Error {
  override readonly name = 'ToolExit';
  readonly result: ToolResult;
  constructor(code: number, message: string) {
    super(message);
    this.result = fail(code, message);
  }
}

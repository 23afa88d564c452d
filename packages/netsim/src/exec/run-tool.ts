import { nearest } from '@netsim/manifest';
import { bridge } from './bridge.ts';
import { curl } from './curl/curl.ts';
import { dig, getent, host, nslookup } from './dns-tools.ts';
import { envTool, printenv } from './env.ts';
import { bracket, cat, ls, mkdir, rm, test, touch } from './files.ts';
import { ip } from './ip/ip.ts';
import { ipset } from './ipset.ts';
import { ipvsadm } from './ipvs.ts';
import { nc } from './nc.ts';
import { arp, netstat, route } from './net-tools.ts';
import { conntrack, ip6tables, ip6tablesSave, iptables, iptablesSave } from './netfilter.ts';
import { nft } from './nft.ts';
import { ping } from './ping.ts';
import { echo, falseTool, hostname, sleep, trueTool, whoami } from './simple.ts';
import { ss } from './ss.ts';
import { type ExecContext, fail, type Tool, ToolExit, type ToolResult } from './tool.ts';
import { traceroute } from './traceroute.ts';
import { wget } from './wget/wget.ts';

const everywhere = new Map<string, Tool>([
  ['arp', arp],
  ['[', bracket],
  ['bridge', bridge],
  ['cat', cat],
  ['curl', curl],
  ['dig', dig],
  ['echo', echo],
  ['env', envTool(runTool)],
  ['false', falseTool],
  ['getent', getent],
  ['host', host],
  ['hostname', hostname],
  ['ip', ip],
  ['ls', ls],
  ['mkdir', mkdir],
  ['nc', nc],
  ['netcat', nc],
  ['netstat', netstat],
  ['nslookup', nslookup],
  ['ping', ping],
  ['ping6', (args, context) => ping(['-6', ...args], context)],
  ['printenv', printenv],
  ['rm', rm],
  ['route', route],
  ['sleep', sleep],
  ['ss', ss],
  ['test', test],
  ['touch', touch],
  ['traceroute', traceroute],
  ['true', trueTool],
  ['wget', wget],
  ['whoami', whoami],
]);

/** What a pod has no permission for: it needs the machine's capabilities. */
const onNodes = new Map<string, Tool>([
  ['conntrack', conntrack],
  ['ip6tables', ip6tables],
  ['ip6tables-save', ip6tablesSave],
  ['ipset', ipset],
  ['iptables', iptables],
  ['iptables-save', iptablesSave],
  ['ipvsadm', ipvsadm],
  ['nft', nft],
]);

const shells = new Set(['sh', 'bash', 'ash', 'dash', 'zsh', 'busybox']);
/** Words that only a shell gives a meaning to. */
const shellWords = /^([0-9]?>{1,2}(&[0-9])?|<{1,3}|\||\|\||&|&&|;)$|^[0-9]?>{1,2}[^=]/;

/** Names of the tools that are emulated, in order. */
export function toolNames({ privileged }: { readonly privileged: boolean }): string[] {
  return [...everywhere.keys(), ...(privileged ? onNodes.keys() : [])].sort();
}

/**
 * Runs an emulated tool: `argv[0]` is its name, with or without a directory. Packets really travel through the emulated
 * network, and its virtual clock moves as the tool waits. There is no shell: no pipes, variables or redirections.
 */
export async function runTool(argv: readonly string[], context: ExecContext): Promise<ToolResult> {
  const [path = '', ...args] = argv;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (shells.has(name) || /\s/.test(path)) return noShell(name);
  const word = args.find((each) => shellWords.test(each));
  if (word !== undefined && name !== 'echo' && name !== 'test' && name !== '[') return noShell(word);
  const tool = everywhere.get(name) ?? (context.privileged ? onNodes.get(name) : undefined);
  if (tool === undefined) return notFound(path, name, context);
  try {
    return await tool(args, context);
  } catch (error) {
    if (error instanceof ToolExit) return error.result;
    throw error;
  }
}

function noShell(word: string): ToolResult {
  return fail(
    2,
    `netsim: ${word}: there is no shell here, and none is needed: give one command with its arguments, as in -- curl -s http://kubia; pipes, variables and redirections belong outside, after the output of netsim`,
  );
}

/** As a container runtime says it. */
function notFound(path: string, name: string, context: ExecContext): ToolResult {
  const hint = onNodes.has(name)
    ? `it is a tool of the nodes: netsim exec node/NAME -- ${name}`
    : nearest(name, toolNames(context)) === undefined
      ? `emulated here are ${toolNames(context).join(', ')}`
      : `did you mean "${nearest(name, toolNames(context))}"?`;
  const why = path.includes('/') ? `stat ${path}: no such file or directory` : 'executable file not found in $PATH';
  return fail(
    127,
    `OCI runtime exec failed: exec failed: unable to start container process: exec: "${path}": ${why}: unknown (netsim: ${hint})\ncommand terminated with exit code 127`,
  );
}

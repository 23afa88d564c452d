import { bridge } from './bridge.ts';
import { curl } from './curl/curl.ts';
import { dig, getent, host, nslookup } from './dns-tools.ts';
import { ip } from './ip/ip.ts';
import { ipset, ipvsadm } from './ipvs.ts';
import { nc } from './nc.ts';
import { conntrack, ip6tables, ip6tablesSave, iptables, iptablesSave } from './netfilter.ts';
import { nft } from './nft.ts';
import { ping } from './ping.ts';
import { cat, echo, falseTool, hostname, trueTool } from './simple.ts';
import { ss } from './ss.ts';
import { type ExecContext, fail, type Tool, ToolExit, type ToolResult } from './tool.ts';

const everywhere = new Map<string, Tool>([
  ['bridge', bridge],
  ['cat', cat],
  ['curl', curl],
  ['dig', dig],
  ['echo', echo],
  ['false', falseTool],
  ['getent', getent],
  ['host', host],
  ['hostname', hostname],
  ['ip', ip],
  ['nc', nc],
  ['netcat', nc],
  ['nslookup', nslookup],
  ['ping', ping],
  ['ping6', (args, context) => ping(['-6', ...args], context)],
  ['ss', ss],
  ['true', trueTool],
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

/** Names of the tools that are emulated, in order. */
function toolNames({ privileged }: { readonly privileged: boolean }): string[] {
  return [...everywhere.keys(), ...(privileged ? onNodes.keys() : [])].sort();
}

/**
 * Runs an emulated tool: `argv[0]` is its name, with or without a directory. Packets really travel through the emulated
 * network, and its virtual clock moves as the tool waits. There is no shell: no pipes, variables or redirections.
 */
export async function runTool(argv: readonly string[], context: ExecContext): Promise<ToolResult> {
  const [path = '', ...args] = argv;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const tool = everywhere.get(name) ?? (context.privileged ? onNodes.get(name) : undefined);
  if (tool === undefined) return notFound(name, context);
  try {
    return await tool(args, context);
  } catch (error) {
    if (error instanceof ToolExit) return error.result;
    throw error;
  }
}

function notFound(name: string, context: ExecContext): ToolResult {
  if (shells.has(name)) {
    return fail(
      126,
      `netsim: ${name}: there is no shell here, so no pipes, variables or redirections: give the command itself, as in -- curl http://kubia`,
    );
  }
  if (onNodes.has(name))
    return fail(127, `sh: ${name}: not found (netsim: it is a tool of the nodes: netsim exec node/NAME -- ${name})`);
  return fail(127, `sh: ${name}: not found (netsim: emulated here are ${toolNames(context).join(', ')})`);
}

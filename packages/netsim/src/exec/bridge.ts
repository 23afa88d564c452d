import { Bridge, type Device, type Netns, Veth } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import { linkFlags } from './ip/format.ts';
import { abbreviation, readKeywords } from './ip/options.ts';
import { fail, ok, type Tool, ToolExit, type ToolResult } from './tool.ts';

/** `bridge fdb` and `bridge link`, of iproute2. Addresses that a device listens to for multicast are not kept, so not shown. */
export const bridge: Tool = (args, { netns }): ToolResult => {
  const detail = args.some((arg) => /^-d(etails)?$/.test(arg));
  const [word = '', verb = 'show', ...rest] = args.filter((arg) => !arg.startsWith('-'));
  const object = word === '' ? undefined : abbreviation(word, ['link', 'fdb', 'mdb', 'vlan', 'vni', 'monitor']);
  if (object === undefined) return fail(word === '' ? 255 : 1, `Object "${word}" is unknown, try "bridge help".`);
  if (abbreviation(verb, ['show', 'list', 'lst']) === undefined) {
    return fail(1, `netsim: bridge ${object} ${verb} is not emulated: change the manifests instead`);
  }
  switch (object) {
    case 'fdb':
      return ok(showFdb(netns, rest));
    case 'link':
      return ok(showPorts(netns, rest, detail));
    default:
      return fail(1, `netsim: bridge ${object} is not emulated`);
  }
};

function requireDevice(netns: Netns, name: string | undefined): Device | undefined {
  if (name === undefined) return undefined;
  const dev = netns.device(name);
  if (dev === undefined) throw new ToolExit(255, `Cannot find device "${name}"`);
  return dev;
}

function showFdb(netns: Netns, words: readonly string[]): string {
  const keywords = readKeywords(words, ['dev', 'brport', 'br'], ['static', 'dynamic'], () => {});
  const dev = requireDevice(netns, keywords.get('dev') ?? keywords.get('brport'));
  const master = requireDevice(netns, keywords.get('br'));
  let text = '';
  for (const entry of netns.fdb()) {
    const own = netns.device(entry.dev);
    if (dev !== undefined && own !== dev) continue;
    if (master !== undefined && entry.master !== master.name) continue;
    if (keywords.has('dynamic') && entry.permanent) continue;
    text += entry.mac;
    if (dev === undefined) text += ` dev ${entry.dev}`;
    if (entry.dst !== undefined) text += ` dst ${formatIp(entry.dst)} self`;
    if (entry.master !== undefined) text += ` master ${entry.master}`;
    text += entry.permanent ? ' permanent\n' : ' \n';
  }
  return text;
}

function showPorts(netns: Netns, words: readonly string[], detail: boolean): string {
  const keywords = readKeywords(words, ['dev', 'master'], [], () => {});
  const dev = requireDevice(netns, keywords.get('dev'));
  const master = requireDevice(netns, keywords.get('master'));
  let text = '';
  for (const port of netns.links()) {
    if (port.port === null || (dev !== undefined && port !== dev)) continue;
    if (master instanceof Bridge && port.port.bridge !== master) continue;
    const state = port.up && port.carrier ? 'forwarding' : 'disabled';
    const { bridge: owner, hairpin, learning } = port.port;
    text += `${port.ifindex}: ${portName(port)}: ${linkFlags(port)} mtu ${port.mtu} master ${owner.name} state ${state} priority 32 cost 2 \n`;
    if (detail) {
      const flag = (on: boolean) => (on ? 'on' : 'off');
      text += `    hairpin ${flag(hairpin)} guard off root_block off fastleave off learning ${flag(learning)} flood on mcast_flood on bcast_flood on mcast_router 1 mcast_to_unicast off neigh_suppress off vlan_tunnel off isolated off locked off \n`;
    }
  }
  return text;
}

/**
 * `bridge` takes the index of a veth's other end for one of its own netns, and shows the device that has it here.
 */
function portName(dev: Device): string {
  const index = dev instanceof Veth ? dev.peer?.ifindex : undefined;
  if (index === undefined || index === dev.ifindex) return dev.name;
  const namesake = dev.netns.links().find((other) => other.ifindex === index);
  return `${dev.name}@${namesake?.name ?? `if${index}`}`;
}

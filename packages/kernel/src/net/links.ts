import type { Mac } from '@netsim/wire';
import type { LinkConfig } from '../config.ts';
import { addressesDown, removeRoutesOf } from './addresses.ts';
import { Bridge } from './bridge.ts';
import type { Device } from './device.ts';
import { Dummy } from './dummy.ts';
import { KernelError } from './kernel-error.ts';
import type { Netns } from './netns.ts';
import { Physical } from './physical.ts';
import { Veth } from './veth.ts';
import { Vxlan } from './vxlan.ts';

const DEFAULT_MTU = 1500;
/** Linux's default UDP port of a vxlan device; IANA's 4789 has to be asked for. */
const VXLAN_PORT = 8472;

/** `ip link add`. A veth end that its other end has made already is taken as it is. */
export function createLink(netns: Netns, config: LinkConfig): Device {
  const { world } = netns;
  const mac = config.mac === undefined ? defaultMac(netns, config.name) : world.internMac(config.mac);
  const mtu = config.mtu ?? DEFAULT_MTU;
  if (config.kind === 'veth') return createVeth(netns, config, mac, mtu);
  let dev: Device;
  switch (config.kind) {
    case 'bridge':
      dev = new Bridge(netns, config.name, config.mac === undefined ? undefined : mac, mac, mtu);
      break;
    case 'dummy':
      dev = new Dummy(netns, config.name, mac, mtu);
      break;
    case 'physical': {
      const segment = world.segment(config.segment);
      const card = new Physical(netns, config.name, mac, mtu, segment);
      segment.plug(card);
      dev = card;
      break;
    }
    case 'vxlan': {
      const tunnel = new Vxlan(netns, config.name, mac, mtu, {
        vni: config.vni,
        local: config.local,
        lower: config.dev,
        port: config.port ?? VXLAN_PORT,
        learning: config.learning,
        remote: config.remote,
      });
      netns.sockets.addTunnel(tunnel);
      dev = tunnel;
      break;
    }
  }
  netns.registerDevice(dev);
  return dev;
}

function createVeth(netns: Netns, config: LinkConfig & { kind: 'veth' }, mac: Mac, mtu: number): Device {
  const { world } = netns;
  const there = world.netns(config.peer.netns);
  if (there === undefined)
    throw new KernelError('ENOENT', `no netns "${config.peer.netns}" for the peer of ${config.name}`);
  const existing = netns.device(config.name);
  if (existing instanceof Veth && existing.peer?.netns === there && existing.peer.name === config.peer.name) {
    if (config.mac !== undefined) existing.mac = mac;
    if (config.mtu !== undefined) existing.mtu = mtu;
    return existing;
  }
  const near = new Veth(netns, config.name, mac, mtu);
  netns.registerDevice(near);
  const peerMac =
    config.peer.mac === undefined ? defaultMac(there, config.peer.name) : world.internMac(config.peer.mac);
  const far = new Veth(there, config.peer.name, peerMac, config.peer.mtu ?? mtu);
  there.registerDevice(far);
  near.peer = far;
  far.peer = near;
  return near;
}

/** Linux draws a MAC at random; here it follows from the names, so that two runs agree. Locally administered, unicast. */
function defaultMac(netns: Netns, name: string): Mac {
  const text = `${netns.name} ${name}`;
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let at = 0; at < text.length; at++) {
    a = Math.imul(a ^ text.charCodeAt(at), 0x01000193);
    b = Math.imul(b ^ text.charCodeAt(at), 0x85ebca6b) ^ (b >>> 13);
  }
  const hex = (value: number): string => (value & 255).toString(16).padStart(2, '0');
  return netns.world.internMac(
    `${hex((a & 0xfc) | 2)}:${hex(a >>> 8)}:${hex(a >>> 16)}:${hex(a >>> 24)}:${hex(b)}:${hex(b >>> 8)}`,
  );
}

export function attachMaster(netns: Netns, dev: Device, master: string | null, hairpin: boolean): void {
  if (master === null) {
    dev.port?.bridge.removePort(dev);
    return;
  }
  const bridge = netns.requireDevice(master);
  if (!(bridge instanceof Bridge)) throw new KernelError('EINVAL', `${master} is not a bridge`);
  if (dev === bridge || dev instanceof Bridge)
    throw new KernelError('ELOOP', `${dev.name} cannot be a port of ${master}`);
  if (dev.port !== null && dev.port.bridge !== bridge) dev.port.bridge.removePort(dev);
  const port = dev.port ?? bridge.addPort(dev);
  port.hairpin = hairpin;
}

/** `ip link del`. */
export function deleteLink(netns: Netns, dev: Device): void {
  if (dev === netns.lo) throw new KernelError('EOPNOTSUPP', 'lo cannot be deleted');
  removeDevice(netns, dev);
  if (dev instanceof Veth && dev.peer !== null) {
    const { peer } = dev;
    dev.peer = null;
    peer.peer = null;
    removeDevice(peer.netns, peer);
  }
}

function removeDevice(netns: Netns, dev: Device): void {
  dev.up = false;
  dev.port?.bridge.removePort(dev);
  if (dev instanceof Bridge) for (const port of [...dev.ports]) dev.removePort(port.dev);
  if (dev instanceof Physical) dev.segment.unplug(dev);
  if (dev instanceof Vxlan) netns.sockets.removeTunnel(dev);
  addressesDown(netns, dev);
  for (const { address, prefixLength } of [...dev.addresses])
    netns.delAddress({ dev: dev.name, address, prefixLength });
  removeRoutesOf(netns, dev);
  netns.flushNeighbours(dev, true);
  netns.unregisterDevice(dev);
  netns.routesChanged();
}

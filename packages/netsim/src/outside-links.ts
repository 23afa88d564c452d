import { macOfName } from '@netsim/cni';
import type { Netns, World } from '@netsim/kernel';
import { familyBits, familyOf, formatIp, type Ip, parseIp, prefixOf } from '@netsim/wire';
import type { OutsideMachine } from './outside-machines.ts';

/** The machines that hang off the router, each by a link of its own. */
export class OutsideLinks {
  readonly #world: World;
  /** By the names of their netns. */
  readonly #attached = new Set<string>();
  #links = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The netns of those that are there. */
  get names(): readonly string[] {
    return [...this.#attached];
  }

  /** Makes a machine, on a new link of the router. */
  attach({ name, machine, addresses, source }: OutsideMachine, router: Netns): Netns {
    this.#attached.add(name);
    const family = familyOf(addresses[0]);
    const length = familyBits(family);
    const far = this.#world.addNetns(name, machine, 'host');
    const link = `out${this.#links++}`;
    const near = macOfName(`${router.name}/${link}`);
    const mac = macOfName(`${name}/eth0`);
    router.addLink({ kind: 'veth', name: link, mac: near, peer: { netns: name, name: 'eth0', mac } });
    router.setUp(link);
    for (const ip of addresses) {
      router.addRoute({ destination: prefixOf(ip, length), dev: link, scope: 'link' });
      router.addNeighbour({ dev: link, ip, mac });
    }
    // The router answers at a link-local address on this link, which no manifest can name.
    const gateway = parseIp(family === 4 ? '169.254.0.1' : 'fe80::1');
    far.configure({
      name,
      machine,
      label: 'host',
      links: [{ kind: 'veth', name: 'eth0', peer: { netns: router.name, name: link } }],
      addresses: addresses.map((address) => ({ dev: 'eth0', address, prefixLength: length })),
      routes: [{ family, via: gateway, dev: 'eth0', onlink: true, ...(source === undefined ? {} : { src: source }) }],
      neighbours: [{ dev: 'eth0', ip: gateway, mac: near }],
    });
    return far;
  }

  detach({ name }: OutsideMachine): void {
    this.#attached.delete(name);
    if (this.#world.netns(name) !== undefined) this.#world.deleteNetns(name);
  }

  /** For a world in which all of them were deleted. */
  forget(): void {
    this.#attached.clear();
  }
}

/** The name of the netns of a machine with this address. */
export function outsideName(ip: Ip): string {
  return `host/${formatIp(ip)}`;
}

/** A machine of which nothing is known but its address. */
export function machineWith(ip: Ip): OutsideMachine {
  return { name: outsideName(ip), machine: formatIp(ip), addresses: [ip] };
}

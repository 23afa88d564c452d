import type { NodeInfo } from '@netsim/cni';
import type { Netns } from '@netsim/kernel';
import { familyOf, type Ip } from '@netsim/wire';

/** A machine behind the router. */
export interface OutsideMachine {
  /** Its netns. */
  readonly name: string;
  /** As a trace shows it. */
  readonly machine: string;
  readonly addresses: readonly [Ip, ...Ip[]];
  /** The one of them that it sends from of its own accord; default: the first. */
  readonly source?: Ip;
}

/** One that is there because an object asks for it. */
export interface MadeMachine extends OutsideMachine {
  /** Another text: it is made anew. */
  readonly version: string;
  /** Its first address is of the nodes' network: the router answers for it there. */
  readonly announced: boolean;
  start(netns: Netns): void;
}

export interface OutsideMachineSource {
  /** The same list as long as nothing has changed. */
  list(): readonly MadeMachine[];
}

interface Ground {
  readonly source: OutsideMachineSource;
  attach(machine: OutsideMachine, router: Netns): Netns;
  detach(machine: OutsideMachine): void;
  nodes(): readonly NodeInfo[];
  /** The router's device on the nodes' network. */
  uplink(): string;
}

/**
 * The machines outside that objects make: load balancers of a cloud. They know the way to pods, for the cloud's network does
 * (VPC-native clusters): the router gets a route to the pods of each node.
 */
export class OutsideMachines {
  readonly #ground: Ground;
  readonly #made = new Map<string, MadeMachine>();
  #list: readonly MadeMachine[] | undefined;
  #routed = false;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Whether something is to be done: `now`, or once the router is there. */
  get due(): 'no' | 'later' | 'now' {
    const list = this.#ground.source.list();
    if (list === this.#list) return 'no';
    return list.some(({ announced }) => announced) ? 'now' : 'later';
  }

  /** Makes what is missing and takes away what is there no more. */
  follow(router: Netns): void {
    const { source, attach, detach, uplink } = this.#ground;
    const list = source.list();
    if (list === this.#list) return;
    this.#list = list;
    for (const [name, machine] of this.#made) {
      if (list.some((each) => each.name === name && each.version === machine.version)) continue;
      if (machine.announced) router.withdraw(uplink(), machine.addresses[0]);
      detach(machine);
      this.#made.delete(name);
    }
    for (const machine of list) {
      if (this.#made.has(machine.name)) continue;
      this.#made.set(machine.name, machine);
      machine.start(attach(machine, router));
      if (machine.announced) router.announce(uplink(), machine.addresses[0]);
    }
    if (list.length > 0 && !this.#routed) this.#routeToPods(router);
  }

  /** All machines are gone, the router too. */
  forget(): void {
    this.#made.clear();
    this.#list = undefined;
    this.#routed = false;
  }

  #routeToPods(router: Netns): void {
    this.#routed = true;
    for (const { addresses, podCIDRs } of this.#ground.nodes()) {
      for (const destination of podCIDRs) {
        const via = addresses.find((ip) => familyOf(ip) === familyOf(destination.address));
        if (via !== undefined) router.addRoute({ destination, via, dev: this.#ground.uplink() });
      }
    }
  }
}

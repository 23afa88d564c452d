import { anotherMachineOutside, type NetworkPlanner, nodeInfo } from '@netsim/cni';
import { isLoadBalancerAddress } from '@netsim/control';
import type { NetnsConfig, World } from '@netsim/kernel';
import type { Node, ObjectStore } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';

/** Machines on the nodes' network that were asked for by a name of the user's own. */
export class NamedMachines {
  readonly #world: World;
  readonly #store: ObjectStore;
  readonly #planner: () => NetworkPlanner;
  readonly #configs = new Map<string, NetnsConfig>();

  constructor(world: World, store: ObjectStore, planner: () => NetworkPlanner) {
    this.#world = world;
    this.#store = store;
    this.#planner = planner;
  }

  /** The netns of all of them. */
  get netns(): readonly string[] {
    return [...this.#configs.values()].map(({ name }) => name);
  }

  /** The machine of a name; one of a new name is made, at the next free address. */
  of(machine: string): NetnsConfig {
    return this.#configs.get(machine) ?? this.#make(machine);
  }

  /** Makes all of them in a world from which they were deleted. */
  makeAgain(): void {
    const machines = [...this.#configs.keys()];
    this.#configs.clear();
    for (const machine of machines) this.#make(machine);
  }

  #make(machine: string): NetnsConfig {
    const { underlay, underlayConfig } = this.#planner();
    const taken = new Set([
      ...this.#store.list<Node>('Node').flatMap((node) => nodeInfo(node).addresses),
      ...[...this.#configs.values()].flatMap(({ addresses }) => addresses.map(({ address }) => address)),
    ]);
    const isFree = (ip: Ip): boolean => !taken.has(ip) && !isLoadBalancerAddress(this.#store, ip);
    const config = anotherMachineOutside(machine, underlay.subnets, underlayConfig, isFree);
    this.#configs.set(machine, config);
    this.#world.load({ netns: [config], rulesets: [], listeners: [] });
    return config;
  }
}

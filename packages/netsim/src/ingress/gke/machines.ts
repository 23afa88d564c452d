import type { MadeMachine, OutsideMachineSource } from '../../outside-machines.ts';
import type { FrontDoor } from '../front-door.ts';
import type { GkeLoadBalancer } from './load-balancers.ts';

/** The load balancers of GKE's ingress as machines outside. */
export function gkeMachines(frontDoor: FrontDoor): OutsideMachineSource {
  let all: readonly GkeLoadBalancer[] = [];
  let machines: readonly MadeMachine[] = [];
  return {
    list: () => {
      const now = frontDoor.gke.all();
      if (now === all) return machines;
      all = now;
      machines = now.flatMap((each) => (each.router.refused === undefined ? [machineOf(each, frontDoor)] : []));
      return machines;
    },
  };
}

function machineOf(balancer: GkeLoadBalancer, frontDoor: FrontDoor): MadeMachine {
  const { netns, machine, address, source, router, controller } = balancer;
  return {
    name: netns,
    machine,
    addresses: [address, source],
    source,
    announced: controller.kind === 'gce-internal',
    version: JSON.stringify([controller.address, router.listeners]),
    start: (made) => frontDoor.startGke(made, balancer),
  };
}

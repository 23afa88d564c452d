import { containerLibc, type LookupResult, Resolver } from '@netsim/dns';
import type { Netns } from '@netsim/kernel';
import type { Pod } from '@netsim/manifest';
import type { Resolution } from '@netsim/trace';
import { familyBits, familyOf, type Ip, tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { driveLookup } from './drive.ts';
import { podFiles } from './pod-files.ts';

/** The resolver of a program in a container, as its C library and the pod's files make it. */
export function podResolver(cluster: Cluster, pod: Pod, netns: Netns, container?: string): Resolver {
  const files = podFiles(pod, cluster.config);
  return new Resolver({
    libc: containerLibc(pod, pod.spec.containers.find(({ name }) => name === container) ?? pod.spec.containers[0]).libc,
    resolvConf: files.resolvConf,
    hosts: files.hosts,
    hostname: files.hostname,
    clock: netns.world.clock,
    random: (bound) => netns.random.below(bound),
    sourceAddress: (destination) => sourceAddress(netns, destination),
  });
}

/** Looks a name up from a pod, with packets, in virtual time. */
export function lookUp(cluster: Cluster, pod: Pod, name: string, container?: string): LookupResult {
  const netns = cluster.netnsOfPod(pod);
  return driveLookup(netns, podResolver(cluster, pod, netns, container).lookup(name));
}

/** The address that a packet to a destination would leave with. */
function sourceAddress(netns: Netns, destination: Ip): { address: Ip; length: number } | undefined {
  const route = netns
    .fibOf(familyOf(destination))
    .lookup({ dst: destination, src: undefined, mark: 0, iif: undefined, oif: null });
  if (route === undefined || route.dev === null || (route.type !== 'unicast' && route.type !== 'local'))
    return undefined;
  const local = route.type === 'local' ? destination : undefined;
  const address = local ?? route.src ?? netns.selectAddress(route.dev, route.via ?? destination, 'global');
  const own = netns.addresses().find((each) => each.address === address);
  return address === undefined ? undefined : { address, length: own?.prefixLength ?? familyBits(familyOf(address)) };
}

export function addressesOf({ addresses }: LookupResult): Ip[] {
  return addresses.flatMap((text) => tryParseIp(text) ?? []);
}

/** A look-up as a trace tells it. A query without a reply has the rcode that dig has for it: none, but why. */
export function resolutionOf(found: LookupResult): Resolution {
  const { name, queries, addresses } = found;
  return {
    name,
    queries: queries.map(({ server, name: asked, type, rcode, answers, error }) => ({
      server,
      name: asked,
      type,
      rcode: rcode ?? error ?? 'TIMEOUT',
      answers,
    })),
    ...(addresses[0] === undefined ? {} : { address: addresses[0] }),
  };
}

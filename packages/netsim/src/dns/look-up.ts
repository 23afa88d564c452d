import { containerLibc, type Libc, type LookupResult, Resolver } from '@netsim/dns';
import type { Netns } from '@netsim/kernel';
import type { Pod } from '@netsim/manifest';
import type { Resolution } from '@netsim/trace';
import { familyBits, familyOf, type Ip, tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import type { SourceRef } from '../names.ts';
import { netnsOf } from '../source-netns.ts';
import { driveLookup } from './drive.ts';
import { machineFiles, type NameFiles, podFiles } from './pod-files.ts';
import type { QueryPath } from './query-paths.ts';

/** The device of a machine on the network between the nodes. */
const UPLINK = 'eth0';

/** A program that looks names up: where it runs, and the resolver that its C library and its files make. */
export interface Asker {
  readonly netns: Netns;
  readonly resolver: Resolver;
  readonly files: NameFiles;
}

/** Askers whose files were read, by pod and container: a pod that changed is another object. */
export class Askers {
  readonly #known = new WeakMap<Pod, Map<string | undefined, Asker>>();

  recall(pod: Pod, container: string | undefined, netns: Netns): Asker | undefined {
    const asker = this.#known.get(pod)?.get(container);
    return asker?.netns === netns ? asker : undefined;
  }

  remember(pod: Pod, container: string | undefined, asker: Asker): void {
    const known = this.#known.get(pod);
    if (known === undefined) this.#known.set(pod, new Map([[container, asker]]));
    else known.set(container, asker);
  }
}

/** The asker of a source of packets: a container of a pod, else a machine, which has glibc. */
export function askerOf(cluster: Cluster, source: SourceRef, container?: string): Asker {
  const netns = netnsOf(cluster, source);
  if (source.kind === 'Pod') {
    const { pod } = source;
    const { containers } = pod.spec;
    const own = containers.find(({ name }) => name === container) ?? containers[0];
    const known = cluster.askers.recall(pod, own?.name, netns);
    // Another process: what a resolver has learnt ends with its own.
    if (known !== undefined) return { ...known, resolver: known.resolver.anew() };
    const files = podFiles(pod, cluster.config);
    const asker = { netns, files, resolver: resolverIn(netns, files, containerLibc(pod, own).libc) };
    cluster.askers.remember(pod, own?.name, asker);
    return asker;
  }
  const name = source.kind === 'Node' ? source.node.metadata.name : source.name;
  const own = netns.addresses().filter(({ dev }) => dev === UPLINK);
  const files = machineFiles(
    name,
    own.map(({ address }) => address),
    cluster.config,
  );
  return { netns, files, resolver: resolverIn(netns, files, 'glibc') };
}

function resolverIn(netns: Netns, files: NameFiles, libc: Libc): Resolver {
  return new Resolver({
    libc,
    resolvConf: files.resolvConf,
    hosts: files.hosts,
    hostname: files.hostname,
    clock: netns.world.clock,
    random: (bound) => netns.random.below(bound),
    sourceAddress: (destination) => sourceAddress(netns, destination),
  });
}

/** Looks a name up, with packets, in virtual time. */
export function lookUp(cluster: Cluster, source: SourceRef, name: string, container?: string): LookupResult {
  const { netns, resolver } = askerOf(cluster, source, container);
  return driveLookup(netns, resolver.lookup(name));
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
export function resolutionOf(found: LookupResult, paths: readonly (QueryPath | undefined)[] = []): Resolution {
  const { name, queries, addresses } = found;
  return {
    name,
    queries: queries.map(({ server, name: asked, type, rcode, answers, error, transport }, at) => ({
      server,
      name: asked,
      type,
      rcode: rcode ?? error ?? 'TIMEOUT',
      answers,
      ...told(paths[at], transport),
    })),
    ...(addresses[0] === undefined ? {} : { address: addresses[0] }),
  };
}

function told(
  way: QueryPath | undefined,
  transport: string,
): Pick<Resolution['queries'][number], 'transport' | 'path' | 'forwards'> {
  if (way === undefined) return {};
  const { path, forwards } = way;
  return { transport, path, ...(forwards.length === 0 ? {} : { forwards }) };
}

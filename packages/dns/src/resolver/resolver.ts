import { familyOf, formatIp } from '@netsim/wire';
import { type Found, lookupGlibc } from './glibc.ts';
import type { GlibcState } from './glibc-send.ts';
import { type HostsEntry, parseHosts } from './hosts.ts';
import type { Conversation, Family, LookupResult, ResolverClock, ResolverHost, Talk } from './io.ts';
import { lookupMusl } from './musl.ts';
import { type NssService, parseNsswitch } from './nsswitch.ts';
import { parseNumeric } from './numeric.ts';
import { type Libc, parseResolvConf, type ResolvConf } from './resolv-conf.ts';
import { Sockets } from './sockets.ts';
import { type SourceAddress, sortAddresses } from './sort.ts';

export interface ResolverOptions {
  readonly libc: Libc;
  /** Text of the files in the container; without `nsswitch`, glibc asks `files`, then `dns`. */
  readonly resolvConf: string;
  readonly hosts: string;
  readonly nsswitch?: string;
  readonly clock: ResolverClock;
  /** The kernel's hostname, from which glibc takes a search domain where `resolv.conf` has none. */
  readonly hostname?: string;
  /** An integer in [0, bound), for identifiers and `rotate`. Default: always 0 and counting, so that runs are equal. */
  readonly random?: (bound: number) => number;
  /** For the order of addresses of both families; without it no destination counts as reachable, and precedence decides. */
  readonly sourceAddress?: SourceAddress;
}

/**
 * `getaddrinfo` of one process, as glibc 2.36 or musl 1.2.3 does it. A look-up is a conversation: it uses the
 * sockets of its host, yields where it waits, and is given what came; so one and the same code runs on emulated sockets in
 * virtual time and in tests. {@link runLookup} is the shortest host.
 *
 * One resolver is one process: what glibc learns about a server in one look-up (see `GlibcState`) holds for the next.
 */
export class Resolver {
  readonly conf: ResolvConf;
  readonly #hosts: readonly HostsEntry[];
  readonly #services: readonly NssService[];
  readonly #options: ResolverOptions;
  readonly #random: (bound: number) => number;
  readonly #state: GlibcState;

  /** `like`: a resolver with the same options, whose files need not be read again. */
  constructor(options: ResolverOptions, like?: Resolver) {
    this.#options = options;
    this.conf = like?.conf ?? parseResolvConf(options.resolvConf, options.libc, options.hostname);
    this.#hosts = like === undefined ? parseHosts(options.hosts) : like.#hosts;
    this.#services = like === undefined ? parseNsswitch(options.nsswitch) : like.#services;
    let count = 0;
    this.#random = options.random ?? ((bound) => count++ % bound);
    this.#state = {
      singleRequest: this.conf.options.has('single-request'),
      singleRequestReopen: this.conf.options.has('single-request-reopen'),
      offset: undefined,
    };
  }

  /** Another process with the same files, which has learnt nothing yet. */
  anew(): Resolver {
    return new Resolver(this.#options, this);
  }

  /** Looks up the addresses of a name. Never throws; errors are those of getaddrinfo. */
  lookup(name: string, { family = 'unspec' }: { family?: Family } = {}): Talk<LookupResult> {
    return (host) => this.#lookUp(name, family, host);
  }

  *#lookUp(name: string, family: Family, host: ResolverHost): Conversation<LookupResult> {
    const { libc, clock, sourceAddress } = this.#options;
    const sockets = new Sockets(host, clock);
    const found = numeric(name, family, libc) ?? (yield* this.#find(name, family, sockets));
    return {
      name,
      ...found,
      addresses: sortAddresses(found.addresses, libc, sourceAddress),
      queries: sockets.queries,
      elapsedMs: clock.now - sockets.start,
    };
  }

  #find(name: string, family: Family, sockets: Sockets): Conversation<Found> {
    const { libc } = this.#options;
    const common = { conf: this.conf, hosts: this.#hosts, sockets, random: this.#random };
    if (libc === 'musl') return lookupMusl(name, family, common);
    return lookupGlibc(name, family, { ...common, services: this.#services, state: this.#state });
  }
}

function numeric(name: string, family: Family, libc: Libc): Found | undefined {
  const ip = parseNumeric(name);
  if (ip === undefined) return undefined;
  if (family === (familyOf(ip) === 4 ? 'inet6' : 'inet')) {
    return { addresses: [], error: libc === 'glibc' ? 'EAI_ADDRFAMILY' : 'EAI_NONAME' };
  }
  return { addresses: [formatIp(ip)], canonicalName: name, from: 'numeric' };
}

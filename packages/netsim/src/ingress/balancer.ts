import { createHash } from 'node:crypto';
import type { Backend, Balance, CookieAffinity, Forward } from '@netsim/ingress';
import type { RandomSource } from '@netsim/kernel';
import type { ProxyEndpoint } from './endpoints.ts';

/** Draws endpoints of backends in turn, each backend from a place of its own (ingress-nginx: `balancer/round_robin.lua`). */
export class RoundRobin {
  readonly #random: RandomSource;
  readonly #next = new Map<string, number>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  pick(backend: string, endpoints: readonly ProxyEndpoint[]): ProxyEndpoint {
    const at = this.#next.get(backend) ?? this.#random.below(endpoints.length);
    this.#next.set(backend, at + 1);
    return endpoints[at % endpoints.length]!;
  }
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** The endpoint that a text leads to: the same as long as it is there (highest random weight). */
export function hashedEndpoint(text: string, endpoints: readonly ProxyEndpoint[]): ProxyEndpoint {
  const weight = (endpoint: string): string => md5(`${text}#${endpoint}`);
  return endpoints.reduce((best, each) => (weight(each.text) > weight(best.text) ? each : best));
}

/** What a cookie of mode persistent calls an endpoint (`util/nodemap.lua`). */
function nameOf(backend: string, { text }: ProxyEndpoint): string {
  return md5(backend + text);
}

export function backendName(backend: Backend): string {
  return backend.kind === 'service' ? `${backend.namespace}-${backend.name}-${backend.port}` : backend.kind;
}

/** The endpoint that is settled by who the client is and what it asks; undefined: chance settles it. */
export function knownEndpoint(
  { affinity, clientAffinity, balance, backend }: Forward,
  clientAddress: string,
  endpoints: readonly ProxyEndpoint[],
): ProxyEndpoint | undefined {
  if (affinity !== undefined) {
    const { value, persistent } = affinity;
    if (value === undefined) return undefined;
    if (!persistent) return hashedEndpoint(value, endpoints);
    return endpoints.find((each) => nameOf(backendName(backend), each) === value);
  }
  if (clientAffinity === true) return hashedEndpoint(clientAddress, endpoints);
  return balance?.kind === 'hash' && balance.subset === undefined ? hashedEndpoint(balance.key, endpoints) : undefined;
}

/** Keys that are tried before a client whose endpoint failed goes to one that failed too. */
const MAX_KEYS = 20;

/** The endpoint of one client by its cookie, for all tries of one request (`balancer/sticky.lua`). */
export class StickyChoice {
  readonly #affinity: CookieAffinity;
  readonly #endpoints: readonly ProxyEndpoint[];
  readonly #random: RandomSource;
  readonly #backend: string;
  readonly #now: number;
  #fresh: string | undefined;

  /** `now`: milliseconds since the Unix epoch. */
  constructor(
    affinity: CookieAffinity,
    endpoints: readonly ProxyEndpoint[],
    { random, backend, now }: { readonly random: RandomSource; readonly backend: string; readonly now: number },
  ) {
    this.#affinity = affinity;
    this.#endpoints = endpoints;
    this.#random = random;
    this.#backend = backend;
    this.#now = now;
  }

  /** `failed`: those that this request has been tried on. */
  pick(failed: ReadonlySet<string>): ProxyEndpoint {
    const { value, changeOnFailure = false } = this.#affinity;
    const known = value === undefined ? undefined : this.#find(value);
    if (known !== undefined && !(changeOnFailure && failed.size > 0)) return known;
    return this.#affinity.persistent ? this.#drawn(failed) : this.#hashed(failed);
  }

  /** `Set-Cookie`; undefined: the client keeps the one that it has. */
  get setCookie(): string | undefined {
    const { cookie, key, attributes, expires, silent } = this.#affinity;
    if (this.#fresh === undefined || silent) return undefined;
    const until = expires === undefined ? '' : `; Expires=${cookieTime(this.#now + expires * 1000)}`;
    return `${cookie}=${this.#fresh}${key === undefined ? '' : `|${key}`}${until}${attributes}`;
  }

  #find(value: string): ProxyEndpoint | undefined {
    if (!this.#affinity.persistent) return hashedEndpoint(value, this.#endpoints);
    return this.#endpoints.find((each) => nameOf(this.#backend, each) === value);
  }

  #drawn(failed: ReadonlySet<string>): ProxyEndpoint {
    const left = this.#endpoints.filter(({ text }) => !failed.has(text));
    const from = left.length > 0 ? left : this.#endpoints;
    const endpoint = from[this.#random.below(from.length)]!;
    this.#fresh = nameOf(this.#backend, endpoint);
    return endpoint;
  }

  #hashed(failed: ReadonlySet<string>): ProxyEndpoint {
    for (let i = 1; ; i++) {
      const key = `${this.#now / 1000 + i}.${this.#random.below(90) + 10}.${this.#random.below(999_999) + 1}`;
      const endpoint = hashedEndpoint(key, this.#endpoints);
      if (failed.has(endpoint.text) && i < MAX_KEYS) continue;
      this.#fresh = key;
      return endpoint;
    }
  }
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** nginx's time of a cookie: `Thu, 18-Nov-10 11:27:35 GMT`, with all four digits of a year after 2037. */
export function cookieTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const year = date.getUTCFullYear();
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const day = `${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()]}-${year > 2037 ? year : two(year % 100)}`;
  return `${DAYS[date.getUTCDay()]}, ${day} ${clock} GMT`;
}

/** The endpoint that a hash chooses, or one of the set that it chooses (`balancer/chash.lua`, `chashsubset.lua`). */
export function endpointOfHash(
  { key, subset }: Extract<Balance, { kind: 'hash' }>,
  endpoints: readonly ProxyEndpoint[],
  random: RandomSource,
): ProxyEndpoint {
  if (subset === undefined) return hashedEndpoint(key, endpoints);
  const sets = Math.ceil(endpoints.length / subset);
  const first = endpoints.filter((_each, at) => at % subset === 0);
  const at = endpoints.indexOf(hashedEndpoint(key, first));
  // The last set borrows from the front what it lacks.
  const members = Array.from({ length: subset }, (_each, i) => endpoints[(at + i) % endpoints.length]!);
  return members[sets === 0 ? 0 : random.below(members.length)]!;
}

/** Seconds in which what an endpoint was found to take fades. */
const DECAY = 10;

/** Of two endpoints that are drawn the one that answers faster (`balancer/ewma.lua`). */
export class PeakEwma {
  readonly #random: RandomSource;
  readonly #scores = new Map<string, { readonly score: number; readonly at: number }>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** `now`: milliseconds. */
  pick(endpoints: readonly ProxyEndpoint[], now: number): ProxyEndpoint {
    if (endpoints.length === 1) return endpoints[0]!;
    const first = this.#random.below(endpoints.length);
    const second = (first + 1 + this.#random.below(endpoints.length - 1)) % endpoints.length;
    const [one, other] = [endpoints[first]!, endpoints[second]!];
    return this.#score(other, 0, now) < this.#score(one, 0, now) ? other : one;
  }

  /** An answer took so many milliseconds. */
  answered(endpoint: ProxyEndpoint, took: number, now: number): void {
    this.#scores.set(endpoint.text, { score: this.#score(endpoint, took / 1000, now), at: now });
  }

  #score({ text }: ProxyEndpoint, took: number, now: number): number {
    const { score = 0, at = 0 } = this.#scores.get(text) ?? {};
    const weight = Math.exp(-Math.max(0, now - at) / 1000 / DECAY);
    return score * weight + took * (1 - weight);
  }
}

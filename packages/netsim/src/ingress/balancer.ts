import { createHash } from 'node:crypto';
import type { CookieAffinity } from '@netsim/ingress';
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

/** The value of a new affinity cookie, as `balancer/sticky.lua` writes it: a key, and the backend that it is for. */
export function newCookie(random: RandomSource, now: number, backend: string): string {
  const key = `${(now / 1000).toFixed(3)}.${random.below(90) + 10}.${random.below(999_999)}`;
  return `${key}|${createHash('md5').update(backend).digest('hex')}`;
}

/** The endpoint that a cookie's value leads to: the same as long as it is there (highest random weight). */
export function stickyEndpoint(
  { value = '' }: Pick<CookieAffinity, 'value'>,
  endpoints: readonly ProxyEndpoint[],
): ProxyEndpoint {
  const weight = (text: string): string => createHash('md5').update(`${value}#${text}`).digest('hex');
  return endpoints.reduce((best, each) => (weight(each.text) > weight(best.text) ? each : best));
}

import type { Ip } from '@netsim/wire';
import type { RandomSource } from '../random.ts';
import type { RealServer, VirtualService } from './service.ts';

/** Whom a new connection is from and to. */
export interface NewFlow {
  readonly src: Ip;
  readonly sport: number;
  readonly dst: Ip;
}

const TABLE = 256;

/**
 * The server for a new connection; undefined where none takes any. Source: the schedule functions of net/netfilter/ipvs/ip_vs_*.c.
 *
 * Round robin and the schedulers that count connections go by what came before. Where that was forgotten to look at every way
 * that a packet may take, any server may be next: then it is a choice like any other.
 */
export function schedule(service: VirtualService, flow: NewFlow, random: RandomSource): RealServer | undefined {
  const { scheduler } = service;
  if (service.unknownPast && scheduler !== 'sh' && scheduler !== 'dh' && scheduler !== 'mh') {
    service.unknownPast = false;
    const open = service.servers.filter(isOpen);
    if (open.length === 0) return undefined;
    const chosen = open[open.length === 1 ? 0 : random.choose(open.length, service)]!;
    service.last = chosen;
    return chosen;
  }
  switch (scheduler) {
    case 'rr':
      return roundRobin(service);
    case 'wrr':
      return weightedRoundRobin(service);
    case 'lc':
      return least(service, load, () => 1);
    case 'wlc':
      return least(service, load, (server) => server.weight);
    case 'sed':
      return least(service, expectedDelay, (server) => server.weight);
    case 'nq':
      return (
        service.servers.find((server) => isOpen(server) && server.active === 0) ??
        least(service, expectedDelay, (server) => server.weight)
      );
    case 'sh':
      return byHash(service, Math.imul(fold(flow.src), 0x61c88647) >>> 24, true);
    case 'dh':
      return byHash(service, Math.imul(fold(flow.dst), 2654435761 | 0) & (TABLE - 1), false);
    case 'mh':
      return maglev(service, flow);
  }
}

function isOpen({ weight }: RealServer): boolean {
  return weight > 0;
}

function roundRobin(service: VirtualService): RealServer | undefined {
  const { servers } = service;
  const start = service.last === null ? -1 : servers.indexOf(service.last);
  for (let step = 1; step <= servers.length; step++) {
    const server = servers[(start + step) % servers.length]!;
    if (!isOpen(server)) continue;
    service.last = server;
    return server;
  }
  return undefined;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Rounds from the greatest weight down; a round takes each server that has at least its weight. */
function weightedRoundRobin(service: VirtualService): RealServer | undefined {
  const { servers } = service;
  const step = servers.reduce((all, { weight }) => (weight > 0 ? gcd(all, weight) : all), 0);
  if (step === 0) return undefined;
  const top = Math.max(...servers.map(({ weight }) => weight)) - (step - 1);
  let at = service.last === null ? -1 : servers.indexOf(service.last);
  if (service.currentWeight <= 0 || service.currentWeight > top) service.currentWeight = top;
  for (;;) {
    for (at++; at < servers.length; at++) {
      const server = servers[at]!;
      if (server.weight < service.currentWeight) continue;
      service.last = server;
      return server;
    }
    at = -1;
    service.currentWeight -= step;
    if (service.currentWeight <= 0) service.currentWeight = top;
  }
}

/** An active connection counts as much as 256 inactive ones. */
function load({ active, inactive }: RealServer): number {
  return active * 256 + inactive;
}

function expectedDelay({ active }: RealServer): number {
  return active + 1;
}

/** The server with the least cost for its share; of equals the first. */
function least(
  service: VirtualService,
  cost: (server: RealServer) => number,
  share: (server: RealServer) => number,
): RealServer | undefined {
  let found: RealServer | undefined;
  for (const server of service.servers) {
    if (!isOpen(server)) continue;
    if (found === undefined || cost(found) * share(server) > cost(server) * share(found)) found = server;
  }
  return found;
}

/** A table of 256 places is filled with the servers in turn, for `sh` as many places each as its weight. */
function byHash({ servers }: VirtualService, place: number, weighted: boolean): RealServer | undefined {
  if (servers.length === 0) return undefined;
  if (!weighted) return onlyOpen(servers[place % servers.length]!);
  const turn = servers.reduce((sum, { weight }) => sum + Math.max(weight, 1), 0);
  let left = place % turn;
  for (const server of servers) {
    left -= Math.max(server.weight, 1);
    if (left < 0) return onlyOpen(server);
  }
  return undefined;
}

function onlyOpen(server: RealServer): RealServer | undefined {
  return isOpen(server) ? server : undefined;
}

/**
 * One client address and port keep one server, and few move when a server comes or goes, as with Linux's Maglev table; which one it
 * is differs from Linux (rendezvous hashing with another hash).
 */
function maglev({ servers }: VirtualService, { src, sport }: NewFlow): RealServer | undefined {
  let best: RealServer | undefined;
  let bestScore = -1;
  for (const server of servers) {
    if (!isOpen(server)) continue;
    const score = mix(mix(fold(src) ^ Math.imul(sport, 0x9e3779b1)) ^ mix(fold(server.address) ^ server.port)) >>> 0;
    if (score > bestScore) {
      best = server;
      bestScore = score;
    }
  }
  return best;
}

function mix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return h ^ (h >>> 16);
}

/** An address as one word: that of IPv6 has its four XORed. */
function fold(ip: Ip): number {
  if (typeof ip === 'number') return ip;
  let word = 0;
  for (let shift = 0n; shift < 128n; shift += 32n) word ^= Number(BigInt.asIntN(32, ip >> shift));
  return word;
}

import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../../test/support/vectors.ts';
import { EAI, type Family, type Libc, type LookupResult, Resolver, runLookup } from '../../src/resolver/index.ts';
import { exchangeOf, testClock, type Zones } from './support/zone.ts';

interface RecordedQuery {
  q?: string;
  type?: string;
  server: string;
  raw?: string;
  edns?: boolean;
  tcp?: boolean;
  afterMs?: number;
}
interface Recorded {
  result: { canon?: string; addrs?: string[]; error?: string; code?: number };
  elapsedMs: number;
  queries: RecordedQuery[];
}
interface Case {
  scenario: string;
  resolvConf: string;
  zone: Zones;
  name: string;
  family: Family;
  hosts?: string;
  glibc: Recorded;
  musl: Recorded;
}

const name = 'dns/resolver-recorded';
const vectors = readVectors<{ cases: Case[] }>(name);
/** The file of the machine where no other was given. */
const HOSTS = '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n';

test.skipIf(vectors === undefined)('look-ups send the queries that real glibc and musl sent, and end as there', () => {
  const failed: string[] = [];
  let total = 0;
  for (const each of vectors!.cases) {
    for (const libc of ['glibc', 'musl'] as const) {
      total++;
      const made = summary(lookup(each, libc));
      const wanted = recordedSummary(each[libc]);
      if (JSON.stringify(made) === JSON.stringify(wanted)) continue;
      failed.push(`${libc} ${each.scenario} ${each.name} ${each.family}`);
      if (failed.length === 1) expect.soft(made, failed[0]).toEqual(wanted);
    }
  }
  reportVectors(name, total, failed);
  expect(failed).toEqual([]);
});

function lookup({ resolvConf, zone, name, family, hosts = HOSTS }: Case, libc: Libc): LookupResult {
  const clock = testClock();
  const resolver = new Resolver({ libc, resolvConf, hosts, clock });
  return runLookup(resolver.lookup(name, { family }), exchangeOf(zone), clock);
}

interface Summary {
  result: unknown;
  elapsedMs: number;
  queries: string[];
}

function summary({ error, canonicalName, addresses, elapsedMs, queries }: LookupResult): Summary {
  return {
    result: error === undefined ? { canon: canonicalName, addrs: [...addresses].sort() } : { code: EAI[error] },
    elapsedMs,
    queries: perServer(
      queries.map(({ name, type, server, message, transport, at }) => ({
        server,
        text: readable(name, type)
          ? text(name, type, message[11] === 1, transport === 'tcp', at)
          : rawText(Buffer.from(message).toString('hex')),
      })),
    ),
  };
}

function recordedSummary({ result, elapsedMs, queries }: Recorded): Summary {
  return {
    result:
      result.code === undefined ? { canon: result.canon, addrs: [...result.addrs!].sort() } : { code: result.code },
    elapsedMs,
    queries: perServer(
      queries.map(({ q, type, server, raw, edns = false, tcp = false, afterMs = 0 }) => ({
        server,
        text: raw === undefined ? text(q!, type!, edns, tcp, afterMs) : rawText(raw),
      })),
    ),
  };
}

function readable(name: string, type: string): boolean {
  return name !== '' && type !== '';
}

/** A malformed message, without its identifier. No time was recorded for these. */
function rawText(hex: string): string {
  return hex.slice(4);
}

function text(name: string, type: string, edns: boolean, tcp: boolean, at: number): string {
  return `${name} ${type}${edns ? ' edns' : ''}${tcp ? ' tcp' : ''} +${at}`;
}

/** In the order in which each server got them: between servers that are asked at once there is no order to record. */
function perServer(queries: { server: string; text: string }[]): string[] {
  const order = [...new Set(queries.map(({ server }) => server))].sort();
  return order.flatMap((server) =>
    queries.filter((query) => query.server === server).map((q) => `${server} ${q.text}`),
  );
}

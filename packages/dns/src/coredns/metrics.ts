import { familyOf } from '@netsim/wire';
import { BADVERS, RCODES, type RecordType } from './message.ts';
import type { QuerySource } from './plugin.ts';
import { CacheResult } from './plugins/cache.ts';
import type { Zone } from './server-blocks.ts';

/** The version that we answer as; plugin `chaos` says the same. */
const VERSION = '1.14.0';

/** Types that have a series of their own (plugin/metrics/vars). */
const TYPES = 'A AAAA MX SOA CNAME PTR TXT NS SRV DS DNSKEY RRSIG NSEC NSEC3 HTTPS IXFR AXFR ANY other'.split(' ');
const TYPE_NUMBERS = new Map(TYPES.map((type, number) => [type, number]));
const OTHER = TYPES.length - 1;

/** What a query counts as, but for its transport, in one number; 0 where it is not counted. */
export type Tally = number;
export const UNCOUNTED: Tally = 0;

/** One of each, as a tally holds them. */
interface Parts {
  readonly zone: Zone | undefined;
  readonly type: string;
  readonly rcode: string;
  readonly cache: CacheResult;
}

/**
 * The counters of plugin `prometheus`. A query counts with one addition, also where its reply was remembered: which series it
 * belongs to is worked out when they are read. After CoreDNS `plugin/metrics` and the counters of `plugin/cache`.
 */
export class Metrics {
  readonly #zones: readonly Zone[];
  readonly #counts = new Map<number, number>();

  constructor(zones: readonly Zone[]) {
    this.#zones = zones;
  }

  /** What a query counts as. `zone`: undefined for one that no server block took. `rcode`: the number of the reply's. */
  tally(zone: Zone | undefined, type: RecordType, rcode: number, cache: CacheResult): Tally {
    if (zone !== undefined && !zone.counted) return UNCOUNTED;
    const zoneNumber = zone === undefined ? 0 : zone.number + 1;
    const typeNumber = TYPE_NUMBERS.get(type) ?? OTHER;
    return 1 + (((zoneNumber * 32 + typeNumber) * 32 + rcode) * 4 + cache);
  }

  count(tally: Tally, source: QuerySource): void {
    if (tally === UNCOUNTED) return;
    const key = tally * 4 + (source.transport === 'tcp' ? 2 : 0) + (familyOf(source.client) === 4 ? 0 : 1);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** In the text format of Prometheus, version 0.0.4. */
  text(): string {
    const requests = new Series();
    const responses = new Series();
    const hits = new Series();
    const misses = new Series();
    for (const [key, count] of this.#counts) {
      const { zone, type, rcode, cache } = this.#partsOf((key >> 2) - 1);
      const server = zone?.server ?? this.#zones[0]?.server ?? '';
      const of = { server, view: '', zone: zone?.zone ?? 'dropped' };
      const family = (key & 1) === 0 ? '1' : '2';
      requests.add({ ...of, family, proto: (key & 2) === 0 ? 'udp' : 'tcp', type }, count);
      responses.add({ ...of, plugin: zone?.writer ?? '', rcode }, count);
      if (zone?.cache === undefined || cache === CacheResult.NOT_ASKED) continue;
      const ofCache = { server, view: '', zones: zone.cache.zones.join(',') };
      if (cache === CacheResult.MISS) misses.add(ofCache, count);
      else hits.add({ ...ofCache, type: cache === CacheResult.SUCCESS ? 'success' : 'denial' }, count);
    }
    const build = new Series();
    build.add({ goversion: '', revision: '', version: VERSION }, 1);
    const panics = new Series();
    panics.add({}, 0);
    return [
      build.text(
        'coredns_build_info',
        'gauge',
        "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
      ),
      hits.text('coredns_cache_hits_total', 'counter', 'The count of cache hits.'),
      misses.text(
        'coredns_cache_misses_total',
        'counter',
        'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.',
      ),
      requests.text(
        'coredns_dns_requests_total',
        'counter',
        'Counter of DNS requests made per zone, protocol and family.',
      ),
      responses.text('coredns_dns_responses_total', 'counter', 'Counter of response status codes.'),
      panics.text('coredns_panics_total', 'counter', 'A metrics that counts the number of panics.'),
    ].join('');
  }

  #partsOf(number: number): Parts {
    const [cache, rcode, type] = [number & 3, (number >> 2) & 31, (number >> 7) & 31];
    const known = Object.values(CacheResult).find((each) => each === cache);
    return {
      zone: this.#zones[(number >> 12) - 1],
      type: TYPES[type] ?? 'other',
      rcode: rcode === BADVERS ? 'BADVERS' : (RCODES[rcode] ?? 'SERVFAIL'),
      cache: known ?? CacheResult.NOT_ASKED,
    };
  }
}

/** The lines of one metric: a number for each set of labels. */
class Series {
  readonly #values = new Map<string, number>();

  add(labels: Readonly<Record<string, string>>, value: number): void {
    const text = Object.entries(labels)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, label]) => `${name}="${label}"`)
      .join(',');
    this.#values.set(text, (this.#values.get(text) ?? 0) + value);
  }

  /** Nothing where there is no line: a counter is there from its first use on. */
  text(name: string, type: 'counter' | 'gauge', help: string): string {
    if (this.#values.size === 0) return '';
    const lines = [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1));
    const values = lines.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`);
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${values.join('')}`;
  }
}

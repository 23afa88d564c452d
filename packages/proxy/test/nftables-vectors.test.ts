import { printNftTable } from '@netsim/kernel';
import { expect, test } from 'vitest';
import type { NodeProxyConfig } from '../src/index.ts';
import { canonicalNftText, NftablesGenerator, nftTableText, nftTransaction } from '../src/index.ts';
import type { Probe } from './support/probe-node.ts';
import type { CaseObjects } from './support/told-state.ts';
import { difference, ToldState } from './support/told-state.ts';
import type { VectorConfig } from './support/vector-config.ts';
import { configOf } from './support/vector-config.ts';
import { listFailures, readVectors } from './support/vectors.ts';

/** One sync of kube-proxy as the vectors hold it. */
interface NftablesCase {
  readonly id: string;
  readonly test: string;
  readonly origin: string;
  readonly previous?: string | null;
  readonly config: VectorConfig;
  readonly objects: CaseObjects;
  readonly sync: { readonly full: boolean };
  readonly expect: {
    readonly transaction: string;
    readonly canonical: string;
    readonly nftList: string;
    readonly probes?: readonly Probe[];
  };
}

for (const file of ['nftables-recorded', 'nftables-tests']) {
  test(`rules of kube-proxy/${file} are those that kube-proxy wrote`, () => {
    const cases = readVectors<NftablesCase>(`kube-proxy/${file}.jsonl.gz`);
    if (cases === undefined) return;
    const proxies = new Map<string, ToldProxy>();
    const failures: string[] = [];
    let total = 0;
    for (const one of cases) {
      // A self-test of the upstream tracer has rules but no objects they come from.
      if (one.origin === 'upstream-tracer-selftest') continue;
      total++;
      const proxy =
        (one.previous ? proxies.get(one.previous) : undefined) ?? new ToldProxy(configOf(one.config, 'nftables'));
      proxies.set(one.id, proxy);
      const { transaction, table, listed } = proxy.sync(one);
      // That test begins with a table that somebody has made before.
      const startup = one.test === 'TestSyncProxyRulesStartup';
      const wrong =
        difference(one.expect.canonical.trimEnd(), table.trimEnd()) ??
        (startup
          ? undefined
          : (difference(canonicalNftText(one.expect.transaction), transaction) ??
            difference(blocks(one.expect.nftList), blocks(listed))));
      if (wrong !== undefined) failures.push(`${one.id}: ${wrong}`);
    }
    listFailures(failures);
    console.log(`vectors kube-proxy/${file}: rules ${total - failures.length}/${total}`);
    expect(failures).toEqual([]);
  });
}

/** A kube-proxy that is told of the objects of one case after the other. */
class ToldProxy {
  readonly #config: NodeProxyConfig;
  readonly #told: ToldState;
  readonly #generator: NftablesGenerator;
  #stale: readonly string[] = [];
  #now = 0;

  constructor(config: NodeProxyConfig) {
    this.#config = config;
    this.#told = new ToldState(config.family);
    this.#generator = new NftablesGenerator(this.#told.state);
  }

  /** What it hands to nft, the whole table afterwards, both in canonical order, and what nft then lists. */
  sync(one: NftablesCase): { transaction: string; table: string; listed: string } {
    this.#told.tell(one.objects);
    // The time that went by is not in the vectors, but can be told from what had become of chains out of use.
    const deleted = this.#stale.some((name) => !one.expect.canonical.includes(` kube-proxy ${name}\n`));
    this.#now += deleted ? 2000 : 10;
    const rules = this.#generator.sync(this.#config, { full: one.sync.full, now: this.#now });
    this.#stale = rules.sync.stale;
    const mark = { mark: one.config.masqueradeMark };
    return {
      transaction: canonicalNftText(nftTransaction(rules, this.#config, mark)),
      table: nftTableText(rules, this.#config, mark),
      listed: printNftTable(rules.table),
    };
  }
}

/**
 * Sets, maps and chains in the order of their names: nft lists them in the order of their making, which is random. Without those
 * out of use: the recording left out kube-proxy's clean-up transactions.
 */
function blocks(list: string): string {
  const all = list.split('\n').slice(2).join('\n').split('\n\n');
  return all
    .map((block) => block.replace(/\n}\s*$/, ''))
    .filter((block) => !/^\tchain [^\n]+ \{\n\t\}$/.test(block))
    .sort()
    .join('\n');
}

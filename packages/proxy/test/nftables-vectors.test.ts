import type { NftTable } from '@netsim/kernel';
import { printNftTable } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { IpProto, parseIp } from '@netsim/wire';
import { expect, test } from 'vitest';
import { listFailures, readVectorLines } from '../../../test/support/vectors.ts';
import type { NodeProxyConfig } from '../src/index.ts';
import { canonicalNftText, NftablesGenerator, nftTableText, nftTransaction } from '../src/index.ts';
import type { Probe } from './support/probe-node.ts';
import { ProbeNode } from './support/probe-node.ts';
import type { CaseObjects } from './support/told-state.ts';
import { difference, ToldState } from './support/told-state.ts';
import type { VectorConfig } from './support/vector-config.ts';
import { configOf } from './support/vector-config.ts';

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
    readonly flows?: readonly Probe[];
    readonly probes?: readonly Probe[];
  };
}

for (const file of ['nftables-recorded', 'nftables-tests']) {
  test(`rules of kube-proxy/${file} are those that kube-proxy wrote`, () => {
    const cases = readVectorLines<NftablesCase>(`kube-proxy/${file}.jsonl.gz`);
    if (cases === undefined) return;
    const proxies = new Map<string, ToldProxy>();
    const failures: string[] = [];
    const lost: string[] = [];
    let total = 0;
    let probes = 0;
    for (const one of cases) {
      // A self-test of the upstream tracer has rules but no objects they come from.
      if (one.origin === 'upstream-tracer-selftest') continue;
      total++;
      const proxy =
        (one.previous ? proxies.get(one.previous) : undefined) ?? new ToldProxy(configOf(one.config, 'nftables'));
      proxies.set(one.id, proxy);
      // That test begins with a table that somebody has made before.
      const startup = one.test === 'TestSyncProxyRulesStartup';
      const { transaction, text, table } = proxy.sync(one);
      const all = [...(one.expect.flows ?? []), ...(one.expect.probes ?? [])];
      for (const probe of all) {
        probes++;
        const wrong = disagreement(proxy.node, table, startup ? { ...probe, kernel: undefined } : probe, all);
        if (wrong !== undefined) lost.push(`${one.id}: ${wrong}`);
      }
      const wrong =
        difference(one.expect.canonical.trimEnd(), text.trimEnd()) ??
        (startup
          ? undefined
          : (difference(canonicalNftText(one.expect.transaction), transaction) ??
            difference(blocks(one.expect.nftList), blocks(printNftTable(table)))));
      if (wrong !== undefined) failures.push(`${one.id}: ${wrong}`);
    }
    listFailures([...failures, ...lost]);
    const rules = `rules ${total - failures.length}/${total}`;
    console.log(`vectors kube-proxy/${file}: ${rules}, probes ${probes - lost.length}/${probes}`);
    expect([...failures, ...lost]).toEqual([]);
  });
}

test('the rules of 1.35 take packets where those of 1.36 do, but masquerade every hairpin', () => {
  const cases = readVectorLines<NftablesCase>('kube-proxy/nftables-recorded.jsonl.gz');
  if (cases === undefined) return;
  const lost: string[] = [];
  let hairpins = 0;
  for (const one of cases.filter(({ sync }) => sync.full).slice(0, 20)) {
    const proxy = new ToldProxy({ ...configOf(one.config, 'nftables'), kubernetesVersion: '1.35' });
    const { table } = proxy.sync(one);
    for (const probe of one.expect.probes ?? []) {
      if (probe.kernel === undefined) continue;
      // The same endpoint for source and destination: masqueraded wherever the endpoint is.
      const hairpin = parseEndpoint(probe.kernel.output)?.ip === parseIp(probe.sourceIP);
      if (hairpin) hairpins++;
      const want = { ...probe, kernel: { ...probe.kernel, masq: probe.kernel.masq || hairpin } };
      const wrong = disagreement(proxy.node, table, want, []);
      if (wrong !== undefined) lost.push(`${one.id}: ${wrong}`);
    }
  }
  expect(lost).toEqual([]);
  expect(hairpins).toBeGreaterThan(0);
});

/** A kube-proxy that is told of the objects of one case after the other. */
class ToldProxy {
  readonly #config: NodeProxyConfig;
  readonly #told: ToldState;
  readonly #generator: NftablesGenerator;
  readonly node: ProbeNode;
  #stale: readonly string[] = [];
  #now = 0;

  constructor(config: NodeProxyConfig) {
    this.#config = config;
    this.node = new ProbeNode(config.nodeAddresses, podInterface(config));
    this.#told = new ToldState(config.family);
    this.#generator = new NftablesGenerator(this.#told.state);
  }

  /** What it hands to nft, and the whole table afterwards: as text, both in canonical order, and as the kernel gets it. */
  sync(one: NftablesCase): { transaction: string; text: string; table: NftTable } {
    this.#told.tell(one.objects);
    // The time that went by is not in the vectors, but can be told from what had become of chains out of use.
    const deleted = this.#stale.some((name) => !one.expect.canonical.includes(` kube-proxy ${name}\n`));
    this.#now += deleted ? 2000 : 10;
    const rules = this.#generator.sync(this.#config, { full: one.sync.full, now: this.#now });
    this.#stale = rules.sync.stale;
    const mark = { mark: one.config.masqueradeMark };
    return {
      transaction: canonicalNftText(nftTransaction(rules, this.#config, mark)),
      text: nftTableText(rules, this.#config, mark),
      table: rules.table,
    };
  }
}

/** The interface that pods are behind: where the detector looks for one, it has to be the one it looks for. */
function podInterface({ detectLocal }: NodeProxyConfig): string {
  return detectLocal.kind === 'interface' ? detectLocal.name.replace('+', '0') : 'cni0';
}

/** Compares with what the kernel did, or where it was not asked (IPv6, detection by interface) with the upstream tracer. */
function disagreement(node: ProbeNode, table: NftTable, probe: Probe, others: readonly Probe[]): string | undefined {
  const want = expected(node, table, probe, others);
  const outputs = want.output.split(', ');
  let have = { output: '', masq: false };
  // The one endpoint that the kernel drew is among those that can be had, once affinity is forgotten.
  for (let take = 0; take < Math.max(outputs.length, MAX_ENDPOINTS); take++) {
    node.loadTable(table);
    have = node.probe(probe, take);
    if (outputs.includes(have.output)) break;
  }
  const masqueraded = outputs.length > 1 ? !have.masq || want.masq : have.masq === want.masq;
  if (outputs.includes(have.output) && masqueraded) return undefined;
  return `${probe.name}: ${JSON.stringify(have)} and not ${JSON.stringify(want)}`;
}

const MAX_ENDPOINTS = 16;

/** The kernel's answer; else the tracer's, put right where it is known to be wrong. */
function expected(
  node: ProbeNode,
  table: NftTable,
  probe: Probe,
  others: readonly Probe[],
): { output: string; masq: boolean } {
  const { kernel, output, masq, sourceIP, protocol } = probe;
  if (kernel !== undefined) return kernel;
  // What is refused keeps its source, marked or not.
  if (output === 'REJECT' || output === 'DROP' || output === '') return { output, masq: false };
  // The tracer keeps the port of a NodePort after DNAT, and finds the "no endpoints" of the NodePort.
  const endpoints = output.replace(/, DROP$/, '');
  // Masquerade picks the address that the node's own packet has already.
  if (node.isLocal(parseIp(sourceIP))) return { output: endpoints, masq: false };
  // The tracer takes everything that comes back to its source for a hairpin, also on nodes where the endpoint is not.
  const back = parseEndpoint(output);
  if (masq && back !== undefined && back.ip === parseIp(sourceIP)) {
    const key = [back.ip, back.ip, protocols[protocol]!, back.port];
    const pod = others.find(({ name }) => name === probe.name.replace('endpoint itself', 'pod'));
    if (table.sets.get('hairpin-connections')!.elements.find(key) === null) {
      return { output: endpoints, masq: pod?.masq ?? masq };
    }
  }
  return { output: endpoints, masq };
}

const protocols: Readonly<Record<string, number>> = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

/** `ip:port`, or undefined for a list of them. */
function parseEndpoint(text: string): { ip: Ip; port: number } | undefined {
  const found = /^\[?([^\],]+?)\]?:(\d+)$/.exec(text);
  return found === null ? undefined : { ip: parseIp(found[1]!), port: Number(found[2]) };
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

import type { Ruleset } from '@netsim/kernel';
import { printIptablesSave } from '@netsim/kernel';
import { parseIp } from '@netsim/wire';
import { expect, test } from 'vitest';
import { listFailures, readVectorLines } from '../../../test/support/vectors.ts';
import type { NodeProxyConfig } from '../src/index.ts';
import { canonicalRestoreText, IptablesGenerator, restoreText } from '../src/index.ts';
import type { IptablesCase } from './support/iptables-case.ts';
import type { Probe } from './support/probe-node.ts';
import { ProbeNode } from './support/probe-node.ts';
import { difference, ToldState } from './support/told-state.ts';
import { configOf } from './support/vector-config.ts';

for (const file of ['iptables-recorded', 'iptables-tests']) {
  test(`rules of kube-proxy/${file} are those that kube-proxy wrote`, () => {
    const cases = readVectorLines<IptablesCase>(`kube-proxy/${file}.jsonl.gz`);
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
        (one.previous ? proxies.get(one.previous) : undefined) ?? new ToldProxy(configOf(one.config, 'iptables'));
      proxies.set(one.id, proxy);
      const { ruleset, transaction, saved } = proxy.sync(one);
      proxy.node.load(ruleset);
      const untrue = untrueLinks(ruleset);
      if (untrue.length > 0) failures.push(`${one.id}: ${untrue.join()} say of themselves what is not so`);
      for (const probe of one.expect.probes ?? []) {
        probes++;
        const wrong = disagreement(proxy.node, ruleset, probe);
        if (wrong !== undefined) lost.push(`${one.id}: ${wrong}`);
      }
      const expected: [string, string][] = [[one.expect.canonical, transaction]];
      for (const save of Object.values(one.expect.iptablesSave ?? {}))
        expected.push([canonicalRestoreText(save), saved]);
      const wrong = expected.map(([want, have]) => difference(want, have)).find((text) => text !== undefined);
      if (wrong !== undefined) failures.push(`${one.id}: ${wrong}`);
    }
    listFailures([...failures, ...lost]);
    const rules = `rules ${total - failures.length}/${total}`;
    console.log(`vectors kube-proxy/${file}: ${rules}, probes ${probes - lost.length}/${probes}`);
    expect([...failures, ...lost]).toEqual([]);
  });
}

/** Chains that say that their rules lead elsewhere than they do, or that have a rule which they may not be silent of. */
function untrueLinks({ tables }: Ruleset): string[] {
  const chains = [...tables.values()].flatMap((table) => [...table.chains.values()]);
  return chains
    .filter(({ links, rules, policy }) => {
      if (links === undefined) return false;
      const targets = rules.flatMap(({ target }) => target ?? []);
      const jumps = targets.flatMap((target) => ('chain' in target ? [target.chain] : []));
      const kinds = targets.map(({ kind }) => kind).filter((kind) => kind !== 'jump' && kind !== 'goto');
      const silent = rules.every(({ matches }) => matches.every(({ kind }) => kind !== 'set' && kind !== 'rpfilter'));
      return (
        !silent ||
        policy !== undefined ||
        `${distinct(jumps)};${distinct(kinds)}` !== `${distinct(links.jumps)};${links.kinds}`
      );
    })
    .map(({ name }) => name);
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** A kube-proxy that is told of the objects of one case after the other. */
class ToldProxy {
  readonly #config: NodeProxyConfig;
  readonly #told: ToldState;
  readonly #generator: IptablesGenerator;
  readonly node: ProbeNode;

  constructor(config: NodeProxyConfig) {
    this.#config = config;
    this.node = new ProbeNode(config.nodeAddresses, podInterface(config));
    this.#told = new ToldState(config.family);
    this.#generator = new IptablesGenerator(this.#told.state);
  }

  /** What it hands to iptables-restore, and what iptables-save then prints, both in canonical order. */
  sync(one: IptablesCase): { ruleset: Ruleset; transaction: string; saved: string } {
    this.#told.tell(one.objects);
    const rules = this.#generator.sync(this.#config, {
      full: one.sync.full,
      cleanup: one.sync.largeClusterMode !== true || one.expect.canonical.includes('\n-X '),
    });
    const text = restoreText(rules, this.#config, { mark: one.config.masqueradeMark, lastSync: true });
    return {
      ruleset: rules.ruleset,
      transaction: canonicalRestoreText(text),
      saved: canonicalRestoreText(printIptablesSave(rules.ruleset)),
    };
  }
}

/** The interface that pods are behind: where the detector looks for one, it has to be the one it looks for. */
function podInterface({ detectLocal }: NodeProxyConfig): string {
  return detectLocal.kind === 'interface' ? detectLocal.name.replace('+', '0') : 'cni0';
}

/** Compares with what the kernel did, or where it was not asked (IPv6, detection by interface) with the upstream tracer. */
function disagreement(node: ProbeNode, ruleset: Ruleset, probe: Probe): string | undefined {
  const want = expected(node, probe);
  const outputs = want.output.split(', ');
  let have = node.probe(probe, 0);
  // The one endpoint that the kernel drew is among those that can be had, once affinity is forgotten.
  if (!outputs.includes(have.output)) node.load(ruleset);
  for (let take = 0, before = ''; !outputs.includes(have.output); take++) {
    have = node.probe(probe, take);
    if (have.output === before) {
      node.load(ruleset);
      have = node.probe(probe, take);
      if (have.output === before) break;
    }
    before = have.output;
  }
  // The tracer says "masquerade" when any one of the endpoints would be.
  const masqueraded = outputs.length > 1 ? !have.masq || want.masq : have.masq === want.masq;
  if (outputs.includes(have.output) && masqueraded) return undefined;
  return `${probe.name}: ${JSON.stringify(have)} and not ${JSON.stringify(want)}`;
}

/** The kernel's answer; else the tracer's, put right where it is known to be wrong about the node's own packets. */
function expected(node: ProbeNode, probe: Probe): { output: string; masq: boolean } {
  const { kernel, output, masq, sourceIP, destIP } = probe;
  // The kernel does not tell a packet that was let in by a rule from one that nobody stopped.
  if (kernel !== undefined) return output === 'ACCEPT' && kernel.output === '' ? { output, masq: kernel.masq } : kernel;
  if (!node.isLocal(parseIp(sourceIP))) return { output, masq };
  // KUBE-EXTERNAL-SERVICES does not hang off OUTPUT.
  if (output === 'REJECT' && /to (externalIP|loadBalancerIP)/.test(probe.name) && !node.isLocal(parseIp(destIP))) {
    return { output: '', masq: false };
  }
  // Masquerade picks the address that the packet has already.
  return { output, masq: false };
}

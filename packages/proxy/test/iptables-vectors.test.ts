import { printIptablesSave } from '@netsim/kernel';
import type { EndpointSlice, Service } from '@netsim/manifest';
import { expect, test } from 'vitest';
import type { NodeProxyConfig } from '../src/index.ts';
import { canonicalRestoreText, IptablesGenerator, ProxyState, restoreText } from '../src/index.ts';
import type { IptablesCase } from './support/iptables-case.ts';
import { configOf } from './support/iptables-case.ts';
import { listFailures, readVectors } from './support/vectors.ts';

for (const file of ['iptables-recorded', 'iptables-tests']) {
  test(`rules of kube-proxy/${file} are those that kube-proxy wrote`, () => {
    const cases = readVectors<IptablesCase>(`kube-proxy/${file}.jsonl.gz`);
    if (cases === undefined) return;
    const proxies = new Map<string, ToldProxy>();
    const failures: string[] = [];
    let total = 0;
    for (const one of cases) {
      // A self-test of the upstream tracer has rules but no objects they come from.
      if (one.origin === 'upstream-tracer-selftest') continue;
      total++;
      const proxy = (one.previous ? proxies.get(one.previous) : undefined) ?? new ToldProxy(configOf(one));
      proxies.set(one.id, proxy);
      const { transaction, saved } = proxy.sync(one);
      const expected: [string, string][] = [[one.expect.canonical, transaction]];
      for (const save of Object.values(one.expect.iptablesSave ?? {}))
        expected.push([canonicalRestoreText(save), saved]);
      const wrong = expected.find(([want, have]) => want !== have);
      if (wrong !== undefined) failures.push(`${one.id}: ${difference(...wrong)}`);
    }
    listFailures(failures);
    console.log(`vectors kube-proxy/${file}: rules ${total - failures.length}/${total}`);
    expect(failures).toEqual([]);
  });
}

/** A kube-proxy that is told of the objects of one case after the other. */
class ToldProxy {
  readonly #config: NodeProxyConfig;
  readonly #state: ProxyState;
  readonly #generator: IptablesGenerator;
  #services = new Map<string, Service>();
  #slices = new Map<string, EndpointSlice>();

  constructor(config: NodeProxyConfig) {
    this.#config = config;
    this.#state = new ProxyState(config.family);
    this.#generator = new IptablesGenerator(this.#state);
  }

  /** What it hands to iptables-restore, and what iptables-save then prints, both in canonical order. */
  sync(one: IptablesCase): { transaction: string; saved: string } {
    const services = new Map((one.objects.services ?? []).map((service) => [idOf(service), service]));
    const slices = new Map((one.objects.endpointSlices ?? []).map((slice) => [idOf(slice), slice]));
    for (const [id, service] of this.#services) {
      if (!services.has(id)) this.#state.deleteService(service.metadata.namespace!, service.metadata.name);
    }
    for (const [id, slice] of this.#slices) if (!slices.has(id)) this.#state.deleteSlice(slice);
    for (const [id, service] of services) if (!same(service, this.#services.get(id))) this.#state.setService(service);
    for (const [id, slice] of slices) if (!same(slice, this.#slices.get(id))) this.#state.setSlice(slice);
    this.#services = services;
    this.#slices = slices;
    const rules = this.#generator.sync(this.#config, {
      full: one.sync.full,
      cleanup: one.sync.largeClusterMode !== true || one.expect.canonical.includes('\n-X '),
    });
    const text = restoreText(rules, this.#config, { mark: one.config.masqueradeMark, lastSync: true });
    return {
      transaction: canonicalRestoreText(text),
      saved: canonicalRestoreText(printIptablesSave(rules.ruleset)),
    };
  }
}

function idOf(object: Service | EndpointSlice): string {
  return `${object.metadata.namespace}/${object.metadata.name}`;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The first line that is missing and the first that is too many. */
function difference(expected: string, actual: string): string {
  const want = new Set(expected.split('\n'));
  const have = new Set(actual.split('\n'));
  const missing = [...want].filter((line) => !have.has(line));
  const extra = [...have].filter((line) => !want.has(line));
  if (missing.length + extra.length === 0) return 'order differs';
  return `${missing.length} missing, ${extra.length} extra\n  - ${missing.slice(0, 3).join('\n  - ')}\n  + ${extra.slice(0, 3).join('\n  + ')}`;
}

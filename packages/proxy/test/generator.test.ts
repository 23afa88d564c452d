import type { Chain, Ruleset } from '@netsim/kernel';
import { parseIptablesSave, printIptablesSave, verifyRuleset } from '@netsim/kernel';
import type { EndpointSlice } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeProxyConfig } from '../src/index.ts';
import { IptablesGenerator, nodeProxyConfig, nodeRuleset, ProxyState } from '../src/index.ts';
import { change, changeCluster } from './support/changes.ts';
import { service, slice } from './support/objects.ts';

const detectLocal = { kind: 'cidr', prefix: parsePrefix('10.244.0.0/16') } as const;
const node = (nodeName: string, more: Partial<NodeProxyConfig> = {}) =>
  nodeProxyConfig({ family: 4, nodeName, detectLocal, ...more });

function chain(ruleset: Ruleset, table: 'filter' | 'nat', name: string): Chain {
  const found = ruleset.tables.get(table)?.chains.get(name);
  if (found === undefined) throw new Error(`no chain ${name} in ${table}`);
  return found;
}

function text(ruleset: Ruleset): string[] {
  return printIptablesSave(ruleset).split('\n');
}

test('a service with three endpoints balances over them with chances of a third, a half and the rest', () => {
  const state = new ProxyState(4);
  state.setService(service('kubia', '10.106.139.160'));
  state.setSlice(slice('kubia', ['10.244.2.7', '10.244.1.6', '10.244.10.3']));
  const lines = text(new IptablesGenerator(state).sync(node('w1')).ruleset);
  const of = (start: string) => lines.filter((line) => line.startsWith(start));
  const comment = (words: string) => `-m comment --comment "${words}"`;
  const [svc] = of('-A KUBE-SERVICES')[0]!.match(/KUBE-SVC-[A-Z2-7]{16}/)!;
  const seps = of(`-A ${svc}`).map((line) => /KUBE-SEP-[A-Z2-7]{16}/.exec(line)?.[0]);
  expect(of(`-A ${svc}`)).toEqual([
    `-A ${svc} ! -s 10.244.0.0/16 -d 10.106.139.160/32 -p tcp ${comment('default/kubia cluster IP')} -m tcp --dport 80 -j KUBE-MARK-MASQ`,
    `-A ${svc} ${comment('default/kubia -> 10.244.1.6:8080')} -m statistic --mode random --probability 0.33333333349 -j ${seps[1]}`,
    `-A ${svc} ${comment('default/kubia -> 10.244.10.3:8080')} -m statistic --mode random --probability 0.50000000000 -j ${seps[2]}`,
    `-A ${svc} ${comment('default/kubia -> 10.244.2.7:8080')} -j ${seps[3]}`,
  ]);
  expect(of(`-A ${seps[3]}`)).toEqual([
    `-A ${seps[3]} -s 10.244.2.7/32 ${comment('default/kubia')} -j KUBE-MARK-MASQ`,
    `-A ${seps[3]} -p tcp ${comment('default/kubia')} -m tcp -j DNAT --to-destination 10.244.2.7:8080`,
  ]);
});

test('every rule of a service names the service it comes from', () => {
  const state = new ProxyState(4);
  state.setService(service('kubia', '10.96.0.9'));
  state.setSlice(slice('kubia', ['10.244.2.7']));
  const { ruleset } = new IptablesGenerator(state).sync(node('w1'));
  const services = [...ruleset.tables.get('nat')!.chains.values()].filter(({ name }) => /^KUBE-S(VC|EP)-/.test(name));
  expect(services).toHaveLength(2);
  for (const { rules } of services) for (const rule of rules) expect(rule.origin).toBe('Service/default/kubia');
});

describe('a node with everything that is written there', () => {
  const state = new ProxyState(4);
  state.setService(service('empty', '10.96.0.9'));
  const ruleset = nodeRuleset(new IptablesGenerator(state).sync(node('w1')).ruleset);

  test('has kube-proxy jumps before the one that kubelet appended', () => {
    expect(text(ruleset).filter((line) => /^-A (INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)/.test(line))).toEqual([
      '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
      '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
      '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
      '-A INPUT -j KUBE-FIREWALL',
      '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
      '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
      '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
      '-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
      '-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A OUTPUT -j KUBE-FIREWALL',
      '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    ]);
  });

  test('has the canaries of both and the hint of kubelet', () => {
    const mangle = ruleset.tables.get('mangle')!;
    expect([...mangle.chains.keys()].filter((name) => name.startsWith('KUBE-')).sort()).toEqual([
      'KUBE-IPTABLES-HINT',
      'KUBE-KUBELET-CANARY',
      'KUBE-PROXY-CANARY',
    ]);
  });

  test('refuses what goes to a service without endpoints', () => {
    expect(text(ruleset)).toContain(
      '-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m comment --comment "default/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
    );
  });

  test('is a ruleset that the kernel takes and that reads back as it was printed', () => {
    verifyRuleset(ruleset);
    const printed = printIptablesSave(ruleset);
    expect(printIptablesSave(parseIptablesSave(printed, 4))).toBe(printed);
  });
});

test('kubelet keeps its guard of localhost where kube-proxy serves no NodePorts on it', () => {
  const { ruleset } = new IptablesGenerator(new ProxyState(4)).sync(node('w1', { localhostNodePorts: false }));
  expect(chain(nodeRuleset(ruleset), 'filter', 'KUBE-FIREWALL').rules).toHaveLength(1);
});

describe('what is kept', () => {
  function cluster(): ProxyState {
    const state = new ProxyState(4);
    for (let i = 0; i < 5; i++) {
      state.setService(service(`svc-${i}`, `10.96.1.${i}`));
      state.setSlice(slice(`svc-${i}`, [`10.244.1.${i}`, `10.244.2.${i}`]));
    }
    return state;
  }

  test('nodes whose rules are equal share every chain of services', () => {
    const generator = new IptablesGenerator(cluster());
    const a = generator.sync(node('w1')).ruleset.tables.get('nat')!;
    const b = generator.sync(node('w2')).ruleset.tables.get('nat')!;
    for (const [name, one] of a.chains) if (/^KUBE-(SVC|SEP)-/.test(name)) expect(b.chains.get(name)).toBe(one);
  });

  test('the very same ruleset is given again while nothing changes', () => {
    const generator = new IptablesGenerator(cluster());
    const config = node('w1');
    expect(generator.sync(config).ruleset).toBe(generator.sync(config).ruleset);
  });

  test('a changed endpoint leaves the chains of all others as they were, and KUBE-SERVICES too', () => {
    const state = cluster();
    const generator = new IptablesGenerator(state);
    const config = node('w1');
    const before = generator.sync(config).ruleset.tables.get('nat')!;
    state.setSlice(slice('svc-3', ['10.244.1.3', '10.244.9.9']));
    const after = generator.sync(config).ruleset.tables.get('nat')!;
    const changed = [...after.chains].filter(([name, one]) => before.chains.get(name) !== one).map(([name]) => name);
    expect(changed.map((name) => name.slice(0, 8)).sort()).toEqual(['KUBE-SEP', 'KUBE-SVC']);
    const gone = [...before.chains.keys()].filter((name) => !after.chains.has(name));
    expect(gone.map((name) => name.slice(0, 8))).toEqual(['KUBE-SEP']);
  });

  test('a service of policy Local is written for each node on its own', () => {
    const state = cluster();
    state.setService(service('local', '10.96.2.1', { internalTrafficPolicy: 'Local' }));
    state.setSlice(slice('local', [{ addresses: ['10.244.1.9'], nodeName: 'w1' }]));
    const generator = new IptablesGenerator(state);
    const here = text(generator.sync(node('w1')).ruleset).filter((line) => line.includes('default/local'));
    const there = text(generator.sync(node('w2')).ruleset).filter((line) => line.includes('default/local'));
    expect(here.some((line) => line.includes('-j DNAT --to-destination 10.244.1.9:8080'))).toBe(true);
    expect(there).toEqual([
      '-A KUBE-SERVICES -d 10.96.2.1/32 -p tcp -m comment --comment "default/local has no local endpoints" -m tcp --dport 80 -j DROP',
    ]);
  });
});

test('rules after any history of changes are those of a fresh start, on every node', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), fc.array(fc.nat({ max: 12 })), (changes, syncs) => {
      const configs = [node('w1', { zone: 'a' }), node('w2', { zone: 'b' })];
      const state = new ProxyState(4);
      const generator = new IptablesGenerator(state);
      const services = new Map<number, ReturnType<typeof service>>();
      const slices = new Map<string, EndpointSlice>();
      changes.forEach((one, step) => {
        changeCluster(one, state, services, slices);
        if (syncs.includes(step)) generator.sync(configs[step % 2]!);
      });
      const fresh = new ProxyState(4);
      for (const object of services.values()) fresh.setService(object);
      for (const object of slices.values()) fresh.setSlice(object);
      const anew = new IptablesGenerator(fresh);
      for (const config of configs) {
        expect(text(generator.sync(config).ruleset)).toEqual(text(anew.sync(config).ruleset));
      }
    }),
    { numRuns: 200 },
  );
});

test('beyond the threshold endpoints lose their comments, and only rules that are written anew do', () => {
  const state = new ProxyState(4);
  const generator = new IptablesGenerator(state);
  const config = node('w1', { largeClusterThreshold: 3 });
  state.setService(service('old', '10.96.1.1'));
  state.setSlice(slice('old', ['10.244.1.1', '10.244.1.2']));
  generator.sync(config);
  state.setService(service('new', '10.96.1.2'));
  state.setSlice(slice('new', ['10.244.2.1', '10.244.2.2']));
  const printed = text(generator.sync(config).ruleset);
  expect(printed.some((line) => line.includes('default/old -> 10.244.1.1:8080'))).toBe(true);
  expect(printed.some((line) => line.includes('default/new -> '))).toBe(false);
  const full = text(generator.sync(config, { full: true }).ruleset);
  expect(full.some((line) => line.includes(' -> '))).toBe(false);
});

import type { EndpointSlice } from '@netsim/manifest';
import { parseIp, parsePrefix } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NftablesRules, NodeProxyConfig } from '../src/index.ts';
import {
  NftablesGenerator,
  nftCleanup,
  nftTableText,
  nftTransaction,
  nodeProxyConfig,
  ProxyState,
} from '../src/index.ts';
import { change, changeCluster } from './support/changes.ts';
import { service, slice } from './support/objects.ts';
import { ProbeNode } from './support/probe-node.ts';

function node(nodeName: string, more: Partial<NodeProxyConfig> = {}): NodeProxyConfig {
  const detectLocal = { kind: 'cidr', prefix: parsePrefix('10.244.0.0/16') } as const;
  const nodeIP = parseIp('192.168.0.1');
  return nodeProxyConfig({ mode: 'nftables', family: 4, nodeName, nodeIP, detectLocal, ...more });
}

function lines(rules: NftablesRules, config: NodeProxyConfig): string[] {
  return nftTableText(rules, config).trimEnd().split('\n');
}

/** Ten services of two endpoints, one on each of w1 and w2. */
function cluster(): ProxyState {
  const state = new ProxyState(4);
  for (let i = 0; i < 10; i++) {
    state.setService(service(`svc-${i}`, `10.96.1.${i}`));
    state.setSlice(
      slice(`svc-${i}`, [
        { addresses: [`10.244.1.${i}`], nodeName: 'w1' },
        { addresses: [`10.244.2.${i}`], nodeName: 'w2' },
      ]),
    );
  }
  return state;
}

describe('nftables mode', () => {
  test('nodes share the chains and elements of services that look the same from both', () => {
    const generator = new NftablesGenerator(cluster());
    const [a, b] = [generator.sync(node('w1')).table, generator.sync(node('w2')).table];
    const chains = [...a.chains.keys()].filter((name) => name.startsWith('service-') && name.includes('/'));
    expect(chains).toHaveLength(10);
    for (const name of chains) expect(b.chains.get(name)).toBe(a.chains.get(name));
    expect(b.sets.get('service-ips')!.elements).toBe(a.sets.get('service-ips')!.elements);
    expect(b.sets.get('hairpin-connections')!.elements).not.toBe(a.sets.get('hairpin-connections')!.elements);
  });

  test('only endpoints of the node are in its hairpins', () => {
    const config = node('w2');
    const all = lines(new NftablesGenerator(cluster()).sync(config), config);
    const hairpins = all.filter((line) => line.startsWith('add element ip kube-proxy hairpin-connections'));
    expect(hairpins).toHaveLength(10);
    expect(hairpins.every((line) => line.includes('10.244.2.'))).toBe(true);
  });

  test('the very same table is given again while nothing changes, and nothing is written', () => {
    const generator = new NftablesGenerator(cluster());
    const config = node('w1');
    const first = generator.sync(config);
    const second = generator.sync(config);
    expect(second.table).toBe(first.table);
    expect(nftTransaction(second, config)).toBe('');
    expect(generator.sync(config)).toBe(second);
  });

  test('a changed endpoint touches its own chain and no other part of the table', () => {
    const state = cluster();
    const generator = new NftablesGenerator(state);
    const config = node('w1');
    const before = generator.sync(config).table;
    state.setSlice(slice('svc-3', [{ addresses: ['10.244.2.33'], nodeName: 'w2' }]));
    const rules = generator.sync(config);
    const after = rules.table;
    const changed = [...after.chains.values()].filter((chain) => before.chains.get(chain.name) !== chain);
    expect(changed.map(({ name }) => name)).toEqual(['service-AXD7ENM2-default/svc-3/tcp/']);
    const sets = [...after.sets.values()].filter((set) => before.sets.get(set.name) !== set);
    expect(sets.map(({ name }) => name)).toEqual(['hairpin-connections']);
    expect(nftTransaction(rules, config).trimEnd().split('\n')).toEqual([
      'add chain ip kube-proxy service-AXD7ENM2-default/svc-3/tcp/',
      'flush chain ip kube-proxy service-AXD7ENM2-default/svc-3/tcp/',
      'add rule ip kube-proxy service-AXD7ENM2-default/svc-3/tcp/ meta l4proto tcp dnat ip addr . port to numgen random mod 1 map { 0 : 10.244.2.33 . 8080 }',
      'delete element ip kube-proxy hairpin-connections { 10.244.1.3 . 10.244.1.3 . tcp . 8080 }',
    ]);
  });

  test('every node is told of a change, whenever it looks', () => {
    const state = cluster();
    const generator = new NftablesGenerator(state);
    const [one, two] = [node('w1'), node('w2')];
    for (const config of [one, two]) generator.sync(config);
    state.deleteService('default', 'svc-4');
    const first = nftTransaction(generator.sync(one), one);
    state.deleteService('default', 'svc-5');
    const second = nftTransaction(generator.sync(two), two);
    expect(first).toContain('delete element ip kube-proxy cluster-ips { 10.96.1.4 }');
    expect(second).toContain('delete element ip kube-proxy cluster-ips { 10.96.1.4 }');
    expect(second).toContain('delete element ip kube-proxy cluster-ips { 10.96.1.5 }');
  });

  test('a chain out of use is emptied at once, and deleted more than a second after the last sync that saw it', () => {
    const state = cluster();
    const generator = new NftablesGenerator(state);
    const config = node('w1');
    generator.sync(config, { now: 0 });
    state.deleteService('default', 'svc-7');
    const gone = 'service-GI4RWW4O-default/svc-7/tcp/';
    const emptied = generator.sync(config, { now: 5000 });
    expect(nftTransaction(emptied, config)).toContain(`flush chain ip kube-proxy ${gone}\n`);
    expect(emptied.table.chains.get(gone)?.rules).toEqual([]);
    // Seen again too early: its time begins anew.
    expect(generator.sync(config, { now: 5900 }).table.chains.has(gone)).toBe(true);
    expect(generator.sync(config, { now: 6500 }).table.chains.has(gone)).toBe(true);
    const deleted = generator.sync(config, { now: 7501 });
    expect(nftCleanup(deleted, config)).toBe(`delete chain ip kube-proxy ${gone}\n`);
    expect(deleted.table.chains.has(gone)).toBe(false);
    expect(nftTransaction(generator.sync(config, { now: 9000 }), config)).toBe('');
  });

  test('a chain that comes back in time is not deleted', () => {
    const state = cluster();
    const generator = new NftablesGenerator(state);
    const config = node('w1');
    generator.sync(config, { now: 0 });
    state.deleteService('default', 'svc-7');
    generator.sync(config, { now: 100 });
    state.setService(service('svc-7', '10.96.1.7'));
    generator.sync(config, { now: 200 });
    const rules = generator.sync(config, { now: 5000 });
    expect(nftCleanup(rules, config)).toBe('');
    expect(rules.table.chains.get('service-GI4RWW4O-default/svc-7/tcp/')?.rules).toHaveLength(1);
  });

  test('of two services with one external address and port the first by name has it, whoever came first', () => {
    const external = { externalIPs: ['203.0.113.1'] };
    for (const order of [
      ['b', 'a'],
      ['a', 'b'],
    ]) {
      const state = new ProxyState(4);
      for (const name of order) {
        state.setService(service(name, `10.96.9.${name.charCodeAt(0)}`, external));
        state.setSlice(slice(name, ['10.244.1.1']));
      }
      const generator = new NftablesGenerator(state);
      const config = node('w1');
      const owner = () =>
        lines(generator.sync(config), config).find((line) => line.includes('service-ips { 203.0.113.1 '))!;
      expect(owner()).toContain('default/a/tcp/ }');
      state.deleteService('default', 'a');
      expect(owner()).toContain('default/b/tcp/ }');
    }
  });

  test('a name too long for nft is cut, and stays unique by its hash', () => {
    const state = new ProxyState(6);
    const long = 'x'.repeat(63);
    const named = service(long, 'fd00:96::1', {
      sessionAffinity: 'ClientIP',
      ports: [{ name: 'p'.repeat(63), port: 80, protocol: 'TCP' }],
    });
    const endpoints = slice(long, [
      'fd00:1234:5678:9abc:def0:1234:5678:9abc',
      'fd00:1234:5678:9abc:def0:1234:5678:9abd',
    ]);
    const inNamespace = { namespace: 'n'.repeat(63) };
    state.setService({ ...named, metadata: { ...named.metadata, ...inNamespace } });
    state.setSlice({
      ...endpoints,
      metadata: { ...endpoints.metadata, ...inNamespace },
      ports: [{ name: 'p'.repeat(63), port: 12345, protocol: 'TCP' }],
    });
    const { table } = new NftablesGenerator(state).sync(node('w1', { family: 6 }));
    const names = [...table.chains.keys()].filter((name) => name.startsWith('endpoint-'));
    expect(new Set(names.map((name) => name.length))).toEqual(new Set([9 + 240]));
    expect(names.every((name) => name.endsWith('...'))).toBe(true);
    expect(new Set(names).size).toBe(2);
  });
});

test('a client stays with its endpoint, also while another endpoint comes or goes', () => {
  const state = new ProxyState(4);
  state.setService(service('sticky', '10.96.1.1', { sessionAffinity: 'ClientIP' }));
  state.setSlice(slice('sticky', ['10.244.1.1', '10.244.1.2', '10.244.1.3']));
  const generator = new NftablesGenerator(state);
  const config = node('w1');
  const kernel = new ProbeNode([parseIp('192.168.0.1')], 'cni0');
  const draw = (sourceIP: string, take: number) =>
    kernel.probe(
      { name: '', sourceIP, destIP: '10.96.1.1', destPort: 80, protocol: 'tcp', output: '', masq: false },
      take,
    ).output;
  kernel.loadTable(generator.sync(config).table);
  expect([draw('10.244.9.1', 1), draw('10.244.9.2', 2)]).toEqual(['10.244.1.2:8080', '10.244.1.3:8080']);
  expect([0, 1, 2].map((take) => draw('10.244.9.1', take))).toEqual(Array(3).fill('10.244.1.2:8080'));
  state.setSlice(slice('sticky', ['10.244.1.0', '10.244.1.2', '10.244.1.3']));
  kernel.changeTable(generator.sync(config).table);
  expect(draw('10.244.9.1', 0)).toBe('10.244.1.2:8080');
  expect(draw('10.244.9.3', 0)).toBe('10.244.1.0:8080');
  state.setService(service('sticky', '10.96.1.1', { sessionAffinity: 'ClientIP', externalIPs: ['203.0.113.1'] }));
  kernel.changeTable(generator.sync(config).table);
  expect(draw('10.244.9.1', 0)).toBe('10.244.1.2:8080');
});

describe('kube-proxy before 1.36', () => {
  const web = (): ProxyState => {
    const state = new ProxyState(4);
    state.setService(
      service('web', '10.96.1.1', {
        type: 'NodePort',
        ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }],
      }),
    );
    state.setSlice(slice('web', ['10.244.1.1', '10.244.2.1']));
    return state;
  };
  const of = (kubernetesVersion: string) => {
    const config = node('w1', { kubernetesVersion });
    return lines(new NftablesGenerator(web()).sync(config), config).map((line) =>
      line.replace('add rule ip kube-proxy ', '').replaceAll(/-[A-Z2-7]{8}-/g, '-'),
    );
  };

  test('every service marks for masquerade in its own chain, and every endpoint has one', () => {
    const rules = of('1.35');
    expect(rules).toEqual(
      expect.arrayContaining([
        'mark-for-masquerade mark set mark or 0x00004000',
        'masquerading mark and 0x00004000 == 0 return',
        'masquerading mark set mark xor 0x00004000',
        'masquerading masquerade fully-random',
        'service-default/web/tcp/ ip daddr 10.96.1.1 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade',
        'service-default/web/tcp/ numgen random mod 2 vmap { 0 : goto endpoint-default/web/tcp/__10.244.1.1/8080 , 1 : goto endpoint-default/web/tcp/__10.244.2.1/8080 }',
        'endpoint-default/web/tcp/__10.244.1.1/8080 ip saddr 10.244.1.1 jump mark-for-masquerade',
        'endpoint-default/web/tcp/__10.244.1.1/8080 meta l4proto tcp dnat to 10.244.1.1:8080',
        'external-default/web/tcp/ jump mark-for-masquerade',
      ]),
    );
    expect(rules.some((line) => line.includes('hairpin-connections'))).toBe(false);
  });

  test('before 1.33 all filter chains stood before DNAT', () => {
    const chain = (version: string) => of(version).filter((line) => line.startsWith('add chain ip kube-proxy filter-'));
    expect(chain('1.32')).toEqual([
      'add chain ip kube-proxy filter-forward { type filter hook forward priority -110 ; }',
      'add chain ip kube-proxy filter-input { type filter hook input priority -110 ; }',
      'add chain ip kube-proxy filter-output { type filter hook output priority -110 ; }',
      'add chain ip kube-proxy filter-output-post-dnat { type filter hook output priority -90 ; }',
      'add chain ip kube-proxy filter-prerouting { type filter hook prerouting priority -110 ; }',
    ]);
    expect(chain('v1.33.5')).toEqual(chain('1.36'));
  });

  test('a version not known yet is written as the newest', () => {
    expect(of('1.99')).toEqual(of('1.36'));
    expect(of('1.35')).not.toEqual(of('1.36'));
  });
});

test.each(['1.31', '1.35', '1.36'])(
  'tables of %s after any history are those of a fresh start, on every node',
  (version) => {
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat({ max: 12 })),
        (changes, syncs) => {
          const configs = ['a', 'b'].map((zone, i) => node(`w${i + 1}`, { zone, kubernetesVersion: version }));
          const state = new ProxyState(4);
          const generator = new NftablesGenerator(state);
          const services = new Map<number, ReturnType<typeof service>>();
          const slices = new Map<string, EndpointSlice>();
          changes.forEach((one, step) => {
            changeCluster(one, state, services, slices);
            if (syncs.includes(step)) generator.sync(configs[step % 2]!);
          });
          const fresh = new ProxyState(4);
          for (const object of services.values()) fresh.setService(object);
          for (const object of slices.values()) fresh.setSlice(object);
          const anew = new NftablesGenerator(fresh);
          for (const config of configs) {
            const rules = generator.sync(config);
            expect(lines(rules, config)).toEqual(lines(anew.sync(config), config));
            // What the kernel gets is what is printed.
            for (const [name, elements] of rules.elements) {
              expect(new Set(rules.table.sets.get(name)!.elements)).toEqual(new Set(elements.values()));
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  },
);

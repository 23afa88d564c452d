import { execFileSync } from 'node:child_process';
import { printNftTable } from '@netsim/kernel';
import type { ServiceSpec } from '@netsim/manifest';
import { parseIp, parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { NftablesGenerator, nftTransaction, nodeProxyConfig, ProxyState } from '../src/index.ts';
import { service, slice } from './support/objects.ts';

const missing = whatIsMissing();

describe.skipIf(missing !== undefined)(`the real nft${missing === undefined ? '' : ` (${missing})`}`, () => {
  const cases = [4, 6].flatMap((family) =>
    ['1.31', '1.35', '1.36'].map((version) => [family as 4 | 6, version] as const),
  );
  test.each(cases)('takes what kube-proxy writes for IPv%i in version %s, and lists our table', (family, version) => {
    const ip = (last: string) => (family === 4 ? `10.96.1.${last}` : `fd00:96::${last}`);
    const pod = (last: string) => (family === 4 ? `10.244.1.${last}` : `fd00:10::${last}`);
    const host = parseIp(family === 4 ? '192.168.0.1' : 'fd00:99::1');
    const state = new ProxyState(family);
    state.setService(service('plain', ip('10')));
    state.setSlice(slice('plain', [pod('1'), pod('2'), { addresses: [pod('3')], nodeName: 'w1' }]));
    state.setService(service('sticky', ip('11'), { sessionAffinity: 'ClientIP' }));
    state.setSlice(slice('sticky', [pod('5'), pod('6')]));
    state.setService(service('empty', ip('12')));
    const balanced: Partial<ServiceSpec> = {
      type: 'LoadBalancer',
      ports: [{ name: 'http', port: 80, nodePort: 30080, protocol: 'TCP' }],
      externalTrafficPolicy: 'Local',
      loadBalancerSourceRanges: family === 4 ? ['192.168.0.0/24', '10.9.9.9/32'] : ['fd00:99::/64', 'fd00:9::9/128'],
    };
    state.setService({
      ...service('outside', ip('13'), balanced),
      status: { loadBalancer: { ingress: [{ ip: family === 4 ? '203.0.113.7' : 'fd00:77::7' }] } },
    });
    state.setSlice({
      ...slice('outside', [{ addresses: [pod('9')], nodeName: 'elsewhere' }]),
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    });
    const config = nodeProxyConfig({
      mode: 'nftables',
      kubernetesVersion: version,
      family,
      nodeName: 'w1',
      nodeIP: host,
      nodeAddresses: [host],
      nodePortAddresses: [{ address: host, length: family === 4 ? 32 : 128 }],
      serviceCIDRs: [parsePrefix(family === 4 ? '10.96.0.0/12' : 'fd00:96::/112')],
      detectLocal: { kind: 'cidr', prefix: parsePrefix(family === 4 ? '10.244.0.0/16' : 'fd00:10::/48') },
    });
    const generator = new NftablesGenerator(state);
    const transactions = [nftTransaction(generator.sync(config, { now: 0 }), config)];
    state.setSlice(slice('plain', [pod('2'), { addresses: [pod('4')], nodeName: 'w1' }]));
    state.setSlice(slice('empty', [pod('7')]));
    state.deleteService('default', 'sticky');
    const rules = generator.sync(config, { now: 100 });
    transactions.push(nftTransaction(rules, config));
    expect(blocks(throughKernel(transactions, family))).toEqual(blocks(printNftTable(rules.table)));
  });
});

/** Sets, maps and chains in the order of their names. */
function blocks(list: string): string[] {
  return list
    .split('\n')
    .slice(2)
    .join('\n')
    .split('\n\n')
    .map((block) => block.replace(/\n}\s*$/, ''))
    .sort();
}

/** Runs transactions in a namespace made for them, and returns what nft lists. */
function throughKernel(transactions: readonly string[], family: 4 | 6): string {
  const netns = `nsproxynft${process.pid}v${family}`;
  const nft = (args: string, input: string) =>
    execFileSync('bash', ['-c', `ip netns exec ${netns} nft ${args}`], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  execFileSync('ip', ['netns', 'add', netns]);
  try {
    for (const transaction of transactions) nft('-f -', transaction);
    return nft(`-s list table ${family === 4 ? 'ip' : 'ip6'} kube-proxy`, '');
  } finally {
    execFileSync('ip', ['netns', 'del', netns]);
  }
}

/** Why the real nft cannot be asked here, or `undefined`. */
function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    const script =
      'command -v nft && ip netns add nsproxynftprobe$$ && ip netns exec nsproxynftprobe$$ nft list tables; code=$?; ip netns del nsproxynftprobe$$; exit $code';
    execFileSync('bash', ['-c', script], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs nft, iproute2 and the right to make network namespaces';
  }
}

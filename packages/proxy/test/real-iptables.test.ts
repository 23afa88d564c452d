import { execFileSync } from 'node:child_process';
import { printIptablesSave } from '@netsim/kernel';
import type { ServiceSpec } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { IptablesGenerator, nodeProxyConfig, nodeRuleset, ProxyState } from '../src/index.ts';
import { service, slice } from './support/objects.ts';

const missing = whatIsMissing();
if (missing !== undefined) console.log(`kube-proxy rules in the real iptables: skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the rules of a node in the real iptables', () => {
  test.each([4, 6] as const)('are taken and come back as they were printed, IPv%i', (family) => {
    const state = new ProxyState(family);
    const ip = (host: string) => (family === 4 ? `10.96.0.${host}` : `fd00:96::${host}`);
    const pod = (host: string) => (family === 4 ? `10.244.1.${host}` : `fd00:10::${host}`);
    state.setService(service('plain', ip('10')));
    state.setSlice(slice('plain', [pod('5'), pod('6'), pod('7')]));
    state.setService(service('sticky', ip('11'), { sessionAffinity: 'ClientIP' }));
    state.setSlice(slice('sticky', [pod('5'), pod('6')]));
    state.setService(service('empty', ip('12')));
    const nodePort: Partial<ServiceSpec> = {
      type: 'NodePort',
      ports: [{ port: 80, nodePort: 30080 }],
      externalTrafficPolicy: 'Local',
    };
    state.setService(service('outside', ip('13'), nodePort));
    state.setSlice(slice('outside', [{ addresses: [pod('9')], nodeName: 'elsewhere' }]));
    const network = parsePrefix(family === 4 ? '10.244.0.0/16' : 'fd00:10::/48');
    const config = nodeProxyConfig({ family, nodeName: 'w1', detectLocal: { kind: 'cidr', prefix: network } });
    const printed = printIptablesSave(nodeRuleset(new IptablesGenerator(state).sync(config).ruleset));
    expect(throughKernel(printed, family)).toEqual(printed.split('\n').filter(Boolean));
  });
});

/** Loads a text in a namespace made for it, and returns what iptables-save prints, without counters and remarks. */
function throughKernel(text: string, family: 4 | 6): string[] {
  const tool = family === 4 ? 'iptables-nft' : 'ip6tables-nft';
  const netns = `nsproxy${process.pid}v${family}`;
  const script = `ip netns add ${netns} && ip netns exec ${netns} ${tool}-restore && ip netns exec ${netns} ${tool}-save`;
  try {
    return execFileSync('bash', ['-c', script], { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.replace(/\[\d+:\d+\]$/, '[0:0]'));
  } finally {
    execFileSync('bash', ['-c', `ip netns del ${netns}`]);
  }
}

/** Why the real iptables cannot be asked here, or `undefined`. */
function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    const script = 'command -v iptables-nft-restore && ip netns add nsproxyprobe$$ && ip netns del nsproxyprobe$$';
    execFileSync('bash', ['-c', script], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs iptables, iproute2 and the right to make network namespaces';
  }
}

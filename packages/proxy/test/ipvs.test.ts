import { execFileSync } from 'node:child_process';
import { printIptablesSave } from '@netsim/kernel';
import { formatIp, parseIp, parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import type { NodeProxyConfig } from '../src/index.ts';
import {
  ipvsPlan,
  ipvsRules,
  ipvsServicePlan,
  nodeProxyConfig,
  ProxyState,
  printIpsetSave,
  printIpvsadmSave,
} from '../src/index.ts';
import { service, slice } from './support/objects.ts';

function node(more: Partial<NodeProxyConfig> = {}): NodeProxyConfig {
  return nodeProxyConfig({
    mode: 'ipvs',
    family: 4,
    nodeName: 'w1',
    nodeIP: parseIp('192.168.0.1'),
    nodeAddresses: ['127.0.0.1', '192.168.0.1', '10.0.0.1'].map(parseIp),
    detectLocal: { kind: 'cidr', prefix: parsePrefix('10.244.0.0/16') },
    ...more,
  });
}

function cluster(): ProxyState {
  const state = new ProxyState(4);
  state.setService(
    service('dns', '10.96.0.10', {
      sessionAffinity: 'ClientIP',
      ports: [
        { name: 'tcp', port: 53, protocol: 'TCP' },
        { name: 'udp', port: 53, protocol: 'UDP' },
      ],
    }),
  );
  const ports = (['TCP', 'UDP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }));
  state.setSlice({ ...slice('dns', ['10.244.2.2']), ports });
  state.setService({
    ...service('web', '10.96.0.20', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31000,
      loadBalancerSourceRanges: ['203.0.113.0/24'],
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }],
    }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } },
  });
  state.setSlice(
    slice('web', [
      { addresses: ['10.244.1.1'], nodeName: 'w1' },
      { addresses: ['10.244.2.1'], nodeName: 'w2' },
    ]),
  );
  return state;
}

describe('IPVS mode', () => {
  test('every address and port of a service is a virtual server', () => {
    expect(printIpvsadmSave(ipvsPlan(cluster(), node()).virtualServers).trimEnd().split('\n')).toEqual([
      '-A -t 10.96.0.10:53 -s rr -p 10800',
      '-a -t 10.96.0.10:53 -r 10.244.2.2:53 -m -w 1',
      '-A -u 10.96.0.10:53 -s rr -p 10800',
      '-a -u 10.96.0.10:53 -r 10.244.2.2:53 -m -w 1',
      '-A -t 10.96.0.20:80 -s rr',
      '-a -t 10.96.0.20:80 -r 10.244.1.1:8080 -m -w 1',
      '-a -t 10.96.0.20:80 -r 10.244.2.1:8080 -m -w 1',
      '-A -t 198.51.100.7:80 -s rr',
      '-a -t 198.51.100.7:80 -r 10.244.1.1:8080 -m -w 1',
      '-A -t 192.168.0.1:30080 -s rr',
      '-a -t 192.168.0.1:30080 -r 10.244.1.1:8080 -m -w 1',
      '-A -t 10.0.0.1:30080 -s rr',
      '-a -t 10.0.0.1:30080 -r 10.244.1.1:8080 -m -w 1',
    ]);
  });

  test('under policy Local a node without endpoints uses those of the cluster, for its own pods', () => {
    const { virtualServers } = ipvsPlan(cluster(), node({ nodeName: 'w3' }));
    const balancer = virtualServers.find(({ address }) => formatIp(address) === '198.51.100.7')!;
    expect(balancer.realServers.map(({ address }) => formatIp(address))).toEqual(['10.244.1.1', '10.244.2.1']);
  });

  test('cluster IPs and load-balancer addresses stand on the dummy device, those of the node do not', () => {
    const own = node({ nodeAddresses: [parseIp('192.168.0.1'), parseIp('198.51.100.7')] });
    expect(ipvsPlan(cluster(), node()).boundAddresses.map(formatIp)).toEqual([
      '10.96.0.10',
      '10.96.0.20',
      '198.51.100.7',
    ]);
    expect(ipvsPlan(cluster(), own).boundAddresses.map(formatIp)).toEqual(['10.96.0.10', '10.96.0.20']);
  });

  test('a service without endpoints has a virtual server without real ones', () => {
    const state = new ProxyState(4);
    state.setService(service('empty', '10.96.0.30'));
    expect(printIpvsadmSave(ipvsPlan(state, node()).virtualServers)).toBe('-A -t 10.96.0.30:80 -s rr\n');
  });

  test('the scheduler is that of the configuration, and "mh" looks at ports too', () => {
    const text = printIpvsadmSave(ipvsPlan(cluster(), node(), { scheduler: 'mh' }).virtualServers);
    expect(text).toContain('-A -t 10.96.0.20:80 -s mh -b mh-port\n');
  });

  test('sets hold what the rules ask for', () => {
    const { sets } = ipvsPlan(cluster(), node());
    const filled = [...sets.values()].filter(({ entries }) => entries.length > 0);
    expect(printIpsetSave(filled, 4).trimEnd().split('\n')).toEqual([
      'create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536',
      'add KUBE-LOOP-BACK 10.244.1.1,tcp:8080,10.244.1.1',
      'create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536',
      'add KUBE-CLUSTER-IP 10.96.0.10,tcp:53',
      'add KUBE-CLUSTER-IP 10.96.0.10,udp:53',
      'add KUBE-CLUSTER-IP 10.96.0.20,tcp:80',
      'create KUBE-LOAD-BALANCER hash:ip,port family inet hashsize 1024 maxelem 65536',
      'add KUBE-LOAD-BALANCER 198.51.100.7,tcp:80',
      'create KUBE-LOAD-BALANCER-FW hash:ip,port family inet hashsize 1024 maxelem 65536',
      'add KUBE-LOAD-BALANCER-FW 198.51.100.7,tcp:80',
      'create KUBE-LOAD-BALANCER-LOCAL hash:ip,port family inet hashsize 1024 maxelem 65536',
      'add KUBE-LOAD-BALANCER-LOCAL 198.51.100.7,tcp:80',
      'create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net family inet hashsize 1024 maxelem 65536',
      'add KUBE-LOAD-BALANCER-SOURCE-CIDR 198.51.100.7,tcp:80,203.0.113.0/24',
      'create KUBE-NODE-PORT-TCP bitmap:port range 0-65535',
      'add KUBE-NODE-PORT-TCP 30080',
      'create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535',
      'add KUBE-NODE-PORT-LOCAL-TCP 30080',
      'create KUBE-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535',
      'add KUBE-HEALTH-CHECK-NODE-PORT 31000',
      'create KUBE-IPVS-IPS hash:ip family inet hashsize 1024 maxelem 65536',
      'add KUBE-IPVS-IPS 10.96.0.10',
      'add KUBE-IPVS-IPS 10.96.0.20',
      'add KUBE-IPVS-IPS 198.51.100.7',
    ]);
    const six = ipvsPlan(new ProxyState(6), node({ family: 6 })).sets;
    expect(six.get('NODE-PORT-LOCAL-SCTP-HASH')!.name).toBe('KUBE-6-NODE-PORT-LOCAL-SCTP-HAS');
  });

  test('a node outside the source ranges may not use the load balancer itself', () => {
    expect(ipvsPlan(cluster(), node()).nodeRefused).toEqual([
      { address: parseIp('198.51.100.7'), protocol: 'tcp', port: 80 },
    ]);
    const refusal =
      '-A KUBE-IPVS-OUT-FILTER -s 198.51.100.7/32 -m ipvs --vproto 6 --vaddr 198.51.100.7 --vport 80 -j DROP';
    expect(printIptablesSave(ipvsPlan(cluster(), node()).ruleset)).toContain(`${refusal}\n`);
    const inside = node({ nodeIP: parseIp('203.0.113.5') });
    const plan = ipvsPlan(cluster(), inside);
    expect(plan.nodeRefused).toEqual([]);
    expect(printIptablesSave(plan.ruleset)).not.toContain('-m ipvs');
    expect(plan.sets.get('LOAD-BALANCER-SOURCE-IP')!.entries).toEqual(['198.51.100.7,tcp:80,198.51.100.7']);
  });

  test('the parts of the services together are the plan', () => {
    const state = cluster();
    const whole = ipvsPlan(state, node());
    const parts = state.services().map((id) => ipvsServicePlan(state.ports(id), node()));
    const text = (servers: typeof whole.virtualServers) => printIpvsadmSave(servers).split('\n').sort();
    expect(text(parts.flatMap(({ virtualServers }) => virtualServers))).toEqual(text(whole.virtualServers));
    for (const [name, set] of whole.sets) {
      const entries = parts.flatMap((part) => part.entries.get(name) ?? []);
      expect([...new Set(entries)].sort()).toEqual(set.entries);
    }
    const filled = [...whole.sets].filter(([, set]) => set.entries.length > 0).map(([name]) => name);
    expect(ipvsRules(new Set(filled), whole.nodeRefused, node())).toEqual(whole.ruleset);
  });

  test('rules are as many for ten thousand services as for one', () => {
    const count = (services: number) => {
      const state = new ProxyState(4);
      for (let i = 0; i < services; i++) state.setService(service(`svc-${i}`, `10.96.${i >> 8}.${i & 255}`));
      return printIptablesSave(ipvsPlan(state, node()).ruleset).split('\n').length;
    };
    expect(count(10_000)).toBe(count(1));
  });

  test('sources that are no pods are masqueraded by the set of cluster IPs', () => {
    const saved = printIptablesSave(ipvsPlan(cluster(), node()).ruleset).split('\n');
    expect(saved).toContain(
      '-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ',
    );
    expect(saved).toContain(
      '-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT --reject-with icmp-port-unreachable',
    );
  });
});

const missing = whatIsMissing();

test.skipIf(missing !== undefined)(
  `the real ipset and iptables take the plan${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    const plan = ipvsPlan(cluster(), node());
    // The match ipvs is not in every kernel; where it is not, the tool reads the rule and the kernel refuses it.
    const saved = printIptablesSave(plan.ruleset).replaceAll(/^.* -m ipvs .*\n/gm, '');
    const netns = `nsipvs${process.pid}`;
    const inside = (command: string, input: string) =>
      execFileSync('bash', ['-c', `ip netns exec ${netns} ${command}`], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
      });
    execFileSync('ip', ['netns', 'add', netns]);
    try {
      inside('ipset restore', printIpsetSave(plan.sets.values(), 4));
      inside('iptables-nft-restore', saved);
      const listed = inside('iptables-nft-save', '').split('\n');
      const rules = (lines: readonly string[]) => lines.filter((line) => line.startsWith('-A ')).sort();
      expect(rules(listed)).toEqual(rules(saved.split('\n')));
      const entries = (text: string) =>
        text
          .split('\n')
          .filter((line) => line.startsWith('add '))
          .sort();
      expect(entries(inside('ipset save', ''))).toEqual(entries(printIpsetSave(plan.sets.values(), 4)));
    } finally {
      execFileSync('ip', ['netns', 'del', netns]);
    }
  },
);

/** Why the real tools cannot be asked here, or `undefined`. */
function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    const script =
      'command -v ipset && command -v iptables-nft-restore && ip netns add nsipvsprobe$$ && ip netns exec nsipvsprobe$$ ipset list; code=$?; ip netns del nsipvsprobe$$; exit $code';
    execFileSync('bash', ['-c', script], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs ipset, iptables, iproute2 and the right to make network namespaces';
  }
}

import { execFileSync } from 'node:child_process';
import type { NetnsConfig } from '@netsim/kernel';
import { printIptablesSave } from '@netsim/kernel';
import { parseIp, parsePrefix } from '@netsim/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CniConfig } from '../src/index.ts';
import { defaultCniConfig, NetworkPlanner, printIpCommands } from '../src/index.ts';
import { clusterNodes, pod } from './support.ts';

const empty = { name: 'n', machine: 'n', label: 'host', links: [], addresses: [], routes: [] };

test('commands come in an order in which each finds what it needs', () => {
  const config: NetnsConfig = {
    ...empty,
    sysctls: { 'net.ipv4.ip_forward': 1, 'net.ipv4.conf.eth1.rp_filter': 2 },
    links: [
      { kind: 'veth', name: 'veth1', master: 'br0', hairpin: true, peer: { netns: 'pod', name: 'eth0', mtu: 1400 } },
      { kind: 'vxlan', name: 'vx0', vni: 7, dev: 'eth1', local: parseIp('10.0.0.1'), learning: false },
      { kind: 'bridge', name: 'br0', mac: '0a:00:00:00:00:01' },
      { kind: 'dummy', name: 'dummy0', up: false },
      { kind: 'physical', name: 'eth1', segment: 'lan', mtu: 9000 },
    ],
    addresses: [
      { dev: 'eth1', address: parseIp('10.0.0.1'), prefixLength: 24 },
      { dev: 'eth1', address: parseIp('fd00::1'), prefixLength: 64 },
    ],
    neighbours: [{ dev: 'vx0', ip: parseIp('fd00::9'), mac: '02:00:00:00:00:09' }],
    fdb: [{ dev: 'vx0', mac: '02:00:00:00:00:09', dst: parseIp('10.0.0.9') }],
    routes: [
      { via: parseIp('10.0.0.254'), metric: 5 },
      { destination: parsePrefix('10.9.0.0/16'), dev: 'eth1', scope: 'link', src: parseIp('10.0.0.1'), table: 100 },
      { destination: parsePrefix('10.8.0.0/16'), type: 'blackhole' },
      { family: 6, dev: 'eth1' },
    ],
    rules: [
      { priority: 100, from: parsePrefix('10.9.0.0/16'), fwmark: { value: 1, mask: 255 }, iif: 'eth1', table: 100 },
    ],
  };
  expect(printIpCommands(config)).toEqual([
    'ip link set lo up',
    'sysctl -qw net.ipv6.conf.default.accept_dad=0',
    'sysctl -qw net.ipv4.ip_forward=1',
    'ip link add dummy0 type dummy',
    '# eth1: network interface on segment lan',
    'ip link set eth1 mtu 9000',
    'ip link set eth1 up',
    'ip link add br0 address 0a:00:00:00:00:01 type bridge',
    'ip link set br0 up',
    'ip link add vx0 type vxlan id 7 local 10.0.0.1 dev eth1 dstport 8472 nolearning',
    'ip link set vx0 up',
    'ip link add veth1 type veth peer name eth0 mtu 1400 netns pod',
    'ip link set veth1 master br0',
    'bridge link set dev veth1 hairpin on',
    'ip link set veth1 up',
    'sysctl -qw net.ipv4.conf.eth1.rp_filter=2',
    'ip addr add 10.0.0.1/24 dev eth1',
    'ip -6 addr add fd00::1/64 dev eth1 nodad',
    'ip -6 neigh replace fd00::9 lladdr 02:00:00:00:00:09 dev vx0 nud permanent',
    'bridge fdb append 02:00:00:00:00:09 dev vx0 dst 10.0.0.9',
    'ip route add 10.9.0.0/16 dev eth1 src 10.0.0.1 table 100 scope link',
    'ip route add blackhole 10.8.0.0/16',
    'ip -6 route add default dev eth1',
    'ip route add default via 10.0.0.254 metric 5',
    'ip rule add priority 100 from 10.9.0.0/16 fwmark 0x1/0xff iif eth1 lookup 100',
  ]);
});

const missing = whatIsMissing();
if (missing !== undefined) console.log(`cni printed commands in the real kernel: skipped: ${missing}`);

const prefix = `nscni${process.pid}`;
const vxlan = defaultCniConfig([parsePrefix('10.244.0.0/16'), parsePrefix('fd00:10:244::/56')]);
const backends: [string, CniConfig][] = [
  ['vxlan', vxlan],
  ['host-gw', { ...vxlan, backend: 'host-gw' }],
];

describe.skipIf(missing !== undefined).each(backends)('flannel %s in the real kernel', (_, config) => {
  const network = new NetworkPlanner({
    nodes: clusterNodes(2, 'dual'),
    pods: [
      pod('pod-a', 'w1-k8s', '10.244.1.5', 'fd00:10:244:1::5'),
      pod('pod-b', 'w2-k8s', '10.244.2.7', 'fd00:10:244:2::7'),
    ],
    config,
  });
  const plans = [...network.underlay.netns, ...network.nodeNames().flatMap((name) => [...network.node(name).netns])];
  const real = (name: string) => `${prefix}-${name.replaceAll('/', '-')}`;

  beforeAll(() => {
    const script = ['set -e', `ip netns add ${prefix}-switch`, `ip -n ${prefix}-switch link add sw0 type bridge`];
    script.push(`ip -n ${prefix}-switch link set sw0 up`);
    for (const plan of plans) script.push(`ip netns add ${real(plan.name)}`);
    plans.forEach((plan, port) => {
      const commands = printIpCommands(plan, {
        netnsName: real,
        physical: (link) => [
          `ip link add ${link.name} type veth peer name ${link.segment}${port} netns ${prefix}-switch`,
          `ip -n ${prefix}-switch link set ${link.segment}${port} up ${link.segment === 'nodes' ? 'master sw0' : ''}`,
        ],
      });
      script.push(`ip netns exec ${real(plan.name)} bash -e <<'END'`, ...commands, 'END');
    });
    run(script.join('\n'));
  }, 60_000);

  afterAll(() => {
    for (const name of [`${prefix}-switch`, ...plans.map((plan) => real(plan.name))])
      run(`ip netns del ${name} || true`);
  });

  test('a pod reaches a pod of another node, in both families', () => {
    const from = real('w1-k8s/default/pod-a');
    expect(inside(from, 'ping -c1 -W2 10.244.2.7')).toContain('ttl=62');
    expect(inside(from, 'ping -c1 -W2 fd00:10:244:2::7')).toContain('ttl=62');
  });

  test('a pod has the routes that flannel gives it', () => {
    expect(inside(real('w1-k8s/default/pod-a'), 'ip route').split('\n').map(trim).filter(Boolean)).toEqual([
      'default via 10.244.1.1 dev eth0',
      '10.244.0.0/16 via 10.244.1.1 dev eth0',
      '10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.5',
    ]);
  });

  test('a node has exactly the routes of the plan and those of its addresses', () => {
    const other = config.plugin === 'flannel' && config.backend === 'vxlan';
    expect(inside(real('w1-k8s'), 'ip route').split('\n').map(trim).filter(Boolean).sort()).toEqual(
      [
        'default via 192.168.1.1 dev eth0',
        '10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1',
        other ? '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink' : '10.244.2.0/24 via 192.168.1.102 dev eth0',
        '192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.101',
      ].sort(),
    );
  });

  test("the real iptables takes flannel's rules and gives them back as they were printed", () => {
    for (const ruleset of network.node('w2-k8s').rulesets) {
      const tool = ruleset.family === 4 ? 'iptables-nft' : 'ip6tables-nft';
      const printed = printIptablesSave(ruleset).split('\n').filter(Boolean);
      const script = `${tool}-restore <<'END'\n${printed.join('\n')}\nEND\n${tool}-save`;
      const saved = run(`ip netns exec ${real('external')} bash -ec '${script.replaceAll("'", `'"'"'`)}'`)
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.replace(/\[\d+:\d+\]$/, '[0:0]'));
      expect(saved).toEqual(printed);
    }
  });

  test('the machine outside reaches a node, and a pod finds its way out through the router', () => {
    expect(inside(real('external'), 'ping -c1 -W2 192.168.1.102')).toContain('ttl=64');
    expect(inside(real('w1-k8s/default/pod-a'), 'ip route get 8.8.8.8')).toContain('via 10.244.1.1');
  });
});

function trim(line: string): string {
  return line.trim();
}

function inside(netns: string, command: string): string {
  return run(`ip netns exec ${netns} ${command}`);
}

function run(script: string): string {
  return execFileSync('bash', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Why the real kernel cannot be asked here, or `undefined`. */
function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    run(
      'command -v ip bridge ping sysctl iptables-nft-restore && ip netns add nscniprobe$$ && ip netns del nscniprobe$$',
    );
    return undefined;
  } catch {
    return 'needs iproute2, iptables, ping and the right to make network namespaces';
  }
}

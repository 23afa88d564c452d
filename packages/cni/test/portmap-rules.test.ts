import { spawnSync } from 'node:child_process';
import { printIptablesSave } from '@netsim/kernel';
import { parseIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { type CniConfig, conflistConfig, defaultCniConfig, type HostPort, NetworkPlanner } from '../src/index.ts';
import { clusterNodes, pod } from './support.ts';

/** portmap's lines of a node, the hashes of sandbox and chain replaced. */
function rules(hostPorts: readonly HostPort[], config: CniConfig = defaultCniConfig(), ...ips: string[]): string[] {
  const web = { ...pod('web', 'w1-k8s', ...(ips.length > 0 ? ips : ['10.244.1.5'])), hostPorts };
  const nodes = clusterNodes(2, ips.length > 1 ? 'dual' : 'v4');
  const node = new NetworkPlanner({ nodes, pods: [web], config }).node('w1-k8s');
  return [...node.prepended, ...node.rulesets]
    .flatMap((ruleset) => printIptablesSave(ruleset).split('\n'))
    .filter((line) => /^-A .*(CNI|addrtype)/.test(line))
    .map((line) => line.replaceAll(/CNI-DN-[0-9a-f]{21}/g, 'CNI-DN-(hash)').replace(/[0-9a-f]{64}/, '(id)'));
}

describe('portmap', () => {
  test('sends a port of the node to the pod, and masquerades what would not come back this way', () => {
    expect(rules([{ protocol: 'tcp', hostPort: 8000, containerPort: 8080 }])).toEqual([
      '-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ',
      '-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
      '-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
      '-A CNI-DN-(hash) -s 10.244.1.0/24 -p tcp -m tcp --dport 8000 -j CNI-HOSTPORT-SETMARK',
      '-A CNI-DN-(hash) -s 127.0.0.1/32 -p tcp -m tcp --dport 8000 -j CNI-HOSTPORT-SETMARK',
      '-A CNI-DN-(hash) -p tcp -m tcp --dport 8000 -j DNAT --to-destination 10.244.1.5:8080',
      '-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"(id)\\"" -m multiport --dports 8000 -j CNI-DN-(hash)',
      '-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE',
      '-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000',
    ]);
  });

  test('takes fifteen ports in one rule, and one rule for each protocol', () => {
    const ports = Array.from({ length: 16 }, (_, i) => ({
      protocol: 'udp' as const,
      hostPort: 5000 + i,
      containerPort: 53,
    }));
    const entries = rules([...ports, { protocol: 'tcp', hostPort: 80, containerPort: 80 }])
      .filter((line) => line.includes('multiport'))
      .map((line) => line.replace(/-m comment.*-m multiport/, ''));
    expect(entries).toEqual([
      '-A CNI-HOSTPORT-DNAT -p tcp  --dports 80 -j CNI-DN-(hash)',
      `-A CNI-HOSTPORT-DNAT -p udp  --dports ${ports.slice(0, 15).map(({ hostPort }) => hostPort)} -j CNI-DN-(hash)`,
      '-A CNI-HOSTPORT-DNAT -p udp  --dports 5015 -j CNI-DN-(hash)',
    ]);
  });

  test('a host IP narrows a port to that address; the unspecified one does not', () => {
    const targets = (hostIP: string) =>
      rules([{ protocol: 'tcp', hostPort: 80, containerPort: 8080, hostIP: parseIp(hostIP) }])
        .filter((line) => line.includes('-j DNAT'))
        .map((line) => line.replace(/.*\(hash\) (.*) -j DNAT.*/, '$1'));
    expect(targets('192.168.1.101')).toEqual(['-d 192.168.1.101/32 -p tcp -m tcp --dport 80']);
    expect(targets('0.0.0.0')).toEqual(['-p tcp -m tcp --dport 80']);
    expect(targets('::')).toEqual([]);
  });

  test('in IPv6 there is no localhost to masquerade', () => {
    const config = { ...defaultCniConfig(), networks: [] };
    const lines = rules(
      [{ protocol: 'tcp', hostPort: 80, containerPort: 8080 }],
      config,
      '10.244.1.5',
      'fd00:10:244:1::5',
    );
    expect(lines.filter((line) => line.startsWith('-A CNI-DN-'))).toEqual([
      expect.stringContaining('-s 10.244.1.0/24'),
      expect.stringContaining('-s 127.0.0.1/32'),
      expect.stringContaining('--to-destination 10.244.1.5:8080'),
      '-A CNI-DN-(hash) -s fd00:10:244:1::/64 -p tcp -m tcp --dport 80 -j CNI-HOSTPORT-SETMARK',
      '-A CNI-DN-(hash) -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:10:244:1::5]:8080',
    ]);
  });

  test('a list of plugins without portmap leaves host ports alone; its options are followed', () => {
    const list = (...more: object[]) =>
      conflistConfig(JSON.stringify({ name: 'net', plugins: [{ type: 'bridge' }, ...more] }), 'x.conflist');
    const port: HostPort[] = [{ protocol: 'tcp', hostPort: 80, containerPort: 8080 }];
    expect(rules(port, list())).toEqual([]);
    expect(rules(port, list({ type: 'portmap' }))).toEqual([]);
    const capabilities = { portMappings: true };
    expect(rules(port, list({ type: 'portmap', capabilities })).join('\n')).toContain('dnat name: \\"net\\"');
    expect(rules(port, list({ type: 'portmap', capabilities, markMasqBit: 5 })).join('\n')).toContain(
      '--mark 0x20/0x20',
    );
    expect(rules(port, list({ type: 'portmap', capabilities, snat: false })).join('\n')).not.toContain('MASQ');
  });
});

const restores =
  process.geteuid?.() === 0 && spawnSync('unshare', ['-n', 'iptables-restore', '--version']).status === 0;

test.skipIf(!restores)('the real iptables takes the rules and prints them the same', () => {
  const web = {
    ...pod('web', 'w1-k8s', '10.244.1.5'),
    hostPorts: [{ protocol: 'tcp' as const, hostPort: 80, containerPort: 8080 }],
  };
  const config = { ...defaultCniConfig(), networks: [] };
  const [ruleset] = new NetworkPlanner({ nodes: clusterNodes(1), pods: [web], config }).node('w1-k8s').rulesets;
  const text = printIptablesSave(ruleset!);
  const real = spawnSync('unshare', ['-n', 'sh', '-c', 'iptables-restore && iptables-save'], {
    input: text,
    encoding: 'utf8',
  });
  const lines = (output: string) => output.split('\n').filter((line) => line.startsWith('-A'));
  expect(real.stderr).toBe('');
  expect(lines(real.stdout)).toEqual(lines(text));
});

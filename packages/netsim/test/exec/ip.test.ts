import { execFileSync, spawnSync } from 'node:child_process';
import { World } from '@netsim/kernel';
import { parseIp, parsePrefix } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { emptyTree, FileSystem } from '../../src/containers/file-system.ts';
import { type ExecContext, runTool } from '../../src/exec/index.ts';

/**
 * The same namespaces in the emulated kernel and, where the test runs as root on Linux, in the real one: every command
 * line has to print the same. MAC addresses are given, so that nothing differs by chance.
 */
const MAC = {
  eth0: '02:00:00:00:00:01',
  peer: '02:00:00:00:00:02',
  port: '02:00:00:00:00:03',
  end: '02:00:00:00:00:04',
  br: '02:00:00:00:00:05',
  vx: '02:00:00:00:00:06',
};

function emulated(): ExecContext {
  const world = new World();
  world.loadNetns([
    {
      name: 'other',
      machine: 'other',
      label: 'host',
      links: [],
      addresses: [{ dev: 'eth9', address: parseIp('192.168.1.102'), prefixLength: 24 }],
      routes: [],
    },
    {
      name: 'node',
      machine: 'node',
      label: 'host',
      links: [
        { kind: 'veth', name: 'eth0', mac: MAC.eth0, peer: { netns: 'other', name: 'eth9', mac: MAC.peer } },
        {
          kind: 'vxlan',
          name: 'flannel.1',
          mac: MAC.vx,
          mtu: 1450,
          vni: 1,
          local: parseIp('192.168.1.101'),
          dev: 'eth0',
          port: 8472,
          learning: false,
        },
        { kind: 'bridge', name: 'cni0', mac: MAC.br },
        {
          kind: 'veth',
          name: 'veth1',
          mac: MAC.port,
          master: 'cni0',
          hairpin: true,
          peer: { netns: 'other', name: 'end', mac: MAC.end },
        },
      ],
      addresses: [
        { dev: 'eth0', address: parseIp('192.168.1.101'), prefixLength: 24 },
        { dev: 'flannel.1', address: parseIp('10.244.1.0'), prefixLength: 32 },
        { dev: 'cni0', address: parseIp('10.244.1.1'), prefixLength: 24 },
      ],
      routes: [
        { via: parseIp('192.168.1.1') },
        { destination: parsePrefix('10.244.2.0/24'), via: parseIp('10.244.2.0'), dev: 'flannel.1', onlink: true },
        { destination: parsePrefix('10.8.0.0/16'), dev: 'eth0', metric: 50, src: parseIp('192.168.1.101') },
        { destination: parsePrefix('10.9.0.0/16'), type: 'blackhole' },
        { destination: parsePrefix('10.10.0.0/16'), type: 'unreachable' },
        { destination: parsePrefix('10.11.0.0/16'), type: 'prohibit' },
        { destination: parsePrefix('10.99.0.0/16'), dev: 'eth0', table: 100 },
      ],
      rules: [{ priority: 100, fwmark: { value: 0x4000, mask: 0x4000 }, table: 100 }],
      neighbours: [{ dev: 'flannel.1', ip: parseIp('10.244.2.0'), mac: '0e:11:22:33:44:55' }],
      fdb: [{ dev: 'flannel.1', mac: '0e:11:22:33:44:55', dst: parseIp('192.168.1.102') }],
    },
  ]);
  const other = world.requireNetns('other');
  for (const dev of other.links()) other.setUp(dev.name);
  return {
    netns: world.requireNetns('node'),
    hostname: 'node',
    privileged: true,
    files: new FileSystem(emptyTree(0), [], () => 0),
    env: new Map(),
    userland: 'gnu',
    resolve: () => undefined,
  };
}

/** The same for `ip -batch`; broadcast addresses are given, as the CNI plugins give them. */
function setUp(node: string, other: string): string[] {
  return [
    `link add eth0 address ${MAC.eth0} type veth peer name eth9 address ${MAC.peer} netns ${other}`,
    'link set lo up',
    'addr add 192.168.1.101/24 brd + dev eth0',
    'link set eth0 up',
    `link add flannel.1 address ${MAC.vx} mtu 1450 type vxlan id 1 dev eth0 local 192.168.1.101 dstport 8472 nolearning`,
    'addr add 10.244.1.0/32 dev flannel.1',
    'link set flannel.1 up',
    `link add cni0 address ${MAC.br} type bridge`,
    'addr add 10.244.1.1/24 brd + dev cni0',
    `link add veth1 address ${MAC.port} type veth peer name end address ${MAC.end} netns ${other}`,
    'link set veth1 master cni0',
    'link set veth1 type bridge_slave hairpin on',
    'link set cni0 up',
    'link set veth1 up',
    'route add default via 192.168.1.1',
    'route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
    'route add 10.8.0.0/16 dev eth0 metric 50 src 192.168.1.101',
    'route add blackhole 10.9.0.0/16',
    'route add unreachable 10.10.0.0/16',
    'route add prohibit 10.11.0.0/16',
    'route add 10.99.0.0/16 dev eth0 table 100',
    'rule add fwmark 0x4000/0x4000 lookup 100 pref 100',
    'neigh add 10.244.2.0 lladdr 0e:11:22:33:44:55 dev flannel.1 nud permanent',
  ].map((line) => `-n ${node} ${line}`);
}

const commands = [
  'ip addr',
  'ip -4 addr show',
  'ip a s cni0',
  'ip addr show dev eth0',
  'ip addr show nope',
  'ip -br addr',
  'ip -br link',
  'ip -o -4 addr',
  'ip link',
  'ip link show type bridge',
  'ip link show master cni0',
  'ip route',
  'ip r',
  'ip route show dev eth0',
  'ip route show table local',
  'ip route list table 100',
  'ip route show default',
  'ip route show root 10.244.0.0/16',
  'ip route show nonsense',
  'ip route get 10.244.2.5',
  'ip route get 8.8.8.8',
  'ip route get 8.8.8.8 mark 0x4000',
  'ip route get 10.99.1.1 mark 0x4000',
  'ip route get 192.168.1.101',
  'ip route get 10.9.1.1',
  'ip route get 10.10.1.1',
  'ip route get 10.11.1.1',
  'ip route get',
  'ip route get bogus',
  'ip rule',
  'ip -6 rule',
  'ip neigh show dev flannel.1',
  'ip neigh show dev nope',
  'ip foo',
  'bridge link',
  'bridge fdb show dev flannel.1',
  'bridge link show dev nope',
];

/** Those of net-tools, which not every machine has. */
const oldCommands = ['route -n', 'netstat -rn', 'arp -n', 'arp -an', 'netstat -tln', 'netstat -tan', 'netstat -t'];

/** Differences that come of where the real one runs: names of namespaces, and IPv6 states that pass. */
function comparable(text: string): string {
  return text.replaceAll(/ link-netns(id)? \S+/g, ' link-netnsid N').replaceAll(' tentative', '');
}

const isRoot = process.platform === 'linux' && process.geteuid?.() === 0;

describe.skipIf(!isRoot)('in namespaces of the real kernel (needs root)', () => {
  test('ip and bridge print the same as the emulated ones', async () => {
    const hasNetTools =
      spawnSync('netstat', ['--version'], { encoding: 'utf8' }).stdout?.startsWith('net-tools') === true;
    const asked = hasNetTools ? [...commands, ...oldCommands] : commands;
    const id = `nsx${process.pid}`;
    const [node, other] = [`${id}a`, `${id}b`];
    const real = (argv: readonly string[]) => {
      try {
        const stdout = execFileSync('ip', ['netns', 'exec', node, ...argv], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        return { stdout, stderr: '', code: 0 };
      } catch (error) {
        const { stdout, stderr, status } = error as { stdout: string; stderr: string; status: number };
        return { stdout, stderr, code: status };
      }
    };
    const batch: Record<string, { stdout: string; stderr: string; code: number }> = {};
    execFileSync('ip', ['netns', 'add', node]);
    execFileSync('ip', ['netns', 'add', other]);
    try {
      const lines = [
        ...setUp(node, other),
        `-n ${other} link set eth9 up`,
        `-n ${other} addr add 192.168.1.102/24 dev eth9`,
        `-n ${other} link set end up`,
      ];
      for (const line of lines) execFileSync('ip', line.split(' '));
      execFileSync('bridge', [
        '-n',
        node,
        'fdb',
        'append',
        '0e:11:22:33:44:55',
        'dev',
        'flannel.1',
        'dst',
        '192.168.1.102',
      ]);
      // Addresses of IPv6 are in doubt for a moment, until nobody else has claimed them.
      for (let tries = 0; tries < 50 && /tentative/.test(real(['ip', 'addr']).stdout); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      for (const command of asked) batch[command] = real(command.split(' '));
    } finally {
      execFileSync('ip', ['netns', 'del', node]);
      execFileSync('ip', ['netns', 'del', other]);
    }
    const context = emulated();
    for (const command of asked) {
      const ours = await runTool(command.split(' '), context);
      const { stdout, stderr, code } = batch[command]!;
      const shown = (result: { stdout: string; stderr: string; code: number }) =>
        `$ ${command}\n${comparable(result.stdout)}${result.stderr}exit ${result.code}`;
      expect(shown(ours)).toBe(shown({ stdout, stderr, code }));
    }
  });
});

describe('ip', () => {
  const run = (line: string) => runTool(line.split(' '), emulated());

  test('shows the default route first, then the others by address', async () => {
    expect((await run('ip route')).stdout).toBe(
      'default via 192.168.1.1 dev eth0 \n' +
        '10.8.0.0/16 dev eth0 scope link src 192.168.1.101 metric 50 \n' +
        'blackhole 10.9.0.0/16 \n' +
        'unreachable 10.10.0.0/16 \n' +
        'prohibit 10.11.0.0/16 \n' +
        '10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 \n' +
        '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink \n' +
        '192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.101 \n',
    );
  });

  test('says that it changes nothing', async () => {
    const { stderr, code } = await run('ip route add 10.0.0.0/8 dev eth0');
    expect(code).toBe(1);
    expect(stderr).toBe('netsim: ip route add is not emulated: change the manifests instead\n');
  });

  test('knows its abbreviations', async () => {
    expect(await run('ip r l')).toEqual(await run('ip route list'));
    expect(await run('ip n')).toEqual(await run('ip neighbour show'));
    expect(await run('ip ru')).toEqual(await run('ip rule show'));
  });
});

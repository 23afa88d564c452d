import { existsSync, readdirSync } from 'node:fs';
import { type NetnsConfig, parseIptablesSave, type WorldPlan } from '@netsim/kernel';
import { parseIp, parsePrefix } from '@netsim/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildLab,
  type Lab,
  missingForLab,
  type Observation,
  type Probe,
  probeReal,
  removeLabs,
} from '../src/index.ts';
import { twoNodes } from './support/two-nodes.ts';

const missing = missingForLab();
if (missing.length > 0) console.log(`lab: skipped: needs ${missing.join(', ')}`);

const labNamespaces = (prefix: string): string[] =>
  existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(`${prefix}-`)) : [];

describe.skipIf(missing.length > 0)('a lab of two nodes, from a pod on the first', () => {
  let lab: Lab;
  let sourcePort = 62_000;
  beforeAll(async () => {
    lab = await buildLab(twoNodes);
  });
  afterAll(async () => {
    await lab.down();
    expect(labNamespaces(lab.prefix)).toEqual([]);
  });
  const ask = (probe: Partial<Probe>): Promise<Observation> =>
    probeReal(lab, {
      from: 'w1/a0',
      protocol: 'tcp',
      destination: '10.244.2.2',
      port: 8080,
      sourcePort: sourcePort++,
      ...probe,
    });

  it.each(['tcp', 'udp'] as const)('a %s server on the other node answers and saw the pod itself', async (protocol) => {
    const seen = await ask({ protocol });
    expect(seen).toMatchObject({
      outcome: 'answered',
      answer: 'b0',
      server: { netns: 'w2/b0', program: 'b0', peer: '10.244.1.2 client' },
    });
  });

  it('a request loses a hop on each node and travels in VXLAN between them', async () => {
    const { arrivals } = await ask({ protocol: 'udp' });
    const request = arrivals.filter(({ packet }) => packet.includes('client > '));
    expect(request.map(({ netns, ttl, packet }) => `${netns} ${ttl} ${packet}`)).toEqual([
      'w2 64 vxlan 1 192.168.1.101 > 192.168.1.102 [ttl 63 udp 10.244.1.2:client > 10.244.2.2:8080]',
      'w2/b0 62 udp 10.244.1.2:client > 10.244.2.2:8080',
    ]);
  });

  it('an echo request is answered', async () => {
    expect((await ask({ protocol: 'icmp', port: 0 })).outcome).toBe('answered');
  });

  it('an echo request with TTL 1 is told so by the first node', async () => {
    const { outcome, icmp } = await ask({ protocol: 'icmp', port: 0, ttl: 1 });
    expect([outcome, icmp]).toEqual(['EHOSTUNREACH', '11/0']);
  });

  it.each(['tcp', 'udp'] as const)('a closed %s port refuses', async (protocol) => {
    expect((await ask({ protocol, port: 81 })).outcome).toBe('ECONNREFUSED');
  });

  it('a pod address that nobody has is unreachable', async () => {
    expect((await ask({ destination: '10.244.2.99' })).outcome).toBe('EHOSTUNREACH');
  });

  it('an address that nobody routes to is unreachable', async () => {
    expect((await ask({ destination: '203.0.113.1' })).outcome).toBe('ENETUNREACH');
  });
});

describe.skipIf(missing.length > 0)('a lab that cannot be built', () => {
  it('says which command failed and leaves nothing behind', async () => {
    const [node, ...rest] = twoNodes.netns;
    const impossible: WorldPlan = {
      ...twoNodes,
      netns: [{ ...node!, routes: [{ via: parseIp('203.0.113.1'), dev: 'eth0' }] }, ...rest],
    };
    await expect(buildLab(impossible, { prefix: 'nslab-impossible' })).rejects.toThrow(/invalid gateway|unreachable/i);
    expect(labNamespaces('nslab-impossible')).toEqual([]);
  });
});

describe.skipIf(missing.length > 0)('leftovers of a lab whose process is no more', () => {
  it('are removed by their prefix, those of a living process are not', async () => {
    // No process has this pid: it is above the kernel's limit.
    const dead = await buildLab(
      { netns: [twoNodes.netns[1]!], rulesets: [], listeners: [] },
      {
        prefix: 'nslab-99999999-0',
        passive: true,
        stay: true,
      },
    ).catch(() => undefined);
    expect(dead).toBeUndefined(); // its pod has no peer: but let a whole one stand
    const lab = await buildLab(
      { netns: [{ ...twoNodes.netns[1]!, addresses: [], routes: [] }], rulesets: [], listeners: [] },
      {
        prefix: 'nslab-99999999-0',
        passive: true,
        stay: true,
      },
    );
    const living = await buildLab({
      netns: [{ ...twoNodes.netns[1]!, addresses: [], routes: [] }],
      rulesets: [],
      listeners: [],
    });
    try {
      expect(removeLabs()).toContain(`${lab.prefix}-0`);
      expect(labNamespaces(lab.prefix)).toEqual([]);
      expect(labNamespaces(living.prefix)).toHaveLength(1);
    } finally {
      await living.down();
    }
  });
});

/** A client that is sent round by a router, where a shorter way to the server is on the same network. */
function roundabout(net: { lan: string; far: string; length: number; bits: number }): WorldPlan {
  const address = (host: number) => ({ dev: 'eth0', address: parseIp(`${net.lan}${host}`), prefixLength: net.length });
  const far = parseIp(net.far);
  const toFar = (via: number) => ({
    destination: parsePrefix(`${net.far}/${net.bits}`),
    via: parseIp(`${net.lan}${via}`),
    dev: 'eth0',
  });
  const machine = (name: string, host: number): NetnsConfig => ({
    name,
    machine: name,
    label: 'host',
    links: [{ kind: 'physical', name: 'eth0', segment: 'lan' }],
    addresses: [address(host)],
    routes: [],
  });
  const server = machine('server', 3);
  return {
    netns: [
      { ...machine('client', 1), routes: [toFar(2)] },
      {
        ...machine('router', 2),
        routes: [toFar(3)],
        sysctls: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
      },
      { ...server, addresses: [...server.addresses, { dev: 'eth0', address: far, prefixLength: net.bits }] },
    ],
    rulesets: [],
    listeners: [{ netns: 'server', protocol: 'udp', port: 8080, program: 'server' }],
  };
}

describe.skipIf(missing.length > 0)('a lab in which a router knows a shorter way', () => {
  it.each([
    ['IPv4', { lan: '192.168.7.', far: '10.7.7.7', length: 24, bits: 32 }],
    ['IPv6', { lan: 'fd00:7::', far: 'fd00:77::7', length: 64, bits: 128 }],
  ])('a probe leaves no route behind for the next one, %s', async (_, net) => {
    const lab = await buildLab(roundabout(net));
    try {
      const ways: string[] = [];
      for (let i = 0; i < 4; i++) {
        const sourcePort = 62_500 + i;
        const probe = { from: 'client', protocol: 'udp', destination: net.far, port: 8080, sourcePort } as const;
        const { outcome, arrivals } = await probeReal(lab, probe);
        const there = arrivals.filter(({ packet }) => packet.includes('client > '));
        // Redirects are rationed, and believed when the shorter way has been tried: that takes a while.
        await new Promise((resolve) => setTimeout(resolve, 700));
        ways.push(`${outcome} by ${there.map(({ netns }) => netns).join(', ')}`);
      }
      expect(ways).toEqual(Array(4).fill('answered by router, server'));
    } finally {
      await lab.down();
    }
  });
});

/** A client whose node sends it to one of two servers, and rejects what goes to the first: in the order of the rules, after the choice. */
const halfRejected: WorldPlan = {
  netns: [
    {
      name: 'client',
      machine: 'node',
      label: 'default/client',
      links: [{ kind: 'veth', name: 'eth0', peer: { netns: 'node', name: 'veth0' } }],
      addresses: [{ dev: 'eth0', address: parseIp('fd00:1::2'), prefixLength: 64 }],
      routes: [{ via: parseIp('fd00:1::1'), dev: 'eth0' }],
    },
    {
      name: 'node',
      machine: 'node',
      label: 'host',
      sysctls: { 'net.ipv6.conf.all.forwarding': 1 },
      links: [{ kind: 'veth', name: 'veth1', peer: { netns: 'server', name: 'eth0' } }],
      addresses: [
        { dev: 'veth0', address: parseIp('fd00:1::1'), prefixLength: 64 },
        { dev: 'veth1', address: parseIp('fd00:2::1'), prefixLength: 64 },
      ],
      routes: [],
    },
    {
      name: 'server',
      machine: 'node',
      label: 'default/server',
      links: [],
      addresses: [2, 3].map((host) => ({ dev: 'eth0', address: parseIp(`fd00:2::${host}`), prefixLength: 64 })),
      routes: [{ via: parseIp('fd00:2::1'), dev: 'eth0' }],
    },
  ],
  rulesets: [
    {
      netns: 'node',
      ruleset: parseIptablesSave(
        `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -d fd00:2::2/128 -p tcp -j REJECT --reject-with icmp6-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d fd00:9::9/128 -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination [fd00:2::2]:80
-A PREROUTING -d fd00:9::9/128 -p tcp -j DNAT --to-destination [fd00:2::3]:80
COMMIT
`,
        6,
      ),
    },
  ],
  listeners: [{ netns: 'server', protocol: 'tcp', port: 80, program: 'server' }],
};

it('there is no lab of a plan with IPVS, and it says so', async () => {
  const plan = { ...twoNodes, virtualServices: [{ netns: 'w1', services: [] }] };
  await expect(buildLab(plan)).rejects.toThrow('another mode of kube-proxy: the lab has no IPVS');
});

describe.skipIf(missing.length > 0)('a lab in which a rule chooses at random and another rejects the choice', () => {
  it('each probe is one packet to the rules: the choice made for it decides how it ends', async () => {
    const lab = await buildLab(halfRejected);
    try {
      const seen = new Set<string>();
      for (let i = 0; i < 24; i++) {
        const probe = {
          from: 'client',
          protocol: 'tcp',
          destination: 'fd00:9::9',
          port: 80,
          sourcePort: 62_600 + i,
        } as const;
        const { outcome, passages } = await probeReal(lab, probe, 2000);
        const chosen = passages.flatMap(({ rules }) =>
          rules.flatMap(({ text }) => /--to-destination (\S+)/.exec(text)?.[1] ?? []),
        );
        seen.add(`${chosen.join(' and ')}: ${outcome}`);
      }
      expect([...seen].sort()).toEqual(['[fd00:2::2]:80: ECONNREFUSED', '[fd00:2::3]:80: answered']);
    } finally {
      await lab.down();
    }
  });
});

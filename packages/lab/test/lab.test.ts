import { existsSync, readdirSync } from 'node:fs';
import type { WorldPlan } from '@netsim/kernel';
import { parseIp } from '@netsim/wire';
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

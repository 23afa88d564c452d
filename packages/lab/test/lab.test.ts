import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildLab, type Lab, missingForLab, type Probe, probeReal } from '../src/index.ts';
import { twoNodes } from './support/two-nodes.ts';

const missing = missingForLab();
if (missing.length > 0) console.log(`lab tests skipped: need ${missing.join(', ')}`);

describe.skipIf(missing.length > 0)('a lab of two nodes', () => {
  it('answers, refuses and stays silent as Linux does, and leaves nothing behind', async () => {
    const start = Date.now();
    const lab = await buildLab(twoNodes);
    const built = Date.now() - start;
    const t: number[] = [];
    try {
      const ask = async (probe: Omit<Probe, 'from' | 'sourcePort'>) => {
        const s = Date.now();
        const r = await probeReal(lab, { from: 'w1/a0', sourcePort: 40000 + t.length, ...probe });
        t.push(Date.now() - s);
        return r;
      };
      const rs = [
        await ask({ protocol: 'tcp', destination: '10.244.2.2', port: 8080 }),
        await ask({ protocol: 'udp', destination: '10.244.2.2', port: 8080 }),
        await ask({ protocol: 'icmp', destination: '10.244.2.2', port: 0 }),
        await ask({ protocol: 'tcp', destination: '10.244.2.2', port: 81 }),
        await ask({ protocol: 'udp', destination: '10.244.2.2', port: 81 }),
        await ask({ protocol: 'tcp', destination: '10.244.2.99', port: 81 }),
        await ask({ protocol: 'tcp', destination: '10.9.9.9', port: 81 }),
        await ask({ protocol: 'icmp', destination: '10.244.2.2', port: 0, ttl: 1 }),
      ];
      console.log(built, t, JSON.stringify(rs, null, 1));
    } finally {
      await lab.down();
    }
    const s = Date.now();
    expect(readdirSync('/run/netns').filter((n) => n.startsWith(lab.prefix))).toEqual([]);
  });
});

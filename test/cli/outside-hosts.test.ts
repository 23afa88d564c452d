import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

const example = join(import.meta.dirname, '../../examples/d1-ingress');

describe('a machine outside the cluster of any name', () => {
  test('runs curl, which the load balancer lets in', async () => {
    const { code, stdout } = await netsim([
      ...['kubia.yaml', 'metallb.yaml'].flatMap((file) => ['-f', join(example, file)]),
      ...['exec', 'host/laptop', '--', 'curl', '-s', 'http://kubia.example.com/'],
    ]);
    expect(stdout).toMatch(/^You've hit kubia-/);
    expect(code).toBe(0);
  });

  test('is the source of a trace', async () => {
    const argv = ['-f', join(example, 'kubia.yaml'), 'trace', 'host/laptop', 'node/w1-k8s:22'];
    expect((await netsim(argv)).stdout).toMatch(/^host\/laptop {2}-> {2}node\/w1-k8s:22/);
  });
});

import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

describe('netsim diagnose', () => {
  test('is a checklist, with status 0 where every point is in order', async () => {
    const { code, stdout } = await netsim(['diagnose', 'svc/kubia']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {7}path {7}all 3 ways end as DELIVERED\nverdict: ok$/m);
  });

  test('names the line to change and what to write, with status 1', async () => {
    const { code, stdout } = await netsim(['diagnose', 'svc/kubia:8080']);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^FAIL {5}port .*\n.*\n +because: demo:kubia:\d+ service\/kubia.*\n +advice: Ask port 80: svc\/kubia:80$/m,
    );
    expect(stdout).toMatch(/^skipped {2}pod, localhost, policy, path\nverdict: FAIL at port$/m);
  });

  test('as JSON', async () => {
    const { code, stdout } = await netsim(['diagnose', 'http://kubia/', '-o', 'json']);
    const { kind, verdict, points } = JSON.parse(stdout);
    expect([code, kind, verdict]).toEqual([0, 'Diagnosis', 'ok']);
    expect(points.map(({ id }: { id: string }) => id)).toEqual([
      'inside',
      'ping',
      'readiness',
      'endpoints',
      'name',
      'port',
      'pod',
      'localhost',
      'policy',
      'path',
    ]);
  });

  test.each([
    [['svc/kubai'], /did you mean "kubia"/],
    [['svc/kubia', '--from', 'pod/pod-b'], /did you mean "pod-a"/],
    [['svc/kubia', '--protocol', 'icpm'], /--protocol/],
    [['svc/kubia', '-o', 'wide'], /unknown output format "wide"/],
    [[], /missing required argument/],
  ])('refuses %j with status 2', async (words, says) => {
    const { code, stderr } = await netsim(['diagnose', ...words]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
  });
});

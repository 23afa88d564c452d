import type { Pod } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { summarizePod } from '../../src/kubectl/index.ts';

interface Given {
  readonly status?: object;
  readonly spec?: object;
  readonly metadata?: object;
}

function pod({ status = {}, spec = {}, metadata = {} }: Given): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...metadata },
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status: { phase: 'Running', ...status },
  };
}

const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const waiting = (reason: string) => ({ waiting: { reason } });
const ended = (exitCode: number, reason?: string) => ({ terminated: { exitCode, ...(reason ? { reason } : {}) } });
const container = (name: string, state: object, ready = false, restartCount = 0) => ({
  name,
  state,
  ready,
  restartCount,
});
const gate = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }];

test.each<[string, Given, string]>([
  [
    'two ready containers',
    { status: { containerStatuses: [container('a', running, true), container('b', running, true)] } },
    '2/2 Running 0',
  ],
  [
    'one that is not ready',
    { status: { containerStatuses: [container('a', running, true), container('b', running)] } },
    '1/2 Running 0',
  ],
  ['no status of containers yet', { status: { phase: 'Pending' } }, '0/2 Pending 0'],
  [
    'a container that crashes',
    {
      status: {
        containerStatuses: [container('a', waiting('CrashLoopBackOff'), false, 4), container('b', running, true)],
      },
    },
    '1/2 CrashLoopBackOff 4',
  ],
  [
    'a container that failed',
    { status: { containerStatuses: [container('a', ended(3)), container('b', running, true)] } },
    '1/2 ExitCode:3 0',
  ],
  [
    'one done, one running and ready',
    {
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [container('a', ended(0, 'Completed')), container('b', running, true)],
      },
    },
    '1/2 Running 0',
  ],
  [
    'one done, one running and the pod not ready',
    { status: { containerStatuses: [container('a', ended(0, 'Completed')), container('b', running, true)] } },
    '1/2 NotReady 0',
  ],
  [
    'an init container at work',
    {
      spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
      status: { phase: 'Pending', initContainerStatuses: [container('i', ended(0)), container('j', running)] },
    },
    '0/2 Init:1/2 0',
  ],
  [
    'an init container that failed',
    {
      spec: { initContainers: [{ name: 'i' }] },
      status: { phase: 'Pending', initContainerStatuses: [container('i', ended(1, 'Error'))] },
    },
    '0/2 Init:Error 0',
  ],
  [
    'a sidecar that runs',
    {
      spec: { initContainers: [{ name: 'i', restartPolicy: 'Always' }] },
      status: {
        initContainerStatuses: [{ ...container('i', running, true, 1), started: true }],
        containerStatuses: [container('a', running, true), container('b', running, true)],
      },
    },
    '3/3 Running 1',
  ],
  [
    'a pod that is being deleted',
    { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, status: {} },
    '0/2 Terminating 0',
  ],
  [
    'a pod on a lost node',
    { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { reason: 'NodeLost' } },
    '0/2 Unknown 0',
  ],
  ['an evicted pod', { status: { phase: 'Failed', reason: 'Evicted' } }, '0/2 Evicted 0'],
  ['a gated pod', { status: { phase: 'Pending', conditions: gate } }, '0/2 SchedulingGated 0'],
])('%s', (_name, given, text) => {
  const { ready, total, status, restarts } = summarizePod(pod(given));
  expect(`${ready}/${total} ${status} ${restarts}`).toBe(text);
});

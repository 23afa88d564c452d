import type { Endpoint } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { healthCheckAnswer, healthCheckPort, ProxyState } from '../src/index.ts';
import { service, slice } from './support/objects.ts';

function stateWith(endpoints: readonly Endpoint[], externalTrafficPolicy: 'Local' | 'Cluster' = 'Local'): ProxyState {
  const state = new ProxyState(4);
  state.setService(
    service('web', '10.96.1.1', {
      type: 'LoadBalancer',
      externalTrafficPolicy,
      healthCheckNodePort: 31000,
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 },
        { name: 'https', port: 443, protocol: 'TCP', nodePort: 30443 },
      ],
    }),
  );
  const object = slice('web', endpoints);
  const ports = [
    { name: 'http', port: 8080, protocol: 'TCP' as const },
    { name: 'https', port: 8443, protocol: 'TCP' as const },
  ];
  state.setSlice({ ...object, ports });
  return state;
}

const here: Endpoint = { addresses: ['10.244.1.1'], nodeName: 'w1' };
const there: Endpoint = { addresses: ['10.244.2.1'], nodeName: 'w2' };
const leaving: Endpoint = {
  addresses: ['10.244.1.2'],
  nodeName: 'w1',
  conditions: { ready: false, serving: true, terminating: true },
};

describe('healthCheckNodePort', () => {
  test('a node with ready endpoints says so, each address counted once', () => {
    const state = stateWith([here, there]);
    expect(healthCheckPort(state, 'default/web')).toBe(31000);
    expect(healthCheckAnswer(state, 'default/web', 'w1')).toEqual({
      status: 200,
      headers: {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': '1',
      },
      body: [
        '{',
        '\t"service": {',
        '\t\t"namespace": "default",',
        '\t\t"name": "web"',
        '\t},',
        '\t"localEndpoints": 1,',
        '\t"serviceProxyHealthy": true',
        '}',
      ].join('\n'),
    });
  });

  test('a node without is taken out', () => {
    const answer = healthCheckAnswer(stateWith([there]), 'default/web', 'w1')!;
    expect([answer.status, JSON.parse(answer.body).localEndpoints]).toEqual([503, 0]);
    expect(answer.headers['X-Load-Balancing-Endpoint-Weight']).toBe('0');
  });

  test('a pod that is terminating counts no more, though it may still get packets', () => {
    expect(healthCheckAnswer(stateWith([leaving]), 'default/web', 'w1')!.status).toBe(503);
  });

  test('a kube-proxy that is not well takes its node out', () => {
    const answer = healthCheckAnswer(stateWith([here]), 'default/web', 'w1', false)!;
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ localEndpoints: 1, serviceProxyHealthy: false });
  });

  test('under policy Cluster nobody answers', () => {
    expect(healthCheckAnswer(stateWith([here], 'Cluster'), 'default/web', 'w1')).toBeUndefined();
    expect(healthCheckPort(stateWith([here], 'Cluster'), 'default/web')).toBeUndefined();
  });
});

import type { Endpoint } from '@netsim/manifest';
import { IpProto, parseIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { ProxyState, staleUdpConntrack, type TrackedConnection } from '../src/index.ts';
import { service, slice } from './support/objects.ts';

function connection(to: string, via: string, protocol: number = IpProto.UDP): TrackedConnection {
  const [dst, dport] = split(to);
  const [endpoint, port] = split(via);
  const client = { ip: parseIp('10.244.3.3'), port: 40000 };
  return {
    original: { protocol, src: client.ip, sport: client.port, dst, dport },
    reply: { protocol, src: endpoint, sport: port, dst: client.ip, dport: client.port },
  };
}

function split(text: string): [number, number] {
  const [ip, port] = text.split(':');
  return [parseIp(ip!) as number, Number(port)];
}

function dns(endpoints: readonly (string | Endpoint)[]): ProxyState {
  const state = new ProxyState(4);
  state.setService(
    service('dns', '10.96.0.10', {
      type: 'NodePort',
      externalIPs: ['203.0.113.9'],
      ports: [{ port: 53, protocol: 'UDP', nodePort: 30053 }],
    }),
  );
  state.setSlice({ ...slice('dns', endpoints), ports: [{ name: '', port: 53, protocol: 'UDP' }] });
  return state;
}

describe('conntrack entries that kube-proxy deletes', () => {
  const gone = connection('10.96.0.10:53', '10.244.1.9:53');

  test('those to an endpoint that is gone, by cluster IP, external IP and NodePort at any address', () => {
    const state = dns(['10.244.1.1']);
    const stale = [
      gone,
      connection('203.0.113.9:53', '10.244.1.9:53'),
      connection('192.168.1.1:30053', '10.244.1.9:53'),
    ];
    const kept = [
      connection('10.96.0.10:53', '10.244.1.1:53'),
      connection('10.96.0.10:5353', '10.244.1.9:5353'),
      connection('8.8.8.8:53', '8.8.8.8:53'),
    ];
    expect(staleUdpConntrack(state, [...stale, ...kept])).toEqual(stale);
  });

  test('not those of TCP, which notices by itself', () => {
    const state = dns(['10.244.1.1']);
    expect(staleUdpConntrack(state, [connection('10.96.0.10:53', '10.244.1.9:53', IpProto.TCP)])).toEqual([]);
  });

  test('not those to a pod that is terminating but still serves', () => {
    const leaving = { ready: false, serving: true, terminating: true };
    const state = dns(['10.244.1.1', { addresses: ['10.244.1.9'], conditions: leaving }]);
    expect(staleUdpConntrack(state, [gone])).toEqual([]);
  });

  test('those to a pod that serves no more', () => {
    const state = dns(['10.244.1.1', { addresses: ['10.244.1.9'], conditions: { ready: false, serving: false } }]);
    expect(staleUdpConntrack(state, [gone])).toEqual([gone]);
  });

  test('none of a service that has no serving endpoint left', () => {
    expect(staleUdpConntrack(dns([]), [gone])).toEqual([]);
  });

  test('an endpoint whose port is another is another endpoint', () => {
    const moved = connection('10.96.0.10:53', '10.244.1.1:5353');
    expect(staleUdpConntrack(dns(['10.244.1.1']), [moved])).toEqual([moved]);
  });
});

test('changes to endpoints of UDP ports are counted, others are not', () => {
  const state = dns(['10.244.1.1']);
  const before = state.udpEndpointChanges;
  state.setService(service('web', '10.96.0.11'));
  state.setSlice(slice('web', ['10.244.1.2']));
  expect(state.udpEndpointChanges).toBe(before);
  const changed = { ...slice('dns', ['10.244.1.3']), ports: [{ name: '', port: 53, protocol: 'UDP' as const }] };
  state.setSlice(changed);
  expect(state.udpEndpointChanges).toBe(before + 1);
  state.deleteSlice(changed);
  expect(state.udpEndpointChanges).toBe(before + 2);
});

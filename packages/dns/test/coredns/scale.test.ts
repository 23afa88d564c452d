import { ClusterIndexes, CoreDns, queryMessage } from '@netsim/dns';
import { type EndpointSlice, ObjectStore, type Service } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { source } from './support.ts';

const SERVICES = 10_000;
const ENDPOINTS = 100_000;

function slice(index: number, generation: number): EndpointSlice {
  const count = ENDPOINTS / SERVICES;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `svc-${index}-a`,
      namespace: `ns-${index % 100}`,
      labels: { 'kubernetes.io/service-name': `svc-${index}` },
    },
    addressType: 'IPv4',
    endpoints: Array.from({ length: count }, (_, at) => {
      const address = index * count + at;
      return { addresses: [`10.${generation}${address >> 16}.${(address >> 8) & 255}.${address & 255}`] };
    }),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

function bigStore(): ObjectStore {
  const store = new ObjectStore();
  for (let index = 0; index < 100; index++) {
    store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `ns-${index}` } });
  }
  for (let index = 0; index < SERVICES; index++) {
    const service: Service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `svc-${index}`, namespace: `ns-${index % 100}` },
      spec: { clusterIP: `10.96.${index >> 8}.${index & 255}`, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    };
    store.put(service);
    store.put(slice(index, 1));
  }
  return store;
}

function rcodeOf(server: CoreDns, name: string): string | undefined {
  return server.askNow(queryMessage(name, 'A'), source(53, 'udp'))?.rcode;
}
const endpoint = (index: number, generation: number): string => {
  const address = index * (ENDPOINTS / SERVICES);
  const dashed = `10-${generation}${address >> 16}-${(address >> 8) & 255}-${address & 255}`;
  return `${dashed}.svc-${index}.ns-${index % 100}.svc.cluster.local`;
};

// How long it takes, `npm run bench -- --only dns` measures.
test('of 10,000 services and 100,000 endpoints every one is found, and a change is seen by the next query', () => {
  const store = bigStore();
  const before = process.memoryUsage().heapUsed;
  const server = new CoreDns({ corefile: '. {\n kubernetes cluster.local in-addr.arpa\n}', store, now: () => 0 });
  expect(rcodeOf(server, 'svc-0.ns-0.svc.cluster.local')).toBe('NOERROR');
  expect((process.memoryUsage().heapUsed - before) / 1e6).toBeLessThan(400);
  for (let index = 0; index < SERVICES; index += 7) {
    expect(rcodeOf(server, `svc-${index}.ns-${index % 100}.svc.cluster.local`)).toBe('NOERROR');
    expect(rcodeOf(server, endpoint(index, 1))).toBe('NOERROR');
  }
  for (let index = 0; index < 200; index++) {
    expect(rcodeOf(server, endpoint(index, 2))).toBe('NXDOMAIN');
    store.put(slice(index, 2));
    expect(rcodeOf(server, endpoint(index, 2))).toBe('NOERROR');
    expect(rcodeOf(server, endpoint(index, 1))).toBe('NXDOMAIN');
  }
});

test('all CoreDNS pods of a store share one index, which goes with the last of them', () => {
  const store = bigStore();
  const indexes = new ClusterIndexes(store, () => 0);
  const make = (option = ''): CoreDns => {
    const corefile = `. {\n kubernetes cluster.local {\n ${option}\n }\n}`;
    const server = new CoreDns({ corefile, store, indexes, now: () => 0 });
    expect(rcodeOf(server, 'svc-1.ns-1.svc.cluster.local')).toBe('NOERROR');
    return server;
  };
  const servers = [make(), make(), make('endpoint_pod_names')];
  expect(indexes.size).toBe(2);
  servers[0]!.close();
  servers[0]!.close();
  expect(indexes.size).toBe(2);
  servers[1]!.close();
  servers[2]!.close();
  expect(indexes.size).toBe(0);
});

import { CoreDns, encodeMessage, queryMessage } from '@netsim/dns';
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

test('10,000 services and 100,000 endpoints: built, changed and asked within the promised time', () => {
  const store = bigStore();
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  const server = new CoreDns({ corefile: '. {\n kubernetes cluster.local in-addr.arpa\n}', store, now: () => 0 });
  // The API is read when somebody asks.
  server.askNow(queryMessage('svc-0.ns-0.svc.cluster.local', 'A'), source(53, 'udp'));
  const built = performance.now() - start;
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;

  const changes = 200;
  const changeStart = performance.now();
  for (let index = 0; index < changes; index++) store.put(slice(index, 2));
  const change = (performance.now() - changeStart) / changes;

  const queries = Array.from({ length: 1000 }, (_, index) =>
    encodeMessage(queryMessage(`svc-${index * 7}.ns-${(index * 7) % 100}.svc.cluster.local`, 'A', { id: index })),
  );
  const from = source(53, 'udp');
  let octets = 0;
  const ask = (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (const query of queries) {
        server.query(query, from, (bytes) => {
          octets += bytes?.length ?? 0;
        });
      }
    }
  };
  ask(20);
  const askStart = performance.now();
  ask(50);
  const perSecond = (50 * queries.length) / ((performance.now() - askStart) / 1000);
  console.log(
    `dns: built in ${built.toFixed(0)} ms and ${megabytes.toFixed(0)} MB, one change ${change.toFixed(3)} ms, ${Math.round(perSecond)} queries a second`,
  );
  expect(octets).toBeGreaterThan(70 * queries.length * 50);
  expect(built).toBeLessThan(2000);
  expect(megabytes).toBeLessThan(400);
  expect(change).toBeLessThan(1);
});

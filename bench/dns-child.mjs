// Builds what CoreDNS keeps of services and endpoints, and says on stdout what it took until the first answer, and after a change.
import { CoreDns, encodeMessage, queryMessage } from '@netsim/dns';
import { ObjectStore } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';
import { serviceIp } from './clusters.mjs';

const [services, endpoints] = process.argv.slice(2).map(Number);
const each = endpoints / services;
const CHANGES = 500;
const LOOPBACK = parseIp('127.0.0.1');

const store = new ObjectStore();
store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
for (let i = 0; i < services; i++) {
  // Every second one headless: its endpoints are its answer.
  const clusterIP = i % 2 === 0 ? serviceIp(i) : 'None';
  store.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `svc-${i}`, namespace: 'default' },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  });
  store.put(slice(i, 0));
}
global.gc();
const heapBefore = process.memoryUsage().heapUsed;
const start = process.hrtime.bigint();
const server = new CoreDns({ corefile: '. {\n kubernetes cluster.local in-addr.arpa\n}', store, now: () => 0 });
if (answers(1) !== each) throw new Error('the first answer is wrong');
const buildMs = Number(process.hrtime.bigint() - start) / 1e6;
global.gc();
const heapMb = (process.memoryUsage().heapUsed - heapBefore) / 1048576;

const times = [];
for (let i = 0; i < CHANGES; i++) {
  const service = 2 * i + 1;
  const changed = slice(service, 1);
  const before = process.hrtime.bigint();
  store.put(changed);
  const seen = answers(service);
  times.push(Number(process.hrtime.bigint() - before) / 1e6);
  if (seen !== each - 1) throw new Error('the change was not seen');
}
times.sort((a, b) => a - b);
const changeMs = times[times.length >> 1];
process.stdout.write(
  `${JSON.stringify({ buildMs, heapMb, rssMb: process.resourceUsage().maxRSS / 1024, changeMs, worstChangeMs: times.at(-1) })}\n`,
);

/** How many answers a query for a service gets now. */
function answers(service) {
  const query = encodeMessage(queryMessage(`svc-${service}.default.svc.cluster.local`, 'A'));
  let count = 0;
  server.query(query, { client: LOOPBACK, server: LOOPBACK, transport: 'udp' }, (reply) => {
    count = (reply[6] << 8) | reply[7];
  });
  return count;
}

/** The slice of a service; without its first `gone` endpoints. */
function slice(service, gone) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `svc-${service}-a`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': `svc-${service}` },
    },
    addressType: 'IPv4',
    endpoints: Array.from({ length: each - gone }, (_, at) => {
      const address = service * each + at + gone;
      return { addresses: [`10.${10 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`] };
    }),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

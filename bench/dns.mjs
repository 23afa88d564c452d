// Names: queries as packets from a pod by way of the service to a CoreDNS pod and back; and what CoreDNS keeps of the API.
// There is no other side: a real CoreDNS is not asked here.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { encodeMessage, queryMessage } from '@netsim/dns';
import { parseIp } from '@netsim/wire';
import { Cluster } from 'netsim';
import { flowCluster } from './clusters.mjs';
import { measure } from './harness.mjs';
import { short } from './plot.mjs';
import { table } from './table.mjs';

const DNS_SERVICE = parseIp('10.96.0.10');
const TYPES = ['A', 'AAAA'];

/** @param {import('./run.mjs').Context} context */
export async function run({ smoke }) {
  const services = smoke ? 1_000 : 10_000;
  const rates = await measureDns({ services, seconds: smoke ? 0.3 : 2 });
  const data = measureDnsData({ services, endpoints: 10 * services, runs: smoke ? 1 : 3 });
  console.log(
    '\nNames: queries from a pod, service DNAT, VXLAN, CoreDNS pod, and the reply back; no real CoreDNS beside it',
  );
  console.log(
    table(
      ['asked', 'queries/s'],
      [
        ['the same 200 again and again', short(rates.again.perSecond)],
        [`each query another, of ${queriesOf(services).length.toLocaleString('en')}`, short(rates.fresh.perSecond)],
        ['by getaddrinfo, another name each time', short(rates.lookups.perSecond)],
      ],
    ),
  );
  const { buildMs, heapMb, changeMs } = data;
  console.log(
    `\nWhat one CoreDNS keeps of ${services.toLocaleString('en')} services and ${data.endpoints.toLocaleString('en')} endpoints: ` +
      `${buildMs.toFixed(0)} ms until the first answer, ${heapMb.toFixed(0)} MB; ` +
      `${changeMs.toFixed(3)} ms from a changed endpoint to the answer that shows it`,
  );
  return { services, ...rates, data };
}

function queriesOf(services) {
  const queries = [];
  for (let i = 0; i < services; i++) {
    for (const type of TYPES) {
      const name = `svc-${i}.default.svc.cluster.local`;
      queries.push(encodeMessage(queryMessage(name, type, { id: queries.length & 65535 })));
    }
  }
  return queries;
}

/** Queries a second; for look-ups, those of getaddrinfo. */
async function measureDns({ services, seconds }) {
  const cluster = await Cluster.load({ objects: flowCluster(services) });
  const queries = queriesOf(services);
  const again = await measureQueries('the same 200 queries', cluster, queries.slice(0, 200), seconds, 0);
  // A second later nothing that was replied before is given again unseen.
  const fresh = await measureQueries('each query another', cluster, queries, seconds, 1000);
  return { again, fresh, lookups: await measureLookups(cluster, services, seconds) };
}

async function measureQueries(name, cluster, queries, seconds, pause) {
  const { world } = cluster;
  const netns = cluster.netnsOfPod(cluster.store.get('Pod', 'default', 'client'));
  let replies = 0;
  const socket = netns.sockets.udp.bind({
    onMessage: ({ payload }) => {
      // A reply without an error, with an answer or the zone's SOA record.
      if ((payload[3] & 15) === 0 && payload[7] + payload[9] > 0) replies++;
    },
  });
  socket.connect(DNS_SERVICE, 53);
  const count = Math.max(queries.length, 10_000);
  const run = () => {
    const before = replies;
    if (pause > 0) cluster.clock.advance(pause);
    for (let i = 0; i < count; i++) {
      socket.send({ payload: queries[i % queries.length] });
      world.run();
    }
    if (replies - before !== count)
      throw new Error(`${count - replies + before} of ${count} queries were not answered`);
    return replies - before;
  };
  const rate = await measure(name, count, run, { seconds });
  socket.close();
  return rate;
}

async function measureLookups(cluster, services, seconds) {
  const pod = cluster.pod('client');
  const count = 1_000;
  const perLookup = pod.lookup('svc-0').queries.length;
  const run = () => {
    let addresses = 0;
    for (let i = 0; i < count; i++) addresses += pod.lookup(`svc-${i % services}`).addresses.length;
    if (addresses !== count) throw new Error(`${count - addresses} names were not found`);
    return addresses;
  };
  const rate = await measure('getaddrinfo', count, run, { seconds });
  return { ...rate, perSecond: rate.perSecond * perLookup };
}

/** Time and memory of what one CoreDNS keeps, in a process of its own. */
function measureDnsData({ services, endpoints, runs }) {
  const script = fileURLToPath(new URL('./dns-child.mjs', import.meta.url));
  const results = Array.from({ length: runs }, () => {
    const args = ['--expose-gc', script, String(services), String(endpoints)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`DNS data of ${services} services: ${stderr}`);
    return JSON.parse(stdout);
  });
  results.sort((a, b) => a.buildMs - b.buildMs);
  return { services, endpoints, ...results[results.length >> 1] };
}

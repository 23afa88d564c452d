// The emulated cluster: packets of one established flow, and datagrams that are each a flow of their own.
import { Skb } from '@netsim/kernel';
import { parseIp } from '@netsim/wire';
import { Cluster } from 'netsim';
import { flowCluster, serviceIp } from './clusters.mjs';
import { measure } from './harness.mjs';

const PACKETS = 10_000;
/** Bytes of payload, as the kernel's side sends. */
const PAYLOAD = { payloadLength: 18, trackId: 0 };

/**
 * `flows` new flows are sent until conntrack is emptied, as between the rounds on the kernel's side; here the emptying is
 * in the time.
 * @returns the two rates, and what the kernel's side needs to do the same: the plan and where the flow runs in it
 */
export async function measureOurs(services, mode, { seconds, flows }) {
  const cluster = await Cluster.load({ objects: flowCluster(services, mode) });
  // The kernel's sink counts and answers nothing; netsim's programs would echo.
  sinkOf(cluster).onMessage = null;
  const established = await measureEstablished(cluster, seconds);
  const fresh = await measure('new flows', flows, newFlows(cluster, services, flows), { seconds });
  const plan = cluster.plan();
  const netns = (label) => plan.netns.find((config) => config.label === label).name;
  const targets = Array.from({ length: services }, (_, i) => ({ ip: serviceIp(i), port: 80 }));
  const flow = {
    source: netns('default/client'),
    sink: netns('default/server'),
    sinkPort: 8080,
    sourceBlock: '10.244.1.2/27',
    nodes: ['w1', 'w2'],
    targets,
  };
  return { plan, flow, established, fresh };
}

async function measureEstablished(cluster, seconds) {
  const flow = cluster.flow({ from: 'pod/client', to: 'svc/svc-0', protocol: 'udp' });
  const first = flow.send();
  if (first !== 'DELIVERED') throw new Error(`the flow ends with ${first}`);
  const run = () => {
    let delivered = 0;
    for (let i = 0; i < PACKETS; i++) if (flow.send() === 'DELIVERED') delivered++;
    if (delivered !== PACKETS) throw new Error(`${PACKETS - delivered} packets were lost`);
    return delivered;
  };
  const rate = await measure('established flow', PACKETS, run, { seconds });
  flow.close();
  return rate;
}

function sinkOf(cluster) {
  const sockets = cluster.netnsOfPod(pod(cluster, 'server')).sockets.udp.list();
  return sockets.find((one) => one.localPort === 8080);
}

/** New flows at two numbers of services, in turns, so that what else the machine does meets both alike: the median turn of each. */
export async function compareNew(mode, sizes, { turns, flows }) {
  const sides = [];
  for (const services of sizes) {
    const cluster = await Cluster.load({ objects: flowCluster(services, mode) });
    sinkOf(cluster).onMessage = null;
    const run = newFlows(cluster, services, flows);
    run();
    sides.push({ run, times: [] });
  }
  for (let turn = 0; turn < turns; turn++) {
    for (const { run, times } of sides) {
      const start = performance.now();
      run();
      times.push(performance.now() - start);
    }
  }
  const [few, many] = sides.map(({ times }) => times.sort((a, b) => a - b)[times.length >> 1]);
  return few / many;
}

function newFlows(cluster, services, flows) {
  const { world } = cluster;
  const socket = cluster.netnsOfPod(pod(cluster, 'client')).bindUdp();
  const sink = sinkOf(cluster);
  const nodes = ['w1', 'w2'].map((name) => world.requireNetns(name).netfilter);
  const targets = Array.from({ length: services }, (_, i) => parseIp(serviceIp(i)));
  const firstSource = parseIp('10.244.1.2');
  let flow = 0;
  return () => {
    const before = sink.received;
    for (let i = 0; i < flows; i++, flow++) {
      const skb = new Skb();
      PAYLOAD.dst = targets[flow % services];
      PAYLOAD.dport = 80;
      socket.prepare(skb, PAYLOAD);
      skb.src = firstSource + (Math.floor(flow / 60_000) % 30);
      skb.sport = 1024 + (flow % 60_000);
      socket.transmit(skb);
      world.run();
    }
    const delivered = sink.received - before;
    if (delivered !== flows) throw new Error(`${flows - delivered} of ${flows} flows were lost`);
    for (const node of nodes) node.flushConnections();
    return delivered;
  };
}

function pod(cluster, name) {
  return cluster.store.get('Pod', 'default', name);
}

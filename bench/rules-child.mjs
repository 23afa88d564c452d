// One node's rules in a process of its own: `node rules-child.mjs SERVICES ENDPOINTS MODE` prints milliseconds as JSON.
//   build   from Service and EndpointSlice objects to the first packet through the rules
//   change  one endpoint changed, until the next packet has taken the new rules (median of many)
import { World } from '@netsim/kernel';
import {
  IptablesGenerator,
  kubeletRuleset,
  mergeRulesets,
  NftablesGenerator,
  nodeProxyConfig,
  ProxyState,
} from '@netsim/proxy';
import { formatIp, parseIp, parsePrefix } from '@netsim/wire';

const [services, endpoints] = process.argv.slice(2, 4).map(Number);
const mode = process.argv[4];
const clusterIp = (i) => formatIp(parseIp('10.96.1.0') + i);
const endpointIp = (i, e) => formatIp(parseIp('10.244.0.0') + ((i * endpoints + e) % 60_000) + 2);

const slice = (i, skip = -1) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `s${i}-a`, namespace: 'default', labels: { 'kubernetes.io/service-name': `s${i}` } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: Array.from({ length: endpoints }, (_, e) => e)
    .filter((e) => e !== skip)
    .map((e) => ({ addresses: [endpointIp(i, e)], conditions: { ready: true } })),
});
const objects = Array.from({ length: services }, (_, i) => ({
  service: {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `s${i}`, namespace: 'default' },
    spec: {
      clusterIP: clusterIp(i),
      clusterIPs: [clusterIp(i)],
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  },
  slice: slice(i),
}));

const world = new World();
const node = world.createNetns({
  name: 'node',
  machine: 'node',
  label: 'host',
  sysctls: { 'net.ipv4.ip_forward': 1 },
  links: [{ kind: 'physical', name: 'eth0', segment: 'nodes', mac: '02:00:00:00:00:01' }],
  addresses: [{ dev: 'eth0', address: parseIp('192.168.1.1'), prefixLength: 24 }],
  routes: [{ destination: parsePrefix('10.244.0.0/16'), dev: 'eth0' }],
});
const send = (i) => node.sendProbe({ protocol: 'tcp', dst: parseIp(clusterIp(i)), dport: 80, timeoutMs: 0 });

const state = new ProxyState(4);
const config = nodeProxyConfig({ nodeName: 'node', family: 4, mode, nodeIP: parseIp('192.168.1.1') });
const generator = mode === 'nftables' ? new NftablesGenerator(state) : new IptablesGenerator(state);
const kubelet = kubeletRuleset(4);
const load = () => {
  if (mode === 'nftables') node.loadNft({ tables: [generator.sync(config).table] });
  else node.loadRuleset(mergeRulesets(kubelet, generator.sync(config).ruleset, 'first'));
};

let started = performance.now();
for (const object of objects) {
  state.setService(object.service);
  state.setSlice(object.slice);
}
load();
send(services >> 1);
const build = performance.now() - started;

const changes = [];
for (let round = 0; round < 100; round++) {
  const i = (round * 37) % services;
  const changed = slice(i, round % endpoints);
  started = performance.now();
  state.setSlice(changed);
  load();
  send(i);
  changes.push(performance.now() - started);
}
changes.sort((a, b) => a - b);
console.log(JSON.stringify({ build, change: changes[changes.length >> 1] }));

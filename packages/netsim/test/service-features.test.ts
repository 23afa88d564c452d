import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const node = (name: string, last: number, zone: string) => `
---
apiVersion: v1
kind: Node
metadata: { name: ${name}, labels: { topology.kubernetes.io/zone: ${zone} } }
spec: { podCIDR: 10.244.${last}.0/24 }
status: { addresses: [{ type: InternalIP, address: 192.168.1.10${last} }] }
`;
const pod = (name: string, on: string, labels = '{}') => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: ${labels} }
spec: { nodeName: ${on}, containers: [{ name: main, image: nginx, ports: [{ containerPort: 80 }, { containerPort: 53, protocol: UDP }] }] }
`;
const service = (spec: string) => `
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.96.0.20, selector: { app: web }, ${spec} }
`;
const http = 'ports: [{ name: http, port: 80, nodePort: 30080 }]';
const machines = node('n1', 1, 'a') + node('n2', 2, 'a') + node('n3', 3, 'b');
const pods =
  pod('client', 'n1') +
  pod('web-1', 'n1', '{ app: web }') +
  pod('web-2', 'n2', '{ app: web }') +
  pod('web-3', 'n3', '{ app: web }');
const load = (text: string) => Cluster.load({ yaml: machines + text });

describe('trafficDistribution', () => {
  test.each([
    ['PreferSameNode', 'client', ['web-1']],
    ['PreferSameZone', 'client', ['web-1', 'web-2']],
    ['PreferClose', 'client', ['web-1', 'web-2']],
    ['PreferSameZone', 'node/n3', ['web-3']],
  ])('%s, from %s: %j', async (distribution, from, expected) => {
    const cluster = await load(pods + service(`trafficDistribution: ${distribution}, ports: [{ port: 80 }]`));
    const { paths } = cluster.trace({ from, to: 'svc/web', allPaths: true });
    expect(paths.map((path) => path.backend!.name).sort()).toEqual(expected);
  });

  test('the nearest go, and the next nearest take over', async () => {
    const cluster = await load(pods + service('trafficDistribution: PreferSameNode, ports: [{ port: 80 }]'));
    cluster.setReady('web-1', false);
    const { paths } = cluster.trace({ from: 'client', to: 'svc/web', allPaths: true });
    expect(paths.map((path) => path.backend!.name).sort()).toEqual(['web-2']);
  });
});

describe('the address of a load balancer', () => {
  const balancer = (mode: string) =>
    service(`type: LoadBalancer, ${http}`).trimEnd() +
    `\nstatus: { loadBalancer: { ingress: [{ ip: 203.0.113.7, ipMode: ${mode} }] } }\n`;

  test.each([
    ['VIP', 'DELIVERED'],
    ['Proxy', 'EXITS_CLUSTER'],
  ])('ipMode %s: a pod that asks for it: %s', async (mode, disposition) => {
    const cluster = await load(pods + balancer(mode));
    expect(cluster.trace({ from: 'client', to: '203.0.113.7:80' }).paths[0]!.disposition).toBe(disposition);
  });
});

test.each([
  [false, 'NO_ENDPOINTS'],
  [true, 'DELIVERED'],
])('publishNotReadyAddresses %s: a pod that is not ready: %s', async (publish, disposition) => {
  const unready = pod('client', 'n1') + pod('web', 'n2', '{ app: web }');
  const cluster = await load(unready + service(`publishNotReadyAddresses: ${publish}, ports: [{ port: 80 }]`));
  cluster.setReady('web', false);
  expect(cluster.trace({ from: 'client', to: 'svc/web' }).paths[0]!.disposition).toBe(disposition);
});

test.each([
  ['', '10.244.1.1', true],
  ['nodePortAddresses: [primary]', '192.168.1.101', true],
  ['nodePortAddresses: [primary]', '10.244.1.1', false],
  ['nodePortAddresses: [10.244.0.0/16]', '192.168.1.101', false],
  ['mode: nftables', '192.168.1.101', true],
  ['mode: nftables', '10.244.1.1', false],
])('a node port with "%s" on %s: %s', async (more, address, open) => {
  const configuration = `---\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n${more}\n`;
  const cluster = await load(pods + service(`type: NodePort, ${http}`) + configuration);
  const [path] = cluster.trace({ from: 'node/n1', to: `${address}:30080` }).paths;
  expect(path!.disposition === 'DELIVERED').toBe(open);
});

describe('an endpoint that vanishes', () => {
  const both = 'ports: [{ name: http, port: 80 }, { name: dns, port: 53, protocol: UDP }]';
  const entries = async (cluster: Cluster, protocol: string, port: number) => {
    const { stdout } = await cluster.exec('node/n1', ['conntrack', '-L', '-p', protocol]);
    return stdout.split('\n').filter((line) => line.includes(`dst=10.96.0.20 `) && line.includes(`dport=${port} `));
  };

  test.each([
    ['UDP', 'dns', 53, 0],
    ['TCP', 'http', 80, 1],
  ])(
    '%s: conntrack knows the connection to its port %s (%i), and afterwards %i',
    async (protocol, name, port, left) => {
      const alone = pod('client', 'n1') + pod('web-2', 'n2', '{ app: web }') + pod('web-3', 'n3', '{ app: web }');
      const cluster = await load(alone + service(both));
      cluster.trace({ from: 'client', to: `svc/web:${name}`, endpoint: 'web-2' });
      expect(await entries(cluster, protocol.toLowerCase(), port)).toHaveLength(1);
      cluster.delete('pod/web-2');
      expect(await entries(cluster, protocol.toLowerCase(), port)).toHaveLength(left);
    },
  );
});

test('MetalLB in layer 2: another node answers for the address when the first one goes down', async () => {
  const pool = `
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: pool, namespace: metallb-system }
spec: { addresses: [192.168.1.11-192.168.1.19] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: pool, namespace: metallb-system }
`;
  const cluster = await load(pods + pool + service(`type: LoadBalancer, ${http}`));
  const entered = (): string => {
    const [path] = cluster.trace({ from: 'external', to: 'svc/web' }).paths;
    expect(path!.disposition).toBe('DELIVERED');
    return path!.request.hops.find(({ node: name }) => /^n\d$/.test(name))!.node;
  };
  const first = entered();
  cluster.node(first).stop();
  cluster.clock.advance('1m');
  const second = entered();
  expect(second).not.toBe(first);
  cluster.node(first).start();
  cluster.clock.advance('1m');
  expect(entered()).toBe(first);
});

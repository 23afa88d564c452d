import type { Endpoints, Node, Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

const node = (name: string, address: string, ready: string) => `
apiVersion: v1
kind: Node
metadata: { name: ${name} }
status:
  addresses: [{ type: InternalIP, address: ${address} }]
  conditions:
  - { type: Ready, status: "${ready}" }
---
`;
const pod = (name: string, nodeName: string, status = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: web } }
spec: { nodeName: ${nodeName}, containers: [{ name: main, image: luksa/kubia }] }
${status}
---
`;
const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
`;

function ready(cluster: Cluster): string[] {
  const isReady = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  return cluster.store.list<Pod>('Pod', 'default').flatMap((each) => (isReady(each) ? [each.metadata.name] : []));
}

function endpoints(cluster: Cluster): number {
  const { subsets = [] } = cluster.store.get<Endpoints>('Endpoints', 'default', 'web') ?? {};
  return subsets.flatMap(({ addresses = [] }) => addresses).length;
}

test.each(['Unknown', 'False'])('a node with Ready %s: its pods are not ready, and no endpoints', async (state) => {
  const yaml =
    node('a', '192.168.1.1', 'True') + node('b', '192.168.1.2', state) + service + pod('one', 'a') + pod('two', 'b');
  const cluster = await Cluster.load({ yaml });
  expect(ready(cluster)).toEqual(['one']);
  expect(endpoints(cluster)).toBe(1);
});

test('once the node is ready its pods are', async () => {
  const yaml = node('a', '192.168.1.1', 'True') + node('b', '192.168.1.2', 'Unknown') + service + pod('two', 'b');
  const cluster = await Cluster.load({ yaml });
  expect(endpoints(cluster)).toBe(0);
  const lost = cluster.store.get<Node>('Node', undefined, 'b')!;
  cluster.apply({ ...lost, status: { ...lost.status, conditions: [{ type: 'Ready', status: 'True' }] } });
  expect(ready(cluster)).toEqual(['two']);
  expect(endpoints(cluster)).toBe(1);
});

test('what a dump says of its pods stands', async () => {
  const running = 'status: { phase: Running, podIP: 10.244.1.7, conditions: [{ type: Ready, status: "True" }] }';
  const yaml =
    node('a', '192.168.1.1', 'True') + node('b', '192.168.1.2', 'Unknown') + service + pod('two', 'b', running);
  expect(ready(await Cluster.load({ yaml }))).toEqual(['two']);
});

test('a diagnosis names the line of the node', async () => {
  const yaml =
    node('a', '192.168.1.1', 'True') +
    node('b', '192.168.1.2', 'Unknown') +
    service +
    pod('two', 'b') +
    pod('client', 'a').replace('app: web', 'app: client');
  const cluster = await Cluster.load({ yaml });
  const { points } = cluster.diagnose({ from: 'pod/client', to: 'svc/web' });
  const failed = points.find(({ status }) => status === 'fail');
  expect(failed?.text).toContain('is on node "b", which is not ready (Ready is Unknown)');
  const line = 1 + yaml.split('\n').lastIndexOf('  conditions:');
  expect(JSON.stringify(failed)).toContain(`"line":${line}`);
});

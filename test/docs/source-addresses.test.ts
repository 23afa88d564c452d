import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

/**
 * The table of docs/source-addresses.md is made by netsim: for each kind of service and policy, which address the pod sees.
 * `UPDATE_EXAMPLES=1` writes it anew.
 */
const page = join(import.meta.dirname, '../../docs/source-addresses.md');

const manifests = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: pool, namespace: metallb-system }
spec: { addresses: [192.168.1.11-192.168.1.19] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: l2, namespace: metallb-system }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: shell, image: curlimages/curl }] }
${['w1-k8s', 'w2-k8s']
  .map(
    (node) => `---
apiVersion: v1
kind: Pod
metadata: { name: on-${node.slice(0, 2)}, labels: { app: web } }
spec: { nodeName: ${node}, containers: [{ name: web, image: nginx }] }
`,
  )
  .join('')}`;

const service = (name: string, spec: string): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: web }, ports: [{ port: 80 }], ${spec} }
`;

const services: [string, string][] = [
  ['ClusterIP', 'type: ClusterIP'],
  ['ClusterIP, internalTrafficPolicy Local', 'type: ClusterIP, internalTrafficPolicy: Local'],
  ['NodePort', 'type: NodePort'],
  ['NodePort, externalTrafficPolicy Local', 'type: NodePort, externalTrafficPolicy: Local'],
  ['LoadBalancer', 'type: LoadBalancer'],
  ['LoadBalancer, externalTrafficPolicy Local', 'type: LoadBalancer, externalTrafficPolicy: Local'],
];
const sources: [string, string][] = [
  ['a pod on w1', 'client'],
  ['node w1 itself', 'node/w1-k8s'],
  ['a machine outside', 'external'],
];

/** Names an address by what it is. */
function nameOf(ip: string | undefined): string {
  const known: Record<string, string> = {
    '10.244.1.2': 'the pod',
    '192.168.1.200': 'the machine outside',
    '192.168.1.101': 'w1',
    '192.168.1.102': 'w2',
    '192.168.1.103': 'w3',
    '10.244.1.1': 'w1 (its bridge)',
    '10.244.2.1': 'w2 (its bridge)',
    '10.244.1.0': 'w1 (its VXLAN device)',
    '10.244.2.0': 'w2 (its VXLAN device)',
    '10.244.3.0': 'w3 (its VXLAN device)',
  };
  return ip === undefined ? '' : (known[ip] ?? ip);
}

async function makeTable(): Promise<string> {
  const cluster = await Cluster.load({
    yaml: manifests + services.map(([, spec], index) => service(`s${index}`, spec)).join(''),
  });
  const lines = ['| service | sent by | backend on w1 sees | backend on w2 sees |', '|---|---|---|---|'];
  for (const [index, [title]] of services.entries()) {
    for (const [who, from] of sources) {
      const { spec, status } = cluster.store.get<Service>('Service', 'default', `s${index}`)!;
      // A node port is asked at w1, whoever asks; a load balancer at its address, from inside too.
      const external = status?.loadBalancer?.ingress?.[0]?.ip;
      const nodePort = spec.ports![0]!.nodePort;
      const to =
        external !== undefined
          ? `${external}:80`
          : nodePort !== undefined
            ? `node/w1-k8s:${nodePort}`
            : `svc/s${index}`;
      const { paths } = cluster.trace({ from, to, allPaths: true });
      const seen = (node: string): string => {
        const path = paths.find((each) => each.backend?.name === `on-${node}` && each.disposition === 'DELIVERED');
        return path === undefined ? 'not sent there' : nameOf(path.sourceSeen);
      };
      const lost = paths.length === 1 && paths[0]!.disposition !== 'DELIVERED' ? paths[0]!.disposition : undefined;
      lines.push(`| ${title} | ${who} | ${lost ?? seen('w1')} | ${lost ?? seen('w2')} |`);
    }
  }
  return lines.join('\n');
}

test('docs/source-addresses.md shows what netsim says', async () => {
  const text = readFileSync(page, 'utf8');
  const [before = '', , after = ''] = text.split(/<!-- table -->\n/);
  const wanted = `${before}<!-- table -->\n${await makeTable()}\n<!-- table -->\n${after}`;
  if (process.env.UPDATE_EXAMPLES === '1') writeFileSync(page, wanted);
  else expect(text).toBe(wanted);
});

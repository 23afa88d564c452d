import type { Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const manifests = `
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: { podSubnet: "10.244.0.0/16,fd00:10:244::/48", serviceSubnet: "10.96.0.0/16,fd00:10:96::/112" }
---
apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [{ type: InternalIP, address: 192.168.1.1 }, { type: InternalIP, address: "fd00:192::1" }] }
---
apiVersion: v1
kind: Node
metadata: { name: n2 }
status: { addresses: [{ type: InternalIP, address: 192.168.1.2 }, { type: InternalIP, address: "fd00:192::2" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: n1, containers: [{ name: shell, image: curlimages/curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: server, labels: { app: server } }
spec: { nodeName: n2, containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Service
metadata: { name: six }
spec: { selector: { app: server }, ipFamilies: [IPv6], ports: [{ port: 80 }] }
`;

test('IPv6 crosses the overlay by a VXLAN device of its own, beside the one for IPv4', async () => {
  const cluster = await Cluster.load({ yaml: manifests });
  for (const { ip } of cluster.store.list<Pod>('Pod').find((pod) => pod.metadata.name === 'server')!.status!.podIPs!) {
    const [path] = cluster.trace({ from: 'client', to: `[${ip}]:80` }).paths;
    expect(`${ip}: ${path!.disposition}`).toBe(`${ip}: DELIVERED`);
    const encap = path!.request.hops.flatMap((hop) => hop.steps).find((step) => step.kind === 'encap');
    expect(encap).toMatchObject({ device: ip.includes(':') ? 'flannel-v6.1' : 'flannel.1', vni: 1 });
  }
});

test('an IPv6 service is translated to the IPv6 address of its pod', async () => {
  const cluster = await Cluster.load({ yaml: manifests });
  const [path] = cluster.trace({ from: 'client', to: 'svc/six' }).paths;
  expect(path).toMatchObject({ disposition: 'DELIVERED', backend: { name: 'server', port: 80 } });
  expect(path!.backend!.ip).toContain(':');
});

describe('a node with a block of a family that the pod network has not', () => {
  const node = (name: string, blocks: string[], host: number): string => `apiVersion: v1
kind: Node
metadata: { name: ${name} }
spec:
  podCIDRs: ${JSON.stringify(blocks)}
status: { addresses: [{ type: InternalIP, address: 192.168.1.${host} }, { type: InternalIP, address: "fd00:192::${host}" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: on-${name} }
spec: { nodeName: ${name}, containers: [{ name: web, image: nginx }] }
`;
  const told = ({ findings }: Cluster) => findings.filter(({ code }) => code === 'pod-cidr-family');

  test('is refused where it has no other, with the line to change', async () => {
    const six = [node('n1', ['fd00:10:244:1::/64'], 1), node('n2', ['fd00:10:244:2::/64'], 2)].join('---\n');
    const cluster = await Cluster.load({ yaml: six });
    expect(told(cluster)).toMatchObject([
      {
        severity: 'error',
        line: 5,
        message: `node "n1": its block fd00:10:244:1::/64 is IPv6, and flannel's network is 10.244.0.0/16 (and 1 more)`,
      },
    ]);
    const [path] = cluster.trace({ from: 'on-n1', to: 'pod/on-n2:80' }).paths;
    expect(path!.disposition).not.toBe('DELIVERED');
  });

  test('is in order where the configuration of the cluster has the family', async () => {
    const yaml = `${node('n1', ['fd00:10:244:1::/64'], 1)}---
${node('n2', ['fd00:10:244:2::/64'], 2)}---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: { podSubnet: "fd00:10:244::/48", serviceSubnet: "fd00:10:96::/112" }
`;
    const cluster = await Cluster.load({ yaml });
    expect(cluster.findings).toEqual([]);
    expect(cluster.trace({ from: 'on-n1', to: 'pod/on-n2:80' }).paths[0]!.disposition).toBe('DELIVERED');
  });

  test('is warned of where it has a block of the other family too, which goes on to work', async () => {
    const both = (of: number): string[] => [`10.244.${of}.0/24`, `fd00:10:244:${of}::/64`];
    const cluster = await Cluster.load({ yaml: [node('n1', both(1), 1), node('n2', both(2), 2)].join('---\n') });
    expect(told(cluster)).toMatchObject([{ severity: 'warning' }]);
    expect(cluster.trace({ from: 'on-n1', to: 'pod/on-n2:80' }).paths[0]!.disposition).toBe('DELIVERED');
  });

  test('reaches the nodes of its own family, and those of one family leave it out', async () => {
    const mixed = [
      node('n1', ['10.244.1.0/24'], 1),
      node('n2', ['10.244.2.0/24', 'fd00:10:244:2::/64'], 2),
      manifests.slice(0, manifests.indexOf('---')),
    ].join('---\n');
    const cluster = await Cluster.load({ yaml: mixed });
    expect(told(cluster)).toEqual([]);
    expect(cluster.trace({ from: 'on-n1', to: 'pod/on-n2:80' }).paths[0]!.disposition).toBe('DELIVERED');
  });
});

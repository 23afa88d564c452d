import type { Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

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

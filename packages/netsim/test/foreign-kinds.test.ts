import { expect, test } from 'vitest';
import { Cluster } from '../src/index.ts';

const web = `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
---
`;

/** Kinds of other programs that have the name of one of Kubernetes' own, and mean something else. */
const namesakes = [
  ['a Service of Knative', 'serving.knative.dev/v1', 'Service'],
  ['a Gateway of Istio', 'networking.istio.io/v1', 'Gateway'],
  ['a NetworkPolicy of Calico', 'crd.projectcalico.org/v1', 'NetworkPolicy'],
  ['a Node of Rancher', 'management.cattle.io/v3', 'Node'],
  ['an Ingress of OpenShift', 'config.openshift.io/v1', 'Ingress'],
  ["a Pod of nobody's", 'example.com/v1', 'Pod'],
  ['a Deployment of nobody', 'example.com/v1', 'Deployment'],
  ['a ConfigMap of nobody', 'example.com/v1', 'ConfigMap'],
] as const;

test.each(namesakes)('%s is none of Kubernetes, has no effect, and a finding says so', async (_, apiVersion, kind) => {
  const yaml = `${web}apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: web }\nspec: { selector: x, servers: [] }\n`;
  const cluster = await Cluster.load({ yaml });
  expect(cluster.trace({ from: 'pod/web', to: 'svc/web' }).paths[0]?.disposition).toBe('DELIVERED');
  expect(cluster.findings).toMatchObject([{ code: 'not-modelled', severity: 'warning', file: 'yaml', line: 13 }]);
});

test('objects of a mesh are kept and told once for each kind', async () => {
  const one = (name: string) =>
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: ${name} }\nspec: { hosts: [a] }\n---\n`;
  const cluster = await Cluster.load({ yaml: `${one('a')}${one('b')}` });
  expect(cluster.store.list('VirtualService')).toHaveLength(2);
  expect(cluster.findings.map(({ message }) => message)).toEqual([
    'virtualservice "a": netsim does not model VirtualService of networking.istio.io: the 2 of these have no effect here',
  ]);
});

test('custom resources that steer nothing are no news', async () => {
  const yaml = 'apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: a }\n';
  expect((await Cluster.load({ yaml })).findings).toEqual([]);
});

test.each([
  ['docker.io/calico/node:v3.28.0', 'Calico'],
  ['quay.io/cilium/cilium:v1.16.1@sha256:abc', 'Cilium'],
  ['weaveworks/weave-kube:2.8.1', 'Weave Net'],
  ['docker.io/kindest/kindnetd:v20240813', 'kindnet'],
  ['ghcr.io/flannel-io/flannel:v0.26.0', undefined],
  ['nginx', undefined],
])('a DaemonSet with the image %s: the network of %s is told to be none of ours', async (image, plugin) => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image }] } };
  const spec = { selector: { matchLabels: { a: 'b' } }, template };
  const cluster = await Cluster.load({
    objects: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'cni' }, spec }],
  });
  const told = cluster.findings.filter(({ code }) => code === 'cni-not-modelled').map(({ message }) => message);
  expect(told).toEqual(
    plugin === undefined
      ? []
      : [`daemonset "default/cni": netsim does not model ${plugin}: flannel in VXLAN mode stands in for it`],
  );
});

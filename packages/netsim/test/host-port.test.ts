import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

const pod = (name: string, hostPort: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    nodeName: 'w1-k8s',
    containers: [{ name: 'c', image: 'luksa/kubia', ports: [{ containerPort: 8080, hostPort }] }],
  },
});
const configMap = (name: string, namespace: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
});
const proxy = (mode: string) =>
  configMap('kube-proxy', 'kube-system', {
    'config.conf': `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\n`,
  });

async function reach(cluster: Cluster, from: string, to: string): Promise<string> {
  const [path] = cluster.trace({ from, to }).paths;
  return `${path!.disposition} ${path!.sourceSeen ?? ''}`.trim();
}

test.each(['iptables', 'nftables', 'ipvs'])('in %s mode a host port comes and goes with its pod', async (mode) => {
  const cluster = await Cluster.load({ objects: [proxy(mode), pod('a', 8000)] });
  expect(await reach(cluster, 'external', 'node/w1-k8s:8000')).toBe('DELIVERED 192.168.1.200');
  expect(await reach(cluster, 'node/w1-k8s', '127.0.0.1:8000')).toBe('DELIVERED 10.244.1.1');
  expect(await reach(cluster, 'external', 'node/w2-k8s:8000')).toBe('NO_LISTENER');
  cluster.apply(pod('b', 9000));
  expect(await reach(cluster, 'external', 'node/w1-k8s:9000')).toBe('DELIVERED 192.168.1.200');
  expect(await reach(cluster, 'pod/a', 'node/w1-k8s:9000')).toBe('DELIVERED 10.244.1.1');
  cluster.delete('pod/a');
  expect(await reach(cluster, 'external', 'node/w1-k8s:8000')).toBe('NO_LISTENER');
  expect(await reach(cluster, 'external', 'node/w1-k8s:9000')).toBe('DELIVERED 192.168.1.200');
});

test('the jumps stand where a node has them: behind those of kube-proxy, but for the masquerade', async () => {
  const cluster = await Cluster.load({ objects: [pod('a', 8000)] });
  const { stdout } = await cluster.exec('node/w1-k8s', ['iptables-save', '-t', 'nat']);
  const jumps = stdout
    .split('\n')
    .flatMap((line) => /^-A (PREROUTING|OUTPUT|POSTROUTING) .*-j (.*)$/.exec(line)?.slice(1).join(' ') ?? []);
  expect(jumps).toEqual([
    'PREROUTING KUBE-SERVICES',
    'PREROUTING CNI-HOSTPORT-DNAT',
    'OUTPUT KUBE-SERVICES',
    'OUTPUT CNI-HOSTPORT-DNAT',
    'POSTROUTING CNI-HOSTPORT-MASQ',
    'POSTROUTING KUBE-POSTROUTING',
    'POSTROUTING FLANNEL-POSTRTG',
  ]);
});

test('without portmap among the plugins a host port does nothing, and a finding says so', async () => {
  const list = { name: 'net', plugins: [{ type: 'bridge', isDefaultGateway: true }] };
  const cni = configMap('cni', 'kube-system', { '10-bridge.conflist': JSON.stringify(list) });
  const cluster = await Cluster.load({ objects: [cni, pod('a', 8000)] });
  expect(cluster.findings.map(({ code }) => code)).toEqual(['host-port-ignored']);
  expect(await reach(cluster, 'external', 'node/w1-k8s:8000')).toBe('NO_LISTENER');
});

import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const configuration = (more: string) => `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
${more}
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: main, image: curlimages/curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: server, labels: { app: server } }
spec: { nodeName: w2-k8s, containers: [{ name: main, image: nginx, ports: [{ containerPort: 53, protocol: UDP }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: server }
spec: { selector: { app: server }, ports: [{ name: dns, port: 53, protocol: UDP }] }
`;

describe('the section conntrack of a KubeProxyConfiguration', () => {
  const remaining = async (more: string) => {
    const cluster = await Cluster.load({ yaml: configuration(more) });
    cluster.trace({ from: 'client', to: 'svc/server:dns' });
    const { stdout } = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'udp']);
    return stdout
      .split('\n')
      .find((line) => line.includes('dport=53 '))!
      .split(/ +/)[2];
  };

  test.each([
    ['Linux says how long a UDP connection is remembered', '', '30'],
    ['udpTimeout does', 'conntrack: { udpTimeout: 7s, udpStreamTimeout: 7s }', '7'],
  ])('%s', async (_, more, seconds) => {
    expect(await remaining(more)).toBe(seconds);
  });

  test('kube-proxy says how long an established connection is remembered, and how many', async () => {
    const settings = async (more: string) => {
      const plan = (await Cluster.load({ yaml: configuration(more) })).plan();
      const sysctls = plan.netns.find(({ name }) => name === 'w1-k8s')!.sysctls!;
      return ['tcp_timeout_established', 'max', 'tcp_be_liberal'].map(
        (name) => sysctls[`net.netfilter.nf_conntrack_${name}`],
      );
    };
    expect(await settings('')).toEqual([86_400, 131_072, undefined]);
    const own = 'conntrack: { tcpEstablishedTimeout: 1m0s, maxPerCore: 0, tcpBeLiberal: true }';
    expect(await settings(own)).toEqual([60, undefined, 1]);
  });
});

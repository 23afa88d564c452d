import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

/** Both address families, and pods on the nodes' network, as a user meets them. */
const objects = `---
apiVersion: v1
kind: Pod
metadata: { name: a }
spec: { nodeName: w1-k8s, containers: [{ name: c, image: curlimages/curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: b, labels: { app: b } }
spec: { nodeName: w2-k8s, containers: [{ name: c, image: nginx }] }
---
apiVersion: v1
kind: Pod
metadata: { name: on-node, labels: { app: on-node } }
spec: { hostNetwork: true, nodeName: w3-k8s, containers: [{ name: c, image: nginx, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: b }
spec: { ipFamilyPolicy: PreferDualStack, selector: { app: b }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: on-node }
spec: { selector: { app: on-node }, ports: [{ port: 80 }] }
`;
const networking = (pods: string, services: string) => `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: { podSubnet: "${pods}", serviceSubnet: "${services}" }
`;
const dual = networking('10.244.0.0/16,fd00:10:244::/56', '10.96.0.0/16,fd00:10:96::/112') + objects;
const six = networking('fd00:10:244::/56', 'fd00:10:96::/112') + objects;

const run = (stdin: string, ...argv: string[]) => netsim(['-f', '-', ...argv], { stdin });

describe('a dual-stack cluster', () => {
  test('a service has an address of each family, and both lead to its pod', async () => {
    const { stdout } = await run(dual, 'get', 'svc', 'b', '-o', 'json');
    const { clusterIPs } = (JSON.parse(stdout) as { spec: { clusterIPs: string[] } }).spec;
    expect(clusterIPs).toHaveLength(2);
    for (const to of [`${clusterIPs[0]}:80`, `[${clusterIPs[1]}]:80`, `http://[${clusterIPs[1]}]/`]) {
      const trace = await run(dual, 'trace', 'a', to);
      expect(trace.stdout, to).toMatch(/ DELIVERED {3}b\n/);
      expect(trace.code).toBe(0);
    }
    const { stdout: answer } = await run(dual, 'exec', 'a', '--', 'curl', '-s', `http://[${clusterIPs[1]}]/`);
    expect(answer).toBe("You've hit b\n");
  });

  test('pods and nodes have addresses of both families', async () => {
    const { stdout } = await run(dual, 'exec', 'a', '--', 'ip', '-6', 'addr', 'show', 'eth0');
    expect(stdout).toContain('inet6 fd00:10:244:1::2/64 scope global');
    const nodes = await run(dual, 'get', 'node', 'w1-k8s', '-o', 'yaml');
    expect(nodes.stdout).toMatch(/address: 192\.168\.1\.101[\s\S]*address: fd00:192:168:1::101/);
  });
});

describe('an IPv6-only cluster', () => {
  test('nodes and pods have IPv6 addresses only, and a service leads from node to node', async () => {
    const nodes = await run(six, 'get', 'nodes', '-o', 'wide');
    expect(nodes.stdout).toContain('fd00:192:168:1::101');
    expect(nodes.stdout).not.toContain('192.168.1.101');
    const { code, stdout } = await run(six, 'trace', 'a', 'svc/b');
    expect(stdout).toMatch(/ DELIVERED {3}b\n/);
    expect(stdout).toContain('packed into fd00:192:168:1::101 > fd00:192:168:1::102 vni 1');
    expect(code).toBe(0);
  });

  test('an address without a port is told where the brackets go', async () => {
    const { code, stderr } = await run(six, 'trace', 'a', 'fd00::1');
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error: fd00::1 has no port; write [fd00::1]:PORT with a port of 1 to 65535, or use --protocol icmp\n',
    );
    expect((await run(six, 'trace', 'a', 'fd00:10:244:2::2', '--protocol', 'icmp')).stdout).toMatch(/ DELIVERED$/m);
  });
});

describe.each([
  ['dual', dual],
  ['IPv6', six],
])('a pod on the network of its node (%s)', (_family, yaml) => {
  test('is reached by its node address, seen from pods as the pod it is', async () => {
    const { stdout } = await run(yaml, 'trace', 'a', 'pod/on-node:80', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ paths: [{ disposition: 'DELIVERED', backend: { name: 'on-node' } }] });
  });

  test('is the backend of its service, not its node', async () => {
    for (const from of ['a', 'on-node']) {
      const { stdout } = await run(yaml, 'trace', from, 'svc/on-node', '-o', 'json');
      expect(JSON.parse(stdout)).toMatchObject({
        paths: [{ disposition: 'DELIVERED', backend: { kind: 'Pod', namespace: 'default', name: 'on-node' } }],
      });
    }
    expect((await run(yaml, 'trace', 'a', 'svc/on-node', '--endpoint', 'on-node')).code).toBe(0);
  });

  test('calls services from the namespace of its node', async () => {
    const { stdout } = await run(yaml, 'trace', 'on-node', 'svc/b');
    expect(stdout).toMatch(/ DELIVERED {3}b\n/);
    expect(stdout).toContain('OUTPUT');
  });
});

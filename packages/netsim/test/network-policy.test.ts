import { expect, test } from 'vitest';
import { Cluster } from '../src/index.ts';

const denied = `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: client, image: busybox }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny }
spec: { podSelector: {}, policyTypes: [Ingress] }
`;

test('flannel puts no NetworkPolicy in force: the way is open, and a finding says why', async () => {
  const cluster = await Cluster.load({ yaml: denied });
  expect(cluster.trace({ from: 'pod/client', to: 'pod/web:80' }).paths[0]?.disposition).toBe('DELIVERED');
  const findings = cluster.findings.filter(({ code }) => code === 'policy-not-enforced');
  expect(findings).toMatchObject([{ severity: 'warning', object: { kind: 'NetworkPolicy', name: 'deny' }, line: 15 }]);
});

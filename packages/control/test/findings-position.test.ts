import { admit, formatFinding, loadManifests } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { cluster } from './support/cluster.ts';

const text = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: kubia
spec:
  replicas: 2
  selector:
    matchLabels: {app: kubia}
  template:
    metadata:
      labels: {app: kubia}
    spec:
      nodeSelector: {gpu: "true"}
      containers:
      - name: kubia
        image: luksa/kubia
---
apiVersion: v1
kind: Service
metadata:
  name: kubia
spec:
  selector:
    app: kubai
  ports:
  - port: 80
    targetPort: 8080
`;

test('findings point at the line of the manifest, also for pods that a workload made', () => {
  const { objects } = loadManifests([{ file: 'kubia.yaml', text }]);
  const { plane } = cluster(objects.map((object) => admit(object).object));
  expect(plane.findings().map(formatFinding)).toEqual([
    'warning: kubia.yaml:13:7: deployment "default/kubia": 2 pods: no node can take the pod: ' +
      "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 node(s) didn't match Pod's node affinity/selector. " +
      'no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.',
    'warning: kubia.yaml:24:5: service "default/kubia": selector "app=kubai" matches no pod in namespace "default" ' +
      '(did you mean "app: kubia"?)',
  ]);
});

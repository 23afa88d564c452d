import { admit, checkObject, formatFinding, loadManifests } from '@netsim/manifest';
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

const workloads = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: fo
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: foo}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      nodeSelector: {disk: ssd}
      containers: [{name: c, image: nginx}]
`;

test('workloads that cannot do what they are for are told of, with the line', () => {
  const objects = loadManifests([{ file: 'w.yaml', text: workloads }]).objects.map((each) => checkObject(each).object);
  const findings = cluster(objects).plane.findings();
  expect(findings.map(formatFinding)).toEqual([
    'warning: w.yaml:5:3: statefulset "default/web": there is no service "fo", so its pods have no names of their own in the DNS (did you mean "foo"?)',
    'warning: w.yaml:24:7: daemonset "default/agent": it runs on none of the 4 nodes: none has the labels disk=ssd (label a node, or leave the nodeSelector out)',
  ]);
});

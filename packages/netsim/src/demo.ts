/** The built-in cluster: the kubia service of the classic tutorial, and a pod to call it from. Printed by `netsim demo`. */
export const demos = {
  kubia: `# kubia: three pods behind a service, and a pod that calls it.
apiVersion: v1
kind: Pod
metadata:
  name: pod-a
  labels: { app: client }
spec:
  nodeName: w1-k8s
  containers:
  - name: shell
    image: curlimages/curl
    command: [sleep, infinity]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: kubia
spec:
  replicas: 3
  selector:
    matchLabels: { app: kubia }
  template:
    metadata:
      labels: { app: kubia }
    spec:
      containers:
      - name: kubia
        image: luksa/kubia
        ports:
        - containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: kubia
spec:
  clusterIP: 10.106.139.160
  selector: { app: kubia }
  ports:
  - port: 80
    targetPort: 8080
`,
} as const;

export type DemoName = keyof typeof demos;

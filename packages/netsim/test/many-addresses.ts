/** A headless service `many` of sixty pods: its reply does not fit into a datagram. */
export const MANY_ADDRESSES = `apiVersion: v1
kind: Service
metadata: { name: many }
spec: { clusterIP: None, selector: { app: many }, ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: many }
spec:
  replicas: 60
  selector: { matchLabels: { app: many } }
  template:
    metadata: { labels: { app: many } }
    spec: { containers: [{ name: c, image: nginx }] }
`;

import type { Pod } from '@netsim/manifest';
import type { Cluster, PodHandle } from 'netsim';

export const METALLB = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: pool, namespace: metallb-system }
spec: { addresses: [192.168.1.11-192.168.1.29] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: pool, namespace: metallb-system }
---
`;

/** A GatewayClass `eg`, and the Gateway `web` with these listeners. */
export function gatewayOf(...listeners: readonly string[]): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: eg }
spec: { controllerName: example.com/controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: eg
  listeners: [${listeners.map((one) => `{ ${one} }`).join(', ')}]
---
`;
}

/** A Deployment of the kubia image and its Service. */
export function web(name: string, replicas = 3): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
      - name: ${name}
        image: luksa/kubia
        ports: [{ containerPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ port: 80, targetPort: 8080 }]
---
`;
}

/** An Ingress of class nginx for kubia.example.com; `paths` lead to services of these names. */
export function ingress(
  paths: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>> = {},
): string {
  const rows = Object.entries(paths).map(
    ([path, name]) =>
      `      - { path: ${path}, pathType: Prefix, backend: { service: { name: ${name}, port: { number: 80 } } } }`,
  );
  return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: kubia
  annotations: ${JSON.stringify(annotations)}
spec:
  ingressClassName: nginx
  rules:
  - host: kubia.example.com
    http:
      paths:
${rows.join('\n')}
---
`;
}

export function podOf(cluster: Cluster, app: string): PodHandle {
  const pod = cluster.store.list<Pod>('Pod').find(({ metadata }) => metadata.labels?.app === app)!;
  return cluster.pod(pod.metadata.name);
}

/** Runs curl on the host outside; its output, or its message where it fails. */
export async function curl(cluster: Cluster, ...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await cluster.exec('host/external', ['curl', '-sS', ...args]);
  return code === 0 ? stdout : stderr;
}

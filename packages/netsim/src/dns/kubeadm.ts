import { type KubeObject, loadManifests, type ObjectStore, type Pod, type Service } from '@netsim/manifest';
import { formatIp, type Ip } from '@netsim/wire';

/** What the made objects say they come from, where an object's file is shown. */
export const ORIGIN_FILE = 'kubeadm:coredns';

/**
 * The CoreDNS that kubeadm puts into every cluster, for manifests that say nothing of a cluster DNS: none where a service has
 * the DNS address already, or pods of the label `k8s-app: kube-dns` or a workload `coredns` are there.
 * Source: `cmd/kubeadm/app/phases/addons/dns/manifests.go`.
 */
export function kubeadmCoreDns(store: ObjectStore, clusterDomain: string, address: Ip | undefined): KubeObject[] {
  if (address === undefined) return [];
  const wanted = formatIp(address);
  for (const { spec } of store.list<Service>('Service')) {
    if (spec.clusterIP === wanted || spec.clusterIPs?.includes(wanted)) return [];
  }
  if (store.list<Pod>('Pod').some(({ metadata }) => metadata.labels?.['k8s-app'] === 'kube-dns')) return [];
  for (const [kind, name] of [
    ['Service', 'kube-dns'],
    ['Deployment', 'coredns'],
  ] as const) {
    if (store.get(kind, 'kube-system', name) !== undefined) return [];
  }
  const source = { file: ORIGIN_FILE, text: manifests(clusterDomain, wanted) };
  const { objects } = loadManifests([source], { namespace: 'kube-system' });
  return objects.filter(({ kind, metadata }) => store.get(kind, metadata.namespace, metadata.name) === undefined);
}

function manifests(clusterDomain: string, address: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: coredns, namespace: kube-system }
data:
  Corefile: |
    .:53 {
        errors
        health {
           lameduck 5s
        }
        ready
        kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
           pods insecure
           fallthrough in-addr.arpa ip6.arpa
           ttl 30
        }
        prometheus :9153
        forward . /etc/resolv.conf {
           max_concurrent 1000
        }
        cache 30 {
           disable success ${clusterDomain}
           disable denial ${clusterDomain}
        }
        loop
        reload
        loadbalance
    }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: coredns
  namespace: kube-system
  labels: { k8s-app: kube-dns }
spec:
  replicas: 2
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxUnavailable: 1 }
  selector:
    matchLabels: { k8s-app: kube-dns }
  template:
    metadata:
      labels: { k8s-app: kube-dns }
    spec:
      dnsPolicy: Default
      tolerations:
      - { key: CriticalAddonsOnly, operator: Exists }
      - { key: node-role.kubernetes.io/control-plane, effect: NoSchedule }
      containers:
      - name: coredns
        image: coredns/coredns
        args: [-conf, /etc/coredns/Corefile]
        volumeMounts:
        - { name: config-volume, mountPath: /etc/coredns, readOnly: true }
        ports:
        - { name: dns, containerPort: 53, protocol: UDP }
        - { name: dns-tcp, containerPort: 53, protocol: TCP }
        - { name: metrics, containerPort: 9153, protocol: TCP }
        - { name: liveness-probe, containerPort: 8080, protocol: TCP }
        - { name: readiness-probe, containerPort: 8181, protocol: TCP }
        livenessProbe:
          httpGet: { path: /health, port: liveness-probe, scheme: HTTP }
          initialDelaySeconds: 60
          timeoutSeconds: 5
          successThreshold: 1
          failureThreshold: 5
        readinessProbe:
          httpGet: { path: /ready, port: readiness-probe, scheme: HTTP }
      volumes:
      - name: config-volume
        configMap: { name: coredns, items: [{ key: Corefile, path: Corefile }] }
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
  labels: { k8s-app: kube-dns, kubernetes.io/cluster-service: "true", kubernetes.io/name: CoreDNS }
spec:
  clusterIP: "${address}"
  selector: { k8s-app: kube-dns }
  ports:
  - { name: dns, port: 53, protocol: UDP }
  - { name: dns-tcp, port: 53, protocol: TCP }
  - { name: metrics, port: 9153, protocol: TCP }
`;
}

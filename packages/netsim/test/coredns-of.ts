import type { Cluster, PodHandle } from 'netsim';

/** A ConfigMap that gives the CoreDNS of a cluster this Corefile. */
export const coreDnsConfigMap = (corefile: string): string => `apiVersion: v1
kind: ConfigMap
metadata: { name: coredns, namespace: kube-system }
data:
  Corefile: |
    ${corefile.trimEnd().replaceAll('\n', '\n    ')}
`;

/** The pods of the cluster DNS. */
export const coreDnsPods = (cluster: Cluster): PodHandle[] =>
  cluster.store
    .list('Pod', 'kube-system')
    .filter(({ metadata }) => metadata.labels?.['k8s-app'] === 'kube-dns')
    .map(({ metadata }) => cluster.pod(`kube-system/${metadata.name}`));

import { isReady, podIPs } from '@netsim/control';
import { type EndpointSlice, matchesLabels, type Pod, type Service, type ServicePort } from '@netsim/manifest';
import { formatEndpoint, parseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import type { SourceRef, TransportProtocol } from '../names.ts';

/** What a diagnosis is about: who asks whom for what, as far as it is known before anything is sent. */
export interface Subject {
  readonly cluster: Cluster;
  readonly source: SourceRef;
  /** The source as it is written for a trace. */
  readonly from: string;
  readonly to: string;
  readonly namespace: string;
  readonly protocol: TransportProtocol;
  readonly service?: Service;
  readonly pod?: Pod;
  /** The DNS name that was asked for, where it was one. */
  readonly host?: string;
  /** The port that was asked for, or the service's only one. */
  readonly port?: number;
  readonly servicePort?: ServicePort;
}

/** An address behind a service, and what stands there. */
export interface Backend {
  readonly ip: string;
  readonly port: number | undefined;
  readonly pod: Pod | undefined;
}

/** The pods that a service selects, whether they are ready or not; none for one without a selector. */
export function selectedPods({ cluster, service }: Subject): Pod[] {
  const selector = service?.spec.selector;
  if (service === undefined || selector === undefined || Object.keys(selector).length === 0) return [];
  return cluster.store
    .list<Pod>('Pod', service.metadata.namespace)
    .filter((pod) => matchesLabels(selector, pod.metadata.labels ?? {}));
}

/** The ready endpoints of the service for the port that is asked for; of all its ports where it has no such port. */
export function backends({ cluster, service, servicePort }: Subject): Backend[] {
  if (service === undefined) return [];
  const { namespace, name } = service.metadata;
  const found = new Map<string, Backend>();
  for (const slice of cluster.store.list<EndpointSlice>('EndpointSlice', namespace)) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
    const ports = (slice.ports ?? []).filter(
      (port) =>
        servicePort === undefined ||
        ((port.name ?? '') === (servicePort.name ?? '') &&
          (port.protocol ?? 'TCP') === (servicePort.protocol ?? 'TCP')),
    );
    if (ports.length === 0 && servicePort !== undefined) continue;
    for (const { addresses, conditions, targetRef } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      const pod =
        targetRef?.kind === 'Pod' && targetRef.name !== undefined
          ? cluster.store.get<Pod>('Pod', targetRef.namespace ?? namespace, targetRef.name)
          : undefined;
      for (const ip of addresses) {
        const port = ports[0]?.port ?? undefined;
        found.set(`${ip} ${port}`, { ip, port, pod });
      }
    }
  }
  return [...found.values()];
}

export function endpointText({ ip, port }: Backend): string {
  return port === undefined ? ip : formatEndpoint(parseIp(ip), port);
}

/** A pod that can send: one that runs, in the namespace, and no endpoint of the service where there is another. */
export function usualSource(cluster: Cluster, namespace: string, target: { service?: Service; pod?: Pod }): SourceRef {
  const running = cluster.store.list<Pod>('Pod').filter((pod) => podIPs(pod).length > 0 && !pod.spec.hostNetwork);
  const { selector } = target.service?.spec ?? {};
  const serves = (pod: Pod): boolean =>
    pod === target.pod ||
    (selector !== undefined &&
      pod.metadata.namespace === target.service?.metadata.namespace &&
      matchesLabels(selector, pod.metadata.labels ?? {}));
  const here = running.filter(({ metadata }) => metadata.namespace === namespace);
  const system = (pod: Pod): boolean => pod.metadata.namespace === 'kube-system';
  const choices = [
    here.filter((pod) => !serves(pod)),
    here.filter((pod) => pod !== target.pod),
    running.filter((pod) => !serves(pod) && !system(pod)),
    here,
  ];
  const pods = choices.find((each) => each.length > 0);
  const pod = pods?.find((each) => isReady(each)) ?? pods?.[0];
  if (pod !== undefined) return { kind: 'Pod', pod };
  return cluster.names().source(`node/${cluster.store.list('Node')[0]!.metadata.name}`);
}

export function sourceText(source: SourceRef): string {
  switch (source.kind) {
    case 'Pod':
      return `pod/${source.pod.metadata.namespace}/${source.pod.metadata.name}`;
    case 'Node':
      return `node/${source.node.metadata.name}`;
    case 'Host':
      return source.ip === undefined || source.name.includes('.') || source.name.includes(':')
        ? source.name
        : `host/${source.name}`;
  }
}

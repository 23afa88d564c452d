import type { Container, Endpoint, Pod, Service, ServicePort } from '@netsim/manifest';
import { isReady, isTerminal, podIPs } from '../kubelet/pod-status.ts';

/** What the Endpoints and the EndpointSlice controller both read off a pod (staging/src/k8s.io/endpointslice, pkg/api/v1/pod). */

/** Whether a pod may be in endpoints at all. */
export function belongsInEndpoints(pod: Pod, includeTerminating: boolean): boolean {
  if (isTerminal(pod) || podIPs(pod).length === 0) return false;
  return includeTerminating || pod.metadata.deletionTimestamp === undefined;
}

/** The pod's number for a service port: the target port itself, or the container port of that name and protocol. */
export function findPort(pod: Pod, port: ServicePort): number | undefined {
  const { targetPort = port.port, protocol = 'TCP' } = port;
  if (typeof targetPort === 'number') return targetPort;
  for (const container of pod.spec.containers) {
    const found = namedPort(container, targetPort, protocol);
    if (found !== undefined) return found;
  }
  for (const container of pod.spec.initContainers ?? []) {
    const sidecar: Container & { restartPolicy?: string } = container;
    if (sidecar.restartPolicy !== 'Always') continue;
    const found = namedPort(container, targetPort, protocol);
    if (found !== undefined) return found;
  }
  return undefined;
}

function namedPort(container: Container, name: string, protocol: string): number | undefined {
  return container.ports?.find((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort;
}

/** The hostname under which the pod is known in the service's domain. */
export function endpointHostname(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec;
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

export function targetRefOf({ metadata }: Pod): NonNullable<Endpoint['targetRef']> {
  const { namespace, name, uid } = metadata;
  return {
    kind: 'Pod',
    ...(namespace === undefined ? {} : { namespace }),
    name,
    ...(uid === undefined ? {} : { uid }),
  };
}

/** Whether a change of a pod can change any endpoint. */
export function endpointChanged(old: Pod, pod: Pod): boolean {
  if (!hasIP(old) && !hasIP(pod)) return false;
  if (old.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp || old.metadata.uid !== pod.metadata.uid) {
    return true;
  }
  if (old.spec !== pod.spec || old.metadata.labels !== pod.metadata.labels) return true;
  if (old.status === pod.status) return false;
  if (isTerminal(old) !== isTerminal(pod) || isReady(old) !== isReady(pod)) return true;
  return podIPs(old).join() !== podIPs(pod).join();
}

/** A pod without address is in no endpoints, whatever else it has. */
export function hasIP({ status }: Pod): boolean {
  return status !== undefined && (status.podIP !== undefined || (status.podIPs?.length ?? 0) > 0);
}

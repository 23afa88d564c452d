import { isReady } from '@netsim/control';
import { matchesLabels, type Pod, type Service } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';
import { PodHandle } from './pod-handle.ts';

/** What `kubectl port-forward` sets up: a way from the user's machine into one pod. */
export interface PortForward {
  readonly pod: PodHandle;
  /** Port on localhost inside the pod. */
  readonly port: number;
  /** An HTTP request through it. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/**
 * As `kubectl port-forward svc/x PORT`: one running pod of the service is picked, and the kubelet connects to localhost inside its
 * network namespace. Neither the service's address nor kube-proxy's rules take part: the service only names the pod and its port.
 */
export function portForward(cluster: Cluster, target: string, port: number): PortForward {
  const { pod, port: inside } = pick(cluster, target, port);
  const handle = new PodHandle(cluster, pod);
  return {
    pod: handle,
    port: inside,
    fetch: (path, init) => handle.fetch(`http://localhost:${inside}${path.startsWith('/') ? path : `/${path}`}`, init),
  };
}

function pick(cluster: Cluster, target: string, port: number): { pod: Pod; port: number } {
  const names = cluster.names();
  const slash = target.indexOf('/');
  const word = slash < 0 ? 'pod' : target.slice(0, slash);
  const object = names.object(word, target.slice(slash + 1));
  if (object.kind === 'Pod') return { pod: object as Pod, port };
  if (object.kind !== 'Service') {
    const source = names.source(target);
    if (source.kind !== 'Pod') throw new UsageError(`${target} has no pods to forward to`);
    return { pod: source.pod, port };
  }
  const service = object as Service;
  const { name, namespace } = service.metadata;
  const servicePort = service.spec.ports?.find((each) => each.port === port);
  if (servicePort === undefined) {
    const ports = (service.spec.ports ?? []).map((each) => each.port).join(', ');
    throw new UsageError(`Service ${name} does not have a service port ${port}`, `its ports: ${ports}`);
  }
  const pods = cluster.store
    .list<Pod>('Pod', namespace)
    .filter(
      (pod) => pod.status?.phase === 'Running' && matchesLabels(service.spec.selector ?? {}, pod.metadata.labels ?? {}),
    )
    .sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || (a.metadata.name < b.metadata.name ? -1 : 1));
  const pod = pods[0];
  if (pod === undefined || service.spec.selector === undefined)
    throw new UsageError(`service "${name}" has no running pod to forward to`);
  const wanted = servicePort.targetPort ?? port;
  const inside =
    typeof wanted === 'number'
      ? wanted
      : pod.spec.containers.flatMap((container) => container.ports ?? []).find((each) => each.name === wanted)
          ?.containerPort;
  if (inside === undefined) throw new UsageError(`Pod "${pod.metadata.name}" does not have a named port '${wanted}'`);
  return { pod, port: inside };
}

import type { ObjectStore, Pod, Service } from '@netsim/manifest';
import { matchesLabels } from '@netsim/manifest';
import { controllerOf } from '../ingress/controllers.ts';

/** The Service in front of a controller, on nodes by node ports only, and the URL that leads there. */
export interface FrontDoorPort {
  readonly service: Service;
  readonly url: string;
}

/**
 * The ways by which a URL that has come to a node would find a controller: its Service has the URL's port, but no load balancer,
 * so that nodes take requests for it at the node port.
 */
export function frontDoorPorts(store: ObjectStore, url: URL, port: number | undefined): FrontDoorPort[] {
  const controllers = store.list<Pod>('Pod').filter((pod) => controllerOf(pod) !== undefined);
  return store.list<Service>('Service').flatMap((service): FrontDoorPort[] => {
    const { metadata, spec, status } = service;
    const { selector, ports = [] } = spec;
    if (selector === undefined || (status?.loadBalancer?.ingress ?? []).length > 0) return [];
    const leads = controllers.some(
      (pod) => pod.metadata.namespace === metadata.namespace && matchesLabels(selector, pod.metadata.labels ?? {}),
    );
    const nodePort = ports.find((each) => each.port === port && (each.protocol ?? 'TCP') === 'TCP')?.nodePort;
    if (!leads || nodePort === undefined) return [];
    const there = new URL(url);
    there.port = String(nodePort);
    return [{ service, url: there.href }];
  });
}

import { givesLoadBalancerAddresses } from '@netsim/control';
import { type Gateway, type GatewayClass, type KubeObject, loadManifests, type ObjectStore } from '@netsim/manifest';
import { controllerOf } from './controllers.ts';
import { type MadeController, podTemplates, refusesController } from './default-controller.ts';

/** What the made objects say they come from, where an object's file is shown. */
const ORIGIN_FILE = 'netsim:gateway';

/**
 * What the controller of a GatewayClass deploys for each of its Gateways, where the manifests do not have it: a Deployment of
 * proxies and a Service in front of them, named and labelled as GEP-1762 says. A Gateway whose class is not there gets nothing.
 */
export function gatewayDataPlanes(store: ObjectStore): MadeController[] {
  const gateways = store.list<Gateway>('Gateway');
  if (gateways.length === 0) return [];
  const served = new Set(
    podTemplates(store).flatMap((pod) => {
      const gateway = controllerOf(pod)?.gateway;
      return gateway === undefined ? [] : [`${pod.metadata.namespace ?? 'default'}/${gateway}`];
    }),
  );
  return gateways.flatMap((gateway) => {
    const { namespace = 'default', name } = gateway.metadata;
    const gatewayClass = store.get<GatewayClass>('GatewayClass', undefined, gateway.spec.gatewayClassName);
    if (gatewayClass === undefined || served.has(`${namespace}/${name}`)) return [];
    return [gateway, gatewayClass].some(refusesController) ? [] : [madeFor(store, gateway)];
  });
}

function madeFor(store: ObjectStore, { metadata, spec }: Gateway): MadeController {
  const { namespace = 'default', name } = metadata;
  const own = `${name}-${spec.gatewayClassName}`.slice(0, 63).replace(/[^a-z0-9]+$/, '');
  const labels = { 'gateway.networking.k8s.io/gateway-name': name };
  const type = givesLoadBalancerAddresses(store) ? 'LoadBalancer' : 'NodePort';
  const ports = [
    ...new Map(
      spec.listeners.map(({ port, protocol }) => {
        const transport = protocol === 'UDP' ? 'UDP' : 'TCP';
        return [
          `${transport} ${port}`,
          { name: `${protocol.toLowerCase()}-${port}`.slice(0, 15), port, protocol: transport },
        ];
      }),
    ).values(),
  ];
  const containerPorts = ports.map((each) => ({ name: each.name, containerPort: each.port, protocol: each.protocol }));
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: 'proxy', image: 'envoyproxy/envoy:v1.34', ports: containerPorts }] },
  };
  const manifests: unknown[] = [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: own, namespace, labels },
      spec: { selector: { matchLabels: labels }, template },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: own, namespace, labels },
      spec: { type, selector: labels, ports },
    },
  ];
  const text = manifests.map((each) => JSON.stringify(each)).join('\n---\n');
  const { objects } = loadManifests([{ file: ORIGIN_FILE, text }], { namespace });
  return {
    objects: objects.filter(
      ({ kind, metadata: { name: made } }: KubeObject) => store.get(kind, namespace, made) === undefined,
    ),
    note: `the manifests have no data plane for gateway ${namespace}/${name}: Deployment and ${type} Service ${namespace}/${own} are added`,
  };
}

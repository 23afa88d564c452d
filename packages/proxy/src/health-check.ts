import type { Node } from '@netsim/manifest';
import type { ProxyState } from './proxy-state.ts';

/** What kube-proxy answers a load balancer that asks whether this node has endpoints of a service. */
export interface HealthCheckAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Port (`healthCheckNodePort`) on which every node answers for a service; undefined: on none. */
export function healthCheckPort(state: ProxyState, service: string): number | undefined {
  return state.ports(service).find(({ port }) => port.healthCheckNodePort !== 0)?.port.healthCheckNodePort;
}

/**
 * The answer on the healthCheckNodePort of a service (`namespace/name`) on a node: 200 where the node has ready endpoints of it,
 * counted by address, and kube-proxy itself is well. Endpoints that are terminating do not count, though packets may still go to
 * them. Undefined for a service without such a port. Source: pkg/proxy/healthcheck/service_health.go of Kubernetes 1.36.
 */
export function healthCheckAnswer(
  state: ProxyState,
  service: string,
  nodeName: string,
  proxyHealthy = true,
): HealthCheckAnswer | undefined {
  if (healthCheckPort(state, service) === undefined) return undefined;
  const ips = new Set<unknown>();
  for (const { endpoints } of state.ports(service)) {
    for (const endpoint of endpoints) if (endpoint.nodeName === nodeName && endpoint.ready) ips.add(endpoint.ip);
  }
  const [namespace, name] = service.split('/');
  const answer = { service: { namespace, name }, localEndpoints: ips.size, serviceProxyHealthy: proxyHealthy };
  return {
    status: ips.size > 0 && proxyHealthy ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(ips.size),
    },
    body: JSON.stringify(answer, undefined, '\t'),
  };
}

/** Port on which kube-proxy tells whether it is well: `healthzBindAddress`, where nothing is said of it. */
export const PROXY_HEALTH_PORT = 10256;

/**
 * kube-proxy's answer on its own health port; undefined for a path that it does not know. A node that the autoscaler is about to
 * remove is not well by `/healthz`, so that load balancers leave it, and still is by `/livez`. Source: KEP-3836; the fields of the
 * body as seen in answers of 2026, the state of the families alone left out. `now` is in milliseconds since the Unix epoch.
 */
export function proxyHealthAnswer(path: string, node: Node, now: number): HealthCheckAnswer | undefined {
  if (path !== '/healthz' && path !== '/livez') return undefined;
  const leaving =
    node.metadata.deletionTimestamp !== undefined ||
    node.spec?.taints?.some(({ key }) => key === 'ToBeDeletedByClusterAutoscaler') === true;
  const healthy = path === '/livez' || !leaving;
  const time = new Date(now).toISOString();
  const eligible = path === '/livez' ? {} : { nodeEligible: !leaving };
  return {
    status: healthy ? 200 : 503,
    headers: { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' },
    body: JSON.stringify({ lastUpdated: time, currentTime: time, ...eligible, healthy }),
  };
}

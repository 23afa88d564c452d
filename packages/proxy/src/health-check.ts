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

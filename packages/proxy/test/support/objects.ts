import type { Endpoint, EndpointSlice, Service, ServiceSpec } from '@netsim/manifest';

/** A ClusterIP service with one unnamed TCP port 80, unless told otherwise. */
export function service(name: string, clusterIP: string, spec: Partial<ServiceSpec> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: [clusterIP.includes(':') ? 'IPv6' : 'IPv4'],
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }],
      ...spec,
    },
  };
}

/** A slice of a service, port 8080, with ready endpoints given as text or complete ones. */
export function slice(serviceName: string, endpoints: readonly (string | Endpoint)[], suffix = 'a'): EndpointSlice {
  const all = endpoints.map((entry) => (typeof entry === 'string' ? { addresses: [entry] } : entry));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${serviceName}-${suffix}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    addressType: all[0]?.addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: all,
  };
}

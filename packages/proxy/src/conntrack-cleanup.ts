import type { Tuple } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { IpProto } from '@netsim/wire';
import type { Endpoint } from './endpoints.ts';
import type { ProxyState } from './proxy-state.ts';

/** A connection in a node's conntrack table. */
export interface TrackedConnection {
  readonly original: Tuple;
  /** As the answers arrive: its source is the endpoint. */
  readonly reply: Tuple;
}

/** Endpoints by port number, then by address. */
type ByPort<V> = Map<number, V>;

/**
 * UDP connections to services that are translated to an endpoint that does not serve any more. They would never end by
 * themselves while a client keeps sending, so kube-proxy deletes them after a sync in which endpoints of a UDP port changed (see
 * {@link ProxyState.udpEndpointChanges}). A service with no serving endpoint at all is left alone; policies and hints are not
 * looked at; TCP notices by itself. A NodePort is taken for one at any address. Source: pkg/proxy/conntrack/cleanup.go of
 * Kubernetes 1.36.
 */
export function staleUdpConntrack<C extends TrackedConnection>(state: ProxyState, connections: Iterable<C>): C[] {
  const byAddress = new Map<Ip, ByPort<readonly Endpoint[]>>();
  const byNodePort: ByPort<readonly Endpoint[]> = new Map();
  for (const service of state.services()) {
    for (const { port, endpoints } of state.ports(service)) {
      if (port.protocol !== 'udp') continue;
      const serving = endpoints.filter((endpoint) => endpoint.serving);
      if (serving.length === 0) continue;
      for (const ip of [port.clusterIP, ...port.loadBalancerVIPs, ...port.externalIPs]) {
        let ports = byAddress.get(ip);
        if (ports === undefined) {
          ports = new Map();
          byAddress.set(ip, ports);
        }
        ports.set(port.port, serving);
      }
      if (port.nodePort !== 0) byNodePort.set(port.nodePort, serving);
    }
  }
  if (byAddress.size === 0) return [];
  const stale: C[] = [];
  for (const connection of connections) {
    const { original, reply } = connection;
    if (original.protocol !== IpProto.UDP || (typeof original.dst === 'number') !== (state.family === 4)) continue;
    const gone = (serving: readonly Endpoint[] | undefined) =>
      serving !== undefined && !serving.some(({ ip, port }) => ip === reply.src && port === reply.sport);
    if (gone(byAddress.get(original.dst)?.get(original.dport)) || gone(byNodePort.get(original.dport))) {
      stale.push(connection);
    }
  }
  return stale;
}

import type { Endpoint } from './endpoints.ts';
import type { PortPolicy } from './service-map.ts';
import { usesClusterEndpoints, usesLocalEndpoints } from './service-map.ts';

/** Where a decision is made: hints and locality are looked at from a node. */
export interface Place {
  readonly nodeName: string;
  readonly zone?: string;
  /** False: hints for nodes are not looked at, as before feature gate PreferSameTrafficDistribution (on since 1.34). */
  readonly useNodeHints?: boolean;
}

/** Which endpoints a node uses for a service port, and for what. */
export interface EndpointChoice {
  /** For traffic under policy Cluster. */
  readonly cluster: readonly Endpoint[];
  /** For traffic under policy Local. */
  readonly local: readonly Endpoint[];
  /** Both, each once. */
  readonly reachable: readonly Endpoint[];
  /** There is a usable endpoint somewhere, on this node or another. */
  readonly hasEndpoints: boolean;
}

/**
 * Sorts the endpoints of a service port into those of policy Cluster and those of policy Local, as seen from a node.
 * Ready endpoints come first; where there is none, those that are terminating but still serving are used, separately for
 * each list. Hints narrow the Cluster list only. Source: pkg/proxy/topology.go of Kubernetes 1.36.
 */
export function chooseEndpoints(endpoints: readonly Endpoint[], port: PortPolicy, place: Place): EndpointChoice {
  let cluster: readonly Endpoint[] = [];
  let hasEndpoints = false;
  let fallback = false;
  let topology: Topology = 'none';
  if (usesClusterEndpoints(port)) {
    topology = topologyOf(endpoints, place);
    const isUsed = (endpoint: Endpoint) => endpoint.ready && hinted(endpoint, topology, place);
    // Mostly all are: then it is the same list.
    cluster = endpoints.every(isUsed) ? endpoints : endpoints.filter(isUsed);
    if (cluster.length === 0) {
      cluster = endpoints.filter(servingTerminating);
      fallback = cluster.length > 0;
    }
    hasEndpoints = cluster.length > 0;
  }
  if (!usesLocalEndpoints(port)) return { cluster, local: [], reachable: cluster, hasEndpoints };

  hasEndpoints ||= endpoints.some((endpoint) => endpoint.ready || servingTerminating(endpoint));
  const here = endpoints.filter((endpoint) => endpoint.nodeName === place.nodeName);
  let local = here.filter((endpoint) => endpoint.ready);
  if (local.length === 0) {
    local = here.filter(servingTerminating);
    fallback ||= local.length > 0;
  }
  if (!usesClusterEndpoints(port)) return { cluster, local, reachable: local, hasEndpoints };
  if (topology === 'none' && !fallback) return { cluster, local, reachable: cluster, hasEndpoints };
  const both = new Set([...cluster, ...local]);
  return { cluster, local, reachable: endpoints.filter((endpoint) => both.has(endpoint)), hasEndpoints };
}

/** Does the answer depend on the node? Not for plain services, whose rules are then the same on all nodes. */
export function dependsOnNode(endpoints: readonly Endpoint[], port: PortPolicy): boolean {
  return (
    usesLocalEndpoints(port) ||
    endpoints.some((endpoint) => endpoint.nodeHints !== undefined || endpoint.zoneHints !== undefined)
  );
}

type Topology = 'none' | 'node' | 'zone';

/** Hints count only if every ready endpoint has them and one of them names this node or zone. */
function topologyOf(endpoints: readonly Endpoint[], { nodeName, zone, useNodeHints }: Place): Topology {
  let allNode = true;
  let allZone = true;
  let thisNode = false;
  let thisZone = false;
  for (const { ready, nodeHints, zoneHints } of endpoints) {
    if (!ready) continue;
    if (nodeHints === undefined) allNode = false;
    else if (nodeHints.includes(nodeName)) thisNode = true;
    if (zoneHints === undefined) allZone = false;
    else if (zone !== undefined && zoneHints.includes(zone)) thisZone = true;
  }
  if (allNode && thisNode && useNodeHints !== false) return 'node';
  return allZone && thisZone ? 'zone' : 'none';
}

function hinted(endpoint: Endpoint, topology: Topology, { nodeName, zone }: Place): boolean {
  switch (topology) {
    case 'none':
      return true;
    case 'node':
      return endpoint.nodeHints?.includes(nodeName) === true;
    case 'zone':
      return zone !== undefined && endpoint.zoneHints?.includes(zone) === true;
  }
}

function servingTerminating(endpoint: Endpoint): boolean {
  return endpoint.serving && endpoint.terminating;
}

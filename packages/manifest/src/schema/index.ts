import { parseApiVersion } from '../kinds/registry.ts';
import { CLUSTER } from './cluster.ts';
import { GATEWAY } from './gateway.ts';
import { META } from './meta.ts';
import { NETWORKING } from './networking.ts';
import { POD } from './pod.ts';
import { SERVICE } from './service.ts';
import { Struct, type StructTable } from './type.ts';
import { VOLUME } from './volume.ts';
import { WORKLOAD } from './workload.ts';

const TABLES: readonly StructTable[] = [META, CLUSTER, SERVICE, NETWORKING, POD, VOLUME, WORKLOAD, GATEWAY];
const structs = new Map<string, Struct>();

/** The struct of that name; each is made once, when first asked for. */
export function structOf(name: string): Struct {
  let struct = structs.get(name);
  if (struct === undefined) {
    const table = TABLES.find((candidate) => Object.hasOwn(candidate, name));
    if (table === undefined) throw new RangeError(`no struct named ${name}`);
    struct = new Struct(name, table[name]!, structOf);
    structs.set(name, struct);
  }
  return struct;
}

/** Kinds whose every field is known, by the group they are served from. */
const SCHEMA_KINDS: Readonly<Record<string, readonly string[]>> = {
  '': [
    'ConfigMap',
    'Endpoints',
    'Namespace',
    'Node',
    'PersistentVolumeClaim',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'Secret',
    'Service',
    'ServiceAccount',
  ],
  apps: ['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  batch: ['CronJob', 'Job'],
  'discovery.k8s.io': ['EndpointSlice'],
  'networking.k8s.io': ['Ingress', 'IngressClass', 'NetworkPolicy'],
  'gateway.networking.k8s.io': [
    'BackendTLSPolicy',
    'GRPCRoute',
    'Gateway',
    'GatewayClass',
    'HTTPRoute',
    'ListenerSet',
    'ReferenceGrant',
    'TCPRoute',
    'TLSRoute',
    'UDPRoute',
  ],
  'rbac.authorization.k8s.io': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
};

/** The struct of a kind in the version that is stored today; undefined where netsim does not know its fields. */
export function schemaOf(apiVersion: string, kind: string): Struct | undefined {
  const { group } = parseApiVersion(apiVersion);
  return Object.hasOwn(SCHEMA_KINDS, group) && SCHEMA_KINDS[group]!.includes(kind) ? structOf(kind) : undefined;
}

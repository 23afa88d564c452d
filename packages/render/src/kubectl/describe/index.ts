import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  KubeObject,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
} from '@netsim/manifest';
import type { Ingress, NetworkPolicy } from '../kinds.ts';
import { toYaml } from '../serialize.ts';
import { describeConfigMap } from './config-map.ts';
import { describeIngress } from './ingress.ts';
import { describeNetworkPolicy } from './network-policy.ts';
import { describeNamespace, describeNode } from './node.ts';
import { describePod } from './pod.ts';
import type { Related } from './related.ts';
import { describeEndpointSlice, describeEndpoints, describeService } from './service.ts';
import { describeDeployment, describeReplicaSet } from './workload.ts';
import { DescribeWriter } from './writer.ts';

export type { Related } from './related.ts';

/** An object as `kubectl describe` prints it. A kind without a form of its own shows its fields as they are. */
export function describe(object: KubeObject, related: Related): string {
  switch (object.kind) {
    case 'Pod':
      return describePod(object as Pod, related);
    case 'Service':
      return describeService(object as Service, related);
    case 'Endpoints':
      return describeEndpoints(object as Endpoints);
    case 'EndpointSlice':
      return describeEndpointSlice(object as EndpointSlice);
    case 'Deployment':
      return describeDeployment(object as Deployment, related);
    case 'ReplicaSet':
      return describeReplicaSet(object as ReplicaSet, related);
    case 'ConfigMap':
      return describeConfigMap(object as ConfigMap);
    case 'Node':
      return describeNode(object as Node, related);
    case 'Namespace':
      return describeNamespace(object as Namespace);
    case 'Ingress':
      return describeIngress(object as Ingress, related);
    case 'NetworkPolicy':
      return describeNetworkPolicy(object as NetworkPolicy);
    default:
      return describeOther(object);
  }
}

function describeOther(object: KubeObject): string {
  const { metadata, apiVersion, kind, ...fields } = object;
  const w = new DescribeWriter();
  w.line(0, 'Name:', metadata.name);
  if (metadata.namespace !== undefined) w.line(0, 'Namespace:', metadata.namespace);
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'API Version:', apiVersion);
  w.line(0, 'Kind:', kind);
  return w.toString() + (Object.keys(fields).length === 0 ? '' : toYaml(fields));
}

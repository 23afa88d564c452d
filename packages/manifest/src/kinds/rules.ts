import type { KubeObject } from '../objects.ts';
import type { Causes } from '../validate/cause.ts';
import { defaultNamespace, defaultNode, validateNamespace, validateNode } from './cluster.ts';
import { defaultEndpointSlice, defaultEndpoints, validateEndpointSlice, validateEndpoints } from './endpoints.ts';
import {
  defaultGateway,
  defaultGatewayClass,
  defaultListenerSet,
  validateBackendTLSPolicy,
  validateGateway,
  validateGatewayClass,
  validateListenerSet,
  validateReferenceGrant,
} from './gateway.ts';
import { defaultCronJob, defaultJob, validateCronJob, validateJob } from './job.ts';
import {
  defaultIngressClass,
  defaultNetworkPolicy,
  validateIngress,
  validateIngressClass,
  validateNetworkPolicy,
} from './networking.ts';
import { defaultPod, validatePod } from './pod.ts';
import {
  defaultGRPCRoute,
  defaultHTTPRoute,
  defaultStreamRoute,
  validateGRPCRoute,
  validateHTTPRoute,
  validateStreamRoute,
} from './routes.ts';
import { defaultService, validateService } from './service.ts';
import { type ServerWarning, serviceWarnings } from './service-warnings.ts';
import {
  defaultDaemonSet,
  defaultDeployment,
  defaultReplicaSet,
  defaultReplicationController,
  defaultStatefulSet,
  validateDaemonSet,
  validateDeployment,
  validateReplicaSet,
  validateReplicationController,
  validateStatefulSet,
} from './workload.ts';

/** What the API server does with a kind, besides reading it. Objects are in stored form and may be edited in place. */
export interface KindRules<T extends KubeObject = KubeObject> {
  /** Defaults, before validation. */
  defaults?(object: T): void;
  validate?(object: T, causes: Causes): void;
  /** What it says of an object that it takes. */
  warn?(object: T): readonly ServerWarning[];
}

const rules = <T extends KubeObject>(of: KindRules<T>): KindRules => of;

const RULES: Readonly<Record<string, KindRules>> = {
  Service: rules({ defaults: defaultService, validate: validateService, warn: serviceWarnings }),
  Endpoints: rules({ defaults: defaultEndpoints, validate: validateEndpoints }),
  EndpointSlice: rules({ defaults: defaultEndpointSlice, validate: validateEndpointSlice }),
  Namespace: rules({ defaults: defaultNamespace, validate: validateNamespace }),
  Node: rules({ defaults: defaultNode, validate: validateNode }),
  Pod: rules({ defaults: defaultPod, validate: validatePod }),
  Deployment: rules({ defaults: defaultDeployment, validate: validateDeployment }),
  ReplicaSet: rules({ defaults: defaultReplicaSet, validate: validateReplicaSet }),
  ReplicationController: rules({ defaults: defaultReplicationController, validate: validateReplicationController }),
  StatefulSet: rules({ defaults: defaultStatefulSet, validate: validateStatefulSet }),
  DaemonSet: rules({ defaults: defaultDaemonSet, validate: validateDaemonSet }),
  Job: rules({ defaults: defaultJob, validate: validateJob }),
  CronJob: rules({ defaults: defaultCronJob, validate: validateCronJob }),
  Ingress: rules({ validate: validateIngress }),
  IngressClass: rules({ defaults: defaultIngressClass, validate: validateIngressClass }),
  GatewayClass: rules({ defaults: defaultGatewayClass, validate: validateGatewayClass }),
  Gateway: rules({ defaults: defaultGateway, validate: validateGateway }),
  ListenerSet: rules({ defaults: defaultListenerSet, validate: validateListenerSet }),
  HTTPRoute: rules({ defaults: defaultHTTPRoute, validate: validateHTTPRoute }),
  GRPCRoute: rules({ defaults: defaultGRPCRoute, validate: validateGRPCRoute }),
  TLSRoute: rules({ defaults: defaultStreamRoute, validate: validateStreamRoute }),
  TCPRoute: rules({ defaults: defaultStreamRoute, validate: validateStreamRoute }),
  UDPRoute: rules({ defaults: defaultStreamRoute, validate: validateStreamRoute }),
  ReferenceGrant: rules({ validate: validateReferenceGrant }),
  BackendTLSPolicy: rules({ validate: validateBackendTLSPolicy }),
  NetworkPolicy: rules({ defaults: defaultNetworkPolicy, validate: validateNetworkPolicy }),
};

/** The rules of a kind that has a schema. */
export function rulesOf(kind: string): KindRules {
  return Object.hasOwn(RULES, kind) ? RULES[kind]! : {};
}

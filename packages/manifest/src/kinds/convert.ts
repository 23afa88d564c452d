import type { AnyObject, KubeObject } from '../objects.ts';

/** A version of a kind that clusters no longer serve, and how it is written today. */
interface OldVersion {
  readonly today: string;
  /** The first minor version of Kubernetes 1.x that refuses it. */
  readonly removedIn: number;
  readonly convert?: (object: AnyObject) => AnyObject;
}

export interface Conversion {
  readonly object: KubeObject;
  readonly today: string;
  /** Kubernetes 1.N. */
  readonly removedIn: number;
}

type Fields = Record<string, unknown>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Old workload versions took a missing selector from the template's labels. */
function selectorFromTemplate(object: AnyObject): AnyObject {
  const spec = object.spec;
  if (!isRecord(spec)) return object;
  const { rollbackTo: _, templateGeneration: __, ...rest } = spec;
  const labels =
    isRecord(spec.template) && isRecord(spec.template.metadata) ? spec.template.metadata.labels : undefined;
  const selector = spec.selector ?? (isRecord(labels) ? { matchLabels: { ...labels } } : undefined);
  return { ...object, spec: selector === undefined ? rest : { ...rest, selector } };
}

/** `serviceName` and `servicePort` side by side, `backend` for `defaultBackend`, `pathType` not needed. */
function ingressFromBeta(object: AnyObject): AnyObject {
  const spec = object.spec;
  if (!isRecord(spec)) return object;
  const { backend, rules, ...rest } = spec;
  const converted: Fields = { ...rest };
  if (backend !== undefined) converted.defaultBackend = backendFromBeta(backend);
  if (rules !== undefined) converted.rules = Array.isArray(rules) ? rules.map(ruleFromBeta) : rules;
  return { ...object, spec: converted };
}

function ruleFromBeta(rule: unknown): unknown {
  if (!isRecord(rule) || !isRecord(rule.http) || !Array.isArray(rule.http.paths)) return rule;
  const paths = rule.http.paths.map((path: unknown) =>
    isRecord(path)
      ? { ...path, pathType: path.pathType ?? 'ImplementationSpecific', backend: backendFromBeta(path.backend) }
      : path,
  );
  return { ...rule, http: { ...rule.http, paths } };
}

function backendFromBeta(backend: unknown): unknown {
  if (!isRecord(backend)) return backend;
  const { serviceName, servicePort, ...rest } = backend;
  if (serviceName === undefined && servicePort === undefined) return rest;
  const port = typeof servicePort === 'string' ? { name: servicePort } : { number: servicePort };
  return { ...rest, service: { name: serviceName, ...(servicePort !== undefined && { port }) } };
}

/** `topology` held what are now `nodeName`, `zone` and `deprecatedTopology`. */
function endpointSliceFromBeta(object: AnyObject): AnyObject {
  if (!Array.isArray(object.endpoints)) return object;
  const endpoints = object.endpoints.map((endpoint: unknown) => {
    if (!isRecord(endpoint) || !isRecord(endpoint.topology)) return endpoint;
    const { topology, ...rest } = endpoint;
    const {
      'kubernetes.io/hostname': hostname,
      'topology.kubernetes.io/zone': zone,
      ...others
    } = topology as Record<string, unknown>;
    return {
      ...(hostname !== undefined && { nodeName: hostname }),
      ...(zone !== undefined && { zone }),
      ...(Object.keys(others).length > 0 && { deprecatedTopology: others }),
      ...rest,
    };
  });
  return { ...object, endpoints };
}

const WORKLOADS_1_16 = { today: 'apps/v1', removedIn: 16, convert: selectorFromTemplate };
const SAME_1_16 = { today: 'apps/v1', removedIn: 16 };
const RBAC = { today: 'rbac.authorization.k8s.io/v1', removedIn: 22 };
const INGRESS = { today: 'networking.k8s.io/v1', removedIn: 22, convert: ingressFromBeta };
const RBAC_KINDS = { Role: RBAC, RoleBinding: RBAC, ClusterRole: RBAC, ClusterRoleBinding: RBAC };

const OLD: Readonly<Record<string, Readonly<Record<string, OldVersion>>>> = {
  'extensions/v1beta1': {
    DaemonSet: WORKLOADS_1_16,
    Deployment: WORKLOADS_1_16,
    ReplicaSet: WORKLOADS_1_16,
    NetworkPolicy: { today: 'networking.k8s.io/v1', removedIn: 16 },
    Ingress: INGRESS,
  },
  'apps/v1beta1': {
    Deployment: WORKLOADS_1_16,
    StatefulSet: WORKLOADS_1_16,
    ControllerRevision: SAME_1_16,
  },
  'apps/v1beta2': {
    DaemonSet: SAME_1_16,
    Deployment: SAME_1_16,
    ReplicaSet: SAME_1_16,
    StatefulSet: SAME_1_16,
    ControllerRevision: SAME_1_16,
  },
  'networking.k8s.io/v1beta1': {
    Ingress: INGRESS,
    IngressClass: { today: 'networking.k8s.io/v1', removedIn: 22 },
  },
  'discovery.k8s.io/v1beta1': {
    EndpointSlice: { today: 'discovery.k8s.io/v1', removedIn: 25, convert: endpointSliceFromBeta },
  },
  'batch/v1beta1': { CronJob: { today: 'batch/v1', removedIn: 25 } },
  'batch/v2alpha1': { CronJob: { today: 'batch/v1', removedIn: 21 } },
  'policy/v1beta1': { PodDisruptionBudget: { today: 'policy/v1', removedIn: 25 } },
  'autoscaling/v2beta1': { HorizontalPodAutoscaler: { today: 'autoscaling/v2', removedIn: 25 } },
  'autoscaling/v2beta2': { HorizontalPodAutoscaler: { today: 'autoscaling/v2', removedIn: 26 } },
  'rbac.authorization.k8s.io/v1beta1': RBAC_KINDS,
  'rbac.authorization.k8s.io/v1alpha1': RBAC_KINDS,
  'events.k8s.io/v1beta1': { Event: { today: 'events.k8s.io/v1', removedIn: 25 } },
  'node.k8s.io/v1beta1': { RuntimeClass: { today: 'node.k8s.io/v1', removedIn: 25 } },
  'coordination.k8s.io/v1beta1': { Lease: { today: 'coordination.k8s.io/v1', removedIn: 22 } },
  'scheduling.k8s.io/v1beta1': { PriorityClass: { today: 'scheduling.k8s.io/v1', removedIn: 22 } },
  'storage.k8s.io/v1beta1': { StorageClass: { today: 'storage.k8s.io/v1', removedIn: 22 } },
  'apiextensions.k8s.io/v1beta1': {
    CustomResourceDefinition: { today: 'apiextensions.k8s.io/v1', removedIn: 22 },
  },
};

/** The object in the version of today; undefined where its version is not one that was removed. */
export function convertOldVersion(object: KubeObject): Conversion | undefined {
  const kinds = Object.hasOwn(OLD, object.apiVersion) ? OLD[object.apiVersion]! : {};
  const old = Object.hasOwn(kinds, object.kind) ? kinds[object.kind] : undefined;
  if (old === undefined) return undefined;
  const converted = old.convert === undefined ? object : old.convert(object as AnyObject);
  return { object: { ...converted, apiVersion: old.today }, today: old.today, removedIn: old.removedIn };
}

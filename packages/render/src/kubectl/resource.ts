import { nearest } from './nearest.ts';

/** A kind as the API server names it, with the names that kubectl accepts for it. */
export interface Resource {
  readonly kind: string;
  /** `pods`. */
  readonly plural: string;
  /** `pod`. */
  readonly singular: string;
  readonly shortNames: readonly string[];
  /** API group, empty for the core. */
  readonly group: string;
  readonly namespaced: boolean;
  /** Part of `kubectl get all`, at this place. */
  readonly all?: number;
  /** What the API server says about its use. */
  readonly warning?: string;
}

function resource(
  kind: string,
  plural: string,
  shortNames: readonly string[],
  group: string,
  more: Partial<Resource> = {},
): Resource {
  return { kind, plural, singular: kind.toLowerCase(), shortNames, group, namespaced: true, ...more };
}

const cluster = { namespaced: false };

export const resources: readonly Resource[] = [
  resource('Pod', 'pods', ['po'], '', { all: 1 }),
  resource('ReplicationController', 'replicationcontrollers', ['rc'], '', { all: 2 }),
  resource('Service', 'services', ['svc'], '', { all: 3 }),
  resource('DaemonSet', 'daemonsets', ['ds'], 'apps', { all: 4 }),
  resource('Deployment', 'deployments', ['deploy'], 'apps', { all: 5 }),
  resource('ReplicaSet', 'replicasets', ['rs'], 'apps', { all: 6 }),
  resource('StatefulSet', 'statefulsets', ['sts'], 'apps', { all: 7 }),
  resource('HorizontalPodAutoscaler', 'horizontalpodautoscalers', ['hpa'], 'autoscaling', { all: 8 }),
  resource('CronJob', 'cronjobs', ['cj'], 'batch', { all: 9 }),
  resource('Job', 'jobs', [], 'batch', { all: 10 }),
  resource('Endpoints', 'endpoints', ['ep'], '', {
    warning: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  resource('EndpointSlice', 'endpointslices', [], 'discovery.k8s.io'),
  resource('Node', 'nodes', ['no'], '', cluster),
  resource('Namespace', 'namespaces', ['ns'], '', cluster),
  resource('ConfigMap', 'configmaps', ['cm'], ''),
  resource('Secret', 'secrets', [], ''),
  resource('ServiceAccount', 'serviceaccounts', ['sa'], ''),
  resource('Ingress', 'ingresses', ['ing'], 'networking.k8s.io'),
  resource('IngressClass', 'ingressclasses', [], 'networking.k8s.io', cluster),
  resource('NetworkPolicy', 'networkpolicies', ['netpol'], 'networking.k8s.io'),
];

const byName = new Map<string, Resource>();
for (const entry of resources) {
  for (const name of [entry.plural, entry.singular, ...entry.shortNames]) {
    byName.set(name, entry);
    if (entry.group !== '') byName.set(`${name}.${entry.group}`, entry);
  }
}

/** The resource that a user's word means: plural, singular or short name, in any case. */
export function findResource(word: string): Resource | undefined {
  return byName.get(word.toLowerCase());
}

/** The nearest resource name to a word that is none. */
export function suggestResource(word: string): string | undefined {
  return nearest(word.toLowerCase(), byName.keys());
}

export function resourceOfKind(kind: string): Resource {
  return byName.get(kind.toLowerCase()) ?? resource(kind, `${kind.toLowerCase()}s`, [], '');
}

/** The first part of `kind/name` as kubectl prints it: `pod`, `deployment.apps`. */
export function qualifiedName({ singular, group }: Resource): string {
  return group === '' ? singular : `${singular}.${group}`;
}

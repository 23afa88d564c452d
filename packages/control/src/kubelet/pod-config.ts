import type { ConfigMap, Container, KubeObject, ObjectStore, Path, Pod, PodSpec, Secret } from '@netsim/manifest';
import { dataOf } from './container-env.ts';
import { podField } from './pod-field.ts';

/** A field by which a pod takes its configuration from a ConfigMap or Secret of its namespace. */
interface ConfigReference {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  /** Without one, the object alone has to be there. */
  readonly key?: string;
  readonly optional: boolean;
  /** Whose environment it is for; none for a volume, which the whole pod waits for. */
  readonly container?: string;
  readonly path: Path;
}

/** Why a container, or the whole pod, cannot be started. */
export interface ConfigFault {
  /** Nothing where a volume cannot be made: then no container is started. */
  readonly container?: string;
  /** In the pod. */
  readonly path: Path;
  /** In the kubelet's words. */
  readonly message: string;
}

/** What every cluster has without a manifest for it: the control plane, or kubeadm, makes it. */
const always = new Set([
  'kube-system/coredns',
  'kube-system/kube-proxy',
  'kube-system/kubeadm-config',
  'kube-system/kubelet-config',
  'kube-system/extension-apiserver-authentication',
  'kube-public/cluster-info',
]);

/**
 * What keeps containers of a pod from being started, by the objects that are there now; the first for each container, as the kubelet
 * gives up at it. `known` tells of objects that are there without a manifest. Source: pkg/kubelet/kubelet_pods.go
 * (makeEnvironmentVariables), pkg/volume/configmap, pkg/volume/secret.
 */
export function configFaults(
  store: ObjectStore,
  pod: Pod,
  known: (kind: string, namespace: string, name: string) => boolean,
): ConfigFault[] {
  const faults = new Map<string | undefined, ConfigFault>();
  const { namespace = 'default' } = pod.metadata;
  for (const [index, { name, env = [] }] of pod.spec.containers.entries()) {
    for (const [at, { value = '', valueFrom }] of env.entries()) {
      const fieldPath = value === '' ? valueFrom?.fieldRef?.fieldPath : undefined;
      if (fieldPath === undefined || podField(pod, fieldPath) !== undefined || faults.has(name)) continue;
      const path = ['spec', 'containers', index, 'env', at, 'valueFrom', 'fieldRef'];
      faults.set(name, { container: name, path, message: `unsupported fieldPath: ${fieldPath}` });
    }
  }
  for (const reference of configReferences(pod.spec)) {
    const { kind, name, key, optional, container, path } = reference;
    if (optional || faults.has(container)) continue;
    const data = dataOf(store, kind, namespace, name);
    if (data === undefined ? known(kind, namespace, name) : key === undefined || data.has(key)) continue;
    const message = messageOf(reference, namespace, data !== undefined);
    faults.set(container, { ...(container !== undefined && { container }), path, message });
  }
  return [...faults.values()];
}

/** Whether a pod takes anything from this object. */
export function usesConfig(pod: Pod, object: ConfigMap | Secret): boolean {
  const { kind, metadata } = object;
  if ((pod.metadata.namespace ?? 'default') !== (metadata.namespace ?? 'default')) return false;
  for (const each of configReferences(pod.spec)) if (each.kind === kind && each.name === metadata.name) return true;
  return false;
}

function messageOf({ kind, name, key, container }: ConfigReference, namespace: string, there: boolean): string {
  if (!there) return `${kind.toLowerCase()} "${name}" not found`;
  if (container === undefined) return `references non-existent ${kind === 'Secret' ? 'secret' : 'config'} key: ${key}`;
  return `couldn't find key ${key} in ${kind} ${namespace}/${name}`;
}

/** In the order in which the kubelet comes to them: volumes, then for each container `envFrom` and `env`. */
export function* configReferences({ containers, volumes = [] }: PodSpec): Generator<ConfigReference> {
  for (const [index, { configMap, secret, projected }] of volumes.entries()) {
    const at = ['spec', 'volumes', index];
    if (configMap !== undefined) yield* ofFiles('ConfigMap', configMap, [...at, 'configMap']);
    if (secret !== undefined) yield* ofFiles('Secret', { ...secret, name: secret.secretName }, [...at, 'secret']);
    for (const [source, each] of (projected?.sources ?? []).entries()) {
      const path = [...at, 'projected', 'sources', source];
      if (each.configMap !== undefined) yield* ofFiles('ConfigMap', each.configMap, [...path, 'configMap']);
      if (each.secret !== undefined) yield* ofFiles('Secret', each.secret, [...path, 'secret']);
    }
  }
  for (const [index, container] of containers.entries()) yield* ofContainer(container, index);
}

function* ofFiles(
  kind: ConfigReference['kind'],
  source: {
    readonly name?: string | undefined;
    readonly items?: readonly { readonly key: string }[];
    readonly optional?: boolean;
  },
  path: Path,
): Generator<ConfigReference> {
  const { name = '', items = [], optional = false } = source;
  yield { kind, name, optional, path };
  for (const [index, { key }] of items.entries()) yield { kind, name, key, optional, path: [...path, 'items', index] };
}

function* ofContainer(
  { name: container, env = [], envFrom = [] }: Container,
  index: number,
): Generator<ConfigReference> {
  const at = ['spec', 'containers', index];
  for (const [i, { configMapRef, secretRef }] of envFrom.entries()) {
    const source = configMapRef ?? secretRef;
    if (source === undefined) continue;
    const [kind, field] =
      configMapRef === undefined ? (['Secret', 'secretRef'] as const) : (['ConfigMap', 'configMapRef'] as const);
    const { name = '', optional = false } = source;
    yield { kind, name, optional, container, path: [...at, 'envFrom', i, field] };
  }
  for (const [i, { value = '', valueFrom }] of env.entries()) {
    const { configMapKeyRef, secretKeyRef } = valueFrom ?? {};
    const source = configMapKeyRef ?? secretKeyRef;
    if (value !== '' || source === undefined) continue;
    const [kind, field] =
      configMapKeyRef === undefined
        ? (['Secret', 'secretKeyRef'] as const)
        : (['ConfigMap', 'configMapKeyRef'] as const);
    const { name = '', key, optional = false } = source;
    yield { kind, name, key, optional, container, path: [...at, 'env', i, 'valueFrom', field] };
  }
}

/** Kinds of which there are many, and that name nothing that their owners do not name. */
const makesNothing = new Set(['Pod', 'ReplicaSet', 'Service', 'Endpoints', 'EndpointSlice', 'ConfigMap', 'Secret']);

/**
 * Whether an object is there though no manifest has it: the cluster makes it, or something that the manifests run is told to
 * make it (a Job that writes a certificate, a cert-manager Certificate, a sealed or external secret).
 */
export function isMadeElsewhere(store: ObjectStore, namespace: string, name: string): boolean {
  if (name === 'kube-root-ca.crt' || /^default-token-\w{5}$/.test(name) || always.has(`${namespace}/${name}`))
    return true;
  for (const kind of store.kinds()) {
    if (makesNothing.has(kind)) continue;
    for (const object of store.list(kind)) {
      if ((object.metadata.namespace ?? 'default') === namespace && isToldToMake(object, name)) return true;
    }
  }
  return false;
}

function isToldToMake(object: KubeObject, name: string): boolean {
  const { apiVersion, metadata } = object;
  const { spec } = object as KubeObject & { spec?: Partial<PodSpec> & { template?: { spec?: Partial<PodSpec> } } };
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  if (group.includes('.') && !group.endsWith('.k8s.io')) return metadata.name === name || says(spec, name);
  return (spec?.template?.spec?.containers ?? []).some(({ command = [], args = [], env = [] }) =>
    [...command, ...args, ...env.map(({ value }) => value ?? '')].some(
      (word) => word === name || word.endsWith(`=${name}`),
    ),
  );
}

function says(value: unknown, text: string): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some((each) => says(each, text));
  return value === text;
}

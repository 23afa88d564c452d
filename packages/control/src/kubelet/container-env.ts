import type { ConfigMap, Container, EnvVar, ObjectStore, Pod, Secret } from '@netsim/manifest';
import { quantityValue } from '@netsim/manifest';
import { expand } from './expand.ts';
import { podField } from './pod-field.ts';
import { type EnvEntry, type StartMoment, serviceEnv } from './service-env.ts';

/**
 * The environment that the kubelet gives a container: `envFrom`, over it `env` with `$(NAME)` replaced, in the order of the manifest,
 * and behind them the services. What the image brings (PATH) and what the runtime adds (HOSTNAME) is not in it. Source: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables).
 */
export function containerEnv(store: ObjectStore, pod: Pod, container: Container, started: StartMoment): EnvEntry[] {
  const services = serviceEnv(store, pod, started);
  const ofServices = new Map(services);
  const own = new Map<string, string>();
  const { namespace = 'default' } = pod.metadata;
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const source = configMapRef ?? secretRef;
    if (source === undefined) continue;
    const kind = configMapRef === undefined ? 'Secret' : 'ConfigMap';
    const data = dataOf(store, kind, namespace, source.name ?? '');
    if (data !== undefined) for (const [key, value] of data) own.set(prefix + key, value);
  }
  for (const variable of container.env ?? []) {
    const { name, value = '', valueFrom } = variable;
    if (value !== '' || valueFrom === undefined) {
      own.set(
        name,
        expand(value, (other) => own.get(other) ?? ofServices.get(other)),
      );
      continue;
    }
    const found = fromSource(store, pod, container, valueFrom);
    if (found !== undefined) own.set(name, found);
  }
  return [...own, ...services.filter(([name]) => !own.has(name))];
}

function fromSource(
  store: ObjectStore,
  pod: Pod,
  container: Container,
  { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef }: NonNullable<EnvVar['valueFrom']>,
): string | undefined {
  const { namespace = 'default' } = pod.metadata;
  if (fieldRef !== undefined) return podField(pod, fieldRef.fieldPath);
  const selector = configMapKeyRef ?? secretKeyRef;
  if (selector !== undefined) {
    const kind = configMapKeyRef === undefined ? 'Secret' : 'ConfigMap';
    return dataOf(store, kind, namespace, selector.name ?? '')?.get(selector.key);
  }
  if (resourceFieldRef !== undefined) {
    const { containerName, resource, divisor } = resourceFieldRef;
    const of = containerName === undefined ? container : pod.spec.containers.find(({ name }) => name === containerName);
    const [list, name] = resource.split(/\.(.*)/s);
    const text = (list === 'limits' ? of?.resources?.limits : of?.resources?.requests)?.[name ?? ''];
    // Without a limit the kubelet tells the node's size, which manifests do not say.
    const amount = text === undefined ? 0 : (quantityValue(String(text)) ?? 0);
    const unit = divisor === undefined || divisor === '0' ? 1 : (quantityValue(divisor) ?? 1);
    return String(Math.ceil(amount / unit));
  }
  return undefined;
}

/** The entries of a ConfigMap or Secret as text; undefined where there is none. */
export function dataOf(
  store: ObjectStore,
  kind: 'ConfigMap' | 'Secret',
  namespace: string,
  name: string,
): ReadonlyMap<string, string> | undefined {
  const object = store.get<ConfigMap | Secret>(kind, namespace, name);
  if (object === undefined) return undefined;
  if (object.kind === 'ConfigMap') return new Map(sorted({ ...decoded(object.binaryData), ...object.data }));
  return new Map(sorted({ ...decoded(object.data), ...object.stringData }));
}

function decoded(data: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      new TextDecoder().decode(Uint8Array.from(atob(value), (char) => char.charCodeAt(0))),
    ]),
  );
}

function sorted(data: Readonly<Record<string, string>>): EnvEntry[] {
  return Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1));
}

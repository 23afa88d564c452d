import type { KubeObject, ObjectStore, Pod, Service } from '@netsim/manifest';
import { formatEndpoint, tryParseIp } from '@netsim/wire';
import { controllerOf } from '../core/owners.ts';
import { clusterIPs, hasClusterIP } from '../services/service-families.ts';

/** Name and value of an environment variable. */
export type EnvEntry = readonly [name: string, value: string];

/** When a container was started: as a time, and as a place in the order in which objects were created. */
export interface StartMoment {
  /** Milliseconds since 1970, to the second: what objects say of their creation is no finer. */
  readonly time: number;
  /** Objects of the same second are older where their place in the order of creation is lower. */
  readonly birth: number;
}

/**
 * The variables that a kubelet gives a container for services: those with a virtual address that were there when the container
 * started, of the pod's namespace where `enableServiceLinks` wants them, and `kubernetes` of `default` always.
 * Source: pkg/kubelet/kubelet_pods.go (getServiceEnvVarMap), pkg/kubelet/envvars.
 */
export function serviceEnv(store: ObjectStore, pod: Pod, started: StartMoment): EnvEntry[] {
  const namespace = pod.metadata.namespace ?? 'default';
  const seen = new Map<string, Service>();
  const master = store.get<Service>('Service', 'default', 'kubernetes');
  if (master !== undefined) seen.set('kubernetes', master);
  if (pod.spec.enableServiceLinks !== false) {
    for (const service of store.list<Service>('Service', namespace)) {
      if (service !== master && isOlder(store, service, started)) seen.set(service.metadata.name, service);
    }
  }
  const services = [...seen.values()].filter(hasClusterIP);
  services.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return services.flatMap(variablesOf);
}

/** When a pod that nobody has restarted was created: with the workload that made it, where both came at the start. */
export function podBirth(store: ObjectStore, pod: Pod, loaded: number): number {
  const own = store.birthOf(pod) ?? 0;
  // What was in the manifests is there in the order of the manifests, and the pods of a workload with it.
  if (own > loaded) return own;
  let object: KubeObject = pod;
  for (let owner = controllerOf(object); owner !== undefined; owner = controllerOf(object)) {
    const next = store.get(owner.kind, object.metadata.namespace, owner.name);
    if (next === undefined || next === object) break;
    object = next;
  }
  return store.birthOf(object) ?? own;
}

function isOlder(store: ObjectStore, service: Service, started: StartMoment): boolean {
  const created = Date.parse(service.metadata.creationTimestamp ?? '');
  const startedAt = Math.floor(started.time / 1000) * 1000;
  if (!Number.isNaN(created) && created !== startedAt) return created < startedAt;
  return (store.birthOf(service) ?? 0) < started.birth;
}

function variablesOf(service: Service): EnvEntry[] {
  const prefix = variableName(service.metadata.name);
  const ip = clusterIPs(service)[0]!;
  const ports = service.spec.ports ?? [];
  const variables: EnvEntry[] = [[`${prefix}_SERVICE_HOST`, ip]];
  if (ports[0] !== undefined) variables.push([`${prefix}_SERVICE_PORT`, String(ports[0].port)]);
  for (const { name, port } of ports) {
    if (name) variables.push([`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port)]);
  }
  // The variables of Docker's container links.
  for (const [index, { port, protocol = 'TCP' }] of ports.entries()) {
    const lower = protocol.toLowerCase();
    const address = tryParseIp(ip);
    const url = `${lower}://${address === undefined ? `${ip}:${port}` : formatEndpoint(address, port)}`;
    const link = `${prefix}_PORT_${port}_${protocol}`;
    if (index === 0) variables.push([`${prefix}_PORT`, url]);
    variables.push([link, url], [`${link}_PROTO`, lower], [`${link}_PORT`, String(port)], [`${link}_ADDR`, ip]);
  }
  return variables;
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}

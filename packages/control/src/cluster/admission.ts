import type { AnyObject, KubeObject, ObjectMeta, Pod, PodSpec } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey } from '../core/keys.ts';
import { withDefaultTolerations } from '../core/taints.ts';
import { withOwnSelector } from '../workloads/job-selector.ts';
import type { Job } from '../workloads/kinds.ts';

/**
 * The API server's part in storing an object: UID and creation time for a new one, and for one that replaces another
 * (the same manifest applied again) everything that the control plane had decided: UID, status, addresses, node.
 */
export class Admission extends Controller {
  /**
   * New pods and services, for one round: other control loops are about to put them again and complete them on the
   * way, which spares a big cluster one version of each.
   */
  #deferred = new Set<string>();
  /** What the object replaced, by `kind/key`, until it is admitted. */
  readonly #replaced = new Map<string, KubeObject>();

  /** Objects with a changed spec, by `kind key`. */
  readonly #grown = new Set<string>();

  constructor(context: Context) {
    super(context);
    this.watch('*', ({ type, object, old }) => {
      if (object.metadata.uid !== undefined) {
        if (type === 'MODIFIED' && counted.has(object.kind)) this.#count(object, old as AnyObject);
        return;
      }
      const key = `${object.kind} ${objectKey(object)}`;
      if (type === 'DELETED') {
        this.#replaced.delete(key);
        this.#deferred.delete(key);
        return;
      }
      if (old?.metadata.uid !== undefined) this.#replaced.set(key, old);
      if ((object.kind === 'Pod' || object.kind === 'Service') && old === undefined) this.#deferred.add(key);
      else this.queue.add(key);
    });
  }

  /** Remembers an object whose spec has changed and whose generation has not. */
  #count(object: AnyObject | KubeObject, old: AnyObject): void {
    const { spec, metadata } = object as AnyObject;
    if (spec === old.spec || old.metadata.uid === undefined || metadata.generation !== old.metadata.generation) return;
    const key = `${object.kind} ${objectKey(object)}`;
    this.#grown.add(key);
    this.queue.add(key);
  }

  override sync(): boolean {
    const deferred = this.#deferred;
    this.#deferred = new Set();
    const any = super.sync();
    for (const key of deferred) this.queue.add(key);
    return any || deferred.size > 0;
  }

  protected override reconcile(key: string): void {
    const { store } = this.context;
    const space = key.indexOf(' ');
    const kind = key.slice(0, space);
    const slash = key.indexOf('/', space);
    const namespace = slash < 0 ? undefined : key.slice(space + 1, slash);
    const name = key.slice((slash < 0 ? space : slash) + 1);
    const object = store.get(kind, namespace, name);
    const replaced = this.#replaced.get(key);
    this.#replaced.delete(key);
    const grown = this.#grown.delete(key);
    if (object === undefined) return;
    if (object.metadata.uid !== undefined) {
      const { generation = 1 } = object.metadata;
      if (grown) store.put({ ...object, metadata: { ...object.metadata, generation: generation + 1 } });
      return;
    }
    if (replaced !== undefined) {
      store.put(carryOver(replaced, object));
      return;
    }
    const admitted = { ...object, metadata: admittedMetadata(this.context, object) };
    if (kind === 'Pod') store.put({ ...admitted, spec: admittedSpec(object as Pod) } as Pod);
    else store.put(kind === 'Job' ? withOwnSelector(admitted as Job) : admitted);
  }
}

/** The metadata of an object with the UID and the creation time that the API server gives a new one. */
export function admittedMetadata({ names, time }: Context, object: KubeObject): ObjectMeta {
  const { metadata } = object;
  if (metadata.uid !== undefined) return metadata;
  const { creationTimestamp = time() } = metadata;
  const uid = names.uid(`${object.kind} ${objectKey(object)}`);
  if (!counted.has(object.kind)) return { ...metadata, uid, creationTimestamp };
  return { ...metadata, uid, creationTimestamp, generation: metadata.generation ?? 1 };
}

/** The specification of a pod, with what the API server adds to that of a new one. */
export function admittedSpec({ metadata, spec }: Pod): PodSpec {
  return metadata.uid === undefined ? { ...spec, tolerations: withDefaultTolerations(spec) } : spec;
}

/** Kinds whose generation grows with each change of their spec, as the API server counts it. */
const counted = new Set([
  'CronJob',
  'DaemonSet',
  'Deployment',
  'Ingress',
  'Job',
  'NetworkPolicy',
  'ReplicaSet',
  'ReplicationController',
  'StatefulSet',
]);

/** Fields of `spec` that the control plane allocates and a manifest leaves out. */
const allocated: Readonly<Record<string, readonly string[]>> = {
  Pod: ['nodeName', 'tolerations'],
  Node: ['podCIDR', 'podCIDRs'],
  Service: ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'healthCheckNodePort'],
};

/** Kinds whose status only their controllers write; what a manifest says there, or its defaults, does not count. */
const reported = new Set([
  'CronJob',
  'DaemonSet',
  'Deployment',
  'Job',
  'ReplicaSet',
  'ReplicationController',
  'StatefulSet',
]);

function carryOver(old: AnyObject | KubeObject, object: AnyObject | KubeObject): KubeObject {
  const before = old as AnyObject;
  const after: AnyObject = { ...(object as AnyObject) };
  const { uid, creationTimestamp, generation } = before.metadata;
  const annotations = {
    ...Object.fromEntries(
      Object.entries(before.metadata.annotations ?? {}).filter(([key]) => key.startsWith('deployment.kubernetes.io/')),
    ),
    ...after.metadata.annotations,
  };
  after.metadata = { ...after.metadata, ...definedOnly({ uid, creationTimestamp, generation }) };
  if (Object.keys(annotations).length > 0) after.metadata = { ...after.metadata, annotations };
  if (before.metadata.ownerReferences !== undefined && after.metadata.ownerReferences === undefined) {
    after.metadata = { ...after.metadata, ownerReferences: before.metadata.ownerReferences };
  }
  const unsaid = after.status === undefined || isPending(after) || reported.has(after.kind);
  if (unsaid) after.status = before.status;
  if (after.status === undefined) delete after.status;
  if (isRecord(before.spec) && isRecord(after.spec)) {
    const spec: Record<string, unknown> = { ...after.spec };
    for (const field of allocatedFields(after.kind, before.spec, spec)) {
      if (spec[field] === undefined && before.spec[field] !== undefined) spec[field] = before.spec[field];
    }
    if (after.kind === 'Service') spec.ports = carryNodePorts(before.spec, spec);
    if (spec.ports === undefined) delete spec.ports;
    after.spec = spec;
    if (after.kind === 'Job') Object.assign(after, withOwnSelector(after as KubeObject as Job));
    if (generation !== undefined && counted.has(after.kind) && !sameValue(before.spec, after.spec)) {
      after.metadata = { ...after.metadata, generation: generation + 1 };
    }
  }
  return after;
}

/** Whether two values of JSON are equal, in whichever order their keys are. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, i) => sameValue(each, b[i]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameValue(a[key], b[key]));
}

/** As the API server's patchAllocatedValues: addresses stay as long as the type of the service still has them. */
function allocatedFields(
  kind: string,
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): readonly string[] {
  if (kind !== 'Service') return allocated[kind] ?? [];
  if (before.type === 'ExternalName' || after.type === 'ExternalName') return [];
  if (after.clusterIP !== undefined && after.clusterIP !== before.clusterIP) return [];
  return allocated.Service!;
}

function carryNodePorts(before: Record<string, unknown>, after: Record<string, unknown>): unknown {
  const takesNodePorts = after.type === 'NodePort' || after.type === 'LoadBalancer';
  if (!takesNodePorts || !Array.isArray(after.ports) || !Array.isArray(before.ports)) return after.ports;
  const old = new Map<string, unknown>();
  for (const port of before.ports) if (isRecord(port)) old.set(portKey(port), port.nodePort);
  return after.ports.map((port: unknown) => {
    if (!isRecord(port) || port.nodePort !== undefined) return port;
    const nodePort = old.get(portKey(port));
    return nodePort === undefined ? port : { ...port, nodePort };
  });
}

function portKey(port: Record<string, unknown>): string {
  return `${port.protocol ?? 'TCP'}/${port.port}`;
}

/** The API server gives every new pod the phase Pending, and a manifest as it is stored says no more than that. */
function isPending({ kind, status }: AnyObject): boolean {
  return kind === 'Pod' && isRecord(status) && status.phase === 'Pending' && status.podIP === undefined;
}

function definedOnly<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

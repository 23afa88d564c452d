import { isReady, podIPs } from '@netsim/control';
import type { KubeObject, Node, ObjectStore, Pod, Service } from '@netsim/manifest';
import { kindInfo, nearest } from '@netsim/manifest';
import { UsageError } from '../errors.ts';
import { didYouMean } from './words.ts';

/** Kinds that people name without saying the kind. */
const NAMED = [
  ['pod', 'Pod'],
  ['deploy', 'Deployment'],
  ['sts', 'StatefulSet'],
  ['ds', 'DaemonSet'],
  ['rc', 'ReplicationController'],
  ['rs', 'ReplicaSet'],
  ['job', 'Job'],
  ['node', 'Node'],
] as const;

/** Finds the objects of the store that users name; wrong names fail with the nearest right one. */
export class NamedObjects {
  readonly #store: ObjectStore;
  readonly #namespace: string;
  readonly #clusterDomain: string;

  constructor(store: ObjectStore, namespace: string, clusterDomain: string) {
    this.#store = store;
    this.#namespace = namespace;
    this.#clusterDomain = clusterDomain;
  }

  /** Whether a word is the name of a namespace. */
  isNamespace(word: string): boolean {
    return this.#store.get('Namespace', undefined, word) !== undefined;
  }

  pod(name: string): Pod {
    return this.find('Pod', name) as Pod;
  }

  node(name: string): Node {
    return this.find('Node', name) as Node;
  }

  /** Any object, its kind by one of kubectl's words. */
  object(word: string, name: string): KubeObject {
    const kind = kindInfo(word)?.kind;
    if (kind === undefined) throw new UsageError(`${JSON.stringify(word)} is no kind of object`);
    return this.find(kind, name);
  }

  /** An object by `name`, `name.namespace` or `namespace/name`. */
  find(kind: string, name: string): KubeObject {
    if (kindInfo(kind)?.namespaced === false) {
      const object = this.#store.get(kind, undefined, name);
      if (object !== undefined) return object;
      throw this.#notFound(kind, name);
    }
    const slash = name.indexOf('/');
    if (slash > 0) {
      const object = this.#store.get(kind, name.slice(0, slash), name.slice(slash + 1));
      if (object !== undefined) return object;
      throw this.#notFound(kind, name);
    }
    const here = this.#store.get(kind, this.#namespace, name);
    if (here !== undefined) return here;
    const dot = name.lastIndexOf('.');
    if (dot > 0) {
      const there = this.#store.get(kind, name.slice(dot + 1), name.slice(0, dot));
      if (there !== undefined) return there;
    }
    throw this.#notFound(kind, name);
  }

  /** The pods that a workload has made, itself or by another (a Deployment by its ReplicaSets); those with an address, by name. */
  podsOf(kind: string, name: string): Pod[] {
    const owner = this.find(kind, name);
    const { uid, namespace } = owner.metadata;
    const owners = new Set([uid]);
    for (const between of ['ReplicaSet', 'Job']) {
      for (const { metadata } of this.#store.list(between, namespace)) {
        if (metadata.ownerReferences?.some((reference) => reference.uid === uid)) owners.add(metadata.uid);
      }
    }
    return this.#store
      .list<Pod>('Pod', namespace)
      .filter(
        (pod) => pod.metadata.ownerReferences?.some((reference) => owners.has(reference.uid)) && podIPs(pod).length > 0,
      )
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** A running pod of a workload, a ready one where there is one. */
  podOf(kind: string, name: string): Pod {
    const pods = this.podsOf(kind, name);
    const pod = pods.find((candidate) => isReady(candidate)) ?? pods[0];
    if (pod === undefined) throw new UsageError(`${kind.toLowerCase()} "${name}" has no running pod`);
    return pod;
  }

  /** What a bare name means that is the name of no pod, as it is to be written: `node/w1-k8s`, `deploy/web`. */
  withKind(name: string): string | undefined {
    for (const [word, kind] of NAMED) {
      const namespace = kindInfo(kind)?.namespaced === false ? undefined : this.#namespace;
      if (this.#store.get(kind, namespace, name) !== undefined) return `${word}/${name}`;
    }
    return undefined;
  }

  /** A service whose name is like one that was not found. */
  similarService(host: string): string | undefined {
    const [wanted = ''] = host.split('.');
    const services = this.#store.list('Service', this.#namespace).map((object) => object.metadata.name);
    return services.includes(wanted) ? undefined : nearest(wanted, services);
  }

  /** The service that a name of one label means, where it is in another namespace than the asker's and in no more than that one. */
  serviceElsewhere(host: string, home: string | undefined): Service | undefined {
    const name = host.replace(/\.$/, '').toLowerCase();
    if (name.includes('.')) return undefined;
    const found = this.#store.list<Service>('Service').filter(({ metadata }) => metadata.name === name);
    return found.length === 1 && found[0]!.metadata.namespace !== home ? found[0] : undefined;
  }

  /** A DNS name of a service: `kubia`, `kubia.ns`, `kubia.ns.svc`, `kubia.ns.svc.DOMAIN`. */
  serviceByName(host: string): Service | undefined {
    let name = host.toLowerCase().replace(/\.$/, '');
    for (const suffix of [`.svc.${this.#clusterDomain}`, '.svc']) {
      if (name.endsWith(suffix)) {
        name = name.slice(0, -suffix.length);
        break;
      }
    }
    const labels = name.split('.');
    if (labels.length > 2) return undefined;
    return this.#store.get<Service>('Service', labels[1] ?? this.#namespace, labels[0]!);
  }

  #notFound(kind: string, name: string): UsageError {
    const word = kind.toLowerCase();
    const where = kind === 'Node' || name.includes('/') ? '' : ` in namespace "${this.#namespace}"`;
    const all = this.#store.list(kind);
    const elsewhere = all.find((object) => object.metadata.name === name);
    if (elsewhere?.metadata.namespace !== undefined) {
      return new UsageError(
        `${word} "${name}" not found${where}`,
        `it is in namespace "${elsewhere.metadata.namespace}": write ${word === 'service' ? 'svc' : word}/${name}.${elsewhere.metadata.namespace} or use -n`,
      );
    }
    const hint = didYouMean(
      name,
      all.map((object) => object.metadata.name),
    );
    const inNamespace = all.filter((object) => kind === 'Node' || object.metadata.namespace === this.#namespace);
    const known = inNamespace
      .slice(0, 8)
      .map((object) => object.metadata.name)
      .join(', ');
    const other = kind === 'Pod' ? this.#store.get('Service', this.#namespace, name) : undefined;
    if (other !== undefined && hint === undefined) {
      return new UsageError(`pod "${name}" not found${where}`, `there is a service of that name: svc/${name}`);
    }
    return new UsageError(
      `${word} "${name}" not found${where}`,
      hint ??
        (known === '' ? `there is no ${word}${where}` : `known: ${known}${inNamespace.length > 8 ? ', ...' : ''}`),
    );
  }
}

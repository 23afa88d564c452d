import { type ClusterConfig, containerEnv, podBirth } from '@netsim/control';
import type { Container, ObjectStore, Pod } from '@netsim/manifest';
import { podFiles } from '../dns/pod-files.ts';
import { addFile, emptyTree, FileSystem, type FileTree } from './file-system.ts';
import { mountsOf } from './volumes.ts';

/** Annotation on a pod: files that its images bring, `/tmp/healthy`, or of one container `web=/tmp/healthy`; several by commas. */
const FILES_ANNOTATION = 'netsim.dev/files';

/** Directories that images have. */
const directories =
  'bin boot dev etc home lib media mnt opt proc root run sbin srv sys tmp usr usr/bin usr/lib usr/local usr/local/bin usr/sbin usr/share var var/cache var/lib var/log var/run var/tmp';
/** `PATH` of an image that says nothing else. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a process in a container finds. */
export interface ContainerView {
  readonly files: FileSystem;
  readonly env: ReadonlyMap<string, string>;
}

interface ContainerState {
  readonly root: FileTree;
  /** Place in the order of creation, and time, of its last restart. */
  readonly restarted?: { readonly time: number; readonly birth: number };
}

interface PodState {
  readonly containers: Map<string, ContainerState>;
  readonly volumes: Map<string, FileTree>;
}

/** Files and environment of the containers of a cluster. A container that nobody looked into costs nothing. */
export class Containers {
  readonly #store: ObjectStore;
  readonly #config: ClusterConfig;
  readonly #now: () => number;
  readonly #pods = new Map<string, PodState>();
  /** Objects that the manifests brought, and what the control plane made of them at the start. */
  #loaded = Number.POSITIVE_INFINITY;

  /** `now`: milliseconds since 1970. */
  constructor(store: ObjectStore, config: ClusterConfig, now: () => number) {
    this.#store = store;
    this.#config = config;
    this.#now = now;
    store.watch('Pod', ({ type, object }) => {
      if (type === 'DELETED') this.#pods.delete(object.metadata.uid ?? '');
    });
  }

  /** The control plane has come to rest for the first time. */
  loaded(): void {
    this.#loaded = this.#store.created;
  }

  view(pod: Pod, container: Container): ContainerView {
    const state = this.#container(pod, container);
    const { containers, volumes } = this.#pod(pod);
    containers.set(container.name, state);
    const started = state.restarted ?? {
      time: startOf(pod, container.name) ?? this.#now(),
      birth: podBirth(this.#store, pod, this.#loaded),
    };
    const variables = containerEnv(this.#store, pod, container, started);
    const names = podFiles(pod, this.#config);
    const now = this.#now();
    const env = new Map([['PATH', PATH], ['HOSTNAME', names.hostname], ...variables]);
    if (!env.has('HOME')) env.set('HOME', '/root');
    // What the kubelet and the runtime write on each start.
    addFile(state.root, 'etc/hosts', names.hosts, now);
    addFile(state.root, 'etc/resolv.conf', names.resolvConf, now);
    addFile(state.root, 'etc/hostname', `${names.hostname}\n`, now);
    const kept = (name: string): FileTree => {
      let tree = volumes.get(name);
      if (tree === undefined) {
        tree = emptyTree(now);
        volumes.set(name, tree);
      }
      return tree;
    };
    return {
      files: new FileSystem(state.root, mountsOf(this.#store, pod, container, kept, now), this.#now),
      env,
    };
  }

  /** A container starts anew: what it wrote outside volumes is gone, and it learns of services made since. */
  restart(pod: Pod, container: string): void {
    const { containers } = this.#pod(pod);
    const restarted = { time: this.#now(), birth: this.#store.created + 1 };
    containers.set(container, { root: this.#image(pod, container), restarted });
  }

  #pod({ metadata: { uid = '' } }: Pod): PodState {
    let state = this.#pods.get(uid);
    if (state === undefined) {
      state = { containers: new Map(), volumes: new Map() };
      this.#pods.set(uid, state);
    }
    return state;
  }

  #container(pod: Pod, { name }: Container): ContainerState {
    return this.#pod(pod).containers.get(name) ?? { root: this.#image(pod, name) };
  }

  #image(pod: Pod, container: string): FileTree {
    const now = this.#now();
    const root = emptyTree(now);
    for (const path of directories.split(' ')) root.set(path, { changed: now });
    for (const path of annotatedFiles(pod, container)) addFile(root, path, '', now);
    return root;
  }
}

function annotatedFiles(pod: Pod, container: string): string[] {
  const entries = (pod.metadata.annotations?.[FILES_ANNOTATION] ?? '').split(',').map((entry) => entry.trim());
  return entries.flatMap((entry) => {
    const [, name, path] = /^(?:([a-z0-9-]+)=)?(\/.+)$/.exec(entry) ?? [];
    return path !== undefined && (name === undefined || name === container) ? [path] : [];
  });
}

function startOf(pod: Pod, container: string): number | undefined {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container);
  const running = status?.state?.running as { startedAt?: string } | undefined;
  const started = Date.parse(running?.startedAt ?? pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '');
  return Number.isNaN(started) ? undefined : started;
}

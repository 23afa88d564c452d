import type { ClusterConfig, PodReference } from '@netsim/control';
import type { Clock } from '@netsim/kernel';
import type { ConfigMap, ObjectStore, Pod } from '@netsim/manifest';
import { coreDnsContainer, isCoreDns } from './coredns-files.ts';
import { corefileFault } from './corefile-faults.ts';

/** The kubelet's back-off between restarts: doubled from ten seconds to five minutes. */
const FIRST_BACK_OFF = 10_000;
const MOST_BACK_OFF = 300_000;

interface Broken {
  readonly pod: PodReference;
  readonly uid: string | undefined;
  readonly container: string;
  readonly since: number;
  /** The status says so. */
  told: boolean;
}

export interface CrashLoopGround {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  readonly clock: Clock;
  /** The kubelet reports a container that ends again and again; `restarts`: how often it was started again. */
  crashed(pod: PodReference, container: string, restarts: number): void;
  /** The container runs again. */
  recovered(pod: PodReference, container: string, restarts: number): void;
}

/**
 * CoreDNS pods that end soon after each start: with a Corefile that they cannot start with, or that plugin `loop` ends. The kubelet
 * starts them again after growing pauses; once the ConfigMap is mended, the next start succeeds.
 */
export class CrashLoops {
  readonly #ground: CrashLoopGround;
  readonly #broken = new Map<string, Broken>();

  constructor(ground: CrashLoopGround) {
    this.#ground = ground;
    ground.store.watch('ConfigMap', ({ object }) => this.#changed(object as ConfigMap));
  }

  /** Whether the programs of a pod stay up; one that does not is remembered. */
  startsReady(reference: PodReference): boolean {
    const { store, config } = this.#ground;
    const pod = store.get<Pod>('Pod', reference.namespace, reference.name);
    if (pod === undefined || !isCoreDns(pod) || corefileFault(pod, store, config) === undefined) return true;
    this.add(pod);
    return false;
  }

  /** The CoreDNS of a pod has ended. */
  add(pod: Pod): void {
    const { uid, namespace, name } = pod.metadata;
    const container = coreDnsContainer(pod)?.name ?? '';
    const reference = { name, ...(namespace === undefined ? {} : { namespace }) };
    if (this.#broken.get(keyOf(reference))?.uid === uid) return;
    const since = this.#ground.clock.now;
    this.#broken.set(keyOf(reference), { pod: reference, uid, container, since, told: false });
  }

  /** Reports what was not reported yet; true where there was any. */
  report(): boolean {
    let any = false;
    for (const [key, broken] of this.#broken) {
      if (this.#podOf(broken) === undefined) this.#broken.delete(key);
      else if (!broken.told) {
        broken.told = true;
        this.#ground.crashed(broken.pod, broken.container, 1);
        any = true;
      }
    }
    return any;
  }

  #changed(configMap: ConfigMap): void {
    const { clock, store, config } = this.#ground;
    for (const [key, broken] of this.#broken) {
      if (broken.pod.namespace !== configMap.metadata.namespace) continue;
      const { at, restarts } = nextStart(clock.now - broken.since);
      clock.schedule(broken.since + at, () => {
        const pod = this.#podOf(broken);
        if (this.#broken.get(key) !== broken || pod === undefined) return;
        if (corefileFault(pod, store, config) !== undefined) return;
        this.#broken.delete(key);
        this.#ground.recovered(broken.pod, broken.container, restarts);
      });
    }
  }

  #podOf({ pod, uid }: Broken): Pod | undefined {
    const found = this.#ground.store.get<Pod>('Pod', pod.namespace, pod.name);
    return found?.metadata.uid === uid ? found : undefined;
  }
}

/** The first start of a container after some milliseconds since it first ended, and which of its starts that is. */
function nextStart(passed: number): { readonly at: number; readonly restarts: number } {
  let at = 0;
  let restarts = 0;
  // The first restart comes at once.
  for (let pause = 0; at <= passed; restarts++) {
    pause = Math.min(restarts === 0 ? FIRST_BACK_OFF : pause * 2, MOST_BACK_OFF);
    at += pause;
  }
  return { at, restarts: restarts + 1 };
}

function keyOf({ namespace, name }: PodReference): string {
  return `${namespace ?? ''}/${name}`;
}

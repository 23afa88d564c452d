import { BackOff, type ControlPlane, conditionOf, isTerminal } from '@netsim/control';
import type { Clock, Netns } from '@netsim/kernel';
import type { ObjectStore, Pod } from '@netsim/manifest';
import type { Containers } from '../containers/containers.ts';
import { userlandOf } from '../containers/userland.ts';
import { startDelay } from '../listeners.ts';
import type { Programs } from '../programs.ts';
import { runCommand } from './exec-probe.ts';
import { type Expectation, expectationOf, isMoody } from './expectation.ts';
import { hasProbes, type ProbeSpec, probesOf } from './probe-spec.ts';
import { type ProbeFailure, sendProbe } from './run-probe.ts';

/** What probes need of the cluster. */
export interface ProbeGround {
  readonly store: ObjectStore;
  readonly control: ControlPlane;
  readonly containers: Containers;
  readonly programs: Programs;
  readonly clock: Clock;
  netnsOfPod(pod: Pod): Netns | undefined;
  netnsOfNode(name: string): Netns | undefined;
  /** What the clock's zero is in milliseconds since 1970. */
  readonly epoch: number;
  /** Lets control loops and kernel follow a change. */
  settle(): void;
}

/** The goroutine that the kubelet has for one probe of one container. */
interface Worker {
  readonly spec: ProbeSpec;
  readonly expectation: Expectation;
  /** The result that counts, and how often in a row the last one was seen. */
  result: boolean | undefined;
  last: boolean | undefined;
  run: number;
  /** A tick is set in the clock. */
  ticking: boolean;
}

interface Running {
  readonly workers: readonly Worker[];
  /** Virtual milliseconds at which the container started. */
  startedAt: number;
  started: boolean;
  /** Tells its life apart from the one before: what was set for that one is void. */
  life: number;
}

interface Probed {
  readonly containers: Map<string, Running>;
  readonly backOffs: Map<string, BackOff>;
  /** Readiness was set by hand, and stays so. */
  pinned: boolean;
}

/**
 * Runs the probes of pods in virtual time, over the network. A probe is only sent while its answer is in question: from the start of a
 * container until the results are as the manifests let expect, and again when something inside the container changes. So a big
 * cluster whose pods are well has no timer at all.
 */
export class Prober {
  readonly #ground: ProbeGround;
  readonly #pods = new Map<string, Probed>();

  constructor(ground: ProbeGround) {
    this.#ground = ground;
    ground.store.watch('Pod', ({ type, object }) => {
      if (type === 'DELETED') this.#pods.delete(object.metadata.uid ?? '');
    });
  }

  /**
   * A pod starts: true where its containers are ready at once, else those that are not. `settled`: it belongs to what was loaded, and
   * has run for a while already.
   */
  starting(pod: Pod, settled: boolean): true | readonly string[] {
    if (!hasProbes(pod)) return true;
    const unready: string[] = [];
    for (const container of pod.spec.containers) {
      const specs = probesOf(container);
      if (specs.length === 0) continue;
      const outlook = this.#outlook(pod, specs, settled);
      if (!outlook.ready) unready.push(container.name);
      if (outlook.active) this.#later(pod, container.name);
    }
    return unready.length === 0 ? true : unready;
  }

  /** Something in a pod has changed that its probes may notice. */
  wake(pod: Pod): void {
    if (!hasProbes(pod) || pod.status?.phase !== 'Running') return;
    for (const container of pod.spec.containers) {
      const running = this.#running(pod, container.name);
      for (const worker of running.workers) this.#tick(pod, container.name, running, worker);
    }
  }

  /** Readiness is what somebody says from now on, not what probes say. */
  pin(pod: Pod): void {
    this.#probed(pod).pinned = true;
  }

  /** A container was started again by hand. */
  restarted(pod: Pod, container: string): void {
    this.#begin(pod, container, { ended: { exitCode: 137, reason: 'Error' } });
  }

  /** What to begin with: whether the container is ready, and whether there is anything to watch. */
  #outlook(pod: Pod, specs: readonly ProbeSpec[], settled: boolean): { ready: boolean; active: boolean } {
    const moody = specs.some(({ container }) => isMoody(container.image));
    let ready = true;
    let active = moody;
    const late = startDelay(pod) > 0;
    for (const spec of specs) {
      const passes = this.#passes(pod, expectationOf(pod, spec), spec);
      if (spec.kind !== 'liveness') {
        const waits = late || (!settled && (spec.kind === 'startup' || spec.initialDelay > 0));
        if (!passes || waits) ready = false;
        if (passes && waits) active = true;
      }
      if (spec.kind !== 'readiness' && (!passes || late)) active = true;
    }
    return { ready, active };
  }

  #passes(pod: Pod, expectation: Expectation, spec: ProbeSpec): boolean {
    if (expectation.kind !== 'file') return expectation.kind !== 'failure';
    const { files } = this.#ground.containers.view(pod, spec.container);
    return runCommand(spec.probe.exec?.command ?? [], files, userlandOf(pod, spec.container)) === undefined;
  }

  #later(pod: Pod, container: string): void {
    const { clock, store } = this.#ground;
    const { namespace, name } = pod.metadata;
    const startedAt = clock.now;
    clock.schedule(startedAt, () => {
      const now = store.get<Pod>('Pod', namespace, name);
      if (now === undefined || now.status?.phase !== 'Running') return;
      const running = this.#running(now, container, startedAt);
      for (const worker of running.workers) this.#tick(now, container, running, worker);
    });
  }

  #probed(pod: Pod): Probed {
    const uid = pod.metadata.uid ?? '';
    let probed = this.#pods.get(uid);
    if (probed === undefined) {
      probed = { containers: new Map(), backOffs: new Map(), pinned: false };
      this.#pods.set(uid, probed);
    }
    return probed;
  }

  #running(pod: Pod, container: string, startedAt?: number): Running {
    const { containers } = this.#probed(pod);
    let running = containers.get(container);
    if (running === undefined) {
      const status = pod.status?.containerStatuses?.find(({ name }) => name === container);
      const started = status === undefined || !('started' in status) || status.started !== false;
      const state = status?.state?.running as { startedAt?: string } | undefined;
      const told = Date.parse(state?.startedAt ?? pod.status?.startTime ?? '') - this.#ground.epoch;
      const { now } = this.#ground.clock;
      const since = startedAt ?? (Number.isNaN(told) ? now : Math.min(told, now));
      running = { workers: this.#workers(pod, container), startedAt: since, started, life: 0 };
      for (const worker of running.workers) {
        if (worker.spec.kind === 'readiness') worker.result = status?.ready ?? false;
      }
      containers.set(container, running);
    }
    return running;
  }

  #workers(pod: Pod, container: string): Worker[] {
    const found = pod.spec.containers.find(({ name }) => name === container);
    const specs = found === undefined ? [] : probesOf(found);
    return specs.map((spec) => ({
      spec,
      expectation: expectationOf(pod, spec),
      // As the kubelet: alive until shown otherwise, ready only when shown.
      result: spec.kind === 'liveness' ? true : spec.kind === 'readiness' ? false : undefined,
      last: undefined,
      run: 0,
      ticking: false,
    }));
  }

  /** Sets the next tick of a worker: ticks are whole periods from the start of the container. */
  #tick(pod: Pod, container: string, running: Running, worker: Worker): void {
    if (worker.ticking) return;
    const { clock, store } = this.#ground;
    const { period } = worker.spec;
    const { life, startedAt } = running;
    const at = startedAt + (Math.floor((clock.now - startedAt) / period) + 1) * period;
    const { uid, namespace, name } = pod.metadata;
    worker.ticking = true;
    clock.schedule(at, () => {
      worker.ticking = false;
      const now = store.get<Pod>('Pod', namespace, name);
      if (now === undefined || now.metadata.uid !== uid || running.life !== life) return;
      if (isTerminal(now) || now.metadata.deletionTimestamp !== undefined) return;
      this.#probe(now, container, running, worker);
    });
  }

  #probe(pod: Pod, container: string, running: Running, worker: Worker): void {
    const { clock, control, containers } = this.#ground;
    const { spec, expectation } = worker;
    const again = (): void => this.#tick(pod, container, running, worker);
    if (spec.kind === 'startup' && running.started) return;
    const node = pod.spec.nodeName ?? '';
    const asleep = control.stopped(node) !== undefined;
    const early = clock.now - running.startedAt < spec.initialDelay;
    if (asleep || early || (spec.kind !== 'startup' && !running.started)) {
      again();
      return;
    }
    const { life } = running;
    const done = (failure: ProbeFailure): void => {
      if (running.life === life) this.#result(pod, container, running, worker, failure);
    };
    if (expectation.kind === 'unknown') {
      done(undefined);
      return;
    }
    if (expectation.kind === 'file') {
      const { files } = containers.view(pod, spec.container);
      done(runCommand(spec.probe.exec?.command ?? [], files, userlandOf(pod, spec.container)));
      return;
    }
    // Where a pod's netns is not built yet nobody has seen it: building it lets its programs listen.
    this.#ground.netnsOfPod(pod);
    const netns = this.#ground.netnsOfNode(node);
    if (netns === undefined) again();
    else sendProbe(netns, pod, spec, done);
  }

  #result(pod: Pod, container: string, running: Running, worker: Worker, failure: ProbeFailure): void {
    const { spec } = worker;
    const ok = failure === undefined;
    worker.run = worker.last === ok ? worker.run + 1 : 1;
    worker.last = ok;
    const decided = worker.run >= (ok ? spec.successThreshold : spec.failureThreshold);
    if (decided && worker.result !== ok) {
      worker.result = ok;
      this.#act(pod, container, running, worker);
    }
    if (this.#watches(pod, worker, decided)) this.#tick(pod, container, running, worker);
  }

  /** Whether the next answer is in question. */
  #watches(pod: Pod, worker: Worker, decided: boolean): boolean {
    const { spec, expectation } = worker;
    if (spec.kind === 'startup' && worker.result === true) return false;
    if (!decided || isMoody(spec.container.image) || this.#ground.programs.hasHandlers(pod)) return true;
    if (expectation.kind === 'file' || expectation.kind === 'unknown') return false;
    return (expectation.kind === 'success') !== worker.result;
  }

  #act(pod: Pod, container: string, running: Running, { spec, result }: Worker): void {
    const { control, store } = this.#ground;
    if (spec.kind === 'readiness') {
      if (!this.#probed(pod).pinned) {
        control.reportContainer(pod.metadata, container, { kind: 'ready', ready: result === true });
        this.#ground.settle();
      }
      return;
    }
    if (spec.kind === 'startup' && result === true) {
      running.started = true;
      control.reportContainer(pod.metadata, container, { kind: 'started' });
      if (spec.container.readinessProbe === undefined) {
        control.reportContainer(pod.metadata, container, { kind: 'ready', ready: true });
      }
      const { namespace, name } = pod.metadata;
      const now = store.get<Pod>('Pod', namespace, name);
      const readiness = running.workers.find((worker) => worker.spec.kind === 'readiness');
      // The kubelet asks for readiness at once then.
      if (now !== undefined && readiness !== undefined) this.#probe(now, container, running, readiness);
      this.#ground.settle();
      return;
    }
    if (result === false) this.#kill(pod, container, running);
  }

  /** A container that failed its liveness or startup probe is killed, and started again as the pod's policy says. */
  #kill(pod: Pod, container: string, running: Running): void {
    const { control, clock, store } = this.#ground;
    running.life++;
    const ended = { exitCode: 137, reason: 'Error' };
    const { restartPolicy = 'Always' } = pod.spec;
    if (restartPolicy === 'Never') {
      control.reportContainer(pod.metadata, container, { kind: 'ended', ended });
      this.#programsFollow(pod);
      return;
    }
    const { backOffs } = this.#probed(pod);
    const backOff = backOffs.get(container) ?? new BackOff();
    backOffs.set(container, backOff);
    const wait = backOff.next(clock.now);
    if (wait === 0) {
      this.#begin(pod, container, { ended });
      return;
    }
    const { uid, namespace, name } = pod.metadata;
    const message = `back-off ${duration(wait)} restarting failed container=${container} pod=${name}_${namespace}(${uid})`;
    control.reportContainer(pod.metadata, container, { kind: 'waiting', reason: 'CrashLoopBackOff', message, ended });
    this.#programsFollow(pod);
    const { life } = running;
    clock.schedule(clock.now + wait, () => {
      const now = store.get<Pod>('Pod', namespace, name);
      if (now !== undefined && now.metadata.uid === uid && running.life === life) this.#begin(now, container, {});
    });
  }

  /** A container runs anew. */
  #begin(pod: Pod, container: string, ends: { readonly ended?: { exitCode: number; reason: string } }): void {
    const { control, containers, clock } = this.#ground;
    containers.restart(pod, container);
    const found = pod.spec.containers.find(({ name }) => name === container);
    const specs = found === undefined ? [] : probesOf(found);
    const outlook = this.#outlook(pod, specs, false);
    const started = !specs.some(({ kind }) => kind === 'startup');
    const pinned = this.#pods.get(pod.metadata.uid ?? '')?.pinned === true;
    const ready = pinned ? conditionOf(pod, 'Ready')?.status === 'True' : outlook.ready;
    control.reportContainer(pod.metadata, container, { kind: 'restarted', ready, started, ...ends });
    const now = this.#programsFollow(pod);
    if (specs.length === 0 || now === undefined) return;
    const all = this.#probed(now).containers;
    const before = all.get(container);
    if (before !== undefined) before.life++;
    const running: Running = { workers: this.#workers(now, container), startedAt: clock.now, started, life: 0 };
    all.set(container, running);
    for (const worker of running.workers) {
      if (worker.spec.kind === 'readiness') worker.result = ready;
      if (outlook.active || this.#ground.programs.hasHandlers(now)) this.#tick(now, container, running, worker);
    }
  }

  /** Opens and closes the sockets of a pod as its containers run now. */
  #programsFollow({ metadata: { namespace, name } }: Pod): Pod | undefined {
    const { store, programs } = this.#ground;
    const pod = store.get<Pod>('Pod', namespace, name);
    const netns = pod === undefined ? undefined : this.#ground.netnsOfPod(pod);
    if (pod !== undefined && netns !== undefined) programs.start(netns, pod, store);
    this.#ground.settle();
    return store.get<Pod>('Pod', namespace, name);
  }
}

/** As Go prints a duration of whole seconds: `10s`, `1m20s`, `5m0s`. */
function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

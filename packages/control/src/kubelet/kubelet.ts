import type { ConfigMap, Container, Node, Pod, PodStatus, Secret } from '@netsim/manifest';
import { admittedMetadata, admittedSpec } from '../cluster/admission.ts';
import { internalIPs } from '../cluster/default-cluster.ts';
import { readiness } from '../cluster/node-lifecycle.ts';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { timestamp } from '../core/timestamp.ts';
import { type ContainerReport, withReport } from './container-report.ts';
import { crashLoopStatus, endedStatus, recoveredStatus, restartedStatus } from './ended-status.ts';
import { configFaults, configReferences, isMadeElsewhere, usesConfig } from './pod-config.ts';
import { PodIpam } from './pod-ipam.ts';
import { conditionOf, isTerminal, podIPs, withCondition } from './pod-status.ts';
import { withReadinessGates } from './readiness-gates.ts';
import { StartedStatus, whyNotReady } from './started-status.ts';
import { beforeStart, unconfiguredStatus, waitsForConfig } from './unconfigured-status.ts';

/** A node's own addresses, in the two forms that pods report them. */
interface Host {
  readonly ips: readonly string[];
  readonly hostIPs: { ip: string }[];
}

/**
 * The kubelets of all nodes: a pod bound to a node gets its addresses, runs and becomes ready; one that is deleted
 * terminates and is gone. A pod whose status says that it runs already (a dump of a live cluster) is left as it is.
 * While a kubelet is stopped nothing of its node's pods changes: they neither start, nor end, nor report.
 */
export class Kubelet extends Controller {
  readonly #ipam = new PodIpam();
  readonly #started = new StartedStatus();
  readonly #hosts = new WeakMap<Node, Host>();
  /** Readiness that a silent kubelet could not report yet, by pod. */
  readonly #wanted = new Map<string, boolean>();
  /** Pods that wait for an address or for their node, by node name. */
  readonly #waiting = new Map<string, Set<string>>();
  /** Pods of which containers lack a ConfigMap or Secret. */
  readonly #unconfigured = new Set<string>();
  /** ConfigMaps and Secrets that pods of a dump run with: they are there, though the dump may not have them. */
  readonly #inUse = new Set<string>();

  constructor(context: Context) {
    super(context);
    this.watch('Node', ({ type, object, old }) => {
      const node = object as Node;
      this.#wake(node.metadata.name);
      if (type !== 'DELETED' && node.spec?.podCIDRs !== (old as Node | undefined)?.spec?.podCIDRs)
        this.#reserveAll(node);
      if (old !== undefined && readiness(old as Node) !== 'True' && readiness(node) === 'True') this.resume(node);
    });
    for (const kind of ['ConfigMap', 'Secret']) {
      this.watch(kind, ({ type, object }) => this.#configChanged(type, object as ConfigMap | Secret));
    }
    this.watch('Pod', ({ type, object, old }) => {
      const pod = object as Pod;
      if (type === 'ADDED' && pod.status?.phase === 'Running') {
        const { namespace = 'default' } = pod.metadata;
        for (const { kind, name } of configReferences(pod.spec)) this.#inUse.add(`${kind} ${namespace}/${name}`);
      }
      if (type !== 'DELETED' && waitsForConfig(pod)) this.#unconfigured.add(objectKey(pod));
      else this.#unconfigured.delete(objectKey(pod));
      const before = type === 'DELETED' ? pod : (old as Pod | undefined);
      const after = type === 'DELETED' ? undefined : pod;
      if (before?.status !== after?.status || before?.spec.nodeName !== after?.spec.nodeName) {
        this.#account(before, after);
      }
      if (after === undefined) this.#waiting.get(pod.spec.nodeName ?? '')?.delete(objectKey(pod));
      else if (mustStart(after) && !this.#isWaiting(after)) this.queue.add(objectKey(after));
      else if (after.spec.readinessGates !== undefined && before?.status !== after.status) {
        // Somebody else writes the conditions of the gates.
        this.queue.add(objectKey(after));
      }
    });
  }

  /** Ends a pod: at once, or with the time to terminate in which it has a deletionTimestamp. */
  terminate(pod: Pod, graceSeconds: number): void {
    const { store, now, machines } = this.context;
    const { namespace, name } = pod.metadata;
    const { nodeName, terminationGracePeriodSeconds = 30 } = pod.spec;
    const silent = nodeName !== undefined && !machines.kubeletRuns(nodeName);
    if (!nodeName || (graceSeconds <= 0 && !silent)) {
      store.delete('Pod', namespace, name);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) return;
    // Nobody ends a pod of a silent node: it is terminating until the kubelet is back.
    const grace = graceSeconds > 0 ? graceSeconds : terminationGracePeriodSeconds;
    const end = now() + grace * 1000;
    const metadata = {
      ...pod.metadata,
      deletionTimestamp: timestamp(end),
      deletionGracePeriodSeconds: grace,
    };
    store.put({ ...pod, metadata } as Pod);
    if (!silent) this.#endAt(pod, end);
  }

  #endAt({ metadata: { namespace, name, uid }, spec }: Pod, end: number): void {
    const { store, timers, machines } = this.context;
    timers.set(`terminate ${keyOf(namespace, name)}`, end, () => {
      if (!machines.kubeletRuns(spec.nodeName!)) return;
      if (store.get<Pod>('Pod', namespace, name)?.metadata.uid === uid) store.delete('Pod', namespace, name);
    });
  }

  /** The kubelet of a node is back: it ends what was deleted meanwhile, and reports what runs. */
  resume(node: Node): void {
    const { store, pods, now, options } = this.context;
    for (const key of [...pods.onNode(node.metadata.name)]) {
      const { namespace = 'default', name } = splitKey(key);
      const pod = store.get<Pod>('Pod', namespace, name);
      if (pod === undefined) continue;
      const deleted = pod.metadata.deletionTimestamp !== undefined;
      if (deleted && options.terminationSeconds > 0) this.#endAt(pod, now() + options.terminationSeconds * 1000);
      else if (deleted) store.delete('Pod', namespace, name);
      else if (pod.status?.phase === 'Running') this.setReady(pod, this.#wanted.get(key) ?? containersReady(pod));
      this.#wanted.delete(key);
    }
  }

  /** Sets the condition Ready of a running pod, as its readiness probe would. */
  setReady(pod: Pod, ready: boolean): void {
    const { store, machines } = this.context;
    if (isTerminal(pod) || this.#unconfigured.has(objectKey(pod))) return;
    if (!machines.kubeletRuns(pod.spec.nodeName ?? '')) {
      this.#wanted.set(objectKey(pod), ready);
      return;
    }
    const time = this.context.time();
    const status = ready ? 'True' : 'False';
    const why = ready ? {} : whyNotReady(pod.spec.containers);
    let next: PodStatus = pod.status ?? {};
    for (const type of ['Ready', 'ContainersReady']) {
      next = withCondition(next, { type, status, lastProbeTime: null, lastTransitionTime: time, ...why });
    }
    next = withReadinessGates(pod, next, time);
    if (next === pod.status) return;
    if (next.containerStatuses !== undefined) {
      next = { ...next, containerStatuses: next.containerStatuses.map((each) => ({ ...each, ready })) };
    }
    store.put({ ...pod, status: next } as Pod);
  }

  /** Tells what has become of a container of a running pod. A silent kubelet tells nothing. */
  report(pod: Pod, container: string, report: ContainerReport): void {
    if (isTerminal(pod) || !this.context.machines.kubeletRuns(pod.spec.nodeName ?? '')) return;
    const status = withReport(pod, container, report, this.context.time());
    if (status !== pod.status) this.context.store.put({ ...pod, status } as Pod);
  }

  /** Sets a condition of a pod that is not the kubelet's own, as the one who owns a readiness gate does. */
  setCondition(pod: Pod, type: string, value: boolean): void {
    const condition = {
      type,
      status: value ? 'True' : 'False',
      lastProbeTime: null,
      lastTransitionTime: this.context.time(),
    };
    const status = withCondition(pod.status ?? {}, condition);
    if (status !== pod.status) this.context.store.put({ ...pod, status } as Pod);
  }

  /** Lets the containers of a running pod end, and does what its restartPolicy says then. */
  complete(pod: Pod, succeeded: boolean): void {
    const { store, machines } = this.context;
    const { status } = pod;
    if (status?.phase !== 'Running' || !machines.kubeletRuns(pod.spec.nodeName ?? '')) return;
    const time = this.context.time();
    const { restartPolicy = 'Always' } = pod.spec;
    const again = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && !succeeded);
    const next = again ? restartedStatus(status, succeeded, time) : endedStatus(status, succeeded, time);
    store.put({ ...pod, status: next } as Pod);
  }

  /** A container of a running pod ends soon after each start (`up` false), or stays up at last. */
  crashLoop(pod: Pod, container: string, restarts: number, up: boolean): void {
    const { store, machines } = this.context;
    const { status } = pod;
    if (status?.phase !== 'Running' || !machines.kubeletRuns(pod.spec.nodeName ?? '')) return;
    const next = (up ? recoveredStatus : crashLoopStatus)(status, container, restarts, this.context.time());
    const put = { ...pod, status: next } as Pod;
    store.put(put);
    this.setReady(put, up);
  }

  protected override reconcile(key: string): void {
    const { store, options, machines } = this.context;
    const { namespace = 'default', name } = splitKey(key);
    const found = store.get<Pod>('Pod', namespace, name);
    if (found === undefined) return;
    const again = this.#unconfigured.has(key);
    if (!again && !mustStart(found)) {
      this.#followGates(found);
      return;
    }
    const pod = again ? beforeStart(found) : found;
    const node = store.get<Node>('Node', undefined, pod.spec.nodeName!);
    if (node === undefined || !machines.kubeletRuns(pod.spec.nodeName!)) {
      this.#wait(pod.spec.nodeName!, key);
      return;
    }
    const given = podIPs(pod);
    const host = this.#hostOf(node);
    const faults = configFaults(store, pod, (kind, ...object) => this.#isThere(kind, ...object));
    if (faults.some(({ container }) => container === undefined)) {
      this.#put(pod, this.#unconfiguredStatus(pod, faults, host, given));
      return;
    }
    let ips: readonly string[] = given.length > 0 ? given : host.ips;
    if (given.length === 0 && pod.spec.hostNetwork !== true) {
      const answer = this.#ipam.allocate(node);
      if ('full' in answer || answer.ips.length === 0) {
        this.#wait(node.metadata.name, key);
        this.#put(pod, this.#notStarted(pod, host, 'full' in answer ? answer.full : undefined));
        return;
      }
      ips = answer.ips;
    }
    if (faults.length > 0) this.#put(pod, this.#unconfiguredStatus(pod, faults, host, ips));
    else {
      const status = this.#running(pod, host, ips, options.startsReady({ namespace, name }));
      this.#put(pod, readiness(node) === 'True' ? status : this.#onLostNode(status));
    }
  }

  /** The manifests say that the node is lost: what runs there is not ready, as the node controller marks it. */
  #onLostNode(status: PodStatus): PodStatus {
    const ready = { type: 'Ready', status: 'False', lastProbeTime: null, lastTransitionTime: this.context.time() };
    return status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
      ? withCondition(status, ready)
      : status;
  }

  #unconfiguredStatus(
    pod: Pod,
    faults: ReturnType<typeof configFaults>,
    { ips: [hostIP], hostIPs }: Host,
    ips: readonly string[],
  ): PodStatus {
    const time = this.context.time();
    const conditions = (unready: readonly Container[]) => this.#started.conditions(pod, unready, time);
    return unconfiguredStatus(pod, faults, { hostIP: hostIP!, hostIPs, ips }, conditions, time);
  }

  /** Whether there is an object that no manifest has. */
  #isThere(kind: string, namespace: string, name: string): boolean {
    return this.#inUse.has(`${kind} ${namespace}/${name}`) || isMadeElsewhere(this.context.store, namespace, name);
  }

  #configChanged(type: string, object: ConfigMap | Secret): void {
    const { kind, metadata } = object;
    if (type === 'DELETED') this.#inUse.delete(`${kind} ${objectKey(object)}`);
    for (const key of this.#unconfigured) {
      const { namespace = 'default', name } = splitKey(key);
      const pod = this.context.store.get<Pod>('Pod', namespace, name);
      if (namespace === metadata.namespace && pod !== undefined && usesConfig(pod, object)) this.queue.add(key);
    }
  }

  #followGates(pod: Pod): void {
    const { status } = pod;
    if (status?.phase !== 'Running' || !this.context.machines.kubeletRuns(pod.spec.nodeName ?? '')) return;
    const next = withReadinessGates(pod, status, this.context.time());
    if (next !== status) this.context.store.put({ ...pod, status: next } as Pod);
  }

  #put(pod: Pod, status: PodStatus): void {
    const metadata = admittedMetadata(this.context, pod);
    this.context.store.put({ ...pod, metadata, spec: admittedSpec(pod), status } as Pod);
  }

  #running(pod: Pod, host: Host, ips: readonly string[], ready: boolean | readonly string[]): PodStatus {
    const time = this.context.time();
    const { status: old = {} } = pod;
    const given = conditionOf(pod, 'Ready');
    const isReady = given === undefined ? ready : given.status === 'True';
    const { containers } = pod.spec;
    const unready =
      typeof isReady === 'boolean'
        ? isReady
          ? none
          : containers
        : containers.filter(({ name }) => isReady.includes(name));
    const status: PodStatus = {
      phase: 'Running',
      conditions: this.#started.conditions(pod, unready, time),
      hostIP: old.hostIP ?? host.ips[0]!,
      hostIPs: old.hostIPs ?? host.hostIPs,
      podIP: ips[0]!,
      podIPs: ips.map((ip) => ({ ip })),
      startTime: old.startTime ?? time,
      containerStatuses: old.containerStatuses ?? this.#started.containerStatuses(containers, unready, time),
    };
    for (const key in old) if (!(key in status)) return withReadinessGates(pod, { ...old, ...status }, time);
    return withReadinessGates(pod, status, time);
  }

  #hostOf(node: Node): Host {
    let host = this.#hosts.get(node);
    if (host === undefined) {
      const ips = internalIPs(node);
      host = { ips, hostIPs: ips.map((ip) => ({ ip })) };
      this.#hosts.set(node, host);
    }
    return host;
  }

  /** A pod whose sandbox cannot be made: no address is left, or the node has no pod CIDR at all. */
  #notStarted(pod: Pod, host: Host, full: string | undefined): PodStatus {
    const reason = full === undefined ? 'node has no pod CIDR' : `no IP addresses available in range set: ${full}`;
    const status: PodStatus = {
      ...pod.status,
      phase: 'Pending',
      hostIP: host.ips[0]!,
      hostIPs: host.hostIPs,
    };
    return withCondition(status, {
      type: 'PodReadyToStartContainers',
      status: 'False',
      reason: 'FailedCreatePodSandBox',
      message: reason,
      lastProbeTime: null,
      lastTransitionTime: this.context.time(),
    });
  }

  #account(before: Pod | undefined, after: Pod | undefined): void {
    const from = holdsAddress(before) ? podIPs(before) : [];
    const to = holdsAddress(after) ? podIPs(after) : [];
    if (from.length === to.length && from.every((ip, i) => ip === to[i])) return;
    const { store } = this.context;
    for (const [pod, ips, act] of [
      [before, from, 'release'],
      [after, to, 'reserve'],
    ] as const) {
      if (pod === undefined || ips.length === 0) continue;
      const node = store.get<Node>('Node', undefined, pod.spec.nodeName!);
      if (node === undefined) continue;
      for (const ip of ips) this.#ipam[act](node, ip);
      if (act === 'release') this.#wake(node.metadata.name);
    }
  }

  /** The addresses of a dump's pods, once their node has the block that they are in. */
  #reserveAll(node: Node): void {
    const { pods, store } = this.context;
    for (const key of pods.onNode(node.metadata.name)) {
      const { namespace, name } = splitKey(key);
      const pod = store.get<Pod>('Pod', namespace, name);
      if (holdsAddress(pod)) for (const ip of podIPs(pod)) this.#ipam.reserve(node, ip);
    }
  }

  #wait(node: string, key: string): void {
    const waiting = this.#waiting.get(node);
    if (waiting === undefined) this.#waiting.set(node, new Set([key]));
    else waiting.add(key);
  }

  #isWaiting(pod: Pod): boolean {
    return this.#waiting.get(pod.spec.nodeName!)?.has(objectKey(pod)) === true;
  }

  #wake(node: string): void {
    for (const key of this.#waiting.get(node) ?? []) this.queue.add(key);
    this.#waiting.delete(node);
  }
}

const none: readonly Container[] = [];

/** A pod on a node of which no kubelet has reported anything: no phase yet, or Pending without address and readiness. */
function mustStart(pod: Pod): boolean {
  const { status } = pod;
  if (!pod.spec.nodeName || pod.metadata.deletionTimestamp !== undefined) return false;
  if (status?.phase === undefined) return true;
  if (status.phase !== 'Pending' || podIPs(pod).length > 0 || status.containerStatuses !== undefined) return false;
  return conditionOf(pod, 'Ready') === undefined;
}

function containersReady(pod: Pod): boolean {
  return (conditionOf(pod, 'ContainersReady') ?? conditionOf(pod, 'Ready'))?.status === 'True';
}

/** A finished pod gives its address back; a host-network pod never had one. */
function holdsAddress(pod: Pod | undefined): pod is Pod {
  if (pod === undefined || !pod.spec.nodeName || pod.spec.hostNetwork === true) return false;
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}

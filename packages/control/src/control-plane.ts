import type { Finding, Node, ObjectMeta, ObjectStore, Pod } from '@netsim/manifest';
import { Admission } from './cluster/admission.ts';
import { defaultNodes } from './cluster/default-cluster.ts';
import { GarbageCollector } from './cluster/garbage-collector.ts';
import { Namespaces } from './cluster/namespaces.ts';
import { NodeLifecycle, readiness } from './cluster/node-lifecycle.ts';
import { Nodes } from './cluster/nodes.ts';
import { PodGarbageCollector } from './cluster/pod-garbage-collector.ts';
import { TaintEviction } from './cluster/taint-eviction.ts';
import type { ClusterConfig } from './config.ts';
import type { Context, ControlOptions } from './core/context.ts';
import type { Controller } from './core/controller.ts';
import { Machines, type Stopped } from './core/machines.ts';
import { Names } from './core/names.ts';
import { PodIndex } from './core/pod-index.ts';
import { Timers } from './core/timers.ts';
import { timeWriter } from './core/timestamp.ts';
import { EndpointSlices } from './endpoints/endpoint-slices.ts';
import { EndpointsController } from './endpoints/endpoints.ts';
import { EndpointSliceMirroring } from './endpoints/mirroring.ts';
import { ServiceTracker } from './endpoints/service-tracker.ts';
import { controlFindings } from './findings/control-findings.ts';
import type { ContainerReport } from './kubelet/container-report.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import { type LoadBalancerPlan, loadBalancerPlan } from './loadbalancer/announcers.ts';
import { LoadBalancers } from './loadbalancer/load-balancers.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import { KubernetesService } from './services/kubernetes-service.ts';
import { Services } from './services/services.ts';
import { CronJobs } from './workloads/cron-job.ts';
import { DaemonSets } from './workloads/daemon-set.ts';
import { Deployments } from './workloads/deployment.ts';
import { Jobs } from './workloads/job.ts';
import { ReplicaSets } from './workloads/replica-set.ts';
import { StatefulSets } from './workloads/stateful-set.ts';

export interface ControlPlaneInput extends Partial<ControlOptions> {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  /** Virtual milliseconds since the epoch. */
  readonly now: () => number;
  /** Instead of the seed of `config`. */
  readonly seed?: number;
  /** The nodes where the store has none at the first {@link ControlPlane.settle}. Default: {@link defaultNodes}. */
  readonly nodes?: readonly Node[];
}

/** Name and namespace of a pod; its metadata will do. */
export type PodReference = Pick<ObjectMeta, 'name' | 'namespace'>;

/** Thrown where the control loops go on changing objects without end: a mistake in one of them, never of the input. */
export class UnsettledError extends Error {
  override readonly name = 'UnsettledError';
}

/** More rounds than any rollout of a cluster that fits in memory takes. */
const maxRounds = 100_000;

/**
 * The control plane of a cluster: watches the object store and brings it, with each {@link settle}, to the state in
 * which the real control loops would come to rest. Nothing happens between calls.
 */
export class ControlPlane {
  readonly #context: Context;
  readonly #controllers: readonly Controller[];
  readonly #kubelet: Kubelet;
  readonly #loadBalancers: LoadBalancers;
  readonly #nodes: NodeLifecycle;
  readonly #clock: () => number;
  /** The moment that the control loops are at: on the way to the present while {@link settle} catches up with it. */
  #moment: number;
  readonly #pods: PodIndex;
  readonly #services: ServiceTracker;

  constructor(input: ControlPlaneInput) {
    const { store, config, now, seed = config.seed, startsReady = () => true, terminationSeconds = 0 } = input;
    const nodes = input.nodes === undefined || input.nodes.length === 0 ? defaultNodes() : input.nodes;
    this.#pods = new PodIndex(store);
    this.#clock = now;
    this.#moment = now();
    const context: Context = {
      store,
      config,
      now: () => this.#moment,
      time: timeWriter(() => this.#moment),
      names: new Names(seed),
      pods: this.#pods,
      timers: new Timers(),
      machines: new Machines(),
      options: { startsReady, terminationSeconds },
    };
    this.#context = context;
    const terminate = (pod: Pod) => this.#kubelet.terminate(pod, terminationSeconds);
    this.#loadBalancers = new LoadBalancers(context);
    this.#nodes = new NodeLifecycle(context);
    // In the order of cause and effect, so that one round does most of the work.
    const before = [
      // What is applied again must have got back what was decided for it before anybody decides anew.
      new Admission(context),

      new Nodes(context, nodes),
      this.#nodes,
      new Namespaces(context, terminate),
      new KubernetesService(context),
      new Services(context),
      this.#loadBalancers,
    ];
    const workloads = [
      new GarbageCollector(context, terminate),
      new TaintEviction(context, terminate),
      new PodGarbageCollector(context),
      new ReplicaSets(context, terminate, 'ReplicaSet'),
      new ReplicaSets(context, terminate, 'ReplicationController'),
      new Deployments(context),
      new CronJobs(context),
      new Jobs(context, terminate),
      new StatefulSets(context, terminate),
      new DaemonSets(context, terminate),
      new Scheduler(context),
    ];
    this.#kubelet = new Kubelet(context);
    this.#services = new ServiceTracker(context);
    const after = [
      new EndpointsController(context, this.#services),
      new EndpointSlices(context, this.#services),
      new EndpointSliceMirroring(context),
    ];
    this.#controllers = [...before, ...workloads, this.#kubelet, ...after];
  }

  /** Runs the control loops until none has anything to do. Throws {@link UnsettledError} where that never comes. */
  settle(): void {
    const { timers } = this.#context;
    const present = this.#clock();
    // Where the clock has jumped over several deadlines, each is met at its own time.
    for (let next = timers.next(); next !== undefined && next <= present; next = timers.next()) {
      this.#moment = Math.max(this.#moment, next);
      timers.fire(this.#moment);
      this.#comeToRest();
    }
    this.#moment = present;
    this.#comeToRest();
  }

  #comeToRest(): void {
    for (let round = 0; round < maxRounds; round++) if (!this.#round()) return;
    throw new UnsettledError(`the control loops have not come to rest after ${maxRounds} rounds`);
  }

  /**
   * Lets each control loop do what it can with what it knows now; true where any did something. For those who look at
   * the states in between, or change objects in the middle of a rollout; {@link settle} is this until it says false.
   */
  step(): boolean {
    this.#moment = this.#clock();
    return this.#round();
  }

  #round(): boolean {
    let any = false;
    for (const controller of this.#controllers) any = controller.sync() || any;
    return any;
  }

  /** The virtual time at which a control loop has something to do by itself; nothing where it only waits for changes. */
  nextDeadline(): number | undefined {
    return this.#context.timers.next();
  }

  /** Makes a running pod ready or not, as its readiness probe would. Call {@link settle} then. */
  setReady(pod: PodReference, ready: boolean): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.setReady(found, ready);
  }

  /** Tells what has become of a container, as its kubelet would. Call {@link settle} then. */
  reportContainer(pod: PodReference, container: string, report: ContainerReport): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.report(found, container, report);
  }

  /** Sets a condition that a pod's readiness gates wait for. Call {@link settle} then. */
  setCondition(pod: PodReference, type: string, value: boolean): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.setCondition(found, type, value);
  }

  /**
   * Deletes a pod. With a grace period it is terminating (its deletionTimestamp set) until the clock has moved that
   * far and {@link settle} is called; with none it is gone at once. On a node that is down it is terminating until the
   * kubelet is back.
   */
  deletePod(pod: PodReference, graceSeconds = 0): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.terminate(found, graceSeconds);
  }

  /**
   * Ends the program of a pod, well or not: with restartPolicy Never the pod is Succeeded or Failed, with Always its
   * containers start again, with OnFailure only those that failed. Call {@link settle} then.
   */
  completePod(pod: PodReference, succeeded = true): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.complete(found, succeeded);
  }

  /**
   * A container of a pod ends soon after each start, and is started again after growing pauses (`up` false), or stays up at last
   * (`up` true). `restarts`: how often it was started again. Call {@link settle} then.
   */
  crashLoop(pod: PodReference, container: string, restarts: number, up: boolean): void {
    this.#moment = this.#clock();
    const found = this.#pod(pod);
    if (found !== undefined) this.#kubelet.crashLoop(found, container, restarts, up);
  }

  /**
   * Stops the kubelet of a node, or its whole machine: nothing is heard of it from now on. After 50 seconds the node is
   * Unknown and its pods leave their endpoints; five minutes later they are deleted, and made anew elsewhere. Call
   * {@link settle} when the clock has moved. False where there is no such node.
   */
  nodeDown(name: string, what: Stopped = 'kubelet'): boolean {
    if (this.#context.store.get('Node', undefined, name) === undefined) return false;
    this.#moment = this.#clock();
    this.#nodes.stopNode(name, what);
    return true;
  }

  /** Starts again what {@link nodeDown} stopped: the node is ready at once. Call {@link settle} then. */
  nodeUp(name: string): boolean {
    const node = this.#context.store.get<Node>('Node', undefined, name);
    if (node === undefined) return false;
    this.#moment = this.#clock();
    this.#nodes.startNode(name);
    this.#kubelet.resume(node);
    return true;
  }

  /** What of a node is stopped by {@link nodeDown}. */
  stopped(name: string): Stopped | undefined {
    return this.#context.machines.stopped(name);
  }

  /** What is wrong with the objects as they are now; to be asked for when settled. */
  findings(): Finding[] {
    return controlFindings(this.#context.store, this.#context.config, this.#loadBalancers.pending);
  }

  /** How traffic from outside enters for each address of a load balancer; to be asked for when settled. */
  loadBalancerPlan(): LoadBalancerPlan[] {
    const { store, machines } = this.#context;
    // A speaker and a kube-proxy live on where only the kubelet is stopped.
    const alive = (node: Node) => {
      const stopped = machines.stopped(node.metadata.name);
      return stopped === undefined ? readiness(node) === 'True' : stopped === 'kubelet';
    };
    return loadBalancerPlan(store, { alive });
  }

  /** Ends watching the store. */
  stop(): void {
    for (const controller of this.#controllers) controller.stop();
    this.#services.stop();
    this.#pods.stop();
  }

  #pod({ namespace = 'default', name }: PodReference): Pod | undefined {
    return this.#context.store.get<Pod>('Pod', namespace, name);
  }
}

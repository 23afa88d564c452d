import { type ClusterConfig, ControlPlane, configFromObjects, type PodReference } from '@netsim/control';
import type { Netns, WorldPlan } from '@netsim/kernel';
import { ScriptedRandom, World } from '@netsim/kernel';
import type { Deployment, Finding, KubeObject, ObjectStore, Pod } from '@netsim/manifest';
import { ManifestError } from '@netsim/manifest';
import type { Trace } from '@netsim/trace';
import { familyOf, parseIp } from '@netsim/wire';
import { AddressIndex } from './address-index.ts';
import { blockFamilyFindings } from './block-families.ts';
import { Capture } from './capture.ts';
import { ClusterClock } from './cluster-clock.ts';
import { cniFromObjects } from './cni-from-objects.ts';
import { Containers } from './containers/containers.ts';
import { Datapath } from './datapath.ts';
import { nodesFor } from './default-nodes.ts';
import { diagnose } from './diagnose/diagnose.ts';
import type { DiagnoseOptions, Diagnosis } from './diagnose/model.ts';
import { isCoreDns } from './dns/coredns-files.ts';
import { lintCorefiles } from './dns/corefile-faults.ts';
import { CrashLoops } from './dns/crash-loops.ts';
import { kubeadmCoreDns } from './dns/kubeadm.ts';
import { Askers } from './dns/look-up.ts';
import { type Lookup, type LookupOptions, lookupNames } from './dns/lookup-names.ts';
import { lintNames } from './dns/name-traps.ts';
import { OutsideNames } from './dns/outside-names.ts';
import { OUTSIDE_RESOLVERS, serveOutside } from './dns/outside-resolver.ts';
import { epochOf } from './epoch.ts';
import { UsageError } from './errors.ts';
import { type ExecOptions, type ExecResult, execIn } from './exec-in.ts';
import { type FetchInit, fetchFrom } from './fetch-from.ts';
import { firewallsOf } from './firewall.ts';
import { Flow, type FlowOptions } from './flow.ts';
import { hostPortFindings } from './host-port-findings.ts';
import { defaultControllers } from './ingress/default-controller.ts';
import { FrontDoor } from './ingress/front-door.ts';
import { gatewayDataPlanes } from './ingress/gateway-data-plane.ts';
import { awaitBackends, checkBackends } from './ingress/gke/check-backends.ts';
import { gkeMachines } from './ingress/gke/machines.ts';
import { type RouteEntry, routeTable } from './ingress/route-table.ts';
import { lintListeners } from './lint.ts';
import { routeFindings } from './lint-routes.ts';
import { inOrder, isError, type LoadSources, loadStore, readObjects } from './load.ts';
import { NameResolver } from './names.ts';
import { NodeHandle } from './node-handle.ts';
import { PodHandle } from './pod-handle.ts';
import { type PortForward, portForward } from './port-forward.ts';
import { probeFindings } from './probes/findings.ts';
import { Prober } from './probes/prober.ts';
import { Programs } from './programs.ts';
import { proxyFromObjects } from './proxy-from-objects.ts';
import { RolloutHandle } from './rollout-handle.ts';
import { type TraceOptions, traceCluster } from './trace/trace-cluster.ts';

export interface LoadOptions extends LoadSources {
  /** Decides every choice: pod names, backends, ports. Default 1. */
  readonly seed?: number;
}

/** The network of a Kubernetes cluster, in memory. */
export class Cluster {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  readonly clock: ClusterClock;
  readonly namespace: string;
  /** True where the manifests named no node, and the small default cluster was made. */
  readonly madeNodes: boolean;
  /** What was made up because the manifests do not say it, one line each. */
  readonly notes: readonly string[];
  /** The ways in for HTTP. */
  readonly frontDoor: FrontDoor;
  /** For the emulated tools and the lab; not needed for tracing. */
  readonly world: World;
  readonly datapath: Datapath;
  readonly random: ScriptedRandom;
  readonly programs: Programs;
  /** What the name servers of the world outside answer. */
  readonly outsideNames: OutsideNames;
  readonly addresses: AddressIndex;
  /** Resolvers of pods. */
  readonly askers = new Askers();
  readonly containers: Containers;
  readonly prober: Prober;
  readonly #control: ControlPlane;
  readonly #crashLoops: CrashLoops;
  /** The control loops have come to rest for the first time. */
  #loaded = false;
  /** When virtual time began, in milliseconds since the Unix epoch. */
  readonly #epoch: number;
  readonly #loadFindings: readonly Finding[];

  private constructor(store: ObjectStore, findings: readonly Finding[], options: LoadOptions) {
    const seed = options.seed ?? 1;
    this.store = store;
    this.namespace = options.namespace ?? 'default';
    const configured = configFromObjects(store);
    if (store.list('Node').length === 0) for (const node of configured.nodes) store.put(node);
    this.madeNodes = store.list('Node').length === 0;
    if (this.madeNodes) for (const node of nodesFor(configured.config.podCIDRs)) store.put(node);
    const cni = cniFromObjects(store, configured.config.podCIDRs);
    const proxy = proxyFromObjects(store, configured.config);
    this.config = { ...configured.config, seed };
    this.random = new ScriptedRandom(seed);
    this.world = new World({ random: this.random });
    this.#epoch = epochOf(store);
    this.frontDoor = new FrontDoor({ store, config: this.config, now: () => this.now });
    for (const object of kubeadmCoreDns(store, this.config.clusterDomain, this.config.clusterDNS[0])) store.put(object);
    // Last of all, so that what the manifests have gets the addresses that it would get without.
    const made = [...defaultControllers(store), ...gatewayDataPlanes(store)];
    for (const { objects } of made) for (const object of objects) store.put(object);
    this.notes = [...made.map(({ note }) => note), ...this.frontDoor.gke.notes()];
    this.#control = new ControlPlane({
      store,
      config: this.config,
      now: () => this.#epoch + this.world.clock.now,
      startsReady: ({ namespace, name }) => {
        const pod = this.store.get<Pod>('Pod', namespace, name);
        if (!this.#crashLoops.startsReady({ namespace, name })) return false;
        return pod === undefined || this.prober.starting(pod, !this.#loaded);
      },
    });
    this.containers = new Containers(store, this.config, () => this.now);
    this.programs = new Programs(this.world, this.#epoch, this.config, this.frontDoor);
    this.prober = new Prober({
      store,
      control: this.#control,
      containers: this.containers,
      programs: this.programs,
      clock: this.world.clock,
      epoch: this.#epoch,
      netnsOfPod: (pod) => this.datapath.podNetns(pod),
      netnsOfNode: (name) => this.datapath.machineNetns(name),
      settle: () => this.settle(),
    });
    this.#crashLoops = new CrashLoops({
      store,
      config: this.config,
      clock: this.world.clock,
      crashed: (pod, container, restarts) => this.#control.crashLoop(pod, container, restarts, false),
      recovered: (pod, container, restarts) => this.#recovered(pod, container, restarts),
    });
    this.#settleControl();
    this.#loaded = true;
    this.containers.loaded();
    this.frontDoor.writeStatus();
    this.#loadFindings = [...findings, ...configured.findings, ...cni.findings, ...proxy.findings];
    this.programs.onExit = (pod) => {
      this.#crashLoops.add(pod);
      this.settle();
    };
    this.outsideNames = new OutsideNames(store);
    this.addresses = new AddressIndex(store);
    this.datapath = new Datapath({
      store,
      config: this.config,
      cni: cni.config,
      proxy: proxy.settings,
      world: this.world,
      started: (netns, pod) => this.programs.start(netns, pod, store),
      outsideServers: {
        addresses: Object.values(OUTSIDE_RESOLVERS).map(parseIp),
        start: (netns, address) => serveOutside(netns, familyOf(address), this.outsideNames),
        machines: gkeMachines(this.frontDoor),
      },
      now: () => this.now,
      serve: (netns, port, program, handler) => this.programs.serve(netns, port, program, handler),
    });
    this.clock = new ClusterClock(this.world, {
      settle: () => this.settle(),
      deadline: () => {
        const at = this.#control.nextDeadline();
        return at === undefined ? undefined : at - this.#epoch;
      },
    });
  }

  /**
   * Builds a cluster from manifests.
   * @throws ManifestError with every finding, where the API server would refuse an object or a file cannot be read.
   */
  static async load(options: LoadOptions): Promise<Cluster> {
    const nothing = options.files === undefined && options.yaml === undefined && options.objects === undefined;
    const sources = nothing && options.demo === undefined ? { ...options, demo: 'kubia' as const } : options;
    const { store, findings } = loadStore(sources);
    if (!findings.some(isError)) return new Cluster(store, findings, options);
    throw new ManifestError(inOrder([...findings, ...Cluster.#clashes(store, options)]));
  }

  /** What else is wrong where objects were refused: addresses and ports that the others cannot have. */
  static #clashes(store: ObjectStore, options: LoadOptions): Finding[] {
    try {
      return new Cluster(store, [], options).findings.filter(isError);
    } catch {
      return []; // too little is left to make a cluster of
    }
  }

  /** What there is to say about the manifests: warnings, in order of file and line. */
  get findings(): Finding[] {
    return inOrder([
      ...this.#loadFindings,
      ...this.#control.findings(),
      ...firewallsOf(this.store).findings,
      ...lintListeners(this.store),
      ...lintNames(this.store, this.config),
      ...routeFindings(this.frontDoor, this.store),
      ...lintCorefiles(this.store, this.config),
      ...probeFindings(this.store, this.containers),
      ...hostPortFindings(this.store, this.datapath.cni),
      ...blockFamilyFindings(this.store, this.datapath.cni),
    ]);
  }

  /** Virtual time now, in milliseconds since the Unix epoch. */
  get now(): number {
    return this.#epoch + this.world.clock.now;
  }

  /** Walks a packet and its reply, and tells what happened. */
  trace(options: TraceOptions): Trace {
    return traceCluster(this, options);
  }

  /** As {@link trace}, with every frame that any device sent meanwhile as a pcapng file. */
  traceWithCapture(options: TraceOptions): { trace: Trace; pcapng: Uint8Array } {
    const capture = new Capture(this.world);
    try {
      return { trace: this.trace(options), pcapng: capture.finish() };
    } finally {
      capture.stop();
    }
  }

  /** A flow of packets without a trace: the fast path. */
  flow(options: FlowOptions): Flow {
    return new Flow(this, options);
  }

  /** A pod by `name`, `pod/name`, `namespace/name` or `name.namespace`. */
  pod(name: string): PodHandle {
    return new PodHandle(this, this.names().pod(name.replace(/^(pod|pods|po)\//, '')));
  }

  /** A node by its name. */
  node(name: string): NodeHandle {
    return new NodeHandle(this, this.names().node(name.replace(/^(node|nodes|no)\//, '')).metadata.name);
  }

  /** See {@link NodeHandle.stop}. */
  stopNode(name: string, what: 'machine' | 'kubelet'): void {
    this.#control.nodeDown(name, what);
    if (what === 'machine') this.datapath.setMachineUp(name, false);
    else this.datapath.setKubeletUp(name, false);
    this.settle();
  }

  /** See {@link NodeHandle.start}. */
  startNode(name: string): void {
    this.#control.nodeUp(name);
    this.datapath.setMachineUp(name, true);
    this.datapath.setKubeletUp(name, true);
    this.settle();
  }

  /** Looks a name up from a pod by queries over the network, in virtual time, and tells each of them. */
  lookup(options: LookupOptions): Lookup {
    return lookupNames(this, options);
  }

  /** The routing tables of all ingress controllers and Gateways, in order of precedence; for one host, or for all. */
  routes(host?: string): RouteEntry[] {
    return routeTable(this.frontDoor, this.store, host);
  }

  /**
   * An HTTP request from a machine outside the cluster (`external`), over the emulated network in virtual time: its name is looked
   * up there too. Rejects with a TypeError, as `fetch` does, whose `cause` carries the socket's error code.
   */
  fetch(input: string | URL | Request, init?: FetchInit): Promise<Response> {
    return fetchFrom(this, this.names().source('external'), input, init);
  }

  /** Lets the load balancers outside ask their backends how they are, as they do all the time. */
  checkHealth(): void {
    checkBackends(this);
  }

  /** As {@link checkHealth}; programs that answer by a promise are given the time for that. */
  awaitHealth(): Promise<void> {
    return awaitBackends(this);
  }

  /** Walks the troubleshooting list for a destination, up to the first point that is wrong. */
  diagnose(options: DiagnoseOptions): Diagnosis {
    return diagnose(this, options);
  }

  /** As `kubectl port-forward`: one pod, entered on its localhost. */
  portForward(target: string, port: number): PortForward {
    return portForward(this, target, port);
  }

  /** Runs an emulated tool in a pod, on a node (`node/NAME`) or on an outside host (`host/NAME`). */
  exec(target: string, argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execIn(this, target, argv, options);
  }

  /** Adds or replaces objects: one, several, or manifests as text. Nothing is applied where one of them would be refused. */
  apply(what: string | object | readonly object[]): void {
    const findings: Finding[] = [];
    const { namespace } = this;
    const given = typeof what === 'string' ? { yaml: what } : { objects: Array.isArray(what) ? what : [what] };
    const objects = readObjects({ ...given, namespace }, findings);
    if (findings.some(isError)) throw new ManifestError(inOrder(findings));
    for (const { kind, metadata } of objects) if (kind === 'ConfigMap') this.#wakeCoreDns(metadata.namespace);
    // What was decided for an object that is applied again, the control plane's admission gives back to it.
    for (const object of objects) this.store.put(object);
    for (const made of gatewayDataPlanes(this.store)) for (const object of made.objects) this.store.put(object);
    this.settle();
  }

  /** Deletes an object: `svc/kubia`, `pod/x`, `deploy/y`, or the object itself. */
  delete(what: string | KubeObject): void {
    const object = typeof what === 'string' ? this.#find(what) : what;
    const { kind, metadata } = object;
    if (kind === 'ConfigMap') this.#wakeCoreDns(metadata.namespace);
    if (kind === 'Pod') this.#control.deletePod(metadata);
    else this.store.delete(kind, metadata.namespace, metadata.name);
    this.settle();
  }

  /** Sets the number of replicas of a Deployment, ReplicaSet, StatefulSet or ReplicationController (`deploy/kubia`). */
  scale(what: string, replicas: number): void {
    if (!Number.isInteger(replicas) || replicas < 0) throw new UsageError(`${replicas} is no number of replicas`);
    const object = this.#find(what);
    if (!scalable.has(object.kind)) {
      throw new UsageError(
        `${object.kind.toLowerCase()} "${object.metadata.name}" has no replicas`,
        `scale a ${[...scalable].join(', a ')}`,
      );
    }
    const workload = object as Deployment;
    const scaled = { ...workload, spec: { ...workload.spec, replicas } };
    this.store.put(scaled);
    this.settle();
  }

  /** The rollouts of a Deployment (`deploy/kubia`): pause, resume, undo, restart, status, history. */
  rollout(what: string): RolloutHandle {
    const object = this.#find(what);
    if (object.kind === 'Deployment') return new RolloutHandle(this, object as Deployment);
    throw new UsageError(
      `the rollouts of ${object.kind.toLowerCase()} "${object.metadata.name}" are not modelled`,
      'those of a Deployment are',
    );
  }

  /** Makes a pod ready or not, as its readiness probe would. */
  setReady(pod: string, ready: boolean): void {
    const { object } = this.pod(pod);
    this.prober.pin(object);
    this.#control.setReady(object.metadata, ready);
    this.settle();
  }

  /** Everything as plain data, for the lab and for those who want to see it. */
  plan(): WorldPlan {
    return this.datapath.plan();
  }

  /** Lets the control loops come to rest and the kernel follow. */
  settle(): void {
    this.#settleControl();
    this.frontDoor.writeStatus();
    this.datapath.sync();
  }

  /** Programs start with the first packet for their node; one that reads files must have read them before they change. */
  #wakeCoreDns(namespace: string | undefined): void {
    for (const pod of this.store.list<Pod>('Pod', namespace)) if (isCoreDns(pod)) this.datapath.podNetns(pod);
  }

  #settleControl(): void {
    this.#control.settle();
    if (this.#crashLoops.report()) this.#control.settle();
  }

  /** The program of a pod that has ended again and again stays up. */
  #recovered(reference: PodReference, container: string, restarts: number): void {
    this.#control.crashLoop(reference, container, restarts, true);
    const pod = this.store.get<Pod>('Pod', reference.namespace, reference.name);
    const netns = pod === undefined ? undefined : this.datapath.podNetns(pod);
    if (pod !== undefined && netns !== undefined) this.programs.start(netns, pod, this.store);
    this.settle();
  }

  names(namespace: string = this.namespace): NameResolver {
    return new NameResolver({
      store: this.store,
      namespace,
      clusterDomain: this.config.clusterDomain,
      hostAddress: (name) => this.datapath.hostAddress(name),
      addresses: this.addresses,
    });
  }

  /** The namespace that a program of a pod lives in. */
  netnsOfPod(pod: Pod): Netns {
    const netns = this.datapath.podNetns(pod);
    if (netns === undefined) {
      throw new UsageError(`pod "${pod.metadata.name}" is not running: its phase is ${pod.status?.phase ?? 'Pending'}`);
    }
    return netns;
  }

  netnsOfMachine(name: string): Netns {
    const netns = this.datapath.machineNetns(name);
    if (netns === undefined) throw new UsageError(`machine "${name}" is not there`);
    return netns;
  }

  #find(text: string): KubeObject {
    const slash = text.indexOf('/');
    if (slash < 0) throw new UsageError(`${JSON.stringify(text)} names no kind`, 'write KIND/NAME, such as svc/kubia');
    return this.names().object(text.slice(0, slash), text.slice(slash + 1));
  }
}

const scalable: ReadonlySet<string> = new Set(['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController']);

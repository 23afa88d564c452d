import type { ClusterConfig } from '@netsim/control';
import {
  type GatewayRouter,
  gatewayFindings,
  gatewayRouter,
  type IngressRouter,
  ingressRouter,
  type RouteFinding,
  type Router,
  type ServerCertificate,
} from '@netsim/ingress';
import { type Netns, type Socket, type TcpConnection, TcpListener } from '@netsim/kernel';
import type { Ingress, KubeObject, ObjectStore, Pod, Service, StoreEvent } from '@netsim/manifest';
import { type Ip, tryParseIp } from '@netsim/wire';
import { acceptedStream, type Stream } from '../http/stream.ts';
import { acceptTls } from '../http/tls.ts';
import { type CompiledDoor, certificateChain, gatewayDoor, ingressDoor } from './certificates.ts';
import { type Controller, type ControllerListener, controllerOf } from './controllers.ts';
import { type BackendSource, ProxyBackends } from './endpoints.ts';
import { GatewayServer } from './gateway-server.ts';
import { GatewayStatusWriter } from './gateway-status.ts';
import { forwardingRules, type GkeLoadBalancer, GkeLoadBalancers, isGke } from './gke/load-balancers.ts';
import { FrontProxy } from './proxy.ts';
import { publish, publishedAddresses } from './status.ts';

/** A port of a namespace behind which a controller takes requests. */
export interface Door {
  readonly controller: Controller;
  readonly backends: BackendSource;
  readonly scheme: 'http' | 'https';
  readonly port: number;
  readonly router: Router;
  /** Of a Gateway: what it does with connections and datagrams. */
  readonly gateway?: GatewayRouter;
  /** For the server name of a handshake; undefined: the handshake fails. */
  certificate(serverName: string | undefined): ServerCertificate | undefined;
}

interface OpenDoor {
  readonly controller: Controller;
  readonly backends: BackendSource;
  readonly scheme: 'http' | 'https';
  compiled(): CompiledDoor;
}

/** Kinds that a controller watches. */
const watched = [
  'Ingress',
  'IngressClass',
  'Secret',
  'Service',
  'Namespace',
  'ConfigMap',
  'Gateway',
  'GatewayClass',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
  'ReferenceGrant',
  'BackendTLSPolicy',
  'ListenerSet',
  'Node',
  'BackendConfig',
  'FrontendConfig',
  'ManagedCertificate',
] as const;

export interface FrontDoorOptions {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  /** Milliseconds since the Unix epoch, in virtual time. */
  now(): number;
}

/** The ways into the cluster for HTTP: the programs of the controllers' pods, and what they have made of the objects. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly backends: ProxyBackends;
  /** Those of GKE's ingress, which are machines outside. */
  readonly gke: GkeLoadBalancers;
  /** By what a router is compiled from beside the objects. */
  readonly #compiled = new Map<string, CompiledDoor>();
  /** The pods that run a controller, by their keys: not every settling looks at all pods. */
  readonly #pods = new Map<string, { readonly pod: Pod; readonly controller: Controller }>();
  /** Ports that are open now, by netns, then by transport and port. */
  readonly #doors = new Map<string, Map<string, OpenDoor>>();
  readonly #gatewayStatus: GatewayStatusWriter;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.backends = new ProxyBackends(options.store);
    this.gke = new GkeLoadBalancers(options.store, this.backends, () => options.now());
    this.#gatewayStatus = new GatewayStatusWriter(options.store);
    options.store.watch('Pod', ({ type, object }) => {
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      const controller = type === 'DELETED' ? undefined : controllerOf(object as Pod);
      if (controller === undefined) this.#pods.delete(key);
      else this.#pods.set(key, { pod: object as Pod, controller });
    });
    for (const object of options.store.list<Pod>('Pod')) {
      const controller = controllerOf(object);
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      if (controller !== undefined) this.#pods.set(key, { pod: object, controller });
    }
    for (const kind of watched) {
      options.store.watch(kind, (event) => {
        if (!matters(event)) return;
        this.#compiled.clear();
        this.gke.changed();
      });
    }
  }

  /** Opens the ports of a controller's pod. */
  start(netns: Netns, pod: Pod, controller: Controller): Socket[] {
    const proxy = new FrontProxy({
      netns,
      controller,
      backends: this.backends,
      store: this.#options.store,
      compiled: () => this.compiled(pod, controller),
      now: () => this.#options.now(),
      resolve: (host) => this.#addressOf(host),
    });
    const doors = new Map<string, OpenDoor>();
    this.#doors.set(netns.name, doors);
    const compiled = (): CompiledDoor => this.compiled(pod, controller);
    const door = { controller, backends: this.backends, compiled };
    const { gateway } = compiled();
    if (gateway !== undefined) {
      const opened = new GatewayServer({
        netns,
        program: controller.container,
        proxy,
        backends: this.backends,
        store: this.#options.store,
        now: () => this.#options.now(),
        compiled,
      }).listen(gateway.sockets);
      for (const { port, scheme, transport } of opened) doors.set(`${transport} ${port}`, { ...door, scheme });
      return opened.map(({ socket }) => socket);
    }
    return this.#listen(netns, proxy, controller.listeners, door);
  }

  /** Opens the ports of a load balancer of GKE on the machine that stands for it. */
  startGke(netns: Netns, { controller, namespace, name, backends }: GkeLoadBalancer): void {
    const now = (): GkeLoadBalancer | undefined =>
      this.gke.all().find((each) => each.namespace === namespace && each.name === name);
    const found = now();
    if (found === undefined) return;
    netns.loadRuleset(forwardingRules(found));
    const compiled = (): CompiledDoor => ingressDoor((now() ?? found).router);
    const proxy = new FrontProxy({
      netns,
      controller,
      backends,
      store: this.#options.store,
      compiled,
      now: () => this.#options.now(),
      resolve: () => undefined,
    });
    this.#doors.set(netns.name, new Map());
    this.#listen(netns, proxy, found.router.listeners, { controller, backends, compiled });
  }

  #listen(
    netns: Netns,
    proxy: FrontProxy,
    listeners: readonly ControllerListener[],
    door: Omit<OpenDoor, 'scheme'>,
  ): Socket[] {
    return listeners.flatMap((listener) => {
      const socket = netns.sockets.tcp.listen({
        port: listener.port,
        program: door.controller.container,
        onConnection: (connection: TcpConnection) => {
          const stream = acceptedStream(connection);
          if (listener.scheme === 'http') proxy.serve(stream, listener);
          else this.#acceptTls(stream, proxy, listener, door.compiled);
        },
      });
      if (!(socket instanceof TcpListener)) return [];
      this.#doors.get(netns.name)?.set(`TCP ${listener.port}`, { ...door, scheme: listener.scheme });
      return [socket];
    });
  }

  #acceptTls(below: Stream, proxy: FrontProxy, listener: ControllerListener, compiled: () => CompiledDoor): void {
    acceptTls(below, {
      certificates: (serverName) => {
        const certificate = compiled().certificate(serverName, listener.port);
        return certificate === undefined ? undefined : certificateChain(certificate, this.#options.store);
      },
      ready: (stream, serverName) => proxy.serve(stream, listener, serverName),
      plain: (stream) => proxy.refusePlain(stream),
    });
  }

  /** Who takes requests at a port of a namespace; undefined where no controller does. */
  doorAt(netns: string, port: number, transport: 'TCP' | 'UDP'): Door | undefined {
    const open = this.#doors.get(netns)?.get(`${transport} ${port}`);
    if (open === undefined) return undefined;
    const { router, gateway, certificate } = open.compiled();
    return {
      ...open,
      port,
      router,
      ...(gateway === undefined ? {} : { gateway }),
      certificate: (serverName) => certificate(serverName, port),
    };
  }

  /** What a controller has compiled from the objects as they are now. */
  compiled(pod: Pod, controller: Controller): CompiledDoor {
    const { store } = this.#options;
    const { namespace = 'default' } = pod.metadata;
    const { kind, controller: controllerClass, flags, gateway } = controller;
    const key = JSON.stringify([kind, controllerClass, [...flags], gateway, namespace]);
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) {
      compiled =
        gateway === undefined
          ? ingressDoor(this.#ingressRouter(controller, namespace))
          : gatewayDoor(gatewayRouter(store, { namespace, name: gateway }), store);
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  #ingressRouter({ kind, controller, flags }: Controller, own: string): IngressRouter {
    const { store, now } = this.#options;
    const named = (flag: string): { namespace: string; name: string } | undefined => {
      const [namespace, name] = flags.get(flag)?.replace('$(POD_NAMESPACE)', own).split('/') ?? [];
      return namespace === undefined || name === undefined ? undefined : { namespace, name };
    };
    const defaultBackendService = named('default-backend-service');
    const configMap = named('configmap');
    const defaultCertificate = named('default-ssl-certificate');
    const ingressClass = flags.get('ingress-class');
    return ingressRouter(store, {
      profile: kind === 'ingress-nginx' ? 'ingress-nginx' : 'spec',
      controllerClass: controller,
      ...(ingressClass === undefined ? {} : { ingressClass }),
      ...(flags.get('watch-ingress-without-class') === 'true' ? { withoutClass: true } : {}),
      ...(isGke(store) ? { onGke: true } : {}),
      now: now(),
      ...(defaultBackendService === undefined ? {} : { defaultBackendService }),
      ...(configMap === undefined ? {} : { configMap }),
      ...(defaultCertificate === undefined ? {} : { defaultCertificate }),
    });
  }

  /** The controllers of the cluster, each with its pods. */
  controllers(): { readonly controller: Controller; readonly pods: readonly Pod[]; readonly router: Router }[] {
    const found = new Map<Router, { controller: Controller; pods: Pod[]; router: Router }>();
    for (const { pod, controller } of this.#pods.values()) {
      const { router } = this.compiled(pod, controller);
      const known = found.get(router);
      if (known === undefined) found.set(router, { controller, pods: [pod], router });
      else known.pods.push(pod);
    }
    const outside = this.gke.all().map(({ controller, router }) => ({ controller, pods: [], router }));
    return [...found.values(), ...outside];
  }

  get findings(): RouteFinding[] {
    const own = this.controllers().flatMap(({ router }) => router.findings);
    return [...own, ...gatewayFindings(this.#options.store)];
  }

  /** Writes what controllers write into status: addresses of Ingresses, conditions of the Gateway API's objects. */
  writeStatus(): void {
    const { store } = this.#options;
    this.#gatewayStatus.write(this.#options.now());
    const ingresses = store.list<Ingress>('Ingress');
    if (ingresses.length === 0) return;
    const served = new Map<string, ReturnType<typeof publishedAddresses>>();
    for (const { controller, pods, router } of this.controllers()) {
      if (controller.gateway !== undefined || controller.address !== undefined) continue;
      const addresses = publishedAddresses(store, pods, controller);
      for (const { rule } of router.routes()) {
        if (rule.kind === 'Ingress') served.set(`${rule.namespace}/${rule.name}`, addresses);
      }
    }
    for (const { namespace, name, controller, router } of this.gke.all()) {
      const ip = controller.address!;
      served.set(`${namespace}/${name}`, router.refused === undefined ? [{ ip }] : []);
    }
    for (const ingress of ingresses) {
      const addresses = served.get(`${ingress.metadata.namespace}/${ingress.metadata.name}`);
      if (addresses !== undefined) publish(store, ingress, addresses);
    }
  }

  /** The name of a service as its cluster IP; the look-up itself is no packet here. */
  #addressOf(host: string): Ip | undefined {
    const ip = tryParseIp(host.replace(/^\[|\]$/g, ''));
    if (ip !== undefined) return ip;
    const { store, config } = this.#options;
    const [name = '', namespace = '', svc, ...rest] = host.split('.');
    if (svc !== 'svc' || (rest.length > 0 && rest.join('.') !== config.clusterDomain)) return undefined;
    return tryParseIp(store.get<Service>('Service', namespace, name)?.spec.clusterIP ?? '');
  }
}

/** A status that changed is nothing to a router. */
function matters({ type, object, old }: StoreEvent): boolean {
  if (type !== 'MODIFIED' || old === undefined) return true;
  const facts = (each: KubeObject & { spec?: unknown; data?: unknown }): unknown[] => [
    each.spec,
    each.data,
    each.metadata.annotations,
    each.metadata.labels,
  ];
  const before = facts(old);
  return facts(object).some((fact, at) => fact !== before[at]);
}

import type { Step } from '@netsim/trace';
import { familyOf, formatIp, type Ip, type Mac } from '@netsim/wire';
import type {
  AddressConfig,
  FdbConfig,
  FibRuleConfig,
  LinkConfig,
  NeighbourConfig,
  NetnsConfig,
  RouteConfig,
} from '../config.ts';
import type { DropReason } from '../drop-reason.ts';
import { Ipvs } from '../ipvs/ipvs.ts';
import type { VirtualService } from '../ipvs/service.ts';
import type { NetfilterHost, Tracer } from '../netfilter/host.ts';
import type { AddressType, RejectWith, Ruleset } from '../netfilter/iptables/rule.ts';
import { Netfilter } from '../netfilter/netfilter.ts';
import type { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import type { RandomSource } from '../random.ts';
import type { Skb } from '../skb.ts';
import type { Errno } from '../socket/errno.ts';
import { type Flow, type FlowOptions, openFlow } from '../socket/flow.ts';
import type { PingOptions, PingSocket } from '../socket/ping.ts';
import { type ProbeOptions, type ProbeResult, sendProbe } from '../socket/probe.ts';
import type { SctpListenOptions, SctpSocket } from '../socket/sctp.ts';
import type { Socket } from '../socket/socket.ts';
import { Sockets } from '../socket/sockets.ts';
import type { TcpConnection } from '../socket/tcp.ts';
import type { TcpConnectOptions, TcpListener, TcpListenOptions } from '../socket/tcp-sockets.ts';
import type { UdpOptions, UdpSocket } from '../socket/udp.ts';
import type { World } from '../world.ts';
import { addAddress, addressesDown, addressesUp, addressType, delAddress, selectAddress } from './addresses.ts';
import { arpAnnounce } from './arp.ts';
import { Bridge } from './bridge.ts';
import type { Device } from './device.ts';
import type { Dst } from './dst.ts';
import { Fib, type FibRule, type Route, RouteTable } from './fib.ts';
import { rejectPacket } from './icmp.ts';
import { KernelError } from './kernel-error.ts';
import { attachMaster, createLink, deleteLink } from './links.ts';
import { Loopback } from './loopback.ts';
import { ndAnnounce } from './ndisc.ts';
import { type Neighbour, Nud, neighbourOf } from './neighbour.ts';
import { addRoute, delRoute } from './routes.ts';
import { packetSummary, routeStep } from './steps.ts';
import { Sysctls } from './sysctl.ts';
import { Vxlan } from './vxlan.ts';

/** Output decisions kept; reaching it empties the cache. */
const OUTPUT_CACHE_LIMIT = 65_536;
/** Linux: mtu_expires of a learned path MTU, milliseconds. */
const MTU_EXPIRES = 600_000;

/** A network namespace (Linux: struct net): devices, addresses, neighbours, FIB, netfilter, sockets, sysctls. */
export class Netns implements NetfilterHost {
  readonly world: World;
  readonly name: string;
  readonly machine: string;
  readonly label: string;
  readonly sysctls = new Sysctls();
  readonly fib4 = new Fib(4);
  readonly fib6 = new Fib(6);
  readonly lo: Loopback;
  readonly sockets: Sockets;
  /** IPVS, where somebody asked for it. */
  ipvs: Ipvs | null = null;
  /** Null while nobody loaded a rule: then no hook is called, and packets pass for free. */
  netfilter: Netfilter | null = null;
  /** Moves on with every change that may change a route; decisions of an older one are void. */
  fibGeneration = 0;
  readonly outputRoutes = new Map<Ip, Dst>();
  readonly #gatewayRoutes = new Map<Route, Dst>();
  readonly #devices = new Map<string, Device>();
  readonly #mtus = new Map<Ip, { mtu: number; expires: number }>();
  /** Addresses of all devices, with how many devices have each. */
  readonly localAddresses = new Map<Ip, number>();
  #ifindex = 0;
  #ipId = 0;
  bridgeCallIptables = true;
  bridgeCallIp6tables = true;
  portMin = 32768;
  portMax = 60999;
  #defaultTtl4 = 64;
  readonly kernelLog: string[] = [];

  constructor(world: World, name: string, machine: string, label: string) {
    this.world = world;
    this.name = name;
    this.machine = machine;
    this.label = label;
    this.lo = new Loopback(this);
    this.#devices.set('lo', this.lo);
    this.sockets = new Sockets(this);
  }

  // --- configuration -------------------------------------------------------------------------------------------------

  /** `sysctl -w name=value`. */
  setSysctl(name: string, value: number): void {
    this.sysctls.set(name, value);
    this.bridgeCallIptables = this.sysctls.get('net.bridge.bridge-nf-call-iptables') !== 0;
    this.bridgeCallIp6tables = this.sysctls.get('net.bridge.bridge-nf-call-ip6tables') !== 0;
    this.portMin = this.sysctls.get('net.ipv4.ip_local_port_range.min');
    this.portMax = this.sysctls.get('net.ipv4.ip_local_port_range.max');
    this.#defaultTtl4 = this.sysctls.get('net.ipv4.ip_default_ttl');
    this.routesChanged();
  }

  /** `ip link add`. The other end of a veth pair is made in its netns. The device is down until {@link setUp}. */
  addLink(config: LinkConfig): Device {
    return createLink(this, config);
  }

  /** `ip link del`: with its addresses, routes, neighbours, and the other end of a veth pair. */
  delLink(name: string): void {
    deleteLink(this, this.requireDevice(name));
  }

  /** `ip link set NAME master BRIDGE`; null takes it out of its bridge. */
  setMaster(name: string, master: string | null, hairpin = false): void {
    attachMaster(this, this.requireDevice(name), master, hairpin);
  }

  /** `ip link set NAME up`. */
  setUp(name: string): void {
    const dev = this.requireDevice(name);
    if (dev.up) return;
    dev.up = true;
    addressesUp(this, dev);
    this.routesChanged();
  }

  /** `ip link set NAME down`: routes by the device go, as do IPv6 addresses and learned neighbours. */
  setDown(name: string): void {
    const dev = this.requireDevice(name);
    if (!dev.up) return;
    dev.up = false;
    addressesDown(this, dev);
    this.flushNeighbours(dev, false);
    this.netfilter?.deviceDown(dev);
    this.routesChanged();
  }

  addAddress(config: AddressConfig): void {
    addAddress(this, this.requireDevice(config.dev), config);
  }
  delAddress(config: Pick<AddressConfig, 'dev' | 'address' | 'prefixLength'>): void {
    const dev = this.requireDevice(config.dev);
    delAddress(this, dev, config.address, config.prefixLength);
    this.netfilter?.addressRemoved(dev, config.address);
  }

  addRoute(config: RouteConfig): void {
    addRoute(this, config);
  }
  /** `ip route replace`. */
  replaceRoute(config: RouteConfig): void {
    delRoute(this, { ...config, via: undefined, dev: undefined, src: undefined }, true);
    addRoute(this, config);
  }
  delRoute(config: RouteConfig): void {
    delRoute(this, config, false);
  }

  addRule(config: FibRuleConfig): void {
    const family = config.family ?? familyOf(config.from?.address ?? config.to?.address ?? 0);
    this.fibOf(family).addRule({ ...config, family });
    this.routesChanged();
  }
  delRule(config: FibRuleConfig): void {
    const family = config.family ?? familyOf(config.from?.address ?? config.to?.address ?? 0);
    if (!this.fibOf(family).delRule((rule) => rule.priority === config.priority && rule.table === config.table)) {
      throw new KernelError('ENOENT', 'no such rule');
    }
    this.routesChanged();
  }

  /** `ip neigh replace`. */
  addNeighbour(config: NeighbourConfig): void {
    const neigh = neighbourOf(this.requireDevice(config.dev), config.ip);
    const state = config.state === 'reachable' ? Nud.REACHABLE : config.state === 'noarp' ? Nud.NOARP : Nud.PERMANENT;
    neigh.update(this.world.internMac(config.mac), state);
  }
  delNeighbour(dev: string, ip: Ip): void {
    const device = this.requireDevice(dev);
    const neigh = device.neighbours.get(ip);
    if (neigh === undefined) throw new KernelError('ENOENT', `no neighbour ${formatIp(ip)} on ${dev}`);
    device.neighbours.delete(ip);
    neigh.destroy();
  }
  /** A program begins to answer ARP and neighbour solicitations for an address that nobody here has, and tells the link so. */
  announce(dev: string, ip: Ip): void {
    const device = this.requireDevice(dev);
    if (device.announced.has(ip)) return;
    device.announced.add(ip);
    if (typeof ip === 'number') arpAnnounce(device, ip);
    else ndAnnounce(device, ip);
  }
  /** It ends that. */
  withdraw(dev: string, ip: Ip): void {
    this.requireDevice(dev).announced.delete(ip);
  }
  /** Forgets neighbours of a device; permanent ones only where `permanent`. */
  flushNeighbours(dev: Device, permanent: boolean): void {
    for (const [ip, neigh] of dev.neighbours) {
      if (!permanent && (neigh.state & (Nud.PERMANENT | Nud.NOARP)) !== 0) continue;
      dev.neighbours.delete(ip);
      neigh.destroy();
    }
  }

  /** `bridge fdb append`. */
  addFdb(config: FdbConfig): void {
    const dev = this.requireDevice(config.dev);
    const mac = this.world.internMac(config.mac);
    if (dev instanceof Vxlan) {
      if (config.dst === undefined) throw new KernelError('EINVAL', `fdb entry of ${config.dev} needs dst`);
      dev.addFdb(mac, config.dst);
      return;
    }
    const { port } = dev;
    if (port === null) throw new KernelError('EOPNOTSUPP', `${config.dev} is neither a vxlan device nor a bridge port`);
    port.bridge.fdb.set(mac, { mac, port, local: false, permanent: true, updated: 0 });
  }
  delFdb(config: FdbConfig): void {
    const dev = this.requireDevice(config.dev);
    const gone =
      dev instanceof Vxlan ? dev.delFdb(config.mac, config.dst) : (dev.port?.bridge.fdb.delete(config.mac) ?? false);
    if (!gone) throw new KernelError('ENOENT', `no fdb entry ${config.mac} on ${config.dev}`);
  }

  /** `iptables-restore`: each table of the ruleset takes the place of the one that was there. */
  loadRuleset(ruleset: Ruleset): void {
    this.netfilter ??= new Netfilter(this);
    this.netfilter.loadRuleset(ruleset);
  }

  /** Puts nft rules in force in place of those that were, as `nft flush ruleset` and `nft -f` in one transaction. */
  loadNft(ruleset: NftRuleset): void {
    this.netfilter ??= new Netfilter(this);
    this.netfilter.loadNft(ruleset);
  }

  /** Makes sets as `ipset restore` does. */
  restoreSets(text: string): void {
    this.netfilter ??= new Netfilter(this);
    this.netfilter.sets.restore(text);
  }

  /** IPVS of this netns; it is hooked in at the first use. */
  useIpvs(): Ipvs {
    if (this.ipvs === null) {
      this.ipvs = new Ipvs(this);
      this.netfilter ??= new Netfilter(this);
      this.netfilter.setIpvs(this.ipvs);
    }
    return this.ipvs;
  }

  /** Everything of a config but its links, which are made first for all netns of a plan. */
  configure(config: NetnsConfig): void {
    for (const [name, value] of Object.entries(config.sysctls ?? {})) this.setSysctl(name, value);
    for (const link of config.links) {
      if (link.master !== undefined) this.setMaster(link.name, link.master, link.hairpin ?? false);
    }
    this.setUp('lo');
    // The far end of a veth pair stands in the config of its near end only; it is up too.
    const down = new Set(config.links.filter((link) => link.up === false).map((link) => link.name));
    for (const name of this.#devices.keys()) if (!down.has(name)) this.setUp(name);
    for (const address of config.addresses) this.addAddress(address);
    for (const route of config.routes) this.addRoute(route);
    for (const rule of config.rules ?? []) this.addRule(rule);
    for (const neighbour of config.neighbours ?? []) this.addNeighbour(neighbour);
    for (const fdb of config.fdb ?? []) this.addFdb(fdb);
  }

  // --- sockets -------------------------------------------------------------------------------------------------------

  /** A listening TCP socket, or the error of bind: EADDRINUSE, EADDRNOTAVAIL. */
  listenTcp(options: TcpListenOptions): TcpListener | Errno {
    return this.sockets.tcp.listen(options);
  }
  /** Begins to connect; see `error` and `phase` of the connection, or its handlers. */
  connectTcp(options: TcpConnectOptions): TcpConnection {
    return this.sockets.tcp.connect(options);
  }
  /** A UDP socket, or the error of bind. */
  bindUdp(options: UdpOptions = {}): UdpSocket | Errno {
    return this.sockets.udp.bind(options);
  }
  listenSctp(options: SctpListenOptions): SctpSocket | Errno {
    return this.sockets.sctp.listen(options);
  }
  /** A socket to send echo requests from: `ping(options).send()`. */
  ping(options: PingOptions): PingSocket {
    return this.sockets.ping.open(options);
  }
  /** A flow to send one packet after the other of; or why there is none. */
  openFlow(options: FlowOptions): Flow | Errno {
    return openFlow(this, options);
  }
  /** Sends one packet as a program would, and runs the world until its outcome is known. */
  sendProbe(options: ProbeOptions): ProbeResult {
    return sendProbe(this, options);
  }
  /** Every socket, as `ss -a` shows them. */
  allSockets(): Socket[] {
    return this.sockets.list();
  }

  // --- what there is -------------------------------------------------------------------------------------------------

  /** Devices in the order of their index. */
  links(): Device[] {
    return [...this.#devices.values()];
  }
  device(name: string): Device | undefined {
    return this.#devices.get(name);
  }
  requireDevice(name: string): Device {
    const dev = this.#devices.get(name);
    if (dev === undefined) throw new KernelError('ENODEV', `Cannot find device "${name}" in ${this.name}`);
    return dev;
  }
  /** Addresses with their devices. */
  addresses(): AddressConfig[] {
    return this.links().flatMap((dev) =>
      dev.addresses.map(({ address, prefixLength, scope }) => ({ dev: dev.name, address, prefixLength, scope })),
    );
  }
  /** Routes of a table (default: main), IPv4 then IPv6. */
  routes(table: number = RouteTable.MAIN, family?: 4 | 6): Route[] {
    const fibs = family === undefined ? [this.fib4, this.fib6] : [this.fibOf(family)];
    return fibs.flatMap((fib) => fib.tables.get(table)?.list() ?? []);
  }
  rules(family: 4 | 6 = 4): readonly FibRule[] {
    return this.fibOf(family).rules();
  }
  neighbours(): Neighbour[] {
    return this.links().flatMap((dev) => [...dev.neighbours.values()]);
  }
  /** What `bridge fdb show` shows, per device. */
  fdb(): { dev: string; mac: Mac; dst?: Ip; master?: string; permanent: boolean }[] {
    const all: { dev: string; mac: Mac; dst?: Ip; master?: string; permanent: boolean }[] = [];
    for (const dev of this.links()) {
      if (dev instanceof Vxlan) {
        for (const entry of dev.fdb.values()) {
          for (const dst of entry.remotes) all.push({ dev: dev.name, mac: entry.mac, dst, permanent: entry.permanent });
        }
      }
      if (dev instanceof Bridge) {
        for (const mac of [...dev.fdb.keys()]) {
          const entry = dev.find(mac);
          if (entry !== undefined)
            all.push({ dev: entry.port?.dev.name ?? dev.name, mac, master: dev.name, permanent: entry.permanent });
        }
      }
    }
    return all;
  }

  fibOf(family: 4 | 6): Fib {
    return family === 4 ? this.fib4 : this.fib6;
  }
  get fibDependsOnFlow(): boolean {
    return this.fib4.dependsOnFlow || this.fib6.dependsOnFlow;
  }

  // --- for the stack -------------------------------------------------------------------------------------------------

  registerDevice(dev: Device): void {
    if (this.#devices.has(dev.name)) throw new KernelError('EEXIST', `${dev.name} exists already in ${this.name}`);
    this.#devices.set(dev.name, dev);
  }
  unregisterDevice(dev: Device): void {
    this.#devices.delete(dev.name);
  }
  nextIfindex(): number {
    return ++this.#ifindex;
  }
  nextIpId(): number {
    this.#ipId = (this.#ipId + 1) & 0xffff;
    return this.#ipId;
  }
  routesChanged(): void {
    this.fibGeneration++;
    this.outputRoutes.clear();
    this.#gatewayRoutes.clear();
  }
  /** Keeps a decision for a destination. What goes by one gateway is one decision, however many destinations are behind it. */
  keepOutputRoute(dst: Ip, decided: Dst): Dst {
    if (this.outputRoutes.size >= OUTPUT_CACHE_LIMIT) this.outputRoutes.clear();
    const kept = this.#shareByGateway(decided);
    this.outputRoutes.set(dst, kept);
    return kept;
  }
  #shareByGateway(decided: Dst): Dst {
    const { route, gateway } = decided;
    if (route === null || gateway === undefined) return decided;
    const known = this.#gatewayRoutes.get(route);
    const same =
      known !== undefined &&
      known.generation === decided.generation &&
      known.kind === decided.kind &&
      known.dev === decided.dev &&
      known.gateway === gateway &&
      known.src === decided.src &&
      known.mtu === decided.mtu;
    if (same) return known;
    this.#gatewayRoutes.set(route, decided);
    return decided;
  }
  firstDevice(): Device {
    for (const dev of this.#devices.values()) if (dev !== this.lo && dev.up) return dev;
    return this.lo;
  }
  /** An address that this netns answers for: by the local table. */
  isLocal(ip: Ip): boolean {
    return this.fibOf(familyOf(ip)).table(RouteTable.LOCAL).lookup(ip)?.type === 'local';
  }
  /** An address of one of its devices (Linux: inet_lookup_ifaddr_rcu). */
  isInterfaceAddress(ip: Ip): boolean {
    return this.localAddresses.has(ip) || (typeof ip === 'number' && ip >>> 24 === 127);
  }
  selectAddress(dev: Device, gateway: Ip, scope: 'global' | 'link'): Ip | undefined {
    return selectAddress(this, dev, gateway, scope);
  }
  forwarding4(dev: Device): boolean {
    return (this.sysctls.own(`net.ipv4.conf.${dev.name}.forwarding`) ?? this.sysctls.get('net.ipv4.ip_forward')) !== 0;
  }
  forwarding6(dev: Device): boolean {
    return (
      (this.sysctls.own(`net.ipv6.conf.${dev.name}.forwarding`) ?? this.sysctls.get('net.ipv6.conf.all.forwarding')) !==
      0
    );
  }
  defaultTtl(family: 4 | 6): number {
    return family === 4 ? this.#defaultTtl4 : 64;
  }

  /** Keeps the MTU that a router on the way told of (Linux: ip_rt_update_pmtu). */
  learnMtu(dst: Ip, mtu: number): void {
    const least = typeof dst === 'number' ? 552 : 1280;
    this.#mtus.set(dst, { mtu: Math.max(mtu, least), expires: this.world.clock.now + MTU_EXPIRES });
    this.routesChanged();
  }
  pathMtu(dst: Ip, dev: Device): number {
    if (this.#mtus.size === 0) return dev.mtu;
    const learned = this.#mtus.get(dst);
    if (learned === undefined) return dev.mtu;
    if (learned.expires > this.world.clock.now) return Math.min(dev.mtu, learned.mtu);
    this.#mtus.delete(dst);
    return dev.mtu;
  }

  // --- what happens to packets ---------------------------------------------------------------------------------------

  /** The end of a packet: nobody gets it. */
  drop(skb: Skb, reason: DropReason, detail?: string): void {
    skb.dropReason = reason;
    const { tracer, watcher } = this.world;
    if (skb.trackId === 0) return;
    this.world.settled(skb.trackId);
    if (tracer !== null)
      tracer.step(
        this,
        skb,
        detail === undefined
          ? { kind: 'drop', action: 'dropped', reason }
          : { kind: 'drop', action: 'dropped', reason, detail },
      );
    if (watcher !== null) watcher.dropped?.(this, skb, reason);
  }

  /** Netfilter said no (or took it): it has told the tracer itself. */
  filtered(skb: Skb): void {
    if (skb.dropReason === '') skb.dropReason = 'NETFILTER_DROP';
    if (skb.trackId !== 0 && this.world.watcher !== null) this.world.watcher.dropped?.(this, skb, skb.dropReason);
  }

  /** A frame for somebody else. Of a flood that is what most copies are: worth a word only if no copy is taken. */
  otherHost(skb: Skb): void {
    if (skb.flooded) {
      skb.dropReason = 'OTHERHOST';
      if (skb.trackId !== 0) this.world.strayed(this, skb);
      return;
    }
    this.drop(skb, 'OTHERHOST', `frame for ${skb.dstMac}`);
  }

  /** A socket takes the packet. */
  delivered(skb: Skb, socket: Socket): void {
    skb.socket = socket;
    if (skb.trackId === 0) return;
    const { tracer, watcher } = this.world;
    this.world.settled(skb.trackId);
    if (tracer !== null) {
      const name = socket.describe();
      tracer.step(
        this,
        skb,
        socket.program === ''
          ? { kind: 'socket', action: 'delivered', socket: name }
          : { kind: 'socket', action: 'delivered', socket: name, program: socket.program },
      );
    }
    if (watcher !== null) watcher.delivered?.(this, skb, socket);
  }

  step(skb: Skb, step: Step): void {
    this.world.tracer?.step(this, skb, step);
  }
  stepSend(skb: Skb, dev: Device): void {
    this.step(skb, { kind: 'send', action: 'sent', device: dev.name, packet: packetSummary(skb) });
  }
  stepReceive(skb: Skb, dev: Device): void {
    this.step(skb, { kind: 'receive', action: 'received', device: dev.name, packet: packetSummary(skb) });
  }
  stepRoute(skb: Skb, action: 'forward' | 'local' | 'unreachable' | 'output', dst: Dst): void {
    this.step(skb, routeStep(skb, action, dst));
  }

  // --- NetfilterHost -------------------------------------------------------------------------------------------------

  get tracer(): Tracer | null {
    return this.world.tracer;
  }
  get random(): RandomSource {
    return this.world.random;
  }
  now(): number {
    return this.world.clock.now;
  }
  get rests(): number {
    return this.world.rests;
  }
  get sysctlGeneration(): number {
    return this.sysctls.generation;
  }
  sysctl(name: string): number {
    return this.sysctls.get(name);
  }
  addressType(ip: Ip, dev: Device | null = null): AddressType {
    return addressType(this, ip, dev);
  }
  masqueradeAddress(out: Device, destination: Ip): Ip | undefined {
    if (typeof destination === 'bigint') return this.selectAddress(out, destination, 'global');
    const route = this.fib4.lookup({ dst: destination, src: undefined, mark: 0, iif: undefined, oif: out });
    return this.selectAddress(out, route?.via ?? destination, 'global');
  }
  deviceAddress(dev: Device, family: 4 | 6): Ip | undefined {
    return dev.addresses.find((address) => familyOf(address.address) === family)?.address;
  }
  virtualServiceOf(skb: Skb): VirtualService | null {
    return skb.ipvs && this.ipvs !== null ? this.ipvs.serviceOf(skb) : null;
  }
  reversePathOk(skb: Skb, options: { loose: boolean; validmark: boolean; acceptLocal: boolean }): boolean {
    const { dev } = skb;
    if (dev === null || dev === this.lo) return true;
    const route = this.fibOf(familyOf(skb.src)).lookup({
      dst: skb.src,
      src: skb.dst,
      mark: options.validmark ? skb.mark : 0,
      iif: undefined,
      oif: null,
    });
    if (route === undefined) return false;
    if (route.type !== 'unicast' && !(route.type === 'local' && options.acceptLocal)) return false;
    return options.loose || route.dev === dev;
  }
  reject(skb: Skb, how: RejectWith): void {
    rejectPacket(this, skb, how);
  }
  log(line: string): void {
    if (this.kernelLog.length >= 10_000) this.kernelLog.shift();
    this.kernelLog.push(line);
  }
}

import { familyOf, formatEndpoint, type Ip, IpProto, TcpFlag } from '@netsim/wire';
import { Hook, Verdict } from '../hook.ts';
import { DstKind } from '../net/dst.ts';
import { icmpError } from '../net/icmp.ts';
import { ipOutput, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import { CtInfo, CtStatus, ctDirection } from '../netfilter/conntrack.ts';
import { isIcmpErrorType } from '../netfilter/tuple-of.ts';
import { PacketType, type Skb } from '../skb.ts';
import { defaultTimeouts, IpvsConn, IpvsConnTable, type IpvsTimeouts, Persistence } from './connection.ts';
import { schedule } from './schedule.ts';
import {
  addLine,
  addServerLine,
  RealServer,
  serviceKey,
  VirtualService,
  type VirtualServiceConfig,
} from './service.ts';

/** Milliseconds between two looks for what has expired, where only memory depends on it. */
const SWEEP_EVERY = 1000;

/**
 * IPVS of one netns, by masquerading (`ipvsadm -m`): what reaches a virtual service at INPUT or OUTPUT is sent to a real server, what
 * a real server answers gets the virtual address back at FORWARD, INPUT or OUTPUT. Source: net/netfilter/ipvs/ip_vs_core.c,
 * ip_vs_xmit.c, ip_vs_nfct.c. With `net.ipv4.vs.conntrack` the connection's reply tuple is changed too, so that MASQUERADE in
 * POSTROUTING works; its status says nothing of it, as in Linux.
 */
export class Ipvs {
  readonly #netns: Netns;
  readonly #services = new Map<string, VirtualService>();
  readonly #persistence = new Map<string, Persistence>();
  readonly #conns = new IpvsConnTable();
  timeouts: IpvsTimeouts = defaultTimeouts;

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  // --- configuration -------------------------------------------------------------------------------------------------

  /** As `ipvsadm --set`: seconds, of which 0 leaves what is. */
  setTimeouts({ tcp, tcpFin, udp }: IpvsTimeouts): void {
    const now = this.timeouts;
    this.timeouts = { tcp: tcp || now.tcp, tcpFin: tcpFin || now.tcpFin, udp: udp || now.udp };
  }

  /**
   * Makes a virtual service, or changes it to what the configuration says; its connections stay. `graceful`: a TCP server that is
   * no more in it gets weight 0 and goes when its connections have ended, as kube-proxy does.
   */
  setService(config: VirtualServiceConfig, options: { readonly graceful?: boolean } = {}): void {
    const key = serviceKey(config.protocol, config.address, config.port);
    let service = this.#services.get(key);
    if (service === undefined) {
      service = new VirtualService(config);
      this.#services.set(key, service);
    } else if (service.config === config) return;
    service.config = config;
    service.scheduler = config.scheduler;
    service.persistentSeconds = config.persistentSeconds;
    service.origin = config.origin;
    const known = new Map(service.servers.map((server) => [formatEndpoint(server.address, server.port), server]));
    for (const wanted of config.realServers) {
      const name = formatEndpoint(wanted.address, wanted.port);
      const server = known.get(name);
      if (server === undefined) service.servers.unshift(new RealServer(wanted));
      else {
        known.delete(name);
        server.weight = wanted.weight;
        server.leaving = false;
      }
    }
    for (const gone of known.values()) {
      if (options.graceful === true && config.protocol === IpProto.TCP && this.#busy(gone)) {
        gone.weight = 0;
        gone.leaving = true;
      } else service.remove(gone);
    }
  }

  /** As `ipvsadm -D`; false where there is no such service. */
  deleteService(protocol: number, address: Ip, port: number): boolean {
    const key = serviceKey(protocol, address, port);
    const service = this.#services.get(key);
    if (service === undefined) return false;
    for (const server of [...service.servers]) service.remove(server);
    return this.#services.delete(key);
  }

  /** Virtual services in the order in which `ipvsadm` lists them: by family, protocol, address, port. */
  services(): VirtualService[] {
    this.#settle();
    return [...this.#services.values()].sort(
      (a, b) =>
        familyOf(a.address) - familyOf(b.address) ||
        a.protocol - b.protocol ||
        compareIps(a.address, b.address) ||
        a.port - b.port,
    );
  }

  connections(): IpvsConn[] {
    this.#conns.sweep(this.#netns.now());
    return this.#conns.list();
  }

  /** The service of the connection that a request belongs to which is under way to its real server. */
  serviceOf({ protocol, src, sport, dst, dport }: Skb): VirtualService | null {
    return this.#conns.from(protocol, dst, dport, src, sport, this.#netns.now())?.service ?? null;
  }

  /** Forgets connections, bindings of clients, and whose turn it is: what comes next may be any server. */
  forget(): void {
    this.#conns.clear(this.#netns.now());
    this.#persistence.clear();
    for (const service of this.#services.values()) service.unknownPast = true;
  }

  /** Whom a persistent service has bound to which server, while it lasts. */
  get bindings(): number {
    return this.#persistence.size;
  }

  #busy(server: RealServer): boolean {
    this.#conns.sweep(this.#netns.now());
    return server.active + server.inactive > 0;
  }

  #settle(): void {
    this.#conns.sweep(this.#netns.now());
    for (const service of this.#services.values()) removeIdle(service);
  }

  // --- packets -------------------------------------------------------------------------------------------------------

  hook(hook: Hook, skb: Skb): Verdict {
    if (skb.ipvs) return Verdict.ACCEPT;
    const { protocol } = skb;
    if (isIcmpErrorType(protocol, skb.icmpType) && (protocol === IpProto.ICMP || protocol === IpProto.ICMPV6)) {
      return this.#error(hook, skb);
    }
    if (protocol !== IpProto.TCP && protocol !== IpProto.UDP && protocol !== IpProto.SCTP) return Verdict.ACCEPT;
    if (this.#answer(skb) || hook === Hook.FORWARD) return Verdict.ACCEPT;
    return this.#request(hook, skb);
  }

  /** A packet from a real server gets the virtual address (Linux: ip_vs_out_hook, handle_response). */
  #answer(skb: Skb): boolean {
    const now = this.#netns.now();
    const conn = this.#conns.from(skb.protocol, skb.src, skb.sport, skb.dst, skb.dport, now);
    if (conn === null) return false;
    const from = this.#followed(skb) ? formatEndpoint(skb.src, skb.sport) : '';
    skb.src = conn.service.address;
    skb.sport = conn.service.port;
    skb.ipvs = true;
    if (!conn.tracked) untrack(skb);
    conn.advance('out', skb.flags, now, this.timeouts);
    if (from !== '') {
      const to = formatEndpoint(skb.src, skb.sport);
      this.#netns.step(skb, { kind: 'nat', action: 'restored', direction: 'src', from, to, reply: true });
    }
    return true;
  }

  /** A packet for a virtual service (Linux: ip_vs_in_hook). */
  #request(hook: Hook, skb: Skb): Verdict {
    if (skb.pktType !== PacketType.HOST && hook !== Hook.OUTPUT) return Verdict.ACCEPT;
    const now = this.#netns.now();
    const begins = skb.protocol === IpProto.TCP && (skb.flags & TcpFlag.SYN) !== 0;
    let conn = this.#conns.towards(skb.protocol, skb.src, skb.sport, skb.dst, skb.dport, now);
    if (conn !== null && this.#outlived(conn, begins)) {
      const confirmed = conn.tracked && skb.ct !== null && (skb.ct.status & CtStatus.CONFIRMED) !== 0;
      if (!conn.server.available && this.#sysctl('expire_nodest_conn') === 0)
        return this.#drop(skb, 'its real server is gone');
      this.#conns.remove(conn, now);
      // The connection that conntrack knows leads to the old server; a new one can begin when the client asks again.
      if (confirmed) return this.#drop(skb, 'its real server is gone');
      conn = null;
    }
    if (conn === null) {
      const service = this.#services.get(serviceKey(skb.protocol, skb.dst, skb.dport));
      if (service === undefined) return Verdict.ACCEPT;
      if (skb.protocol === IpProto.TCP && (!begins || (skb.flags & TcpFlag.RST) !== 0)) return Verdict.ACCEPT;
      const fromHere = hook === Hook.OUTPUT || skb.dev === this.#netns.lo;
      if (fromHere && this.#conns.towards(skb.protocol, skb.dst, skb.dport, skb.src, skb.sport, now) !== null)
        return Verdict.ACCEPT;
      conn = this.#begin(service, skb, now);
      if (conn === null) return this.#refuse(hook, skb, service);
      if (this.#followed(skb)) this.#showChoice(hook, skb, conn);
    }
    conn.advance('in', skb.flags, now, this.timeouts);
    return this.#send(hook, skb, conn);
  }

  #outlived({ server, state }: IpvsConn, begins: boolean): boolean {
    if (!server.available) return true;
    if (!begins) return false;
    if (server.weight === 0 && this.#sysctl('expire_nodest_conn') !== 0) return true;
    return state === 'TIME_WAIT' && this.#sysctl('conn_reuse_mode') !== 0;
  }

  /** Chooses a server (Linux: ip_vs_schedule, ip_vs_sched_persist). Null: there is none. */
  #begin(service: VirtualService, skb: Skb, now: number): IpvsConn | null {
    this.#conns.sweep(now, countsConnections(service) ? 0 : SWEEP_EVERY);
    removeIdle(service);
    let persistence: Persistence | null = null;
    let server: RealServer | undefined;
    if (service.persistentSeconds === 0) server = schedule(service, skb, this.#netns.random);
    else {
      const key = `${serviceKey(service.protocol, service.address, service.port)} ${skb.src}`;
      persistence = this.#persistence.get(key) ?? null;
      if (persistence !== null && !this.#holds(persistence, now)) persistence = null;
      server = persistence?.server ?? schedule(service, skb, this.#netns.random);
      if (server !== undefined) {
        persistence ??= new Persistence(server, now);
        persistence.expires = now + service.persistentSeconds * 1000;
        this.#persistence.set(key, persistence);
      } else this.#persistence.delete(key);
    }
    if (server === undefined) return null;
    const tracked = this.#sysctl('conntrack') !== 0;
    const conn = new IpvsConn(service, server, { address: skb.src, port: skb.sport }, tracked, persistence);
    this.#conns.add(conn);
    return conn;
  }

  #holds(persistence: Persistence, now: number): boolean {
    if (persistence.expires <= now) this.#conns.sweep(now);
    const { server, expires, connections } = persistence;
    if (expires <= now && connections === 0) return false;
    if (!server.available) return false;
    return server.weight > 0 || this.#sysctl('expire_quiescent_template') === 0;
  }

  /** No server takes it: the sender is told, whatever the protocol (Linux: ip_vs_leave). */
  #refuse(hook: Hook, skb: Skb, service: VirtualService): Verdict {
    if (this.#followed(skb)) this.#showRule(hook, skb, service, 'REJECT', addLine(service));
    icmpError(this.#netns, skb, 'port-unreachable');
    skb.dropReason = 'NETFILTER_DROP';
    return Verdict.STOLEN;
  }

  /** On to the real server (Linux: ip_vs_nat_xmit, ip_vs_nat_send_or_cont). */
  #send(hook: Hook, skb: Skb, conn: IpvsConn): Verdict {
    const netns = this.#netns;
    const { server, tracked } = conn;
    const way = routeOutput(netns, server.address, undefined, 0, null);
    if (way.kind === DstKind.ERROR) {
      icmpError(netns, skb, 'host-unreachable');
      return this.#drop(skb, 'no route to the real server', 'IP_OUTNOROUTES');
    }
    const local = way.kind === DstKind.LOCAL;
    if (!local) {
      if (isLoopback(skb.src)) return this.#drop(skb, 'a loopback address may not leave this machine');
      if (skb.ttl <= 1) {
        icmpError(netns, skb, 'ttl-exceeded');
        return this.#drop(skb, 'TTL reached 0', 'TTL_EXPIRED');
      }
      skb.ttl--;
    }
    const from = this.#followed(skb) ? formatEndpoint(skb.dst, skb.dport) : '';
    skb.dst = server.address;
    skb.dport = server.port;
    skb.ipvs = true;
    const { ct } = skb;
    if (!tracked) untrack(skb);
    else if (ct !== null && (ct.status & CtStatus.CONFIRMED) === 0 && ctDirection(skb.ctInfo) === 0) {
      ct.replSrc = server.address;
      ct.replSport = server.port;
      ct.replyFreeAt = -1;
    }
    if (from !== '') {
      const to = formatEndpoint(skb.dst, skb.dport);
      netns.step(skb, { kind: 'nat', action: 'translated', direction: 'dst', from, to });
    }
    if (local) return Verdict.ACCEPT;
    skb.route = way;
    if (hook !== Hook.OUTPUT && this.#followed(skb)) netns.stepRoute(skb, 'forward', way);
    else if (this.#followed(skb)) netns.stepRoute(skb, 'output', way);
    this.#output(skb);
    return Verdict.SENT;
  }

  /** Through OUTPUT, as if this machine had made it, and out. */
  #output(skb: Skb): void {
    const netns = this.#netns;
    const way = skb.route!;
    if (netns.netfilter!.hook(Hook.OUTPUT, skb, null, way.dev) !== Verdict.ACCEPT) netns.filtered(skb);
    else ipOutput(netns, skb, way, null);
  }

  /** An ICMP error about a packet of a connection goes to the other end of it (Linux: ip_vs_out_icmp, ip_vs_in_icmp). */
  #error(hook: Hook, skb: Skb): Verdict {
    const { inner } = skb;
    if (inner === null) return Verdict.ACCEPT;
    const now = this.#netns.now();
    const { protocol, src, sport, dst, dport } = inner;
    const outward = this.#conns.from(protocol, dst, dport, src, sport, now);
    if (outward !== null) {
      skb.src = outward.service.address;
      inner.dst = outward.service.address;
      inner.dport = outward.service.port;
      skb.ipvs = true;
      return Verdict.ACCEPT;
    }
    const inward = this.#conns.towards(protocol, dst, dport, src, sport, now);
    if (inward === null) return Verdict.ACCEPT;
    const { server } = inward;
    const way = routeOutput(this.#netns, server.address, undefined, 0, null);
    if (way.kind === DstKind.ERROR) return this.#drop(skb, 'no route to the real server', 'IP_OUTNOROUTES');
    skb.dst = server.address;
    inner.src = server.address;
    inner.sport = server.port;
    skb.ipvs = true;
    if (way.kind === DstKind.LOCAL || hook === Hook.FORWARD) return Verdict.ACCEPT;
    skb.route = way;
    this.#output(skb);
    return Verdict.SENT;
  }

  #drop(
    skb: Skb,
    detail: string,
    reason: 'NETFILTER_DROP' | 'IP_OUTNOROUTES' | 'TTL_EXPIRED' = 'NETFILTER_DROP',
  ): Verdict {
    skb.dropReason = reason;
    if (this.#followed(skb))
      this.#netns.step(skb, { kind: 'drop', action: 'dropped', reason, detail: `IPVS: ${detail}` });
    return Verdict.DROP;
  }

  #sysctl(name: 'conntrack' | 'conn_reuse_mode' | 'expire_nodest_conn' | 'expire_quiescent_template'): number {
    return this.#netns.sysctl(`net.ipv4.vs.${name}`);
  }

  #followed(skb: Skb): boolean {
    return skb.trackId !== 0 && this.#netns.tracer !== null;
  }

  #showChoice(hook: Hook, skb: Skb, { service, server }: IpvsConn): void {
    this.#showRule(hook, skb, service, 'MASQ', addServerLine(service, server), server);
  }

  #showRule(hook: Hook, skb: Skb, service: VirtualService, action: string, text: string, server?: RealServer): void {
    const at = server === undefined ? 0 : service.servers.indexOf(server) + 1;
    this.#netns.step(skb, {
      kind: 'rule',
      action,
      hook: hook === Hook.OUTPUT ? 'OUTPUT' : 'INPUT',
      table: 'ipvs',
      chain: `${formatEndpoint(service.address, service.port)} ${service.scheduler}`,
      index: at,
      text,
      ...(service.origin === undefined ? {} : { origin: service.origin }),
    });
  }
}

function countsConnections({ scheduler }: VirtualService): boolean {
  return scheduler === 'lc' || scheduler === 'wlc' || scheduler === 'sed' || scheduler === 'nq';
}

function removeIdle(service: VirtualService): void {
  if (!service.servers.some(({ leaving }) => leaving)) return;
  for (const server of [...service.servers]) {
    if (server.leaving && server.active + server.inactive === 0) service.remove(server);
  }
}

function untrack(skb: Skb): void {
  skb.ct = null;
  skb.ctInfo = CtInfo.UNTRACKED;
}

function isLoopback(ip: Ip): boolean {
  return typeof ip === 'number' ? ip >>> 24 === 127 : ip === 1n;
}

function compareIps(a: Ip, b: Ip): number {
  const x: number | bigint = typeof a === 'number' ? a >>> 0 : a;
  const y: number | bigint = typeof b === 'number' ? b >>> 0 : b;
  return x < y ? -1 : x > y ? 1 : 0;
}

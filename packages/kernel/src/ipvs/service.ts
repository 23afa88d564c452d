import type { Ip } from '@netsim/wire';
import { formatEndpoint, IpProto } from '@netsim/wire';

/** How a virtual service chooses a real server (Linux: struct ip_vs_scheduler). */
export const schedulerNames = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'dh', 'mh', 'sed', 'nq'] as const;
export type SchedulerName = (typeof schedulerNames)[number];

export interface RealServerConfig {
  readonly address: Ip;
  readonly port: number;
  /** 0: no new connections. */
  readonly weight: number;
}

/** What `ipvsadm -A` and `-a ... -m` would be told of one virtual service. */
export interface VirtualServiceConfig {
  /** IP protocol number: TCP, UDP or SCTP. */
  readonly protocol: number;
  readonly address: Ip;
  readonly port: number;
  readonly scheduler: SchedulerName;
  /** Seconds for which a client stays with its server; 0: not persistent. */
  readonly persistentSeconds: number;
  /** In the order in which they are added. */
  readonly realServers: readonly RealServerConfig[];
  /** Who made it (`Service/default/kubia`), for traces. */
  readonly origin?: string;
}

/** A server behind a virtual service, by masquerading (Linux: struct ip_vs_dest). */
export class RealServer {
  readonly address: Ip;
  readonly port: number;
  weight: number;
  /** Connections in an active state, and others that have not expired. */
  active = 0;
  inactive = 0;
  /** Still in its service (Linux: IP_VS_DEST_F_AVAILABLE). */
  available = true;
  /** Taken out of the configuration; stays with weight 0 until its connections have ended, as kube-proxy arranges it. */
  leaving = false;

  constructor({ address, port, weight }: RealServerConfig) {
    this.address = address;
    this.port = port;
    this.weight = weight;
  }
}

/** An address, protocol and port that is balanced over real servers (Linux: struct ip_vs_service). */
export class VirtualService {
  readonly protocol: number;
  readonly address: Ip;
  readonly port: number;
  config: VirtualServiceConfig;
  scheduler: SchedulerName;
  persistentSeconds: number;
  origin: string | undefined;
  /** Linux puts a new server at the head of the list. */
  servers: RealServer[] = [];
  /** Round robin: the server that was taken last; null before the first. */
  last: RealServer | null = null;
  /** Weighted round robin: the weight that a server must have in this round; 0 before the first. */
  currentWeight = 0;
  /** Nobody knows what came before: the next choice may be any. */
  unknownPast = false;

  constructor(config: VirtualServiceConfig) {
    this.protocol = config.protocol;
    this.address = config.address;
    this.port = config.port;
    this.config = config;
    this.scheduler = config.scheduler;
    this.persistentSeconds = config.persistentSeconds;
    this.origin = config.origin;
  }

  /** A server went: the round goes on with the one after it (Linux: ip_vs_rr_del_dest). */
  remove(server: RealServer): void {
    const at = this.servers.indexOf(server);
    if (at < 0) return;
    server.available = false;
    if (this.last === server) this.last = at === 0 ? null : this.servers[at - 1]!;
    this.servers.splice(at, 1);
  }
}

export function serviceKey(protocol: number, address: Ip, port: number): string {
  return `${protocol} ${address} ${port}`;
}

/** As `ipvsadm -S` names a virtual service: `-t 10.96.0.1:443`. */
function serviceText({ protocol, address, port }: VirtualService): string {
  const option = protocol === IpProto.TCP ? '-t' : protocol === IpProto.UDP ? '-u' : '--sctp-service';
  return `${option} ${formatEndpoint(address, port)}`;
}

export function addLine(service: VirtualService): string {
  const { scheduler, persistentSeconds } = service;
  const persistent = persistentSeconds === 0 ? '' : ` -p ${persistentSeconds}`;
  return `-A ${serviceText(service)} -s ${scheduler}${persistent}${scheduler === 'mh' ? ' -b mh-port' : ''}`;
}

export function addServerLine(service: VirtualService, server: RealServer): string {
  return `-a ${serviceText(service)} -r ${formatEndpoint(server.address, server.port)} -m -w ${server.weight}`;
}

import { tcpTimeouts } from './conntrack-tcp.ts';
import type { NetfilterHost } from './host.ts';

const prefix = 'net.netfilter.nf_conntrack_';

/** The sysctls of connection tracking, in milliseconds, read again when one was set: they are needed for every packet. */
export class ConntrackSettings {
  udp = 0;
  udpStream = 0;
  icmp = 0;
  icmpv6 = 0;
  generic = 0;
  sctpCookieWait = 0;
  sctpEstablished = 0;
  tcpUnacknowledged = 0;
  /** By state of the connection. */
  readonly tcp: number[] = tcpTimeouts.map(() => 0);
  tcpLoose = true;
  tcpBeLiberal = false;
  /** Connections that the table holds at most. */
  max = 0;
  readonly #host: NetfilterHost;
  #generation = -1;

  constructor(host: NetfilterHost) {
    this.#host = host;
  }

  /** As they are now. */
  now(): this {
    const generation = this.#host.sysctlGeneration;
    if (generation !== this.#generation) this.#read(generation);
    return this;
  }

  #read(generation: number): void {
    const value = (name: string): number => this.#host.sysctl(prefix + name);
    const timeout = (name: string): number => value(name) * 1000;
    this.#generation = generation;
    this.udp = timeout('udp_timeout');
    this.udpStream = timeout('udp_timeout_stream');
    this.icmp = timeout('icmp_timeout');
    this.icmpv6 = timeout('icmpv6_timeout');
    this.generic = timeout('generic_timeout');
    this.sctpCookieWait = timeout('sctp_timeout_cookie_wait');
    this.sctpEstablished = timeout('sctp_timeout_established');
    this.tcpUnacknowledged = timeout('tcp_timeout_unacknowledged');
    tcpTimeouts.forEach(([name], state) => {
      this.tcp[state] = timeout(`tcp_timeout_${name}`);
    });
    this.tcpLoose = value('tcp_loose') !== 0;
    this.tcpBeLiberal = value('tcp_be_liberal') !== 0;
    this.max = value('max');
  }
}

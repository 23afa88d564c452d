/**
 * Linux's defaults of the sysctls that this stack reads, in a fresh netns. A name with a device
 * (`net.ipv4.conf.eth0.rp_filter`) that was never set has the value of `default` at the time it is read.
 */
const defaults: Readonly<Record<string, number>> = {
  'net.ipv4.ip_forward': 0,
  'net.ipv4.ip_default_ttl': 64,
  'net.ipv4.ip_local_port_range.min': 32768,
  'net.ipv4.ip_local_port_range.max': 60999,
  'net.ipv4.ip_nonlocal_bind': 0,
  'net.ipv4.ip_unprivileged_port_start': 1024,
  'net.ipv4.icmp_echo_ignore_all': 0,
  'net.ipv4.icmp_echo_ignore_broadcasts': 1,
  'net.ipv4.tcp_syn_retries': 6,
  'net.ipv4.tcp_synack_retries': 5,
  'net.ipv4.tcp_retries2': 15,
  'net.ipv4.conf.all.accept_local': 0,
  'net.ipv4.conf.default.accept_local': 0,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.route_localnet': 0,
  'net.ipv4.conf.default.route_localnet': 0,
  'net.ipv4.conf.all.src_valid_mark': 0,
  'net.ipv4.conf.default.src_valid_mark': 0,
  'net.ipv4.conf.all.arp_ignore': 0,
  'net.ipv4.conf.default.arp_ignore': 0,
  'net.ipv4.conf.all.arp_announce': 0,
  'net.ipv4.conf.default.arp_announce': 0,
  'net.ipv4.conf.all.proxy_arp': 0,
  'net.ipv4.conf.default.proxy_arp': 0,
  'net.ipv4.vs.conntrack': 0,
  'net.ipv4.vs.conn_reuse_mode': 1,
  'net.ipv4.vs.expire_nodest_conn': 0,
  'net.ipv4.vs.expire_quiescent_template': 0,
  'net.ipv6.conf.all.forwarding': 0,
  'net.ipv6.conf.default.forwarding': 0,
  'net.ipv6.conf.all.disable_ipv6': 0,
  'net.ipv6.conf.default.disable_ipv6': 0,
  'net.ipv6.conf.all.hop_limit': 64,
  'net.ipv6.conf.default.hop_limit': 64,
  'net.bridge.bridge-nf-call-arptables': 1,
  'net.bridge.bridge-nf-call-ip6tables': 1,
  'net.bridge.bridge-nf-call-iptables': 1,
  'net.netfilter.nf_conntrack_max': 262144,
  'net.netfilter.nf_conntrack_generic_timeout': 600,
  'net.netfilter.nf_conntrack_icmp_timeout': 30,
  'net.netfilter.nf_conntrack_icmpv6_timeout': 30,
  'net.netfilter.nf_conntrack_udp_timeout': 30,
  'net.netfilter.nf_conntrack_udp_timeout_stream': 120,
  'net.netfilter.nf_conntrack_tcp_be_liberal': 0,
  'net.netfilter.nf_conntrack_tcp_loose': 1,
  'net.netfilter.nf_conntrack_tcp_max_retrans': 3,
  'net.netfilter.nf_conntrack_tcp_ignore_invalid_rst': 0,
  'net.netfilter.nf_conntrack_tcp_timeout_syn_sent': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_syn_recv': 60,
  'net.netfilter.nf_conntrack_tcp_timeout_established': 432000,
  'net.netfilter.nf_conntrack_tcp_timeout_fin_wait': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_close_wait': 60,
  'net.netfilter.nf_conntrack_tcp_timeout_last_ack': 30,
  'net.netfilter.nf_conntrack_tcp_timeout_time_wait': 120,
  'net.netfilter.nf_conntrack_tcp_timeout_close': 10,
  'net.netfilter.nf_conntrack_tcp_timeout_max_retrans': 300,
  'net.netfilter.nf_conntrack_tcp_timeout_unacknowledged': 300,
  'net.netfilter.nf_conntrack_sctp_timeout_closed': 10,
  'net.netfilter.nf_conntrack_sctp_timeout_cookie_wait': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_cookie_echoed': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_established': 210,
  'net.netfilter.nf_conntrack_sctp_timeout_shutdown_sent': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_shutdown_recd': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_shutdown_ack_sent': 3,
  'net.netfilter.nf_conntrack_sctp_timeout_heartbeat_sent': 30,
};

/** How the value of a device and of `all` combine (Linux: IN_DEV_MAXCONF, IN_DEV_ORCONF). */
export type Combine = 'max' | 'or';

/** The sysctls of one netns. */
export class Sysctls {
  /** Moves on whenever a value is set. */
  generation = 0;
  readonly #values = new Map<string, number>();
  /** Values as they were last read: some are read for every packet. */
  readonly #resolved = new Map<string, number>();

  get(name: string): number {
    let value = this.#resolved.get(name);
    if (value === undefined) {
      value = this.#resolve(name);
      this.#resolved.set(name, value);
    }
    return value;
  }

  #resolve(name: string): number {
    const value = this.#values.get(name) ?? defaults[name];
    if (value !== undefined) return value;
    const perDevice = /^(net\.ipv[46]\.(?:conf|neigh))\..+\.([^.]+)$/.exec(name);
    if (perDevice === null) return 0;
    const general = `${perDevice[1]}.default.${perDevice[2]}`;
    return this.#values.get(general) ?? defaults[general] ?? 0;
  }

  /** A value that was set, not a default. */
  own(name: string): number | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: number): void {
    this.generation++;
    this.#resolved.clear();
    this.#values.set(name, value);
    // Writing ip_forward or all.forwarding sets it for every device, also for those to come.
    if (name === 'net.ipv4.ip_forward' || name === 'net.ipv4.conf.all.forwarding') {
      this.#setForwarding('net.ipv4', value);
      this.#values.set('net.ipv4.ip_forward', value);
      this.#values.set('net.ipv4.conf.all.forwarding', value);
    }
    if (name === 'net.ipv6.conf.all.forwarding') this.#setForwarding('net.ipv6', value);
  }

  #setForwarding(family: string, value: number): void {
    for (const name of this.#values.keys()) {
      if (name.startsWith(`${family}.conf.`) && name.endsWith('.forwarding')) this.#values.set(name, value);
    }
    this.#values.set(`${family}.conf.default.forwarding`, value);
  }

  /** Value that holds for a device: its own and that of `all` together. */
  device(family: 4 | 6, device: string, name: string, combine: Combine): number {
    const all = this.get(`net.ipv${family}.conf.all.${name}`);
    const own = this.get(`net.ipv${family}.conf.${device}.${name}`);
    return combine === 'max' ? Math.max(all, own) : all | own;
  }

  /** What was set, in the order of setting. */
  entries(): IterableIterator<[string, number]> {
    return this.#values.entries();
  }
}

import type { Family } from '@netsim/wire';

/** Sets of IPVS mode, by what stands behind `KUBE-`, with what their rules say of them. Source: pkg/proxy/ipvs/ipset.go. */
const definitions = {
  'LOOP-BACK': ['hash:ip,port,ip', 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose'],
  'CLUSTER-IP': ['hash:ip,port', 'Kubernetes service cluster ip + port for masquerade purpose'],
  'EXTERNAL-IP': ['hash:ip,port', 'Kubernetes service external ip + port for masquerade and filter purpose'],
  'EXTERNAL-IP-LOCAL': ['hash:ip,port', 'Kubernetes service external ip + port with externalTrafficPolicy=local'],
  'LOAD-BALANCER': ['hash:ip,port', 'Kubernetes service lb portal'],
  'LOAD-BALANCER-FW': ['hash:ip,port', 'Kubernetes service load balancer ip + port for load balancer with sourceRange'],
  'LOAD-BALANCER-LOCAL': [
    'hash:ip,port',
    'Kubernetes service load balancer ip + port with externalTrafficPolicy=local',
  ],
  'LOAD-BALANCER-SOURCE-IP': [
    'hash:ip,port,ip',
    'Kubernetes service load balancer ip + port + source IP for packet filter purpose',
  ],
  'LOAD-BALANCER-SOURCE-CIDR': [
    'hash:ip,port,net',
    'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  ],
  'NODE-PORT-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port for masquerade purpose'],
  'NODE-PORT-LOCAL-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port with externalTrafficPolicy=local'],
  'NODE-PORT-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port for masquerade purpose'],
  'NODE-PORT-LOCAL-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port with externalTrafficPolicy=local'],
  'NODE-PORT-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  'NODE-PORT-LOCAL-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  'HEALTH-CHECK-NODE-PORT': ['bitmap:port', 'Kubernetes health check node port'],
  'IPVS-IPS': ['hash:ip', 'Addresses on the ipvs interface'],
} as const;

export type IpvsSetName = keyof typeof definitions;
export const ipvsSetNames = Object.keys(definitions) as readonly IpvsSetName[];

/** A set with what kube-proxy puts into it. */
export interface IpvsSet {
  /** As the kernel knows it: `KUBE-CLUSTER-IP`, `KUBE-6-CLUSTER-IP` for IPv6; never more than 31 letters. */
  readonly name: string;
  readonly type: (typeof definitions)[IpvsSetName][0];
  readonly comment: string;
  /** In the words of `ipset add`: `10.96.0.1,tcp:443`; sorted. */
  readonly entries: readonly string[];
}

export function ipvsSet(name: IpvsSetName, family: Family, entries: Iterable<string>): IpvsSet {
  const [type, comment] = definitions[name];
  const sorted = [...new Set(entries)].sort();
  return { name: `${family === 4 ? 'KUBE' : 'KUBE-6'}-${name}`.slice(0, 31), type, comment, entries: sorted };
}

/** As `ipset save` prints it, but for what the kernel chooses by itself (bucketsize, initval) and its order of elements. */
export function printIpsetSave(sets: Iterable<IpvsSet>, family: Family): string {
  const lines: string[] = [];
  for (const { name, type, entries } of sets) {
    const options =
      type === 'bitmap:port'
        ? 'range 0-65535'
        : `family ${family === 4 ? 'inet' : 'inet6'} hashsize 1024 maxelem 65536`;
    lines.push(`create ${name} ${type} ${options}`);
    // A bitmap of ports keeps no protocol.
    for (const entry of entries) lines.push(`add ${name} ${type === 'bitmap:port' ? entry.replace(/.*:/, '') : entry}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

import { type Netns, parseIptablesSave, type Ruleset } from '@netsim/kernel';
import type { Container, ObjectStore, Pod, Service } from '@netsim/manifest';
import { type Family, familyBits, familyOf, formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { imageName } from '../listeners.ts';

/** What the arguments of NodeLocal DNSCache say (kubernetes/dns, `cmd/node-cache`). */
export interface NodeCache {
  /** Addresses that it listens on: a link-local one, and in iptables mode the one of kube-dns too. */
  readonly localIps: readonly Ip[];
  readonly interfaceName: string;
  readonly setupInterface: boolean;
  readonly setupIptables: boolean;
  /** The service whose address takes the place of `__PILLAR__CLUSTER__DNS__`. */
  readonly upstream: string;
  readonly healthPort: number;
}

const PORT = 53;

/** The container of a pod that is NodeLocal DNSCache: CoreDNS, with an interface and rules of its own on the node. */
export function nodeCacheContainer({ spec }: Pod): Container | undefined {
  return spec.containers.find(({ image }) => /(^|\/)k8s-dns-node-cache$/.test(imageName(image ?? '')));
}

export function nodeCacheOf(pod: Pod): NodeCache | undefined {
  const container = nodeCacheContainer(pod);
  if (container === undefined) return undefined;
  const words = [...(container.command ?? []), ...(container.args ?? [])];
  const given = (flag: string): string | undefined => {
    const at = words.findIndex((word) => word.replace(/^--?/, '-') === `-${flag}`);
    if (at >= 0) return words[at + 1];
    const joined = words.find((word) => word.replace(/^--?/, '-').startsWith(`-${flag}=`));
    return joined?.slice(joined.indexOf('=') + 1);
  };
  const ips = (given('localip') ?? '169.254.20.10').split(',');
  return {
    localIps: ips.flatMap((text) => tryParseIp(text.trim()) ?? []),
    interfaceName: given('interfacename') ?? 'nodelocaldns',
    setupInterface: given('setupinterface') !== 'false',
    setupIptables: given('setupiptables') !== 'false',
    upstream: given('upstreamsvc') ?? 'kube-dns',
    healthPort: Number(given('health-port') ?? 8080),
  };
}

/** Makes the dummy device with the addresses, where it is not there. */
export function setUpInterface(netns: Netns, { interfaceName, localIps, setupInterface }: NodeCache): void {
  if (!setupInterface || netns.device(interfaceName) !== undefined) return;
  netns.addLink({ kind: 'dummy', name: interfaceName });
  netns.setUp(interfaceName);
  for (const address of localIps) {
    netns.addAddress({ dev: interfaceName, address, prefixLength: familyBits(familyOf(address)) });
  }
}

/** The rules that it puts before all others: its own traffic is not tracked, so nothing translates it, and it is let through. */
export function nodeCacheRulesets({ localIps, setupIptables, healthPort }: NodeCache): Ruleset[] {
  if (!setupIptables) return [];
  const families = [...new Set(localIps.map(familyOf))];
  return families.map((family) => parseIptablesSave(rulesText(localIps, family, healthPort), family));
}

function rulesText(localIps: readonly Ip[], family: Family, healthPort: number): string {
  const chains = {
    raw: { PREROUTING: [] as string[], OUTPUT: [] as string[] },
    filter: { INPUT: [] as string[], FORWARD: [] as string[], OUTPUT: [] as string[] },
  };
  for (const ip of localIps.filter((each) => familyOf(each) === family)) {
    const address = `${formatIp(ip)}/${familyBits(family)}`;
    const to = (protocol: string, port: number): string =>
      `-d ${address} -p ${protocol} -m ${protocol} --dport ${port}`;
    const from = (protocol: string, port: number): string =>
      `-s ${address} -p ${protocol} -m ${protocol} --sport ${port}`;
    // Each is put first, so the last one of these stands first.
    for (const protocol of ['tcp', 'udp']) chains.raw.PREROUTING.unshift(`${to(protocol, PORT)} -j CT --notrack`);
    for (const protocol of ['tcp', 'udp']) chains.filter.INPUT.unshift(`${to(protocol, PORT)} -j ACCEPT`);
    for (const protocol of ['tcp', 'udp']) chains.raw.OUTPUT.unshift(`${from(protocol, PORT)} -j CT --notrack`);
    for (const protocol of ['tcp', 'udp']) chains.filter.OUTPUT.unshift(`${from(protocol, PORT)} -j ACCEPT`);
    for (const protocol of ['tcp', 'udp']) chains.raw.OUTPUT.unshift(`${to(protocol, PORT)} -j CT --notrack`);
    chains.raw.OUTPUT.unshift(`${to('tcp', healthPort)} -j CT --notrack`);
    chains.raw.OUTPUT.unshift(`${from('tcp', healthPort)} -j CT --notrack`);
  }
  const lines = Object.entries(chains).flatMap(([table, byChain]) => [
    `*${table}`,
    ...Object.keys(byChain).map((chain) => `:${chain} ACCEPT [0:0]`),
    ...Object.entries(byChain).flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    'COMMIT',
  ]);
  return `${lines.join('\n')}\n`;
}

/** The Corefile with what node-cache puts in for its variables: the address of its upstream service, and the node's own resolvers. */
export function withUpstreams(corefile: string, pod: Pod, store: ObjectStore): string {
  const cache = nodeCacheOf(pod);
  if (cache === undefined) return corefile;
  const service = store.get<Service>('Service', pod.metadata.namespace, cache.upstream);
  const address = service?.spec.clusterIP;
  return corefile
    .replaceAll('__PILLAR__CLUSTER__DNS__', address === undefined || address === 'None' ? '' : address)
    .replaceAll('__PILLAR__UPSTREAM__SERVERS__', '/etc/resolv.conf');
}

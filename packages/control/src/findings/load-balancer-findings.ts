import { type Finding, type Node, nearest, type ObjectStore, type Service } from '@netsim/manifest';
import { lastAddress, tryParseIp } from '@netsim/wire';
import { internalIPs } from '../cluster/default-cluster.ts';
import type { ClusterConfig } from '../config.ts';
import { formatRange, rangesOverlap } from '../loadbalancer/address-pool.ts';
import { loadBalancerPlan } from '../loadbalancer/announcers.ts';
import {
  type AddressPool,
  legacyConfigMap,
  type MetalLbConfig,
  metallbConfig,
} from '../loadbalancer/metallb-config.ts';
import { findingAt, nameOf } from './finding-at.ts';

/** What keeps load balancers from their addresses, and addresses from their load balancers. `pending`: why services wait, by key. */
export function loadBalancerFindings(
  store: ObjectStore,
  cluster: ClusterConfig,
  pending: ReadonlyMap<string, string>,
): Finding[] {
  const config = metallbConfig(store);
  return [
    ...poolFindings(config, store, cluster),
    ...advertisementFindings(config, store),
    ...pendingFindings(config, store, pending),
    ...silentFindings(store),
  ];
}

function poolFindings({ pools }: MetalLbConfig, store: ObjectStore, cluster: ClusterConfig): Finding[] {
  const findings: Finding[] = [];
  const error = (pool: AddressPool, code: string, message: string, suggestion?: string, i?: number) => {
    const path = ['spec', 'addresses', ...(i === undefined ? [] : [i])];
    const text = { severity: 'error' as const, code, message: `${nameOf(pool.object)}: ${message}`, suggestion };
    findings.push(findingAt(pool.object, path, text));
  };
  const taken = clusterRanges(store, cluster);
  for (const [i, pool] of pools.entries()) {
    for (const place of pool.unreadable) {
      const what = 'is neither a CIDR nor a range of addresses';
      error(pool, 'invalid-address-pool', `spec.addresses[${place}] ${what}`, 'write 192.168.1.11-192.168.1.19', place);
    }
    for (const other of pools.slice(0, i)) {
      const overlap = pool.ranges.find((range) => other.ranges.some((each) => rangesOverlap(range, each)));
      if (overlap === undefined) continue;
      const message = `its addresses ${formatRange(overlap)} overlap those of the pool "${other.name}"`;
      error(pool, 'address-pools-overlap', message, 'MetalLB refuses such a configuration as a whole');
    }
    for (const range of pool.ranges) {
      const clash = taken.find(({ range: other }) => rangesOverlap(range, other));
      if (clash === undefined) continue;
      error(pool, 'address-pool-clash', `its addresses ${formatRange(range)} include ${clash.what}`);
    }
  }
  return findings;
}

/** The addresses that the cluster uses itself. */
function clusterRanges(store: ObjectStore, { podCIDRs, serviceCIDRs }: ClusterConfig) {
  const block = (prefix: ClusterConfig['podCIDRs'][number]) => ({ first: prefix.address, last: lastAddress(prefix) });
  const nodes = store.list<Node>('Node').flatMap((node) =>
    internalIPs(node).flatMap((text) => {
      const ip = tryParseIp(text);
      return ip === undefined ? [] : [{ range: { first: ip, last: ip }, what: `${text} of ${nameOf(node)}` }];
    }),
  );
  return [
    ...nodes,
    ...podCIDRs.map(block).map((range) => ({ range, what: `addresses of the pod network ${formatRange(range)}` })),
    ...serviceCIDRs.map(block).map((range) => ({ range, what: `addresses of the service CIDR ${formatRange(range)}` })),
  ];
}

function advertisementFindings({ pools, advertisements, peers }: MetalLbConfig, store: ObjectStore): Finding[] {
  const findings: Finding[] = [];
  const names = pools.map(({ name }) => name);
  for (const { object, pools: wanted } of advertisements) {
    for (const name of wanted) {
      if (names.includes(name)) continue;
      const near = nearest(name, names);
      const message = `${nameOf(object)}: there is no IPAddressPool "${name}"`;
      const suggestion = near === undefined ? undefined : `did you mean "${near}"?`;
      findings.push(
        findingAt(object, ['spec', 'ipAddressPools'], {
          severity: 'warning',
          code: 'unknown-address-pool',
          message,
          suggestion,
        }),
      );
    }
  }
  const bgp = advertisements.find(({ mode }) => mode === 'bgp');
  if (bgp !== undefined && peers.length === 0) {
    const message = `${nameOf(bgp.object)}: no BGPPeer is given; netsim takes it that every node has a session with the router`;
    findings.push(findingAt(bgp.object, ['metadata', 'name'], { severity: 'warning', code: 'no-bgp-peer', message }));
  }
  const legacy = legacyConfigMap(store);
  if (legacy !== undefined) {
    findings.push(
      findingAt(legacy, ['data', 'config'], {
        severity: 'warning',
        code: 'removed-api',
        message: `${nameOf(legacy)}: MetalLB since 0.13 does not read its configuration from a ConfigMap; read as before`,
        suggestion: 'write an IPAddressPool and an L2Advertisement (metallb.io/v1beta1)',
      }),
    );
  }
  return findings;
}

function pendingFindings(
  { pools }: MetalLbConfig,
  store: ObjectStore,
  pending: ReadonlyMap<string, string>,
): Finding[] {
  const findings: Finding[] = [];
  for (const service of store.list<Service>('Service')) {
    const { namespace, name } = service.metadata;
    const reason = pending.get(`${namespace}/${name}`);
    if (reason === undefined) continue;
    const missing = /^MetalLB: unknown pool "(.*)"$/.exec(reason)?.[1];
    const near =
      missing &&
      nearest(
        missing,
        pools.map((pool) => pool.name),
      );
    const ports = service.spec.ports?.some(({ nodePort }) => nodePort) ? '; its node ports work without' : '';
    const add =
      pools.length > 0 || reason.startsWith('spec.loadBalancerClass')
        ? undefined
        : `add an IPAddressPool and an L2Advertisement (metallb.io/v1beta1), or the cloud's spec.providerID to the nodes${ports}`;
    findings.push(
      findingAt(service, ['spec', 'type'], {
        severity: 'warning',
        code: 'load-balancer-pending',
        message: `${nameOf(service)}: its external IP stays <pending>: ${reason}`,
        suggestion: near ? `did you mean "${near}"?` : add,
      }),
    );
  }
  return findings;
}

/** Addresses that are given, and that no node answers for. Services without endpoints are told of elsewhere. */
function silentFindings(store: ObjectStore): Finding[] {
  const findings: Finding[] = [];
  for (const { service, ip, nodes, candidates, why = '' } of loadBalancerPlan(store)) {
    if (nodes.length > 0 || candidates.length > 0) continue;
    const object = store.get<Service>('Service', service.namespace, service.name)!;
    findings.push(
      findingAt(object, ['spec', 'type'], {
        severity: 'warning',
        code: 'load-balancer-silent',
        message: `${nameOf(object)}: nobody answers for its external IP ${ip}: ${why}`,
        suggestion: why.startsWith('no L2Advertisement') ? 'add an L2Advertisement (metallb.io/v1beta1)' : undefined,
      }),
    );
  }
  return findings;
}

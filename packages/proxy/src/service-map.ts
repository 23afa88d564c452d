import type { ServicePort as ApiServicePort, Service } from '@netsim/manifest';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyOf } from '@netsim/wire';
import { parseIpSloppy, parsePrefixSloppy } from './address-text.ts';

/**
 * One port of one service as kube-proxy sees it, for one family. Plain decisions, nothing of the node.
 * Source: pkg/proxy/serviceport.go, servicechangetracker.go of Kubernetes 1.36.
 */
export interface ServicePort {
  /** `namespace/name`. */
  readonly service: string;
  /** `namespace/name:port`, or `namespace/name` for a port without a name: as comments have it. */
  readonly name: string;
  /** Name of the port, empty where it has none. */
  readonly portName: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly clusterIP: Ip;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIPs: readonly Ip[];
  readonly loadBalancerVIPs: readonly Ip[];
  /** loadBalancerSourceRanges of the family; empty: everybody. */
  readonly sourceRanges: readonly Prefix[];
  /** Seconds of ClientIP affinity; 0: none. */
  readonly affinitySeconds: number;
  readonly internalPolicyLocal: boolean;
  readonly externalPolicyLocal: boolean;
  readonly healthCheckNodePort: number;
}

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const DEFAULT_AFFINITY_SECONDS = 10800;

/** The ports of a service that kube-proxy serves in a family; none for a headless or ExternalName service. */
export function servicePorts(service: Service, family: Family): ServicePort[] {
  const { spec, metadata } = service;
  if (spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None') return [];
  if (spec.type === 'ExternalName' || metadata.labels?.[PROXY_NAME_LABEL] !== undefined) return [];
  const clusterIP = clusterIpOf(service, family);
  if (clusterIP === undefined) return [];

  const id = `${metadata.namespace ?? 'default'}/${metadata.name}`;
  const externalIPs = addressesOf(spec.externalIPs ?? NONE, family);
  const accessible =
    spec.type === 'LoadBalancer' ||
    spec.type === 'NodePort' ||
    ((spec.type === 'ClusterIP' || spec.type === undefined) && (spec.externalIPs?.length ?? 0) > 0);
  const externalPolicyLocal = accessible && spec.externalTrafficPolicy === 'Local';
  const lbVIPs = loadBalancerVIPs(service, family);
  const ranges = sourceRanges(spec.loadBalancerSourceRanges ?? NONE, family);
  const affinitySeconds =
    spec.sessionAffinity === 'ClientIP'
      ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
      : 0;
  const checked = spec.type === 'LoadBalancer' && externalPolicyLocal;
  return (spec.ports ?? []).map((port) => ({
    service: id,
    name: port.name === undefined || port.name === '' ? id : `${id}:${port.name}`,
    portName: port.name ?? '',
    protocol: protocolOf(port.protocol),
    clusterIP,
    port: port.port,
    nodePort: port.nodePort ?? 0,
    externalIPs,
    loadBalancerVIPs: lbVIPs,
    sourceRanges: ranges,
    affinitySeconds,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    externalPolicyLocal,
    healthCheckNodePort: checked ? (spec.healthCheckNodePort ?? 0) : 0,
  }));
}

function protocolOf(protocol: ApiServicePort['protocol']): ServicePort['protocol'] {
  return protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp';
}

/** Order of rules in shared chains: by service, then by name of the port. */
export function comparePorts(a: ServicePort, b: ServicePort): number {
  return compareText(a.service, b.service) || compareText(a.portName, b.portName);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** NodePort, load-balancer address or external IP: something outside the cluster can reach it by. */
export function externallyAccessible(
  port: Pick<ServicePort, 'nodePort' | 'loadBalancerVIPs' | 'externalIPs'>,
): boolean {
  return port.nodePort !== 0 || port.loadBalancerVIPs.length > 0 || port.externalIPs.length > 0;
}

/** What of a service port decides which endpoints it uses. */
export type PortPolicy = Pick<
  ServicePort,
  'internalPolicyLocal' | 'externalPolicyLocal' | 'nodePort' | 'loadBalancerVIPs' | 'externalIPs'
>;

export function usesClusterEndpoints(port: PortPolicy): boolean {
  return !port.internalPolicyLocal || externallyAccessible(port);
}

export function usesLocalEndpoints(port: PortPolicy): boolean {
  return port.internalPolicyLocal || (port.externalPolicyLocal && externallyAccessible(port));
}

function clusterIpOf({ spec }: Service, family: Family): Ip | undefined {
  const families = spec.ipFamilies ?? [];
  const index = families.indexOf(family === 4 ? 'IPv4' : 'IPv6');
  const text = families.length === 0 ? spec.clusterIP : spec.clusterIPs?.[index];
  const ip = text === undefined ? undefined : parseIpSloppy(text);
  return ip !== undefined && familyOf(ip) === family ? ip : undefined;
}

/** One and the same for all services that have none. */
const NONE: readonly never[] = [];

function loadBalancerVIPs({ status }: Service, family: Family): readonly Ip[] {
  const entries = status?.loadBalancer?.ingress ?? NONE;
  if (entries.length === 0) return NONE;
  const ingress = entries.filter((entry) => (entry.ipMode ?? 'VIP') === 'VIP');
  return addressesOf(
    ingress.map((entry) => entry.ip ?? ''),
    family,
  );
}

/** A range of everything means that there is no restriction. */
function sourceRanges(texts: readonly string[], family: Family): readonly Prefix[] {
  if (texts.length === 0) return NONE;
  const ranges = texts
    .map(parsePrefixSloppy)
    .filter((prefix) => prefix !== undefined && familyOf(prefix.address) === family) as Prefix[];
  return ranges.some((prefix) => prefix.length === 0) ? [] : ranges;
}

function addressesOf(texts: readonly string[], family: Family): readonly Ip[] {
  if (texts.length === 0) return NONE;
  return texts.map(parseIpSloppy).filter((ip) => ip !== undefined && familyOf(ip) === family) as Ip[];
}

import type { EndpointSlice } from '@netsim/manifest';
import type { Family, Ip } from '@netsim/wire';
import { familyOf, formatEndpoint } from '@netsim/wire';
import { parseIpSloppy } from './address-text.ts';

/** One backend of a service port. Source: pkg/proxy/endpoint.go of Kubernetes 1.36. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
  /** `ip:port`, `[ip]:port` for IPv6. */
  readonly text: string;
  readonly nodeName?: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints?: readonly string[];
  readonly nodeHints?: readonly string[];
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** `namespace/name` of the service that a slice belongs to; `undefined` for one that kube-proxy does not look at. */
export function serviceOfSlice(slice: EndpointSlice, family: Family): string | undefined {
  const labels = slice.metadata.labels ?? {};
  const service = labels[SERVICE_NAME_LABEL];
  if (service === undefined || labels[PROXY_NAME_LABEL] !== undefined || labels[HEADLESS_LABEL] !== undefined) {
    return undefined;
  }
  if (slice.addressType !== (family === 4 ? 'IPv4' : 'IPv6')) return undefined;
  return `${slice.metadata.namespace ?? 'default'}/${service}`;
}

/** Key by which the ports of slices and services meet: by name and protocol, never by number. */
export function portKey(portName: string, protocol: string): string {
  return `${portName}/${protocol}`;
}

/**
 * Endpoints of all slices of one service by {@link portKey}, sorted as text of `ip:port`. Where two slices have the same
 * address and port (a pod moving between slices), one that is not terminating wins.
 */
export function endpointsByPort(slices: Iterable<EndpointSlice>, family: Family): Map<string, Endpoint[]> {
  const found = new Map<string, Map<string, Endpoint>>();
  for (const slice of slices) {
    for (const port of slice.ports ?? []) {
      if (port.name === undefined || port.name === null || !port.port) continue;
      const key = portKey(port.name, (port.protocol ?? 'TCP').toLowerCase());
      let set = found.get(key);
      if (set === undefined) {
        set = new Map();
        found.set(key, set);
      }
      addEndpoints(set, slice, port.port, family);
    }
  }
  const sorted = new Map<string, Endpoint[]>();
  for (const [key, set] of found) sorted.set(key, [...set.values()].sort(byText));
  return sorted;
}

function addEndpoints(set: Map<string, Endpoint>, slice: EndpointSlice, port: number, family: Family): void {
  for (const endpoint of slice.endpoints ?? []) {
    const address = endpoint.addresses[0];
    const ip = address === undefined ? undefined : parseIpSloppy(address);
    if (ip === undefined || familyOf(ip) !== family) continue;
    const text = formatEndpoint(ip, port);
    const { conditions, nodeName, hints } = endpoint;
    const terminating = conditions?.terminating ?? false;
    if (terminating && set.has(text)) continue;
    set.set(text, {
      ip,
      port,
      text,
      ready: conditions?.ready ?? true,
      serving: conditions?.serving ?? true,
      terminating,
      ...(nodeName !== undefined && nodeName !== null && { nodeName }),
      ...(hints?.forZones !== undefined && hints.forZones.length > 0 && { zoneHints: hints.forZones.map(nameOf) }),
      ...(hints?.forNodes !== undefined && hints.forNodes.length > 0 && { nodeHints: hints.forNodes.map(nameOf) }),
    });
  }
}

function nameOf(hint: { name: string }): string {
  return hint.name;
}

function byText(a: Endpoint, b: Endpoint): number {
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}

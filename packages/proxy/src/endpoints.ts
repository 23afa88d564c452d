import type { EndpointSlice } from '@netsim/manifest';
import type { Family, Ip } from '@netsim/wire';
import { familyOf, formatEndpoint } from '@netsim/wire';
import { parseIpSloppy } from './address-text.ts';

type ApiEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

/** One backend of a service port. Source: pkg/proxy/endpoint.go of Kubernetes 1.36. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
  /** `ip:port`, `[ip]:port` for IPv6. */
  readonly text: string;
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[] | undefined;
  readonly nodeHints: readonly string[] | undefined;
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

/** As a slice has it. A cluster has very many: the text is made when somebody asks for it. */
class SliceEndpoint implements Endpoint {
  readonly ip: Ip;
  readonly port: number;
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[] | undefined;
  readonly nodeHints: readonly string[] | undefined;
  #text: string | undefined;

  constructor(ip: Ip, port: number, { conditions, nodeName, hints }: ApiEndpoint) {
    this.ip = ip;
    this.port = port;
    this.nodeName = nodeName ?? undefined;
    this.ready = conditions?.ready ?? true;
    this.serving = conditions?.serving ?? true;
    this.terminating = conditions?.terminating ?? false;
    this.zoneHints = hintNames(hints?.forZones);
    this.nodeHints = hintNames(hints?.forNodes);
  }

  get text(): string {
    this.#text ??= formatEndpoint(this.ip, this.port);
    return this.#text;
  }
}

/**
 * Endpoints of all slices of one service by {@link portKey}, sorted as text of `ip:port`. Where two slices have the same
 * address and port (a pod moving between slices), one that is not terminating wins.
 */
export function endpointsByPort(slices: Iterable<EndpointSlice>, family: Family): Map<string, Endpoint[]> {
  const found = new Map<string, Endpoint[]>();
  for (const slice of slices) {
    for (const port of slice.ports ?? []) {
      if (port.name === undefined || port.name === null || !port.port) continue;
      const key = portKey(port.name, (port.protocol ?? 'TCP').toLowerCase());
      let list = found.get(key);
      if (list === undefined) {
        list = [];
        found.set(key, list);
      }
      addEndpoints(list, slice, port.port, family);
    }
  }
  for (const [key, list] of found) {
    list.sort(byText);
    if (list.some((endpoint, i) => i > 0 && isSame(endpoint, list[i - 1]!))) found.set(key, withoutTwins(list));
  }
  return found;
}

/** Of equal neighbours the last that is not terminating stays, else the first. The sort was stable. */
function withoutTwins(sorted: readonly Endpoint[]): Endpoint[] {
  const kept: Endpoint[] = [];
  for (const endpoint of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !isSame(endpoint, last)) kept.push(endpoint);
    else if (!endpoint.terminating) kept[kept.length - 1] = endpoint;
  }
  return kept;
}

function addEndpoints(list: Endpoint[], slice: EndpointSlice, port: number, family: Family): void {
  for (const endpoint of slice.endpoints ?? []) {
    const address = endpoint.addresses[0];
    const ip = address === undefined ? undefined : parseIpSloppy(address);
    if (ip !== undefined && familyOf(ip) === family) list.push(new SliceEndpoint(ip, port, endpoint));
  }
}

/** An empty list is no hint. */
function hintNames(hints: readonly { name: string }[] | undefined): string[] | undefined {
  return hints === undefined || hints.length === 0 ? undefined : hints.map((hint) => hint.name);
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.ip === b.ip && a.port === b.port;
}

/** The order of the texts `ip:port`, for IPv4 found without making them. */
function byText(a: Endpoint, b: Endpoint): number {
  if (typeof a.ip === 'number' && typeof b.ip === 'number') {
    const difference = textRank(a.ip) - textRank(b.ip);
    if (difference !== 0) return difference;
    if (a.port === b.port) return 0;
  }
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}

/** Grows with the text of an address that a colon follows. */
function textRank(ip: number): number {
  return (
    beforeDot[ip >>> 24]! * 0x1000000 +
    ((beforeDot[(ip >>> 16) & 255]! << 16) | (beforeDot[(ip >>> 8) & 255]! << 8) | beforeColon[ip & 255]!)
  );
}

const beforeDot = octetRanks('.');
const beforeColon = octetRanks(':');

/** Place of each octet in the order of their texts with one more letter. */
function octetRanks(behind: string): Uint8Array {
  const ranks = new Uint8Array(256);
  const texts = Array.from(ranks, (_, octet) => `${octet}${behind}`).sort();
  for (const [rank, text] of texts.entries()) ranks[Number.parseInt(text, 10)] = rank;
  return ranks;
}

import type { NftElement, NftScalar, NftVerdict } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { formatIp } from '@netsim/wire';
import type { ServicePort } from '../service-map.ts';
import { protocolNumbers } from './rule-parts.ts';

/** Sets and maps that services put elements into. */
export const elementSets = [
  'cluster-ips',
  'service-ips',
  'firewall-ips',
  'no-endpoint-services',
  'no-endpoint-nodeports',
  'service-nodeports',
] as const;
export type ElementSet = (typeof elementSets)[number];

/** An element of one of kube-proxy's sets or maps, with its text. */
export class ProxyElement implements NftElement {
  readonly key: readonly NftScalar[];
  readonly data?: NftVerdict;
  readonly comment?: string;
  /** The key as kube-proxy writes it: `10.96.0.1 . tcp . 443`. */
  readonly keyText: string;
  /** The service port it is for. */
  readonly port: ServicePort;

  constructor(keyText: string, key: readonly NftScalar[], port: ServicePort, data?: NftVerdict, comment?: string) {
    this.keyText = keyText;
    this.key = key;
    this.port = port;
    if (data !== undefined) this.data = data;
    if (comment !== undefined) this.comment = comment;
  }

  /** As in `add element`. */
  get text(): string {
    const comment = this.comment === undefined ? '' : ` comment "${this.comment}"`;
    return `${this.keyText}${comment}${this.data === undefined ? '' : ` : ${verdictText(this.data)}`}`;
  }
}

function verdictText(verdict: NftVerdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}

/** Would one be written in place of the other? Comments are not looked at, as kube-proxy does not. */
export function sameElement(a: ProxyElement, b: ProxyElement): boolean {
  if (a === b) return true;
  if (a.data === undefined || b.data === undefined) return a.data === b.data;
  return verdictText(a.data) === verdictText(b.data);
}

/** `address` in cluster-ips. */
export function addressElement(port: ServicePort): ProxyElement {
  return new ProxyElement(formatIp(port.clusterIP), [port.clusterIP], port);
}

/** `address . protocol . port` of a service. */
export function serviceElement(port: ServicePort, ip: Ip, verdict: NftVerdict, comment?: string): ProxyElement {
  const text = `${formatIp(ip)} . ${port.protocol} . ${port.port}`;
  return new ProxyElement(text, [ip, protocolNumbers[port.protocol], port.port], port, verdict, comment);
}

/** `protocol . port` of a NodePort. */
export function nodePortElement(port: ServicePort, verdict: NftVerdict, comment?: string): ProxyElement {
  const text = `${port.protocol} . ${port.nodePort}`;
  return new ProxyElement(text, [protocolNumbers[port.protocol], port.nodePort], port, verdict, comment);
}

/** `address . address . protocol . port`: a pod that a service sends back to itself. */
export function hairpinElement(port: ServicePort, ip: Ip, targetPort: number): ProxyElement {
  const address = formatIp(ip);
  const text = `${address} . ${address} . ${port.protocol} . ${targetPort}`;
  return new ProxyElement(text, [ip, ip, protocolNumbers[port.protocol], targetPort], port);
}

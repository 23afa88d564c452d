import type { KubeObject, Node, Pod, ServicePort } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';

/** Where a packet starts. */
export type SourceRef =
  | { readonly kind: 'Pod'; readonly pod: Pod }
  | { readonly kind: 'Node'; readonly node: Node }
  /** A machine outside: on the nodes' network, or `anywhere` beyond the router at an address of the user's choice. */
  | { readonly kind: 'Host'; readonly name: string; readonly ip: Ip; readonly anywhere: boolean };

/** Where it is sent. `port` is absent for ICMP. */
export interface DestinationRef {
  readonly text: string;
  readonly kind: 'Service' | 'Pod' | 'Node' | 'IP';
  readonly object?: KubeObject;
  readonly servicePort?: ServicePort;
  readonly ip: Ip;
  readonly port?: number;
  readonly protocol: TransportProtocol;
  /** For a URL: scheme, host and path. */
  readonly url?: URL;
}
export type TransportProtocol = 'tcp' | 'udp' | 'sctp' | 'icmp';
export const transportProtocols: readonly TransportProtocol[] = ['tcp', 'udp', 'sctp', 'icmp'];

/** A name that is to be looked up, and the port that is then asked. */
export interface AskedName {
  readonly host: string;
  readonly port?: string;
  /** Of the port, where an object tells it. */
  readonly protocol?: TransportProtocol;
  readonly url?: URL;
}

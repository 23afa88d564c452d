import type { Endpoint } from '../endpoints.ts';
import { sha256Base32 } from '../hash.ts';
import type { ServicePort } from '../service-map.ts';

/** Names of the chains of one service port. Source: pkg/proxy/nftables/proxier.go of Kubernetes 1.36. */
export interface NftPortChains {
  /** Balances over the endpoints of policy Cluster. */
  readonly cluster: string;
  /** Balances over this node's endpoints. */
  readonly local: string;
  /** Entry for external traffic. */
  readonly external: string;
  /** Source ranges of a load balancer. */
  readonly firewall: string;
}

export const REJECT_CHAIN = 'reject-chain';
/** Before 1.36: marks a packet for masquerade. */
export const MARK_CHAIN = 'mark-for-masquerade';

/** nft takes 256 letters; 16 are kept free for what stands before. */
const BASE_MAX = 240;

export function nftPortChains(port: ServicePort): NftPortChains {
  const base = hashed(portPath(port));
  return {
    cluster: `service-${base}`,
    local: `local-${base}`,
    external: `external-${base}`,
    firewall: `firewall-${base}`,
  };
}

/** Chain of one endpoint of a service port, and the set of clients that stay with it. */
export interface NftEndpointNames {
  readonly chain: string;
  readonly affinity: string;
}

export function nftEndpointNames(port: ServicePort, endpoint: Endpoint): NftEndpointNames {
  const ip = endpoint.text.slice(0, endpoint.text.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  const base = hashed(`${portPath(port)}__${ip.replaceAll(':', '.')}/${endpoint.port}`);
  return { chain: `endpoint-${base}`, affinity: `affinity-${base}` };
}

/** `namespace/service/protocol/port`; nothing behind the last slash for a port without a name. */
function portPath(port: ServicePort): string {
  return `${port.service}/${port.protocol}/${port.portName}`;
}

/** The hash keeps a name that is cut unique, and neighbours easy to tell apart. */
function hashed(name: string): string {
  const base = `${sha256Base32(name, 8)}-${name}`;
  return base.length > BASE_MAX ? `${base.slice(0, BASE_MAX - 3)}...` : base;
}

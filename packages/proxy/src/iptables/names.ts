import { sha256Base32 } from '../hash.ts';
import type { ServicePort } from '../service-map.ts';

/** Names of the chains of one service port. */
export interface PortChains {
  /** Balances over the endpoints of policy Cluster. */
  readonly cluster: string;
  /** Balances over this node's endpoints. */
  readonly local: string;
  /** Entry for external traffic. */
  readonly external: string;
  /** Source ranges of a load balancer. */
  readonly firewall: string;
}

const ENDPOINT_PREFIX = 'KUBE-SEP-';

export function portChains(port: ServicePort): PortChains {
  const id = chainHash(port.name + port.protocol);
  return {
    cluster: `KUBE-SVC-${id}`,
    local: `KUBE-SVL-${id}`,
    external: `KUBE-EXT-${id}`,
    firewall: `KUBE-FW-${id}`,
  };
}

/** Chain of one endpoint (`ip:port`) of a service port. */
export function endpointChain(port: ServicePort, endpoint: string): string {
  return `${ENDPOINT_PREFIX}${chainHash(port.name + port.protocol + endpoint)}`;
}

export function isEndpointChain(name: string): boolean {
  return name.startsWith(ENDPOINT_PREFIX);
}

/** First 16 letters of the base32 form of the SHA-256 of a text: names have to fit iptables' 28 letters. */
export function chainHash(text: string): string {
  return sha256Base32(text, 16);
}

import { hash } from 'node:crypto';
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
  return `KUBE-SEP-${chainHash(port.name + port.protocol + endpoint)}`;
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** First 16 letters of the base32 form of the SHA-256 of a text: names have to fit iptables' 28 letters. */
export function chainHash(text: string): string {
  const digest = hash('sha256', text, 'binary');
  let letters = '';
  let bits = 0;
  let value = 0;
  for (let i = 0; i < 10; i++) {
    value = ((value << 8) | digest.charCodeAt(i)) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      letters += BASE32[(value >>> bits) & 31];
    }
  }
  return letters;
}

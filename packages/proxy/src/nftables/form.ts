import type { NodeProxyConfig } from '../config.ts';

/** How a version of kube-proxy writes its nftables rules. */
export interface NftForm {
  /** 1.36 on: clients to masquerade are told apart at the entry, and one set holds all hairpins. Before: in each service's chains. */
  readonly masquerade: 'at entry' | 'by service';
  /**
   * 1.33 on: what is rejected and dropped is looked at after DNAT. Before, all filter chains stood before DNAT, so that policy
   * Local held for pods too. (The change came in 1.34 and went back into 1.33.5.)
   */
  readonly filter: 'after dnat' | 'before dnat';
}

/** Form of a Kubernetes version (`1.36`, `v1.35.2`). Versions that are newer than known are written as the newest known. */
export function nftForm(kubernetesVersion: NodeProxyConfig['kubernetesVersion']): NftForm {
  const minor = Number(/^v?1\.(\d+)/.exec(kubernetesVersion ?? '')?.[1] ?? 36);
  return {
    masquerade: minor >= 36 ? 'at entry' : 'by service',
    filter: minor >= 33 ? 'after dnat' : 'before dnat',
  };
}

import { defaultNodes, internalIPs } from '@netsim/control';
import type { Node } from '@netsim/manifest';
import { familyOf, type Prefix } from '@netsim/wire';

/** The nodes of a cluster whose manifests name none, with an address of each family that its pods have, in their order. */
export function nodesFor(podCIDRs: readonly Prefix[]): Node[] {
  const families = podCIDRs.map(({ address }) => familyOf(address));
  return defaultNodes().map((node) => {
    const four = internalIPs(node)[0]!;
    const addresses = families.map((family) => ({
      type: 'InternalIP' as const,
      address: family === 4 ? four : `fd00:192:168:1::${four.slice(four.lastIndexOf('.') + 1)}`,
    }));
    const others = (node.status?.addresses ?? []).filter(({ type }) => type !== 'InternalIP');
    return { ...node, status: { ...node.status, addresses: [...addresses, ...others] } };
  });
}

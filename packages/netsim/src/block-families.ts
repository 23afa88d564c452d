import type { CniConfig } from '@netsim/cni';
import { podBlocks } from '@netsim/control';
import { type ConfigMap, type Finding, type Node, type ObjectStore, ORIGIN } from '@netsim/manifest';
import { familyOf, formatPrefix, type Prefix } from '@netsim/wire';

/**
 * Nodes with a block of a family that flannel has no network for. flanneld gives such a block to nobody: a node that has no other
 * is refused, since none of its pods could be reached.
 */
export function blockFamilyFindings(store: ObjectStore, { plugin, networks }: CniConfig): Finding[] {
  if (plugin !== 'flannel') return [];
  const known = new Set(networks.map(family));
  const strange = store.list<Node>('Node').flatMap((node) => {
    const blocks = podBlocks(node);
    const block = blocks.find((each) => !known.has(family(each)));
    return block === undefined ? [] : [{ node, block, only: blocks.every((each) => !known.has(family(each))) }];
  });
  // One for all nodes, since they have it from one configuration; about a node that has no other block, where there is one.
  const told = strange.find(({ only }) => only) ?? strange[0];
  if (told === undefined) return [];
  const { node, block, only } = told;
  const path = ['spec', node.spec?.podCIDRs === undefined ? 'podCIDR' : 'podCIDRs'];
  const others = strange.length === 1 ? '' : ` (and ${strange.length - 1} more)`;
  const its = `flannel's network is ${networks.map(formatPrefix).join(', ')}`;
  const field = family(block) === 6 ? '"EnableIPv6": true and "IPv6Network"' : '"EnableIPv4": true and "Network"';
  const origin = node[ORIGIN];
  return [
    {
      severity: only ? 'error' : 'warning',
      code: 'pod-cidr-family',
      message: `node "${node.metadata.name}": its block ${formatPrefix(block)} is IPv${family(block)}, and ${its}${others}`,
      suggestion: hasNetConf(store)
        ? `write ${field} into net-conf.json`
        : 'give podSubnet and serviceSubnet with a kubeadm ClusterConfiguration or a kind Cluster',
      ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(path) }),
      path,
      object: { kind: 'Node', name: node.metadata.name },
    },
  ];
}

function family({ address }: Prefix): 4 | 6 {
  return familyOf(address);
}

function hasNetConf(store: ObjectStore): boolean {
  return store.list<ConfigMap>('ConfigMap').some(({ data }) => data?.['net-conf.json'] !== undefined);
}

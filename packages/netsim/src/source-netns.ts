import type { Netns } from '@netsim/kernel';
import type { Cluster } from './cluster.ts';
import type { SourceRef } from './names.ts';

/** The network namespace that a source sends from. */
export function netnsOf(cluster: Cluster, source: SourceRef): Netns {
  switch (source.kind) {
    case 'Pod':
      return cluster.netnsOfPod(source.pod);
    case 'Node':
      return cluster.netnsOfMachine(source.node.metadata.name);
    case 'Host': {
      const known = cluster.datapath.outsideHosts.get(source.name);
      if (known !== undefined) return cluster.netnsOfMachine(source.name);
      return cluster.datapath.outsideHost(source.ip!);
    }
  }
}

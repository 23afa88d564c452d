import type { Netns } from '@netsim/kernel';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';
import type { SourceRef } from './names.ts';

/** The network namespace that a source sends from. */
export function netnsOf(cluster: Cluster, source: SourceRef): Netns {
  switch (source.kind) {
    case 'Pod':
      return cluster.netnsOfPod(source.pod);
    case 'Node':
      return cluster.netnsOfMachine(source.node.metadata.name);
    case 'Host': {
      const { datapath } = cluster;
      const netns = source.anywhere ? datapath.outsideHost(source.ip) : datapath.hostNetns(source.name);
      if (netns === undefined) throw new UsageError(`there is no host "${source.name}"`);
      return netns;
    }
  }
}

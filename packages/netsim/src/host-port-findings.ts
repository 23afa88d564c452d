import type { CniConfig } from '@netsim/cni';
import { type Finding, type ObjectStore, ORIGIN, type Pod } from '@netsim/manifest';

/** Host ports that lead nowhere, since the network has no portmap plugin. Pods of one template are told of once. */
export function hostPortFindings(store: ObjectStore, { portmap }: CniConfig): Finding[] {
  if (portmap !== undefined) return [];
  const findings: Finding[] = [];
  const told = new Set<string>();
  for (const pod of store.list<Pod>('Pod')) {
    if (pod.spec.hostNetwork === true) continue;
    const owner = pod.metadata.ownerReferences?.[0]?.uid ?? pod.metadata.uid ?? pod.metadata.name;
    for (const [i, { ports = [] }] of pod.spec.containers.entries()) {
      for (const [j, { hostPort }] of ports.entries()) {
        if (!hostPort || told.has(`${owner} ${hostPort}`)) continue;
        told.add(`${owner} ${hostPort}`);
        const path = ['spec', 'containers', i, 'ports', j, 'hostPort'];
        const { namespace, name } = pod.metadata;
        const origin = pod[ORIGIN];
        findings.push({
          severity: 'warning',
          code: 'host-port-ignored',
          message: `pod "${namespace}/${name}": hostPort ${hostPort} does nothing: the configuration of the network has no portmap plugin`,
          suggestion: 'add { "type": "portmap", "capabilities": { "portMappings": true } } to its list of plugins',
          ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(path) }),
          path,
        });
      }
    }
  }
  return findings;
}

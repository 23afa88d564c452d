import { nearest, type ObjectStore, type Pod } from '@netsim/manifest';
import { dataOf } from './container-env.ts';
import { type ConfigFault, configFaults, configReferences, isMadeElsewhere } from './pod-config.ts';
import { waitsForConfig } from './unconfigured-status.ts';

/** {@link ConfigFault}, with what may have been meant. */
export interface ToldConfigFault extends ConfigFault {
  readonly suggestion: string | undefined;
}

/** What a pod lacks whose kubelet has reported that it cannot start containers; nothing where it lacks something else. */
export function configFaultsOf(store: ObjectStore, pod: Pod): ToldConfigFault[] {
  if (!waitsForConfig(pod)) return [];
  const faults = configFaults(store, pod, (_, namespace, name) => isMadeElsewhere(store, namespace, name));
  return faults.map((fault) => ({ ...fault, suggestion: suggestionFor(store, pod, fault) }));
}

function suggestionFor(store: ObjectStore, pod: Pod, { path }: ConfigFault): string | undefined {
  const { namespace = 'default' } = pod.metadata;
  const place = path.join('.');
  for (const { kind, name, key, path: at } of configReferences(pod.spec)) {
    if (at.join('.') !== place) continue;
    const data = dataOf(store, kind, namespace, name);
    const names =
      data === undefined ? store.list(kind, namespace).map(({ metadata }) => metadata.name) : [...data.keys()];
    const near = nearest(data === undefined ? name : (key ?? ''), names);
    if (near !== undefined) return `did you mean "${near}"?`;
    if (data !== undefined) return `its keys: ${names.join(', ') || 'none'}`;
    const elsewhere = store.list(kind).find(({ metadata }) => metadata.name === name)?.metadata.namespace;
    if (elsewhere !== undefined)
      return `there is one in namespace "${elsewhere}", and a pod takes those of its own only`;
    return `add ${kind} "${name}" of namespace "${namespace}" to the manifests, or set optional: true`;
  }
  return undefined;
}

import type { Pod } from '@netsim/manifest';
import { podIPs } from './pod-status.ts';

/** The value of a `fieldRef`, as the downward API gives it; undefined for a field that it does not know. */
export function podField(pod: Pod, path: string): string | undefined {
  const { metadata, spec, status } = pod;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (entry !== null) return (entry[1] === 'labels' ? metadata.labels : metadata.annotations)?.[entry[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? 'default';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return listing(metadata.labels);
    case 'metadata.annotations':
      return listing(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'status.hostIP':
      return status?.hostIP ?? '';
    case 'status.hostIPs':
      return (status?.hostIPs ?? []).map(({ ip }) => ip).join(',');
    case 'status.podIP':
      return podIPs(pod)[0] ?? '';
    case 'status.podIPs':
      return podIPs(pod).join(',');
    default:
      return undefined;
  }
}

/** All labels or annotations, as a file of a volume has them: sorted, quoted, one a line. */
function listing(entries: Readonly<Record<string, string>> = {}): string {
  return Object.keys(entries)
    .sort()
    .map((key) => `${key}=${JSON.stringify(entries[key])}`)
    .join('\n');
}

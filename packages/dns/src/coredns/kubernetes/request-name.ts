import { labelsOf, trimZone } from '../names.ts';

/** A name below the cluster zone, taken apart. Empty text where a part is not there. */
export interface RequestName {
  readonly kind: 'svc' | 'pod' | '';
  readonly namespace: string;
  readonly service: string;
  readonly endpoint: string;
  /** Of a multi-cluster endpoint name. */
  readonly cluster: string;
  readonly port: string;
  readonly protocol: string;
  /** Topology zone of a zonal name. */
  readonly zone: string;
  /** `pin` takes only endpoints of the zone, `prefer` all where the zone has none. */
  readonly zoneMode: 'pin' | 'prefer' | '';
}

const EMPTY: RequestName = {
  kind: '',
  namespace: '',
  service: '',
  endpoint: '',
  cluster: '',
  port: '',
  protocol: '',
  zone: '',
  zoneMode: '',
};

/** Takes a name apart; both in lower case. Undefined for a name that cannot exist. After CoreDNS `kubernetes/parse.go`. */
export function parseRequestName(
  name: string,
  zone: string,
  options: { readonly multicluster: boolean; readonly zonal: boolean },
): RequestName | undefined {
  const base = trimZone(name, zone) ?? name;
  if (base === '' || base === 'svc' || base === 'pod') return EMPTY;
  const labels = labelsOf(base);
  let last = labels.length - 1;
  const kind = labels[last--];
  if (kind !== 'svc' && kind !== 'pod') return undefined;
  const namespace = labels[last--] ?? '';
  const service = last >= 0 ? labels[last--]! : '';
  if (last < 0) return { ...EMPTY, kind, namespace, service };
  if (options.zonal && last >= 2 && labels[last] === '_zone') {
    const zoneMode = labels[last - 1];
    if (zoneMode !== 'pin' && zoneMode !== 'prefer') return undefined;
    return { ...EMPTY, kind, namespace, service, zoneMode, zone: labels.slice(0, last - 1).join('.') };
  }
  if (last === 0) return { ...EMPTY, kind, namespace, service, endpoint: labels[0]! };
  if (last > 1) return undefined;
  const [first, second] = labels as [string, string];
  if (options.multicluster && !first.startsWith('_') && !second.startsWith('_')) {
    return { ...EMPTY, kind, namespace, service, endpoint: first, cluster: second };
  }
  return { ...EMPTY, kind, namespace, service, port: stripUnderscore(first), protocol: stripUnderscore(second) };
}

export function stripUnderscore(label: string): string {
  return label.startsWith('_') ? label.slice(1) : label;
}

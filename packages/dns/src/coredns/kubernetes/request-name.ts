import { labelsOf, trimZone } from '../names.ts';

/** A name below the cluster zone, taken apart. Empty text where a part is not there. */
export interface RequestName {
  readonly kind: 'svc' | 'pod' | '';
  readonly namespace: string;
  readonly service: string;
  /** `service.namespace`, as the index knows it. */
  readonly key: string;
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

/** How a name below `svc` or `pod` ends. */
const KIND = '.svc';

const EMPTY: RequestName = {
  kind: '',
  namespace: '',
  service: '',
  key: '',
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
  return usual(base) ?? withMore(labelsOf(base), options);
}

/** `service.namespace.svc`, or `pod`, as most names are; undefined for any other. */
function usual(base: string): RequestName | undefined {
  const end = base.length - KIND.length;
  const kind = base.endsWith('.svc') ? 'svc' : base.endsWith('.pod') ? 'pod' : undefined;
  if (kind === undefined || base.includes('\\')) return undefined;
  const dot = base.indexOf('.');
  if (dot >= end || base.indexOf('.', dot + 1) !== end) return undefined;
  const namespace = base.slice(dot + 1, end);
  return {
    kind,
    namespace,
    service: base.slice(0, dot),
    key: base.slice(0, end),
    endpoint: '',
    cluster: '',
    port: '',
    protocol: '',
    zone: '',
    zoneMode: '',
  };
}

/** Takes the labels below a zone apart. */
function withMore(
  labels: readonly string[],
  options: { readonly multicluster: boolean; readonly zonal: boolean },
): RequestName | undefined {
  let last = labels.length - 1;
  const kind = labels[last--];
  if (kind !== 'svc' && kind !== 'pod') return undefined;
  const namespace = labels[last--] ?? '';
  const service = last >= 0 ? labels[last--]! : '';
  const found: RequestName = { ...EMPTY, kind, namespace, service, key: `${service}.${namespace}` };
  if (last < 0) return found;
  if (options.zonal && last >= 2 && labels[last] === '_zone') {
    const zoneMode = labels[last - 1];
    if (zoneMode !== 'pin' && zoneMode !== 'prefer') return undefined;
    return { ...found, zoneMode, zone: labels.slice(0, last - 1).join('.') };
  }
  if (last === 0) return { ...found, endpoint: labels[0]! };
  if (last > 1) return undefined;
  const [first, second] = labels as [string, string];
  if (options.multicluster && !first.startsWith('_') && !second.startsWith('_')) {
    return { ...found, endpoint: first, cluster: second };
  }
  return { ...found, port: stripUnderscore(first), protocol: stripUnderscore(second) };
}

export function stripUnderscore(label: string): string {
  return label.startsWith('_') ? label.slice(1) : label;
}

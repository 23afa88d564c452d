import type { Endpoint, EndpointSlice, Endpoints, LabelSelector, Service } from '@netsim/manifest';

/** `a=1,b=2`, sorted; `<none>` for nothing. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const keys = Object.keys(labels ?? {}).sort();
  return keys.length === 0 ? '<none>' : keys.map((key) => `${key}=${labels![key]}`).join(',');
}

/** A selector in the one-line form of `-l`. */
export function formatSelector(selector: LabelSelector | undefined): string {
  if (selector === undefined) return '<none>';
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const set = `(${[...values].sort().join(',')})`;
    if (operator === 'In') parts.push({ key, text: `${key} in ${set}` });
    else if (operator === 'NotIn') parts.push({ key, text: `${key} notin ${set}` });
    else if (operator === 'Exists') parts.push({ key, text: key });
    else parts.push({ key, text: `!${key}` });
  }
  if (parts.length === 0) return '<none>';
  parts.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return parts.map((part) => part.text).join(',');
}

/** `ip:port`, with brackets around an IPv6 address. */
export function hostPort(ip: string, port: number | string): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The first three of a list, and how many more: `a,b,c + 2 more...`. */
export function firstThree(list: readonly string[], empty: string): string {
  if (list.length === 0) return empty;
  const more = list.length > 3 ? ` + ${list.length - 3} more...` : '';
  return list.slice(0, 3).join(',') + more;
}

/** Ready addresses with ports, as `kubectl get endpoints` shows them. */
export function formatEndpoints(endpoints: Endpoints): string {
  const subsets = endpoints.subsets ?? [];
  const list: string[] = [];
  for (const { addresses = [], ports = [] } of subsets) {
    if (ports.length === 0) list.push(...addresses.map(({ ip }) => ip));
    for (const { port } of ports) list.push(...addresses.map(({ ip }) => hostPort(ip, port)));
  }
  return subsets.length === 0 ? '<none>' : firstThree(list, '');
}

/** Ready addresses of one service port from its slices, as `kubectl describe service` shows them. */
export function formatSlices(slices: readonly EndpointSlice[], portName: string): string {
  const list: string[] = [];
  for (const { endpoints, ports } of slices) {
    const ready = (endpoints ?? []).filter(isReady).flatMap(({ addresses }) => addresses);
    for (const { name, port } of ports ?? []) {
      if ((name ?? '') !== portName) continue;
      list.push(...ready.map((ip) => (port === undefined || port === null ? ip : hostPort(ip, port))));
    }
    if ((ports ?? []).length === 0) list.push(...ready);
  }
  return firstThree(list, slices.length === 0 ? '<none>' : '');
}

function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false;
}

/** `80/TCP,443/TCP`, with the node port where there is one: `80:30123/TCP`. */
export function formatServicePorts({ spec }: Service): string {
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol = 'TCP' }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.length === 0 ? '<none>' : ports.join(',');
}

/** What the EXTERNAL-IP column shows for a service. */
export function formatExternalIp(service: Service, wide: boolean): string {
  const { type = 'ClusterIP', externalIPs = [], externalName = '' } = service.spec;
  switch (type) {
    case 'ExternalName':
      return externalName;
    case 'LoadBalancer': {
      const ips = loadBalancerIps(service.status?.loadBalancer, wide);
      if (externalIPs.length > 0) return [...(ips === '' ? [] : ips.split(',')), ...externalIPs].join(',');
      return ips === '' ? '<pending>' : ips;
    }
    default:
      return externalIPs.length === 0 ? '<none>' : externalIPs.join(',');
  }
}

/** Addresses that a load balancer gave; shortened to 16 characters where the table is not wide. */
export function loadBalancerIps(
  status: { ingress?: { ip?: string; hostname?: string }[] } | undefined,
  wide: boolean,
): string {
  const all = [...new Set((status?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || ''))];
  const text = all
    .filter((entry) => entry !== '')
    .sort()
    .join(',');
  return wide || text.length <= 16 ? text : `${text.slice(0, 13)}...`;
}

/**
 * Text that a terminal does not obey: escape and carriage return as kubectl writes them (cli-runtime printers/terminal.go), any
 * other control character as the sign for what cannot be shown.
 */
export function escapeTerminal(text: string): string {
  return text
    .replaceAll('\u001b', '^[')
    .replaceAll('\r', '\\r')
    .replace(/(?![\n\t])\p{Cc}/gu, '\ufffd');
}

/** A cell of a table: one line, cut where a second would begin. */
export function tableCell(text: string): string {
  const end = text.search(/[\f\n\r]/);
  return escapeTerminal(end < 0 ? text : `${text.slice(0, end)}...`);
}

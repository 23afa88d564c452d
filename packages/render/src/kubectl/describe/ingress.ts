import type { Service } from '@netsim/manifest';
import { formatSlices } from '../format.ts';
import type { Ingress, IngressBackend } from '../kinds.ts';
import type { Related } from './related.ts';
import { slicesOf } from './service.ts';
import { DescribeWriter } from './writer.ts';

export function describeIngress({ metadata, spec, status }: Ingress, related: Related): string {
  const w = new DescribeWriter();
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  w.line(0, 'Name:', metadata.name);
  w.labels('', 'Labels', metadata.labels);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.line(0, 'Address:', addresses.join(','));
  w.line(
    0,
    'Ingress Class:',
    spec.ingressClassName ?? metadata.annotations?.['kubernetes.io/ingress.class'] ?? '<none>',
  );
  const namespace = metadata.namespace;
  if (spec.defaultBackend === undefined) w.line(0, 'Default backend:', '<default>');
  else w.line(0, 'Default backend:', backendText(spec.defaultBackend, namespace, related));
  if ((spec.tls ?? []).length > 0) {
    w.line(0, 'TLS:');
    for (const { secretName, hosts = [] } of spec.tls!) {
      const list = hosts.join(',');
      w.line(1, secretName ? `${secretName} terminates ${list}` : `SNI routes ${list}`);
    }
  }
  w.line(0, 'Rules:');
  w.line(1, 'Host', 'Path', 'Backends');
  w.line(1, '----', '----', '--------');
  let rules = 0;
  for (const { host, http } of spec.rules ?? []) {
    if (http === undefined) continue;
    rules++;
    w.line(1, host || '*', '');
    for (const { path = '', backend } of http.paths) {
      w.line(1, '', `${path} `, backendText(backend, namespace, related));
    }
  }
  if (rules === 0) {
    const backend = spec.defaultBackend;
    w.line(1, '*', '*', backend === undefined ? '<default>' : backendText(backend, namespace, related));
  }
  w.annotations('', 'Annotations', metadata.annotations);
  w.events();
  return w.toString();
}

function backendText({ service, resource }: IngressBackend, namespace: string | undefined, related: Related): string {
  if (service === undefined) {
    return `APIGroup: ${resource?.apiGroup ?? ''}, Kind: ${resource?.kind ?? ''}, Name: ${resource?.name ?? ''}`;
  }
  const { name, port = {} } = service;
  return `${name}:${port.name ?? port.number ?? 0} (${endpointsText(name, port, namespace, related)})`;
}

function endpointsText(
  name: string,
  port: { number?: number; name?: string },
  namespace: string | undefined,
  related: Related,
): string {
  const service = related.store.get<Service>('Service', namespace, name);
  if (service === undefined) return `<error: services "${name}" not found>`;
  const servicePort = (service.spec.ports ?? []).find((p) =>
    port.name ? p.name === port.name : p.port === port.number,
  );
  return formatSlices(slicesOf(namespace, name, related), servicePort?.name ?? '');
}

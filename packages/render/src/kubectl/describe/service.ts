import type { EndpointSlice, Endpoints, Service } from '@netsim/manifest';
import { formatLabels, formatSlices } from '../format.ts';
import { inOrder } from '../table.ts';
import type { Related } from './related.ts';
import { DescribeWriter } from './writer.ts';

/** The slices of a service, by name. */
export function slicesOf(namespace: string | undefined, name: string, { store }: Related): EndpointSlice[] {
  const slices = store.list<EndpointSlice>('EndpointSlice', namespace);
  return inOrder(slices.filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name));
}

export function describeService(service: Service, related: Related): string {
  const w = new DescribeWriter();
  const { metadata, spec, status } = service;
  const slices = slicesOf(metadata.namespace, metadata.name, related);
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'Selector:', formatLabels(spec.selector));
  w.line(0, 'Type:', spec.type ?? 'ClusterIP');
  if (spec.ipFamilyPolicy !== undefined) w.line(0, 'IP Family Policy:', spec.ipFamilyPolicy);
  w.line(0, 'IP Families:', (spec.ipFamilies ?? []).join(',') || '<none>');
  w.line(0, 'IP:', spec.clusterIP ?? '');
  w.line(0, 'IPs:', (spec.clusterIPs ?? []).join(',') || '<none>');
  if ((spec.externalIPs ?? []).length > 0) w.line(0, 'External IPs:', spec.externalIPs!.join(','));
  if (spec.loadBalancerIP) w.line(0, 'Desired LoadBalancer IP:', spec.loadBalancerIP);
  if (spec.externalName) w.line(0, 'External Name:', spec.externalName);
  const ingress = status?.loadBalancer?.ingress ?? [];
  if (ingress.length > 0) {
    const entries = ingress.map(({ ip, hostname, ipMode }) =>
      ip ? `${ip}${ipMode === undefined ? '' : ` (${ipMode})`}` : (hostname ?? ''),
    );
    w.line(0, 'LoadBalancer Ingress:', entries.join(', '));
  }
  for (const { name = '', port, protocol = 'TCP', targetPort, nodePort } of spec.ports ?? []) {
    const title = name === '' ? '<unset>' : name;
    w.line(0, 'Port:', title, `${port}/${protocol}`);
    w.line(0, 'TargetPort:', `${targetPort ?? port}/${protocol}`);
    if (nodePort) w.line(0, 'NodePort:', title, `${nodePort}/${protocol}`);
    w.line(0, 'Endpoints:', formatSlices(slices, name));
  }
  w.line(0, 'Session Affinity:', spec.sessionAffinity ?? 'None');
  if (spec.externalTrafficPolicy) w.line(0, 'External Traffic Policy:', spec.externalTrafficPolicy);
  if (spec.internalTrafficPolicy) w.line(0, 'Internal Traffic Policy:', spec.internalTrafficPolicy);
  if (spec.trafficDistribution) w.line(0, 'Traffic Distribution:', spec.trafficDistribution);
  if (spec.healthCheckNodePort) w.line(0, 'HealthCheck NodePort:', spec.healthCheckNodePort);
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    w.line(0, 'LoadBalancer Source Ranges:', spec.loadBalancerSourceRanges!.join(','));
  }
  w.events();
  return w.toString();
}

export function describeEndpoints({ metadata, subsets = [] }: Endpoints): string {
  const w = new DescribeWriter();
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'Subsets:');
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    w.line(1, 'Addresses:', addresses.map(({ ip }) => ip).join(',') || '<none>');
    w.line(1, 'NotReadyAddresses:', notReadyAddresses.map(({ ip }) => ip).join(',') || '<none>');
    if (ports.length > 0) {
      w.line(1, 'Ports:');
      w.line(2, 'Name', 'Port', 'Protocol');
      w.line(2, '----', '----', '--------');
      for (const { name, port, protocol = 'TCP' } of ports) w.line(2, name || '<unset>', port, protocol);
    }
    w.line(0, '');
  }
  w.events();
  return w.toString();
}

export function describeEndpointSlice({ metadata, addressType, ports, endpoints }: EndpointSlice): string {
  const w = new DescribeWriter();
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'AddressType:', addressType);
  if ((ports ?? []).length === 0) w.line(0, 'Ports: <unset>');
  else {
    w.line(0, 'Ports:');
    w.line(1, 'Name', 'Port', 'Protocol');
    w.line(1, '----', '----', '--------');
    for (const { name, port, protocol = 'TCP' } of ports!) w.line(1, name || '<unset>', port ?? '<unset>', protocol);
  }
  if ((endpoints ?? []).length === 0) w.line(0, 'Endpoints: <none>');
  else w.line(0, 'Endpoints:');
  for (const { addresses, conditions, hostname, targetRef, nodeName, zone } of endpoints ?? []) {
    w.line(1, '- Addresses:', addresses.join(',') || '<none>');
    w.line(2, 'Conditions:');
    w.line(3, 'Ready:', conditions?.ready ?? '<unset>');
    w.line(2, 'Hostname:', hostname ?? '<unset>');
    if (targetRef !== undefined) w.line(2, 'TargetRef:', `${targetRef.kind}/${targetRef.name}`);
    w.line(2, 'NodeName:', nodeName ?? '<unset>');
    w.line(2, 'Zone:', zone ?? '<unset>');
  }
  w.events();
  return w.toString();
}

import type { LabelSelector } from '@netsim/manifest';
import { formatSelector } from '../format.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort } from '../kinds.ts';
import { DescribeWriter } from './writer.ts';

export function describeNetworkPolicy({ metadata, spec }: NetworkPolicy): string {
  const w = new DescribeWriter();
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.line(0, 'Created on:', goTime(metadata.creationTimestamp));
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'Spec:');
  const all = selectorText(spec.podSelector);
  w.line(
    1,
    `PodSelector:     ${all === '<none>' ? '<none> (Allowing the specific traffic to all pods in this namespace)' : all}`,
  );
  const types = spec.policyTypes ?? ['Ingress', ...(spec.egress === undefined ? [] : ['Egress'])];
  if (types.includes('Ingress')) {
    w.line(1, 'Allowing ingress traffic:');
    describeRules(
      w,
      (spec.ingress ?? []).map(({ ports = [], from = [] }) => ({ ports, peers: from })),
      'From',
      'Ingress',
    );
  } else w.line(1, 'Not affecting ingress traffic');
  if (types.includes('Egress')) {
    w.line(1, 'Allowing egress traffic:');
    describeRules(
      w,
      (spec.egress ?? []).map(({ ports = [], to = [] }) => ({ ports, peers: to })),
      'To',
      'Egress',
    );
  } else w.line(1, 'Not affecting egress traffic');
  w.line(1, `Policy Types: ${types.join(', ')}`);
  return w.toString();
}

function describeRules(
  w: DescribeWriter,
  rules: readonly { ports: readonly PolicyPort[]; peers: readonly PolicyPeer[] }[],
  word: 'From' | 'To',
  direction: string,
): void {
  if (rules.length === 0) {
    w.line(2, `<none> (Selected pods are isolated for ${direction.toLowerCase()} connectivity)`);
    return;
  }
  for (const [index, { ports, peers }] of rules.entries()) {
    if (ports.length === 0) w.line(2, 'To Port: <any> (traffic allowed to all ports)');
    for (const { port, endPort, protocol = 'TCP' } of ports) {
      w.line(2, `To Port: ${endPort === undefined ? (port ?? '') : `${port}-${endPort}`}/${protocol}`);
    }
    if (peers.length === 0) {
      w.line(2, `${word}: <any> (traffic not restricted by ${word === 'From' ? 'source' : 'destination'})`);
    }
    for (const { podSelector, namespaceSelector, ipBlock } of peers) {
      w.line(2, `${word}:`);
      if (ipBlock !== undefined) {
        w.line(3, 'IPBlock:');
        w.line(4, `CIDR: ${ipBlock.cidr}`);
        w.line(4, `Except: ${(ipBlock.except ?? []).join(', ')}`);
      }
      if (namespaceSelector !== undefined) w.line(3, `NamespaceSelector: ${selectorText(namespaceSelector)}`);
      if (podSelector !== undefined) w.line(3, `PodSelector: ${selectorText(podSelector)}`);
    }
    if (index < rules.length - 1) w.line(2, '----------');
  }
}

function selectorText(selector: LabelSelector): string {
  return formatSelector(selector);
}

/** `2026-11-21 08:19:50 +0000 UTC`. */
function goTime(timestamp: string | undefined): string {
  if (timestamp === undefined) return '0001-01-01 00:00:00 +0000 UTC';
  return `${new Date(timestamp).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

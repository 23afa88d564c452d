import type { Service } from '@netsim/manifest';
import { hasClusterIP } from '../services/service-families.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const headlessLabel = 'service.kubernetes.io/headless';
export const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time';

const reserved = new Set([serviceNameLabel, managedByLabel, headlessLabel]);

/** Labels of a slice: those of its service, then the controllers' own. */
export function sliceLabels(service: Service, manager: string): Record<string, string> {
  const labels: Record<string, string> = { [managedByLabel]: manager, [serviceNameLabel]: service.metadata.name };
  for (const [key, value] of Object.entries(service.metadata.labels ?? {})) if (!reserved.has(key)) labels[key] = value;
  if (!hasClusterIP(service)) labels[headlessLabel] = '';
  return labels;
}

/** Labels of the Endpoints object of a service. */
export function endpointsLabels(service: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = service.metadata.labels ?? {};
  labels['endpoints.kubernetes.io/managed-by'] = 'endpoint-controller';
  if (!hasClusterIP(service)) labels[headlessLabel] = '';
  return labels;
}

export function sameLabels(
  a: Readonly<Record<string, string>> | undefined,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(b);
  return a !== undefined && Object.keys(a).length === keys.length && keys.every((key) => a[key] === b[key]);
}

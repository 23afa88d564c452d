import type { Pod } from '@netsim/manifest';
import { humanDuration, longDate } from '../age.ts';
import {
  type ContainerStatus,
  describeContainers,
  describeTolerations,
  describeVolumes,
  type FieldResolver,
} from './containers.ts';
import type { Related } from './related.ts';
import { DescribeWriter } from './writer.ts';

/** `Deployment/kubia`: the object that made this one. */
export function controllerOf({ metadata }: { metadata: Pod['metadata'] }): string | undefined {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined ? undefined : `${owner.kind}/${owner.name}`;
}

export function describePod(pod: Pod, { now }: Related): string {
  const w = new DescribeWriter();
  const { metadata, spec } = pod;
  const status = pod.status ?? {};
  const { priority, priorityClassName } = spec as { priority?: number; priorityClassName?: string };
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  if (priority !== undefined) w.line(0, 'Priority:', priority);
  if (priorityClassName) w.line(0, 'Priority Class Name:', priorityClassName);
  if (spec.serviceAccountName) w.line(0, 'Service Account:', spec.serviceAccountName);
  w.line(0, 'Node:', spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ''}` : '<none>');
  if (status.startTime !== undefined) w.line(0, 'Start Time:', longDate(status.startTime));
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  const { deletionTimestamp } = metadata;
  if (deletionTimestamp !== undefined && status.phase !== 'Failed' && status.phase !== 'Succeeded') {
    w.line(0, 'Status:', `Terminating (lasts ${humanDuration(now - Date.parse(deletionTimestamp))})`);
    const grace = (metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds;
    w.line(0, 'Termination Grace Period:', `${grace ?? spec.terminationGracePeriodSeconds ?? 30}s`);
  } else w.line(0, 'Status:', status.phase ?? '');
  if (status.reason) w.line(0, 'Reason:', status.reason);
  const { message } = status as { message?: string };
  if (message) w.line(0, 'Message:', message);
  w.line(0, 'IP:', status.podIP ?? '');
  const ips = status.podIPs ?? [];
  if (ips.length === 0) w.line(0, 'IPs:', '<none>');
  else w.line(0, 'IPs:');
  for (const { ip } of ips) w.line(1, 'IP:', ip);
  const controller = controllerOf(pod);
  if (controller !== undefined) w.line(0, 'Controlled By:', controller);

  const resolve = fieldResolver(pod);
  const { initContainerStatuses = [] } = status as { initContainerStatuses?: ContainerStatus[] };
  if ((spec.initContainers ?? []).length > 0) {
    describeContainers(w, 'Init Containers', spec.initContainers!, initContainerStatuses, '', resolve);
  }
  describeContainers(w, 'Containers', spec.containers, status.containerStatuses ?? [], '', resolve);

  const conditions = status.conditions ?? [];
  if ((spec.readinessGates ?? []).length > 0) {
    w.line(0, 'Readiness Gates:');
    w.line(1, 'Type', 'Status');
    for (const { conditionType } of spec.readinessGates!) {
      const condition = conditions.find(({ type }) => type === conditionType);
      w.line(1, `${conditionType} `, `${condition?.status ?? '<none>'} `);
    }
  }
  if (conditions.length > 0) {
    w.line(0, 'Conditions:');
    w.line(1, 'Type', 'Status');
    for (const condition of conditions) w.line(1, `${condition.type} `, `${condition.status} `);
  }
  describeVolumes(w, spec, '');
  w.line(0, 'QoS Class:', (status as { qosClass?: string }).qosClass ?? qosClass(pod));
  w.labels('', 'Node-Selectors', spec.nodeSelector);
  describeTolerations(w, '', spec);
  w.events();
  return w.toString();
}

/** The downward API's fields as far as kubectl looks them up: it leaves all others empty. */
function fieldResolver({ metadata }: Pod): FieldResolver {
  return (path) => {
    if (path === 'metadata.name') return metadata.name;
    return path === 'metadata.namespace' ? (metadata.namespace ?? '') : '';
  };
}

type Resources = { limits?: Record<string, unknown>; requests?: Record<string, unknown> };

/** Quality of service by requests and limits of cpu and memory (Kubernetes: GetPodQOS). */
function qosClass({ spec }: Pod): string {
  let any = false;
  let guaranteed = true;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const { limits = {}, requests = {} } = (container as { resources?: Resources }).resources ?? {};
    for (const name of ['cpu', 'memory']) {
      const limit = limits[name];
      const request = requests[name] ?? limit;
      if (limit !== undefined || request !== undefined) any = true;
      if (limit === undefined || String(request) !== String(limit)) guaranteed = false;
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}

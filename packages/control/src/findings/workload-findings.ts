import { type Finding, type Node, nearest, type ObjectStore, type Service } from '@netsim/manifest';
import { isHeadless } from '../services/service-families.ts';
import { CronSchedule } from '../workloads/cron-schedule.ts';
import type { CronJob, DaemonSet, StatefulSet } from '../workloads/kinds.ts';
import { findingAt, nameOf } from './finding-at.ts';

/** What the API server takes of workloads, and what does not do what it was written for. */
export function workloadFindings(store: ObjectStore): Finding[] {
  return [...governingServices(store), ...daemonsNowhere(store), ...unreadableSchedules(store)];
}

/** The names of a StatefulSet's pods need a headless service. */
function governingServices(store: ObjectStore): Finding[] {
  const findings: Finding[] = [];
  for (const set of store.list<StatefulSet>('StatefulSet')) {
    const { serviceName } = set.spec;
    if (!serviceName) continue;
    const { namespace } = set.metadata;
    const service = store.get<Service>('Service', namespace, serviceName);
    if (service !== undefined && isHeadless(service)) continue;
    const headless = store.list<Service>('Service', namespace).filter(isHeadless);
    const near = nearest(
      serviceName,
      headless.map(({ metadata }) => metadata.name),
    );
    const what =
      service === undefined ? `there is no service "${serviceName}"` : `the service "${serviceName}" is not headless`;
    findings.push(
      findingAt(set, ['spec', 'serviceName'], {
        severity: 'warning',
        code: 'no-governing-service',
        message: `${nameOf(set)}: ${what}, so its pods have no names of their own in the DNS`,
        suggestion: near === undefined ? 'a Service of this name with clusterIP: None' : `did you mean "${near}"?`,
      }),
    );
  }
  return findings;
}

/** A DaemonSet that no node takes: kubectl shows 0 of 0, as if all were well. */
function daemonsNowhere(store: ObjectStore): Finding[] {
  const nodes = store.list<Node>('Node');
  return store
    .list<DaemonSet>('DaemonSet')
    .filter(({ status }) => status?.desiredNumberScheduled === 0 && nodes.length > 0)
    .map((set) => {
      const selector = Object.entries(set.spec.template.spec.nodeSelector ?? {});
      const text = selector.map((pair) => pair.join('=')).join(',');
      const why =
        text === '' ? 'it tolerates the taints of none, or its affinity fits none' : `none has the labels ${text}`;
      const field = selector.length === 0 ? [] : ['nodeSelector'];
      return findingAt(set, ['spec', 'template', 'spec', ...field], {
        severity: 'warning',
        code: 'daemon-set-on-no-node',
        message: `${nameOf(set)}: it runs on none of the ${nodes.length} nodes: ${why}`,
        suggestion: text === '' ? undefined : `label a node, or leave the nodeSelector out`,
      });
    });
}

function unreadableSchedules(store: ObjectStore): Finding[] {
  return store
    .list<CronJob>('CronJob')
    .filter(({ spec }) => CronSchedule.parse(spec.schedule, spec.timeZone) === undefined)
    .map((cron) =>
      findingAt(cron, ['spec', 'schedule'], {
        severity: 'error',
        code: 'unreadable-schedule',
        message: `${nameOf(cron)}: netsim cannot read the schedule ${JSON.stringify(cron.spec.schedule)}${cron.spec.timeZone === undefined ? '' : ` in the time zone ${JSON.stringify(cron.spec.timeZone)}`}; it makes no job`,
        suggestion: 'five fields: minute, hour, day, month, weekday (0 to 6)',
      }),
    );
}

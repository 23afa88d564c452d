import type { PodTemplate } from '@netsim/manifest';
import type { Job } from './kinds.ts';

const controllerUid = 'batch.kubernetes.io/controller-uid';

/** The job with the selector and the labels of its own UID; a manifest as it is checked has a placeholder. */
export function withOwnSelector(job: Job): Job {
  const { spec, metadata } = job;
  const { uid = '', name, labels } = metadata;
  if (spec.manualSelector === true || spec.selector?.matchLabels?.[controllerUid] === uid) return job;
  const own = { [controllerUid]: uid, 'batch.kubernetes.io/job-name': name, 'controller-uid': uid, 'job-name': name };
  const template: PodTemplate = {
    ...spec.template,
    metadata: { ...spec.template.metadata, labels: { ...spec.template.metadata?.labels, ...own } },
  };
  const selector = { matchLabels: { [controllerUid]: uid } };
  const named = labels !== undefined && controllerUid in labels ? { ...labels, ...own } : labels;
  return {
    ...job,
    metadata: { ...metadata, ...(named === undefined ? {} : { labels: named }) },
    spec: { ...spec, selector, template },
  };
}

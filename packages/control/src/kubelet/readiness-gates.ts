import type { Pod, PodStatus } from '@netsim/manifest';
import { conditionOf, withCondition } from './pod-status.ts';

/**
 * The status with the condition Ready that the pod's readiness gates allow: ready are the containers and every condition
 * that spec.readinessGates names (pkg/kubelet/status/generate.go). The very same status where nothing changes.
 */
export function withReadinessGates(pod: Pod, status: PodStatus, time: string): PodStatus {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return status;
  const of = (type: string) => conditionOf({ ...pod, status }, type);
  if (of('ContainersReady')?.status !== 'True') return status;
  const messages: string[] = [];
  for (const { conditionType } of gates) {
    const name = JSON.stringify(conditionType);
    const condition = of(conditionType);
    if (condition === undefined) {
      messages.push(`corresponding condition of pod readiness gate ${name} does not exist.`);
    } else if (condition.status !== 'True') {
      messages.push(`the status of pod readiness gate ${name} is not "True", but ${condition.status}`);
    }
  }
  const common = { type: 'Ready', lastProbeTime: null, lastTransitionTime: time };
  if (messages.length === 0) return withCondition(status, { ...common, status: 'True' });
  return withCondition(status, {
    ...common,
    status: 'False',
    reason: 'ReadinessGatesNotReady',
    message: messages.join(', '),
  });
}

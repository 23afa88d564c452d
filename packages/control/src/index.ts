export { type ConfigFromObjects, configFromObjects } from './cluster/config-from-objects.ts';
export {
  defaultClusterConfig,
  defaultNodes,
  internalIPs,
  isControlPlane,
  makeNode,
} from './cluster/default-cluster.ts';
export * from './config.ts';
export {
  ControlPlane,
  type ControlPlaneInput,
  type PodReference,
  UnsettledError,
} from './control-plane.ts';
export type { Stopped } from './core/machines.ts';
export { controllerOf } from './core/owners.ts';
export { controlFindings } from './findings/control-findings.ts';
export { selectorFinding, workloadsWithLabels } from './findings/service-findings.ts';
export { BackOff } from './kubelet/back-off.ts';
export { configFaultsOf } from './kubelet/config-faults-of.ts';
export { containerEnv, dataOf } from './kubelet/container-env.ts';
export { podField } from './kubelet/pod-field.ts';
export { podBlocks } from './kubelet/pod-ipam.ts';
export { conditionOf, isReady, isTerminal, podIPs } from './kubelet/pod-status.ts';
export { podBirth, type StartMoment } from './kubelet/service-env.ts';
export {
  electionOrder,
  type LoadBalancerPlan,
  type LoadBalancerPlanOptions,
  l2Announcer,
  loadBalancerPlan,
} from './loadbalancer/announcers.ts';
export { cloudOf } from './loadbalancer/cloud.ts';
export { givesLoadBalancerAddresses, isLoadBalancerAddress } from './loadbalancer/load-balancers.ts';
export { clusterIPs, hasClusterIP, isHeadless } from './services/service-families.ts';
export {
  RolloutError,
  type RolloutRevision,
  type RolloutStatus,
  rolloutHistory,
  rolloutPause,
  rolloutRestart,
  rolloutStatus,
  rolloutUndo,
} from './workloads/rollout-commands.ts';

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
export { conditionOf, isReady, isTerminal, podIPs } from './kubelet/pod-status.ts';

export { Cluster, ClusterClock, type LoadOptions } from './cluster.ts';
export { type DemoName, demos } from './demo.ts';
export { UsageError } from './errors.ts';
export type { ExecOptions, ExecResult } from './exec-in.ts';
export { Flow, type FlowOptions } from './flow.ts';
export { imagePorts, LISTEN_ANNOTATION } from './listeners.ts';
export type { PodHandle } from './pod-handle.ts';
export type { RequestHandler } from './programs.ts';
export type { TraceOptions } from './trace/trace-cluster.ts';

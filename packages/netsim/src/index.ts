export { type Finding, ManifestError } from '@netsim/manifest';
export type {
  Cause,
  Disposition,
  Hop,
  Leg,
  Path,
  Resolution,
  Step,
  StepKind,
  Trace,
  TraceDestination,
  TraceSource,
} from '@netsim/trace';
export { Cluster, type LoadOptions } from './cluster.ts';
export { ClusterClock } from './cluster-clock.ts';
export { type DemoName, demos } from './demo.ts';
export type { DiagnoseOptions, Diagnosis, DiagnosisPoint, PointStatus } from './diagnose/model.ts';
export type { Lookup, LookupOptions, LookupQuery } from './dns/lookup-names.ts';
export { UsageError } from './errors.ts';
export { type ExecOptions, type ExecResult, execTools } from './exec-in.ts';
export { checkExpectations } from './expectations/check.ts';
export type { Expectation, ExpectationResult, TestReport, Wanted } from './expectations/model.ts';
export { readExpectations } from './expectations/read.ts';
export type { FetchInit } from './fetch-from.ts';
export { Flow, type FlowOptions } from './flow.ts';
export type { RouteBackend, RouteEntry, RoutePlace } from './ingress/route-table.ts';
export { imagePorts, LISTEN_ANNOTATION } from './listeners.ts';
export type { NodeHandle } from './node-handle.ts';
export type { PodHandle } from './pod-handle.ts';
export type { PortForward } from './port-forward.ts';
export type { RequestHandler } from './programs.ts';
export type { RolloutHandle } from './rollout-handle.ts';
export type { TraceOptions } from './trace/trace-cluster.ts';

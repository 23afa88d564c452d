export { compileAgent } from './agent.ts';
export * from './commands.ts';
export { compareObservations, type Difference, renderDifferences } from './compare.ts';
export { emulateSeries } from './emulated.ts';
export * from './lab.ts';
export * from './observation.ts';
export type { LabIpFamily, LabProxyMode, RandomClusterOptions } from './random-cluster.ts';
export { PROBE_TIMEOUT, probeReal } from './real.ts';
export { renderDisagreement, reportLine } from './report.ts';
export { missingForLab } from './requirements.ts';
export {
  clusterOfSeed,
  compareSeries,
  type Disagreement,
  type VerifyOptions,
  type VerifyReport,
  verify,
} from './verify.ts';

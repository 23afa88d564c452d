export { compileAgent } from './agent.ts';
export * from './lab.ts';
export * from './observation.ts';
export { PROBE_TIMEOUT, probeReal } from './real.ts';
export { missingForLab } from './requirements.ts';

import { createRequire } from 'node:module';
import type { Trace } from '@netsim/trace';

const require = createRequire(import.meta.url);

/** The contract of `netsim trace -o json`, two spaces a level. */
export function renderTraceJson(trace: Trace): string {
  return `${JSON.stringify(trace, null, 2)}\n`;
}

/** The same as YAML. */
export function renderTraceYaml(trace: Trace): string {
  return toYaml(trace);
}

/** Plain data as one YAML document. The library is loaded at the first call: most runs never need it. */
function toYaml(value: unknown): string {
  const yaml: typeof import('yaml') = require('yaml');
  return yaml.stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

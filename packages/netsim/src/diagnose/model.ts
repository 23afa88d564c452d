import type { Cause, SCHEMA_VERSION, TraceSource } from '@netsim/trace';
import type { TransportProtocol } from '../names.ts';

export interface DiagnoseOptions {
  /** As {@link TraceOptions.to}; a service without a virtual IP too. */
  readonly to: string;
  /** As {@link TraceOptions.from}. Without it a pod of the namespace that does not serve it itself. */
  readonly from?: string;
  readonly protocol?: TransportProtocol;
  readonly namespace?: string;
}

/** `unknown`: the manifests do not say enough. `skipped`: it does not apply, or something before it is wrong. */
export type PointStatus = 'ok' | 'fail' | 'unknown' | 'skipped';

/** One point of the list, and what was found. */
export interface DiagnosisPoint {
  readonly id: PointId;
  readonly status: PointStatus;
  readonly text: string;
  /** The line that decided. */
  readonly cause?: Cause;
  /** What to write there. */
  readonly advice?: string;
}

/** The troubleshooting list of a service, in the order in which it is walked. */
export const pointIds = [
  'inside',
  'ping',
  'readiness',
  'endpoints',
  'name',
  'port',
  'pod',
  'localhost',
  'policy',
  'path',
] as const;
export type PointId = (typeof pointIds)[number];

export interface Diagnosis {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly kind: 'Diagnosis';
  readonly source: TraceSource;
  readonly destination: {
    readonly text: string;
    readonly kind: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly port?: number;
    readonly protocol: string;
  };
  /** The first point that is not in order decides; `ok` where there is none. */
  readonly verdict: 'ok' | 'fail' | 'unknown';
  readonly points: readonly DiagnosisPoint[];
}

/** What a point has found: all of it but its name. */
export type Finding = Omit<DiagnosisPoint, 'id'>;

import type { Disposition, SCHEMA_VERSION, Trace } from '@netsim/trace';
import type { TransportProtocol } from '../names.ts';

/** How a packet, or an HTTP request, is to end. */
export type Wanted =
  | { readonly kind: 'disposition'; readonly disposition: Disposition }
  | {
      readonly kind: 'http';
      readonly status?: number;
      readonly bodyContains?: string;
      /** Takes any certificate. */
      readonly insecure: boolean;
    };

/** One entry of an Expectations file: what a packet from one place to another must meet. */
export interface Expectation {
  readonly name: string;
  /** As {@link TraceOptions.from} and {@link TraceOptions.to}. */
  readonly from: string;
  readonly to: string;
  readonly protocol?: TransportProtocol;
  readonly expect: Wanted;
  /** Workloads, pods or addresses: each gets some of the traffic, and nobody else does. */
  readonly backends?: readonly string[];
  /** `pod`: the address of the source itself; `node`: one of a node; or an address. */
  readonly sourceSeen?: string;
  /** Where it is written. */
  readonly file: string;
  readonly line: number;
}

export interface ExpectationResult {
  readonly name: string;
  readonly ok: boolean;
  readonly from: string;
  readonly to: string;
  readonly file: string;
  readonly line: number;
  /** What is not as it is expected; empty where all is. */
  readonly problems: readonly string[];
  /** Every way that the packet may take. */
  readonly trace: Trace;
}

/** What `netsim test -o json` prints. */
export interface TestReport {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly kind: 'TestReport';
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly ExpectationResult[];
}

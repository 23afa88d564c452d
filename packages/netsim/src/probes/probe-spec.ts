import type { Container, Pod, Probe } from '@netsim/manifest';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** A probe of a container with the defaults of the API filled in; times in milliseconds. */
export interface ProbeSpec {
  readonly kind: ProbeKind;
  readonly container: Container;
  readonly probe: Probe;
  readonly initialDelay: number;
  readonly period: number;
  readonly timeout: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

const fields = [
  ['startup', 'startupProbe'],
  ['liveness', 'livenessProbe'],
  ['readiness', 'readinessProbe'],
] as const;

export function probesOf(container: Container): ProbeSpec[] {
  return fields.flatMap(([kind, field]) => {
    const probe = container[field];
    if (probe === undefined) return [];
    const seconds = (value: number | undefined, otherwise: number) => Math.max(0, value ?? otherwise) * 1000;
    return [
      {
        kind,
        container,
        probe,
        initialDelay: seconds(probe.initialDelaySeconds, 0),
        // What the API server does not accept must not make a clock stand still.
        period: Math.max(1000, seconds(probe.periodSeconds, 10)),
        timeout: Math.max(1000, seconds(probe.timeoutSeconds, 1)),
        successThreshold: Math.max(1, probe.successThreshold ?? 1),
        failureThreshold: Math.max(1, probe.failureThreshold ?? 3),
      },
    ];
  });
}

export function hasProbes({ spec }: Pod): boolean {
  return spec.containers.some(
    ({ startupProbe, livenessProbe, readinessProbe }) =>
      startupProbe !== undefined || livenessProbe !== undefined || readinessProbe !== undefined,
  );
}

/** The port that a probe names, by number or by the name of a port of its container. */
export function probePort(container: Container, port: number | string | undefined): number | undefined {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  if (named !== undefined) return named;
  return port !== undefined && /^[0-9]{1,5}$/.test(port) ? Number(port) : undefined;
}

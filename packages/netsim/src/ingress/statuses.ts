import type { Controller } from './controllers.ts';

/** Why a proxy has no answer of a backend: there is none to ask, it refuses, or it says nothing. */
type Failure = 'nobody' | 'refused' | 'silent';

/**
 * What a proxy answers in its place. Google's external load balancer says 502 to all of it (its logs tell failed_to_pick_backend,
 * failed_to_connect_to_backend and backend_timeout apart); the internal one is Envoy, and says 503 where it cannot connect.
 */
export function failureStatus({ kind }: Pick<Controller, 'kind'>, failure: Failure): number {
  if (kind === 'gce') return 502;
  if (failure === 'silent') return 504;
  return failure === 'nobody' || kind === 'gce-internal' ? 503 : 502;
}

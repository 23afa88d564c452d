import type { ObjectStore, Pod, Secret } from '@netsim/manifest';
import { readCertificate } from './ingress/certificates.ts';

/** Virtual time starts here, so that the same input gives the same output on every day. */
const EPOCH = '2026-01-01T00:00:00Z';

/**
 * When virtual time begins, in milliseconds since the Unix epoch: not before anything that the objects tell of, for a dump of a
 * live cluster has its own times.
 */
export function epochOf(store: ObjectStore): number {
  // Kubernetes writes all times in UTC and one form, which sorts as text.
  let latest = EPOCH;
  const see = (text: unknown) => {
    if (typeof text === 'string' && text > latest && FORM.test(text)) latest = text;
  };
  for (const kind of store.kinds()) for (const { metadata } of store.list(kind)) see(metadata.creationTimestamp);
  for (const { status } of store.list<Pod>('Pod')) {
    see(status?.startTime);
    for (const { lastTransitionTime } of status?.conditions ?? []) see(lastTransitionTime);
  }
  // A certificate that was made yesterday is meant to be valid.
  const certificates = store
    .list<Secret>('Secret')
    .filter(({ type }) => type === 'kubernetes.io/tls')
    .flatMap((secret) => Date.parse(readCertificate(secret)?.validFrom ?? '') || []);
  return Math.max(Date.parse(latest), ...certificates);
}

const FORM = /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

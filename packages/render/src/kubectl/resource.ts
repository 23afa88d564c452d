import { type KindInfo, kindInfo } from '@netsim/manifest';

/** Kinds of `kubectl get all`, in the order that it prints them. */
export const ALL_KINDS: readonly string[] = [
  'Pod',
  'ReplicationController',
  'Service',
  'DaemonSet',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'HorizontalPodAutoscaler',
  'CronJob',
  'Job',
];

/** What the API server answers to the use of a kind. */
const warnings: Readonly<Record<string, string>> = {
  Endpoints: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
};

export function warningOf(kind: string): string | undefined {
  return Object.hasOwn(warnings, kind) ? warnings[kind] : undefined;
}

/** What is known of a kind; a custom resource is namespaced and has the regular plural. */
export function infoOfKind(kind: string): KindInfo {
  const singular = kind.toLowerCase();
  return (
    kindInfo(kind) ?? {
      kind,
      group: '',
      version: 'v1',
      apiVersion: 'v1',
      plural: `${singular}s`,
      singular,
      shortNames: [],
      namespaced: true,
    }
  );
}

/** The first part of `kind/name` as kubectl prints it: `pod`, `deployment.apps`. */
export function qualifiedName(kind: string): string {
  const { singular, group } = infoOfKind(kind);
  return group === '' ? singular : `${singular}.${group}`;
}

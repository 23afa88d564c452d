import { type Finding, type KubeObject, knownKinds, parseApiVersion } from '@netsim/manifest';
import { findingOf } from './finding.ts';

/** Groups whose objects steer or block traffic, and that nothing here reads; with their subdomains. */
const STEERING = [
  'istio.io',
  'linkerd.io',
  'smi-spec.io',
  'cilium.io',
  'projectcalico.org',
  'policy.networking.k8s.io',
  'k8s.ovn.org',
  'antrea.io',
  'traefik.io',
  'traefik.containo.us',
  'projectcontour.io',
  'configuration.konghq.com',
  'getambassador.io',
  'gateway.envoyproxy.io',
  'serving.knative.dev',
] as const;

const groupsOf = new Map<string, Set<string>>();
for (const { kind, group } of knownKinds()) {
  const groups = groupsOf.get(kind);
  if (groups === undefined) groupsOf.set(kind, new Set([group]));
  else groups.add(group);
}

/**
 * Takes out the custom resources that share a kind with one of Kubernetes' own (a Gateway of Istio, a Service of Knative), for they
 * are something else; and says of these, and of others that steer traffic, that they have no effect here.
 */
export function withoutForeignKinds(objects: readonly KubeObject[], findings: Finding[]): KubeObject[] {
  const told = new Map<string, { first: KubeObject; count: number }>();
  const kept = objects.filter((object) => {
    const { group } = parseApiVersion(object.apiVersion);
    const namesake = isNamesake(object.kind, group);
    if (namesake || isSteering(group)) {
      const seen = told.get(`${object.kind} ${group}`);
      if (seen === undefined) told.set(`${object.kind} ${group}`, { first: object, count: 1 });
      else seen.count++;
    }
    return !namesake;
  });
  for (const { first, count } of told.values()) findings.push(notModelled(first, count));
  return kept;
}

function isNamesake(kind: string, group: string): boolean {
  const groups = groupsOf.get(kind);
  return groups !== undefined && !groups.has(group);
}

function isSteering(group: string): boolean {
  return STEERING.some((each) => group === each || group.endsWith(`.${each}`));
}

function notModelled(object: KubeObject, count: number): Finding {
  const which = count === 1 ? 'it has' : `the ${count} of these have`;
  return findingOf(
    object,
    'not-modelled',
    ['kind'],
    `netsim does not model ${object.kind} of ${parseApiVersion(object.apiVersion).group}: ${which} no effect here`,
    'where it steers traffic, a cluster may answer otherwise',
  );
}

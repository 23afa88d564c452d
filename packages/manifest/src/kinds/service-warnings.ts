import type { Path, Service } from '../objects.ts';

/** What the API server says of an object that it takes, and the field that it is about. */
export interface ServerWarning {
  readonly message: string;
  readonly path: Path;
}

const OLD_HINTS = 'service.kubernetes.io/topology-aware-hints';
const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';

/**
 * Fields of a Service that are taken and have no effect, or soon have none (GetWarningsForService, and what 1.36 says of
 * externalIPs). Not its warnings about the spelling of addresses.
 */
export function serviceWarnings({ metadata, spec }: Service): ServerWarning[] {
  const warnings: ServerWarning[] = [];
  const say = (message: string, ...path: Path) => {
    warnings.push({ message, path });
  };
  const { externalIPs = [], externalName = '', loadBalancerIP = '', type } = spec;
  if (metadata.annotations?.[OLD_HINTS] !== undefined) {
    const message = `annotation ${OLD_HINTS} is deprecated, please use ${TOPOLOGY_MODE} instead`;
    say(message, 'metadata', 'annotations', OLD_HINTS);
  }
  if (type === 'ClusterIP' && spec.clusterIP === 'None') {
    const ignored = 'is ignored for headless services';
    if (loadBalancerIP !== '') say(`spec.loadBalancerIP ${ignored}`, 'spec', 'loadBalancerIP');
    if (externalIPs.length > 0) say(`spec.externalIPs ${ignored}`, 'spec', 'externalIPs');
    if (spec.sessionAffinity !== 'None') say(`spec.SessionAffinity ${ignored}`, 'spec', 'sessionAffinity');
  }
  if (externalIPs.length > 0) {
    const message = 'spec.externalIPs is deprecated and may no longer be implemented in some clusters';
    say(message, 'spec', 'externalIPs');
  }
  if (type === 'ExternalName' && externalIPs.length > 0) {
    say('spec.externalIPs is ignored when spec.type is "ExternalName"', 'spec', 'externalIPs');
  }
  if (type !== 'ExternalName' && externalName !== '') {
    say('spec.externalName is ignored when spec.type is not "ExternalName"', 'spec', 'externalName');
  }
  if (spec.trafficDistribution === 'PreferClose') {
    const message = 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"';
    say(message, 'spec', 'trafficDistribution');
  }
  return warnings;
}

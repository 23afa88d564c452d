import type { RouteFinding } from '@netsim/ingress';
import { type Finding, type KubeObject, type ObjectStore, ORIGIN } from '@netsim/manifest';
import type { FrontDoor } from './ingress/front-door.ts';

/** Said of every Ingress already, whoever serves it, with the nearest right name. */
const toldElsewhere: ReadonlySet<string> = new Set(['ingress-service-missing', 'ingress-port-missing']);

/** What the routers of the controllers have to say, each once, with its file and line. Hints that change nothing are left out. */
export function routeFindings(frontDoor: FrontDoor, store: ObjectStore): Finding[] {
  const told = new Set<string>();
  return frontDoor.findings.flatMap((found) => {
    const finding = findingOf(found, store);
    const key = JSON.stringify([finding.code, finding.message, finding.path, finding.object]);
    if (found.severity === 'info' || toldElsewhere.has(found.code) || told.has(key)) return [];
    told.add(key);
    return [finding];
  });
}

/** The API server has taken the object: what a controller refuses of it is a warning. */
function findingOf({ code, object, field, message }: RouteFinding, store: ObjectStore): Finding {
  const { kind, namespace, name } = object;
  const origin = store.get<KubeObject>(kind, namespace === '' ? undefined : namespace, name)?.[ORIGIN];
  return {
    severity: 'warning',
    code,
    message: `${kind.toLowerCase()} "${namespace === '' ? '' : `${namespace}/`}${name}": ${message}`,
    path: field,
    object,
    ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(field) }),
  };
}

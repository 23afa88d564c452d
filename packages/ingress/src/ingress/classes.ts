import { type Ingress, type IngressClass, nearest } from '@netsim/manifest';
import { gkeClassOf } from '../gke/ingress-class.ts';
import type { RouteFinding } from '../model.ts';
import type { IngressOptions, IngressView } from './view.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

/** The Ingresses that this controller serves, oldest first, then by namespace and name. */
export function servedIngresses(view: IngressView, options: IngressOptions, findings: RouteFinding[]): Ingress[] {
  const ingressClasses = view.list<IngressClass>('IngressClass');
  const classes = new Map(ingressClasses.map((one) => [one.metadata.name, one]));
  const fallback = defaultClass(ingressClasses, findings);
  const served = view
    .list<Ingress>('Ingress')
    .filter((ingress) => gkeClassOf(ingress, options.onGke ?? false) === undefined)
    .filter((ingress) => isServed(ingress, classes, fallback, options, findings));
  return served.sort(byAge);
}

/** The class that the API server gives to an Ingress that names none: of several, the newest, then the first by name. */
function defaultClass(classes: readonly IngressClass[], findings: RouteFinding[]): string | undefined {
  const marked = classes
    .filter(({ metadata }) => metadata.annotations?.[DEFAULT_ANNOTATION] === 'true')
    .sort((a, b) => age(b) - age(a) || compareText(a.metadata.name, b.metadata.name));
  const names = marked.map(({ metadata }) => metadata.name);
  for (const { metadata } of names.length > 1 ? marked : []) {
    findings.push({
      code: 'ingress-two-default-classes',
      severity: 'warning',
      object: { kind: 'IngressClass', namespace: '', name: metadata.name },
      field: ['metadata', 'annotations', DEFAULT_ANNOTATION],
      message: `${names.length} classes are marked as the default (${names.join(', ')}): an Ingress without a class gets "${names[0]}"`,
    });
  }
  return names[0];
}

function isServed(
  ingress: Ingress,
  classes: ReadonlyMap<string, IngressClass>,
  fallback: string | undefined,
  options: IngressOptions,
  findings: RouteFinding[],
): boolean {
  const { metadata, spec } = ingress;
  const annotated = metadata.annotations?.[CLASS_ANNOTATION];
  const named = spec.ingressClassName ?? (annotated === undefined ? fallback : undefined);
  if (named !== undefined) {
    const found = classes.get(named);
    if (found !== undefined) {
      return options.controllerClass === undefined || found.spec.controller === options.controllerClass;
    }
    const meant = nearest(named, classes.keys());
    const known = [...classes.keys()].map((name) => `"${name}"`).join(', ');
    findings.push({
      code: 'ingress-class-missing',
      severity: 'error',
      object: objectOf(ingress),
      field: ['spec', 'ingressClassName'],
      message: `no IngressClass "${named}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}: no controller serves this Ingress${
        known === '' ? '; the cluster has no IngressClass' : `; there ${classes.size === 1 ? 'is' : 'are'} ${known}`
      }`,
    });
    return false;
  }
  if (annotated !== undefined) {
    const wanted = options.ingressClass ?? (options.profile === 'ingress-nginx' ? 'nginx' : undefined);
    return wanted === undefined || annotated === wanted || annotated === '';
  }
  if (options.withoutClass ?? options.profile === 'spec') return true;
  findings.push({
    code: 'ingress-without-class',
    severity: 'warning',
    object: objectOf(ingress),
    field: ['spec'],
    message: 'names no class and there is no default IngressClass: the controller does not serve this Ingress',
  });
  return false;
}

export function objectOf({ metadata }: Ingress): RouteFinding['object'] {
  return { kind: 'Ingress', namespace: metadata.namespace ?? 'default', name: metadata.name };
}

function byAge(a: Ingress, b: Ingress): number {
  return age(a) - age(b) || compareText(key(a), key(b));
}
const key = ({ metadata }: Ingress): string => `${metadata.namespace ?? 'default'}/${metadata.name}`;

/** Epoch milliseconds of the creation; an object that has not been stored yet is as old as all others like it. */
function age({ metadata }: Ingress | IngressClass): number {
  const time = Date.parse(metadata.creationTimestamp ?? '');
  return Number.isNaN(time) ? 0 : time;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

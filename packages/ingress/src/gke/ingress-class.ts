import type { Ingress } from '@netsim/manifest';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** The load balancers that GKE's controller makes: in front of the world, or inside the VPC. */
export type GkeClass = 'gce' | 'gce-internal';

/**
 * Whether GKE's own controller serves an Ingress, and as what. It goes by the annotation alone; without one it takes what names no
 * class in the spec either, where `onGke` says that the cluster runs there. Source: ingress-gce, `utils.IsGCEIngress`.
 */
export function gkeClassOf({ metadata, spec }: Ingress, onGke: boolean): GkeClass | undefined {
  const annotated = metadata.annotations?.[CLASS_ANNOTATION] ?? '';
  if (annotated === 'gce' || annotated === 'gce-internal') return annotated;
  return annotated === '' && spec.ingressClassName === undefined && onGke ? 'gce' : undefined;
}

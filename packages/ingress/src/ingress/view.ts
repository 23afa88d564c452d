import type { GatewayView } from '../gateway/view.ts';

/**
 * What a controller reads from the API server: Ingresses (in `networking.k8s.io/v1`), IngressClasses, Services, Secrets,
 * EndpointSlices. An `ObjectStore` is one. Endpoints are read for each decision that depends on them, all else once.
 */
export type IngressView = GatewayView;

export interface IngressOptions {
  /** `spec`: the words of the API. `ingress-nginx`: what the controller of that name does. */
  readonly profile: 'spec' | 'ingress-nginx';
  /** `spec.controller` of the IngressClasses that are served (`k8s.io/ingress-nginx`); undefined: of all classes. */
  readonly controllerClass?: string;
  /** The value of the old annotation `kubernetes.io/ingress.class` that is served. Default `nginx`; profile spec: any. */
  readonly ingressClass?: string;
  /** Whether Ingresses without any class are served. Default: only by profile `spec`. */
  readonly withoutClass?: boolean;
  /** The cluster runs on GKE, whose own controller takes Ingresses without any class. Default false. */
  readonly onGke?: boolean;
  /** Epoch milliseconds, for the expiry of certificates. */
  readonly now: number;
  /** The Service that gets what no rule wants (`--default-backend-service`); undefined: the controller's own 404. */
  readonly defaultBackendService?: { readonly namespace: string; readonly name: string };
  /** The ConfigMap with what holds for all Ingresses (`--configmap`); profile `ingress-nginx` only. */
  readonly configMap?: { readonly namespace: string; readonly name: string };
  /** The Secret whose certificate is shown where no other fits (`--default-ssl-certificate`). */
  readonly defaultCertificate?: { readonly namespace: string; readonly name: string };
}

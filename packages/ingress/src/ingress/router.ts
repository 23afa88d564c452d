import type { Router, ServerCertificate } from '../model.ts';
import { nginxRouter } from './nginx/nginx-router.ts';
import { specRouter } from './spec/spec-router.ts';
import type { IngressOptions, IngressView } from './view.ts';

export interface IngressRouter extends Router {
  /** The certificate that ends a TLS connection with this server name (SNI); undefined: the handshake fails. */
  certificate(serverName: string | undefined): ServerCertificate | undefined;
  /** Whether a header field of the client with this name is read at all; absent: all are. */
  takesField?(name: string): boolean;
}

/** Compiles the Ingresses of a cluster into a router. Bad objects never throw: they are findings. */
export function ingressRouter(view: IngressView, options: IngressOptions): IngressRouter {
  switch (options.profile) {
    case 'spec':
      return specRouter(view, options);
    case 'ingress-nginx':
      return nginxRouter(view, options);
  }
}

import type { Ingress } from '@netsim/manifest';
import type { Forward, Outcome } from '../src/index.ts';

/** What an Ingress has other than the usual. */
export interface Given {
  readonly name?: string;
  readonly path?: string;
  readonly pathType?: string;
  readonly service?: string;
  readonly tls?: boolean;
  readonly created?: string;
  readonly host?: string;
}

/** An Ingress for a.example, or with host `''` for all, with these annotations of the controller. */
export function ingress(annotations: Readonly<Record<string, string>>, given: Given = {}): Ingress {
  const { name = 'main', path = '/', pathType = 'Prefix', service = 'web', tls = false, host = 'a.example' } = given;
  const { created = '2024-01-01T00:00:00Z' } = given;
  const named = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  const backend = { service: { name: service, port: { number: 80 } } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default', creationTimestamp: created, annotations: Object.fromEntries(named) },
    spec: {
      ingressClassName: 'nginx',
      ...(tls && { tls: [{ hosts: [host] }] }),
      rules: [{ ...(host !== '' && { host }), http: { paths: [{ path, pathType, backend }] } }],
    },
  };
}

export function forwarded(outcome: Outcome): Forward {
  if (outcome.kind !== 'forward') throw new Error(`not forwarded: ${JSON.stringify(outcome)}`);
  return outcome;
}

import type { EndpointSlice, IngressClass, KubeObject, Service } from '@netsim/manifest';
import {
  type FrontRequest,
  type IngressOptions,
  type IngressRouter,
  type IngressView,
  ingressRouter,
} from '../src/index.ts';

/** A cluster in which every Service that a test does not speak of is there, with each port and ready endpoints. */
export function viewOf(given: readonly KubeObject[], idle: readonly string[] = []): IngressView {
  const objects = [nginxClass, ...given];
  const slices = objects
    .flatMap((object) => backendNames(object))
    .filter((name) => !idle.includes(name))
    .map(sliceOf);
  const all = [...objects, ...slices];
  return {
    list: <T extends KubeObject>(kind: string) => all.filter((object) => object.kind === kind) as T[],
    get: <T extends KubeObject>(kind: string, namespace: string | undefined, name: string) => {
      const found = all.find(
        ({ kind: ofKind, metadata }) =>
          ofKind === kind && (metadata.namespace ?? 'default') === namespace && metadata.name === name,
      );
      if (found === undefined && kind === 'Service')
        return { ...everyPort, metadata: { namespace, name } } as KubeObject as T;
      return found as T | undefined;
    },
  };
}

function sliceOf(service: string): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'default', name: `${service}-1`, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

/** Every name of a Service that an object speaks of. */
function backendNames(object: unknown): string[] {
  return [...new Set([...JSON.stringify(object).matchAll(/"service":\{"name":"(.*?)"/g)].map((match) => match[1]!))];
}

const everyPort: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: '' },
  spec: { ports: [80, 443, 8080].map((port) => ({ port, name: port === 80 ? 'http' : `p${port}` })) },
};

const nginxClass: IngressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'nginx' },
  spec: { controller: 'k8s.io/ingress-nginx' },
};

export const nginxOptions: IngressOptions = {
  profile: 'ingress-nginx',
  controllerClass: 'k8s.io/ingress-nginx',
  now: Date.UTC(2026, 0, 1),
};

export function routerOf(
  profile: IngressOptions['profile'],
  objects: readonly KubeObject[],
  { idle = [], ...options }: Partial<IngressOptions> & { idle?: readonly string[] } = {},
): IngressRouter {
  const { now } = nginxOptions;
  const common = profile === 'spec' ? { profile, now } : nginxOptions;
  return ingressRouter(viewOf(objects, idle), { ...common, ...options });
}

/** The request that curl sends for a URL. */
export function request(url: string, changes: Partial<FrontRequest> = {}): FrontRequest {
  const [, scheme = 'http', host, target = ''] = /^(https?):\/\/([^/?]*)(.*)$/.exec(url) ?? [];
  const https = scheme === 'https';
  return {
    scheme: https ? 'https' : 'http',
    method: 'GET',
    version: '1.1',
    host,
    target: target.startsWith('/') ? target : `/${target}`,
    headers: [],
    port: https ? 443 : 80,
    ...(https && host !== undefined && { sni: host.replace(/:\d+$/, '') }),
    ...changes,
  };
}

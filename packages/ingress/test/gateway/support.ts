import { loadManifests, ObjectStore } from '@netsim/manifest';
import { type FrontRequest, type GatewayRouter, gatewayRouter, type Outcome } from '../../src/index.ts';

/** A store with a GatewayClass `any`, Services a, b, c in `default`, d in `other`, and what the text adds. */
export function storeOf(text: string): ObjectStore {
  const services = ['default/a', 'default/b', 'default/c', 'other/d'].map((key) => {
    const [namespace, name] = key.split('/');
    return `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}}, spec: {ports: [{port: 80}]}}`;
  });
  const gatewayClass =
    '{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: any}, spec: {controllerName: a.b/c}}';
  const all = [gatewayClass, ...services, text].join('\n---\n');
  const store = new ObjectStore();
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text: all }]);
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  for (const object of objects) store.put(object);
  return store;
}

/** A Gateway `web` with these listeners, in YAML's flow form. */
export function gatewayOf(listeners = '{name: http, port: 80, protocol: HTTP}'): string {
  return `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: web}, spec: {gatewayClassName: any, listeners: [${listeners}]}}`;
}

/** An HTTPRoute of the Gateway `web`. */
export function routeOf(
  rules: string,
  options: { name?: string; spec?: string; metadata?: string; kind?: string } = {},
): string {
  const { name = 'route', spec = '', metadata = '', kind = 'HTTPRoute' } = options;
  return `{apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: {name: ${name}${metadata}}, spec: {parentRefs: [{name: web}]${spec}, rules: [${rules}]}}`;
}

export function routerOf(...texts: string[]): GatewayRouter {
  return gatewayRouter(storeOf(texts.join('\n---\n')), { namespace: 'default', name: 'web' });
}

/** A request for `http://host/path`, with header fields. */
export function requestOf(url: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): FrontRequest {
  const { protocol, hostname, port, pathname, search } = new URL(url);
  const scheme = protocol === 'https:' ? 'https' : 'http';
  return {
    scheme,
    method,
    version: '1.1',
    host: hostname,
    target: pathname + search,
    headers: Object.entries(headers),
    port: port === '' ? (scheme === 'https' ? 443 : 80) : Number(port),
    ...(scheme === 'https' && { sni: hostname }),
  };
}

/** `a`, the Service that gets it; `302 http://...`; `404`. */
export function answerOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'forward':
    case 'pass-through':
      return outcome.backend.kind === 'service' ? outcome.backend.name : outcome.backend.kind;
    case 'redirect':
      return `${outcome.status} ${outcome.location}`;
    case 'respond':
      return String(outcome.status);
    case 'close':
      return 'closed';
  }
}

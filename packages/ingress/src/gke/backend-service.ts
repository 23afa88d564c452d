import { matchesLabels, type Pod, type Service } from '@netsim/manifest';
import { backendProblem } from '../ingress/backends.ts';
import type { IngressView } from '../ingress/view.ts';
import type { Backend } from '../model.ts';
import { customObject } from './custom-objects.ts';
import type { GkeClass } from './ingress-class.ts';

const NEG_ANNOTATION = 'cloud.google.com/neg';
const CONFIG_ANNOTATIONS = ['cloud.google.com/backend-config', 'beta.cloud.google.com/backend-config'];
const PROTOCOL_ANNOTATIONS = ['cloud.google.com/app-protocols', 'service.alpha.kubernetes.io/app-protocols'];
/** Seconds that the load balancer waits for an answer, where no BackendConfig says otherwise. */
const TIMEOUT = 30;

/** What Google calls a backend service: a port of a Service, and how the load balancer reaches it. */
export interface GkeBackendService {
  readonly namespace: string;
  readonly name: string;
  /** As the Ingress names it. */
  readonly port: number | string;
  /** `pods`: container-native (network endpoint groups); `nodes`: the node port of any node, then kube-proxy. */
  readonly reaches: 'pods' | 'nodes';
  readonly nodePort: number;
  readonly protocol: 'HTTP' | 'HTTPS' | 'HTTP2';
  readonly healthCheck: GkeHealthCheck;
  /** Seconds. */
  readonly timeout: number;
  readonly affinity: 'NONE' | 'CLIENT_IP' | 'GENERATED_COOKIE';
  /** Seconds that the affinity cookie lives; 0: until the browser is closed. */
  readonly cookieTtl: number;
  /** Header fields that are added to requests; those with variables are left out. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface GkeHealthCheck {
  readonly protocol: 'HTTP' | 'HTTPS' | 'HTTP2';
  readonly path: string;
  /** Undefined: the address that is asked. */
  readonly host?: string;
  /** Undefined: the port that requests go to. */
  readonly port?: number;
  readonly from: 'BackendConfig' | 'readinessProbe' | 'default';
}

/** Why the controller makes no load balancer of an Ingress, and what is wrong beside that. */
export interface GkeProblem {
  readonly code: string;
  readonly message: string;
  /** The Service's own field; absent: the backend in the Ingress. */
  readonly ofService?: readonly (string | number)[];
  /** The whole Ingress is not translated. */
  readonly fatal: boolean;
}

export interface GkeBackendResult {
  readonly service?: GkeBackendService;
  readonly problems: readonly GkeProblem[];
}

/**
 * Reads a backend as GKE's controller does (ingress-gce, `translator.getServicePort`). An internal load balancer reaches pods only:
 * whatever Service it is for gets network endpoint groups.
 */
export function gkeBackendService(view: IngressView, backend: Backend, gkeClass: GkeClass): GkeBackendResult {
  if (backend.kind !== 'service') {
    const message = 'the backend is no Service: GKE knows only Services';
    return { problems: [{ code: 'gke-backend', message, fatal: true }] };
  }
  const missing = backendProblem(view, backend);
  if (missing !== undefined) return { problems: [{ ...missing, fatal: true }] };
  const { namespace, name, port } = backend;
  const service = view.get<Service>('Service', namespace, name)!;
  const { type = 'ClusterIP', ports = [] } = service.spec;
  const servicePort = ports.find((each) => each.port === port || each.name === port)!;
  const problems: GkeProblem[] = [];
  const read = (key: string): Record<string, unknown> => {
    const text = service.metadata.annotations?.[key];
    const parsed = text === undefined ? {} : parseJson(text);
    if (parsed !== undefined) return parsed;
    problems.push({
      code: 'gke-annotation',
      message: `annotation ${key} is no JSON object: ${JSON.stringify(text)}`,
      ofService: ['metadata', 'annotations', key],
      fatal: true,
    });
    return {};
  };
  const neg = read(NEG_ANNOTATION).ingress === true;
  if (!neg && type !== 'NodePort' && type !== 'LoadBalancer') {
    problems.push({
      code: 'gke-service-type',
      message: `Service "${name}" is type "${type}", expected "NodePort" or "LoadBalancer", or the annotation ${NEG_ANNOTATION}: '{"ingress": true}' (VPC-native clusters add it to new Services by themselves)`,
      fatal: true,
    });
  }
  const protocols = PROTOCOL_ANNOTATIONS.map(read).find((each) => Object.keys(each).length > 0) ?? {};
  const protocol = protocolOf(protocols[servicePort.name ?? '']);
  const config = backendConfig(view, service, servicePort, read, problems);
  if (problems.some(({ fatal }) => fatal)) return { problems };
  const { sessionAffinity, timeoutSec, customRequestHeaders } = config ?? {};
  return {
    problems,
    service: {
      namespace,
      name,
      port,
      reaches: neg || gkeClass === 'gce-internal' ? 'pods' : 'nodes',
      nodePort: servicePort.nodePort ?? 0,
      protocol,
      healthCheck: healthCheckOf(view, service, servicePort, protocol, config?.healthCheck),
      timeout: typeof timeoutSec === 'number' && timeoutSec > 0 ? timeoutSec : TIMEOUT,
      affinity: sessionAffinity?.affinityType ?? 'NONE',
      cookieTtl: sessionAffinity?.affinityCookieTtlSec ?? 0,
      headers: (customRequestHeaders?.headers ?? []).flatMap((line) => {
        const [, field = '', value = ''] = /^([^:]+):(.*)$/.exec(String(line)) ?? [];
        return field === '' || value.includes('{') ? [] : [[field, value.trim()] as const];
      }),
    },
  };
}

interface ConfigSpec {
  readonly healthCheck?: { type?: string; requestPath?: string; port?: number };
  readonly timeoutSec?: number;
  readonly sessionAffinity?: {
    affinityType?: GkeBackendService['affinity'];
    affinityCookieTtlSec?: number;
  };
  readonly customRequestHeaders?: { headers?: unknown[] };
}

/** The BackendConfig of a port: by its name or number, else the default of the Service. */
function backendConfig(
  view: IngressView,
  { metadata }: Service,
  port: { readonly name?: string; readonly port: number },
  read: (key: string) => Record<string, unknown>,
  problems: GkeProblem[],
): ConfigSpec | undefined {
  const key = CONFIG_ANNOTATIONS.find((each) => metadata.annotations?.[each] !== undefined);
  if (key === undefined) return undefined;
  const { ports, default: fallback } = read(key) as { ports?: Record<string, string>; default?: string };
  const name = ports?.[port.name ?? ''] ?? ports?.[String(port.port)] ?? fallback;
  if (name === undefined) return undefined;
  const found = customObject(view, 'BackendConfig', metadata.namespace ?? 'default', name);
  if (found === undefined) {
    problems.push({
      code: 'gke-backend-config',
      message: `Service "${metadata.name}" names BackendConfig "${name}", which is not there`,
      ofService: ['metadata', 'annotations', key],
      fatal: true,
    });
  }
  return found?.spec as ConfigSpec | undefined;
}

function healthCheckOf(
  view: IngressView,
  service: Service,
  port: { readonly targetPort?: number | string; readonly port: number },
  protocol: GkeBackendService['protocol'],
  configured: ConfigSpec['healthCheck'],
): GkeHealthCheck {
  const probe = readinessProbe(view, service, port.targetPort ?? port.port, protocol);
  const found: GkeHealthCheck = probe ?? { protocol, path: '/', from: 'default' };
  if (configured === undefined) return found;
  const { type, requestPath, port: fixed } = configured;
  return {
    ...found,
    protocol: type === undefined ? protocol : protocolOf(type),
    ...(requestPath === undefined ? {} : { path: requestPath }),
    ...(fixed === undefined ? {} : { port: fixed }),
    from: 'BackendConfig',
  };
}

/**
 * The readiness probe that the health check is made of: of the first container that declares the target port and has an httpGet probe
 * to it with no host and no header fields but Host (ingress-gce, `getHTTPProbe`).
 */
function readinessProbe(
  view: IngressView,
  { metadata, spec }: Service,
  target: number | string,
  protocol: GkeBackendService['protocol'],
): GkeHealthCheck | undefined {
  const { selector } = spec;
  if (selector === undefined || Object.keys(selector).length === 0) return undefined;
  for (const pod of view.list<Pod>('Pod')) {
    if (pod.metadata.namespace !== metadata.namespace || !matchesLabels(selector, pod.metadata.labels ?? {})) continue;
    for (const { readinessProbe: probe, ports = [] } of pod.spec.containers) {
      const { httpGet } = probe ?? {};
      if (httpGet === undefined || (httpGet.host ?? '') !== '') continue;
      const headers = httpGet.httpHeaders ?? [];
      if (headers.length > 1 || headers.some(({ name }) => name !== 'Host')) continue;
      if ((httpGet.scheme ?? 'HTTP') !== (protocol === 'HTTP2' ? 'HTTPS' : protocol)) continue;
      const meant = ports.find(({ name, containerPort }) => target === containerPort || target === name);
      if (meant === undefined || (httpGet.port !== meant.containerPort && httpGet.port !== meant.name)) continue;
      const path = httpGet.path ?? '/';
      return {
        protocol,
        path: path.startsWith('/') ? path : `/${path}`,
        ...(headers[0] === undefined ? {} : { host: headers[0].value }),
        from: 'readinessProbe',
      };
    }
  }
  return undefined;
}

function protocolOf(value: unknown): GkeBackendService['protocol'] {
  return value === 'HTTPS' || value === 'HTTP2' ? value : 'HTTP';
}

/** Undefined: it is no JSON object. */
function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

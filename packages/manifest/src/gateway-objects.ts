/** Objects of gateway.networking.k8s.io as they are stored, defaults filled in. Spelling is the API's. */
import type { Condition, KubeObject, LabelSelector } from './objects.ts';

export interface GatewayClass extends KubeObject {
  spec: { controllerName: string; parametersRef?: NamespacedReference; description?: string };
  status?: { conditions?: Condition[]; supportedFeatures?: { name: string }[] };
}

export interface LocalReference {
  group: string;
  kind: string;
  name: string;
}
export interface NamespacedReference extends LocalReference {
  namespace?: string;
}

export interface RouteKind {
  group?: string;
  kind: string;
}
export interface AllowedRoutes {
  namespaces?: { from?: 'All' | 'Selector' | 'Same' | 'None'; selector?: LabelSelector };
  kinds?: RouteKind[];
}
export type GatewayProtocol = 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP' | (string & {});

export interface GatewayListener {
  name: string;
  hostname?: string;
  port: number;
  protocol: GatewayProtocol;
  tls?: {
    mode?: 'Terminate' | 'Passthrough';
    certificateRefs?: NamespacedReference[];
    options?: Record<string, string>;
  };
  allowedRoutes?: AllowedRoutes;
}

export interface FrontendTls {
  validation?: { caCertificateRefs: NamespacedReference[]; mode?: 'AllowValidOnly' | 'AllowInsecureFallback' };
}
export interface GatewayAddress {
  type?: string;
  value?: string;
}
export interface ListenerStatus {
  name: string;
  port?: number;
  supportedKinds?: RouteKind[];
  attachedRoutes: number;
  conditions: Condition[];
}
export interface Gateway extends KubeObject {
  spec: {
    gatewayClassName: string;
    listeners: GatewayListener[];
    addresses?: GatewayAddress[];
    infrastructure?: {
      labels?: Record<string, string>;
      annotations?: Record<string, string>;
      parametersRef?: LocalReference;
    };
    allowedListeners?: { namespaces?: { from?: 'All' | 'Selector' | 'Same' | 'None'; selector?: LabelSelector } };
    tls?: {
      backend?: { clientCertificateRef?: NamespacedReference };
      frontend?: { default: FrontendTls; perPort?: { port: number; tls: FrontendTls }[] };
    };
  };
  status?: {
    addresses?: GatewayAddress[];
    conditions?: Condition[];
    listeners?: ListenerStatus[];
    attachedListenerSets?: number;
  };
}

export interface ListenerSet extends KubeObject {
  spec: { parentRef: ParentReference; listeners: GatewayListener[] };
  status?: { conditions?: Condition[]; listeners?: ListenerStatus[] };
}

export interface ParentReference {
  group?: string;
  kind?: string;
  namespace?: string;
  name: string;
  sectionName?: string;
  port?: number;
}
export interface BackendRef {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  port?: number;
  weight?: number;
}
export interface RouteParentStatus {
  parentRef: ParentReference;
  controllerName: string;
  conditions: Condition[];
}
/** What all kinds of routes share. */
export interface Route extends KubeObject {
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: RouteRuleOf<BackendRef>[] };
  status?: { parents: RouteParentStatus[] };
}
export interface RouteRuleOf<B extends BackendRef> {
  name?: string;
  backendRefs?: B[];
}

export interface HTTPHeaderMatch {
  type?: 'Exact' | 'RegularExpression';
  name: string;
  value: string;
}
export interface HTTPRouteMatch {
  path?: { type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; value?: string };
  headers?: HTTPHeaderMatch[];
  queryParams?: HTTPHeaderMatch[];
  method?: string;
}
export interface HeaderFilter {
  set?: { name: string; value: string }[];
  add?: { name: string; value: string }[];
  remove?: string[];
}
export interface PathModifier {
  type: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}
export interface HTTPRouteFilter {
  type: string;
  requestHeaderModifier?: HeaderFilter;
  responseHeaderModifier?: HeaderFilter;
  requestMirror?: {
    backendRef: BackendRef;
    percent?: number;
    fraction?: { numerator: number; denominator?: number };
  };
  requestRedirect?: { scheme?: string; hostname?: string; path?: PathModifier; port?: number; statusCode?: number };
  urlRewrite?: { hostname?: string; path?: PathModifier };
  cors?: {
    allowOrigins?: string[];
    allowCredentials?: boolean;
    allowMethods?: string[];
    allowHeaders?: string[];
    exposeHeaders?: string[];
    maxAge?: number;
  };
  externalAuth?: unknown;
  extensionRef?: LocalReference;
}
export interface HTTPBackendRef extends BackendRef {
  filters?: HTTPRouteFilter[];
}
export interface HTTPRouteRule extends RouteRuleOf<HTTPBackendRef> {
  matches?: HTTPRouteMatch[];
  filters?: HTTPRouteFilter[];
  timeouts?: { request?: string; backendRequest?: string };
  retry?: { codes?: number[]; attempts?: number; backoff?: string };
}
export interface HTTPRoute extends Route {
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: HTTPRouteRule[] };
}

export interface GRPCRouteMatch {
  method?: { type?: 'Exact' | 'RegularExpression'; service?: string; method?: string };
  headers?: HTTPHeaderMatch[];
}
export interface GRPCRouteRule extends RouteRuleOf<HTTPBackendRef> {
  matches?: GRPCRouteMatch[];
  filters?: HTTPRouteFilter[];
}
export interface GRPCRoute extends Route {
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: GRPCRouteRule[] };
}

export interface ReferenceGrant extends KubeObject {
  spec: {
    from: { group: string; kind: string; namespace: string }[];
    to: { group: string; kind: string; name?: string }[];
  };
}

export interface BackendTLSPolicy extends KubeObject {
  spec: {
    targetRefs: (LocalReference & { sectionName?: string })[];
    validation: {
      caCertificateRefs?: LocalReference[];
      wellKnownCACertificates?: string;
      hostname: string;
      subjectAltNames?: { type: 'Hostname' | 'URI'; hostname?: string; uri?: string }[];
    };
    options?: Record<string, string>;
  };
  status?: { ancestors: { ancestorRef: ParentReference; controllerName: string; conditions: Condition[] }[] };
}

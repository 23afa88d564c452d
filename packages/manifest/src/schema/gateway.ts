import type { StructTable } from './type.ts';

/**
 * gateway.networking.k8s.io, of version 1.6 of the Gateway API. Custom resources keep what is written: zero values too, so
 * that all scalars are pointers here.
 */
export const GATEWAY: StructTable = {
  GatewayClass: 'metadata:ObjectMeta spec:GatewayClassSpec status:any',
  GatewayClassSpec: 'controllerName:*string parametersRef:*GatewayParametersReference description:*string',
  GatewayParametersReference: 'group:*string kind:*string name:*string namespace:*string',

  Gateway: 'metadata:ObjectMeta spec:GatewaySpec status:any',
  GatewaySpec: `gatewayClassName:*string listeners:[]GatewayListener addresses:[]GatewayAddress
    infrastructure:*GatewayInfrastructure allowedListeners:*GatewayAllowedListeners tls:*GatewayTLSConfig
    defaultScope:*string`,
  GatewayListener: `name:*string hostname:*string port:*int32 protocol:*string tls:*GatewayListenerTLS
    allowedRoutes:*GatewayAllowedRoutes`,
  GatewayListenerTLS: 'mode:*string certificateRefs:[]GatewaySecretReference options:map[string]',
  GatewaySecretReference: 'group:*string kind:*string name:*string namespace:*string',
  GatewayAllowedRoutes: 'namespaces:*GatewayRouteNamespaces kinds:[]GatewayRouteKind',
  GatewayRouteNamespaces: 'from:*string selector:*LabelSelector',
  GatewayRouteKind: 'group:*string kind:*string',
  GatewayAddress: 'type:*string value:*string',
  GatewayInfrastructure: 'labels:map[string] annotations:map[string] parametersRef:*GatewayLocalReference',
  GatewayLocalReference: 'group:*string kind:*string name:*string',
  GatewayAllowedListeners: 'namespaces:*GatewayRouteNamespaces',
  GatewayTLSConfig: 'backend:*GatewayBackendTLS frontend:*GatewayFrontendTLS',
  GatewayBackendTLS: 'clientCertificateRef:*GatewaySecretReference',
  GatewayFrontendTLS: 'default:*GatewayFrontendValidation perPort:[]GatewayPortTLS',
  GatewayPortTLS: 'port:*int32 tls:*GatewayFrontendValidation',
  GatewayFrontendValidation: 'validation:*GatewayClientValidation',
  GatewayClientValidation: 'caCertificateRefs:[]GatewaySecretReference mode:*string',

  ListenerSet: 'metadata:ObjectMeta spec:ListenerSetSpec status:any',
  ListenerSetSpec: 'parentRef:*GatewaySecretReference listeners:[]GatewayListener',

  HTTPRoute: 'metadata:ObjectMeta spec:HTTPRouteSpec status:any',
  HTTPRouteSpec: `parentRefs:[]RouteParentReference hostnames:[]string rules:[]HTTPRouteRule useDefaultGateways:*string`,
  RouteParentReference: 'group:*string kind:*string namespace:*string name:*string sectionName:*string port:*int32',
  HTTPRouteRule: `name:*string matches:[]HTTPRouteMatch filters:[]HTTPRouteFilter backendRefs:[]HTTPBackendRef
    timeouts:*HTTPRouteTimeouts retry:*HTTPRouteRetry sessionPersistence:*RouteSessionPersistence`,
  HTTPRouteMatch: `path:*HTTPPathMatch headers:[]HTTPValueMatch queryParams:[]HTTPValueMatch method:*string`,
  HTTPPathMatch: 'type:*string value:*string',
  HTTPValueMatch: 'type:*string name:*string value:*string',
  HTTPRouteFilter: `type:*string requestHeaderModifier:*HTTPHeaderFilter responseHeaderModifier:*HTTPHeaderFilter
    requestMirror:*HTTPRequestMirror requestRedirect:*HTTPRequestRedirect urlRewrite:*HTTPURLRewrite cors:*HTTPCORS
    externalAuth:any extensionRef:*GatewayLocalReference`,
  HTTPHeaderFilter: 'set:[]HTTPHeaderValue add:[]HTTPHeaderValue remove:[]string',
  HTTPHeaderValue: 'name:*string value:*string',
  HTTPRequestMirror: 'backendRef:*RouteBackendReference percent:*int32 fraction:*HTTPFraction',
  HTTPFraction: 'numerator:*int32 denominator:*int32',
  HTTPRequestRedirect: 'scheme:*string hostname:*string path:*HTTPPathModifier port:*int32 statusCode:*int32',
  HTTPPathModifier: 'type:*string replaceFullPath:*string replacePrefixMatch:*string',
  HTTPURLRewrite: 'hostname:*string path:*HTTPPathModifier',
  HTTPCORS: `allowOrigins:[]string allowCredentials:*bool allowMethods:[]string allowHeaders:[]string
    exposeHeaders:[]string maxAge:*int32`,
  RouteBackendReference: 'group:*string kind:*string name:*string namespace:*string port:*int32',
  HTTPBackendRef: `group:*string kind:*string name:*string namespace:*string port:*int32 weight:*int32
    filters:[]HTTPRouteFilter`,
  HTTPRouteTimeouts: 'request:*string backendRequest:*string',
  HTTPRouteRetry: 'codes:[]int32 attempts:*int32 backoff:*string',
  RouteSessionPersistence:
    'sessionName:*string absoluteTimeout:*string idleTimeout:*string type:*string cookieConfig:any',

  GRPCRoute: 'metadata:ObjectMeta spec:GRPCRouteSpec status:any',
  GRPCRouteSpec:
    'parentRefs:[]RouteParentReference hostnames:[]string rules:[]GRPCRouteRule useDefaultGateways:*string',
  GRPCRouteRule: `name:*string matches:[]GRPCRouteMatch filters:[]GRPCRouteFilter backendRefs:[]GRPCBackendRef
    sessionPersistence:*RouteSessionPersistence`,
  GRPCRouteMatch: 'method:*GRPCMethodMatch headers:[]HTTPValueMatch',
  GRPCMethodMatch: 'type:*string service:*string method:*string',
  GRPCRouteFilter: `type:*string requestHeaderModifier:*HTTPHeaderFilter responseHeaderModifier:*HTTPHeaderFilter
    requestMirror:*HTTPRequestMirror extensionRef:*GatewayLocalReference`,
  GRPCBackendRef: `group:*string kind:*string name:*string namespace:*string port:*int32 weight:*int32
    filters:[]GRPCRouteFilter`,

  TLSRoute: 'metadata:ObjectMeta spec:StreamRouteSpec status:any',
  TCPRoute: 'metadata:ObjectMeta spec:PlainStreamRouteSpec status:any',
  UDPRoute: 'metadata:ObjectMeta spec:PlainStreamRouteSpec status:any',
  StreamRouteSpec:
    'parentRefs:[]RouteParentReference hostnames:[]string rules:[]StreamRouteRule useDefaultGateways:*string',
  PlainStreamRouteSpec: 'parentRefs:[]RouteParentReference rules:[]StreamRouteRule useDefaultGateways:*string',
  StreamRouteRule: 'name:*string backendRefs:[]WeightedBackendRef',
  WeightedBackendRef: 'group:*string kind:*string name:*string namespace:*string port:*int32 weight:*int32',

  ReferenceGrant: 'metadata:ObjectMeta spec:ReferenceGrantSpec',
  ReferenceGrantSpec: 'from:[]ReferenceGrantFrom to:[]ReferenceGrantTo',
  ReferenceGrantFrom: 'group:*string kind:*string namespace:*string',
  ReferenceGrantTo: 'group:*string kind:*string name:*string',

  BackendTLSPolicy: 'metadata:ObjectMeta spec:BackendTLSPolicySpec status:any',
  BackendTLSPolicySpec: 'targetRefs:[]PolicyTargetReference validation:*BackendTLSValidation options:map[string]',
  PolicyTargetReference: 'group:*string kind:*string name:*string sectionName:*string',
  BackendTLSValidation: `caCertificateRefs:[]GatewayLocalReference wellKnownCACertificates:*string hostname:*string
    subjectAltNames:[]SubjectAltName`,
  SubjectAltName: 'type:*string hostname:*string uri:*string',
};

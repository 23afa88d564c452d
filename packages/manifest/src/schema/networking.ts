import type { StructTable } from './type.ts';

/** networking.k8s.io/v1. */
export const NETWORKING: StructTable = {
  Ingress: 'metadata:ObjectMeta spec:IngressSpec status:IngressStatus',
  IngressSpec: 'ingressClassName:*string defaultBackend:*IngressBackend tls:[]IngressTLS rules:[]IngressRule',
  IngressBackend: 'service:*IngressServiceBackend resource:*TypedLocalObjectReference',
  IngressServiceBackend: 'name! port:ServiceBackendPort',
  ServiceBackendPort: 'name number:int32',
  IngressTLS: 'hosts:[]string secretName',
  IngressRule: 'host http:*HTTPIngressRuleValue@IngressRuleValue',
  HTTPIngressRuleValue: 'paths:[]HTTPIngressPath!',
  HTTPIngressPath: 'path pathType:*string! backend:IngressBackend',
  IngressStatus: 'loadBalancer:IngressLoadBalancerStatus',
  IngressLoadBalancerStatus: 'ingress:[]IngressLoadBalancerIngress',
  IngressLoadBalancerIngress: 'ip hostname ports:[]PortStatus',

  IngressClass: 'metadata:ObjectMeta spec:IngressClassSpec',
  IngressClassSpec: 'controller parameters:*IngressClassParametersReference',
  IngressClassParametersReference: 'apiGroup:*string kind! name! scope:*string namespace:*string',

  NetworkPolicy: 'metadata:ObjectMeta spec:NetworkPolicySpec',
  NetworkPolicySpec: `podSelector:LabelSelector ingress:[]NetworkPolicyIngressRule egress:[]NetworkPolicyEgressRule
    policyTypes:[]string`,
  NetworkPolicyIngressRule: 'ports:[]NetworkPolicyPort from:[]NetworkPolicyPeer',
  NetworkPolicyEgressRule: 'ports:[]NetworkPolicyPort to:[]NetworkPolicyPeer',
  NetworkPolicyPort: 'protocol:*string port:*IntOrString endPort:*int32',
  NetworkPolicyPeer: 'podSelector:*LabelSelector namespaceSelector:*LabelSelector ipBlock:*IPBlock',
  IPBlock: 'cidr! except:[]string',
};

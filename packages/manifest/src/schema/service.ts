import type { StructTable } from './type.ts';

/** Services and what stands behind them: core/v1 and discovery.k8s.io/v1. */
export const SERVICE: StructTable = {
  Service: 'metadata:ObjectMeta spec:ServiceSpec status:ServiceStatus',
  ServiceSpec: `ports:[]ServicePort selector:map[string] clusterIP clusterIPs:[]string type externalIPs:[]string
    sessionAffinity loadBalancerIP loadBalancerSourceRanges:[]string externalName externalTrafficPolicy
    healthCheckNodePort:int32 publishNotReadyAddresses:bool sessionAffinityConfig:*SessionAffinityConfig
    ipFamilies:[]string ipFamilyPolicy:*string allocateLoadBalancerNodePorts:*bool loadBalancerClass:*string
    internalTrafficPolicy:*string trafficDistribution:*string`,
  ServicePort: 'name protocol appProtocol:*string port:int32! targetPort:IntOrString! nodePort:int32',
  SessionAffinityConfig: 'clientIP:*ClientIPConfig',
  ClientIPConfig: 'timeoutSeconds:*int32',
  ServiceStatus: 'loadBalancer:LoadBalancerStatus conditions:[]Condition',
  LoadBalancerStatus: 'ingress:[]LoadBalancerIngress',
  LoadBalancerIngress: 'ip hostname ipMode:*string ports:[]PortStatus',
  PortStatus: 'port:int32! protocol! error:*string',

  Endpoints: 'metadata:ObjectMeta subsets:[]EndpointSubset',
  EndpointSubset: 'addresses:[]EndpointAddress notReadyAddresses:[]EndpointAddress ports:[]EndpointsPort',
  EndpointAddress: 'ip! hostname nodeName:*string targetRef:*ObjectReference',
  EndpointsPort: 'name port:int32! protocol appProtocol:*string',

  EndpointSlice: 'metadata:ObjectMeta addressType! endpoints:[]Endpoint! ports:[]EndpointPort!',
  Endpoint: `addresses:[]string! conditions:EndpointConditions hostname:*string targetRef:*ObjectReference
    deprecatedTopology:map[string] nodeName:*string zone:*string hints:*EndpointHints`,
  EndpointConditions: 'ready:*bool serving:*bool terminating:*bool',
  EndpointHints: 'forZones:[]ForZone forNodes:[]ForNode',
  ForZone: 'name!',
  ForNode: 'name!',
  EndpointPort: 'name:*string protocol:*string port:*int32 appProtocol:*string',
};

import type { StructTable } from './type.ts';

/** Namespace and Node, and small objects that other objects refer to. */
export const CLUSTER: StructTable = {
  Namespace: 'metadata:ObjectMeta spec:NamespaceSpec status:NamespaceStatus',
  NamespaceSpec: 'finalizers:[]string',
  NamespaceStatus: 'phase conditions:[]NamespaceCondition',
  NamespaceCondition: 'type! status! lastTransitionTime:Time! reason message',

  Node: 'metadata:ObjectMeta spec:NodeSpec status:NodeStatus',
  NodeSpec: `podCIDR podCIDRs:[]string providerID unschedulable:bool taints:[]Taint configSource:*NodeConfigSource
    externalID`,
  NodeConfigSource: 'configMap:*ConfigMapNodeConfigSource',
  ConfigMapNodeConfigSource: 'namespace! name! uid resourceVersion kubeletConfigKey!',
  Taint: 'key! value effect! timeAdded:*Time',
  NodeStatus: `capacity:map[Quantity] allocatable:map[Quantity] phase conditions:[]NodeCondition addresses:[]NodeAddress
    daemonEndpoints:NodeDaemonEndpoints nodeInfo:NodeSystemInfo images:[]ContainerImage volumesInUse:[]string
    volumesAttached:[]AttachedVolume config:*NodeConfigStatus runtimeHandlers:[]NodeRuntimeHandler features:*NodeFeatures
    declaredFeatures:[]string`,
  NodeCondition: 'type! status! lastHeartbeatTime:Time! lastTransitionTime:Time! reason message',
  NodeAddress: 'type! address!',
  NodeDaemonEndpoints: 'kubeletEndpoint:DaemonEndpoint',
  DaemonEndpoint: 'Port:int32!',
  NodeSystemInfo: `machineID! systemUUID! bootID! kernelVersion! osImage! containerRuntimeVersion! kubeletVersion!
    kubeProxyVersion! operatingSystem! architecture! swap:*NodeSwapStatus`,
  NodeSwapStatus: 'capacity:*int64',
  ContainerImage: 'names:[]string! sizeBytes:int64',
  AttachedVolume: 'name! devicePath!',
  NodeConfigStatus: 'assigned:*NodeConfigSource active:*NodeConfigSource lastKnownGood:*NodeConfigSource error',
  NodeRuntimeHandler: 'name! features:*NodeRuntimeHandlerFeatures',
  NodeRuntimeHandlerFeatures: 'recursiveReadOnlyMounts:*bool userNamespaces:*bool',
  NodeFeatures: 'supplementalGroupsPolicy:*bool',

  ConfigMap: 'metadata:ObjectMeta immutable:*bool data:map[string] binaryData:map[bytes]',
  Secret: 'metadata:ObjectMeta immutable:*bool data:map[bytes] stringData:map[string] type',
  ServiceAccount: `metadata:ObjectMeta secrets:[]ObjectReference imagePullSecrets:[]LocalObjectReference
    automountServiceAccountToken:*bool`,

  Role: 'metadata:ObjectMeta rules:[]PolicyRule!',
  ClusterRole: 'metadata:ObjectMeta rules:[]PolicyRule! aggregationRule:*AggregationRule',
  PolicyRule: 'verbs:[]string! apiGroups:[]string resources:[]string resourceNames:[]string nonResourceURLs:[]string',
  AggregationRule: 'clusterRoleSelectors:[]LabelSelector',
  RoleBinding: 'metadata:ObjectMeta subjects:[]Subject roleRef:RoleRef',
  ClusterRoleBinding: 'metadata:ObjectMeta subjects:[]Subject roleRef:RoleRef',
  Subject: 'kind! apiGroup name! namespace',
  RoleRef: 'apiGroup! kind! name!',
};

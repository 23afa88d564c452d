import type { StructTable } from './type.ts';

const CONTAINER = `name! image command:[]string args:[]string workingDir ports:[]ContainerPort envFrom:[]EnvFromSource
  env:[]EnvVar resources:ResourceRequirements resizePolicy:[]ContainerResizePolicy restartPolicy:*string
  restartPolicyRules:[]ContainerRestartRule volumeMounts:[]VolumeMount volumeDevices:[]VolumeDevice livenessProbe:*Probe
  readinessProbe:*Probe startupProbe:*Probe lifecycle:*Lifecycle terminationMessagePath terminationMessagePolicy
  imagePullPolicy securityContext:*SecurityContext stdin:bool stdinOnce:bool tty:bool`;

/** Pods, their templates and their status: core/v1. Volumes are in volume.ts. */
export const POD: StructTable = {
  Pod: 'metadata:ObjectMeta spec:PodSpec status:PodStatus',
  PodTemplate: 'metadata:ObjectMeta template:PodTemplateSpec',
  PodTemplateSpec: 'metadata:ObjectMeta spec:PodSpec',
  PodSpec: `volumes:[]Volume initContainers:[]Container containers:[]Container! ephemeralContainers:[]EphemeralContainer
    restartPolicy terminationGracePeriodSeconds:*int64 activeDeadlineSeconds:*int64 dnsPolicy nodeSelector:map[string]
    serviceAccountName serviceAccount automountServiceAccountToken:*bool nodeName hostNetwork:bool hostPID:bool
    hostIPC:bool shareProcessNamespace:*bool securityContext:*PodSecurityContext imagePullSecrets:[]LocalObjectReference
    hostname subdomain affinity:*Affinity schedulerName tolerations:[]Toleration hostAliases:[]HostAlias
    priorityClassName priority:*int32 dnsConfig:*PodDNSConfig readinessGates:[]PodReadinessGate runtimeClassName:*string
    enableServiceLinks:*bool preemptionPolicy:*string overhead:map[Quantity]
    topologySpreadConstraints:[]TopologySpreadConstraint setHostnameAsFQDN:*bool os:*PodOS hostUsers:*bool
    schedulingGates:[]PodSchedulingGate resourceClaims:[]PodResourceClaim resources:*ResourceRequirements
    hostnameOverride:*string workloadRef:*WorkloadReference`,
  WorkloadReference: 'name! podGroup! podGroupReplicaKey',
  Container: CONTAINER,
  EphemeralContainer: `${CONTAINER} targetContainerName`,
  ContainerPort: 'name hostPort:int32 containerPort:int32! protocol hostIP',
  ContainerResizePolicy: 'resourceName! restartPolicy!',
  ContainerRestartRule: 'action! exitCodes:*ContainerRestartRuleOnExitCodes',
  ContainerRestartRuleOnExitCodes: 'operator! values:[]int32',
  EnvVar: 'name! value valueFrom:*EnvVarSource',
  EnvVarSource: `fieldRef:*ObjectFieldSelector resourceFieldRef:*ResourceFieldSelector
    configMapKeyRef:*ConfigMapKeySelector secretKeyRef:*SecretKeySelector fileKeyRef:*FileKeySelector`,
  ObjectFieldSelector: 'apiVersion fieldPath!',
  ResourceFieldSelector: 'containerName resource! divisor:Quantity',
  ConfigMapKeySelector: 'name key! optional:*bool',
  SecretKeySelector: 'name key! optional:*bool',
  FileKeySelector: 'volumeName! path! key! optional:*bool',
  EnvFromSource: 'prefix configMapRef:*ConfigMapEnvSource secretRef:*SecretEnvSource',
  ConfigMapEnvSource: 'name optional:*bool',
  SecretEnvSource: 'name optional:*bool',
  ResourceRequirements: 'limits:map[Quantity] requests:map[Quantity] claims:[]ResourceClaim',
  ResourceClaim: 'name! request',
  Lifecycle: 'postStart:*LifecycleHandler preStop:*LifecycleHandler stopSignal:*string',
  LifecycleHandler: 'exec:*ExecAction httpGet:*HTTPGetAction tcpSocket:*TCPSocketAction sleep:*SleepAction',
  ExecAction: 'command:[]string',
  HTTPGetAction: 'path port:IntOrString! host scheme httpHeaders:[]HTTPHeader',
  HTTPHeader: 'name! value!',
  TCPSocketAction: 'port:IntOrString! host',
  SleepAction: 'seconds:int64!',
  GRPCAction: 'port:int32! service:*string!',
  Probe: `exec:*ExecAction@ProbeHandler httpGet:*HTTPGetAction@ProbeHandler tcpSocket:*TCPSocketAction@ProbeHandler
    grpc:*GRPCAction@ProbeHandler initialDelaySeconds:int32
    timeoutSeconds:int32 periodSeconds:int32 successThreshold:int32 failureThreshold:int32
    terminationGracePeriodSeconds:*int64`,
  VolumeMount: 'name! readOnly:bool recursiveReadOnly:*string mountPath! subPath mountPropagation:*string subPathExpr',
  VolumeDevice: 'name! devicePath!',
  SecurityContext: `capabilities:*Capabilities privileged:*bool seLinuxOptions:*SELinuxOptions
    windowsOptions:*WindowsSecurityContextOptions runAsUser:*int64 runAsGroup:*int64 runAsNonRoot:*bool
    readOnlyRootFilesystem:*bool allowPrivilegeEscalation:*bool procMount:*string seccompProfile:*SeccompProfile
    appArmorProfile:*AppArmorProfile`,
  Capabilities: 'add:[]string drop:[]string',
  SELinuxOptions: 'user role type level',
  WindowsSecurityContextOptions: `gmsaCredentialSpecName:*string gmsaCredentialSpec:*string runAsUserName:*string
    hostProcess:*bool`,
  SeccompProfile: 'type! localhostProfile:*string',
  AppArmorProfile: 'type! localhostProfile:*string',
  PodSecurityContext: `seLinuxOptions:*SELinuxOptions windowsOptions:*WindowsSecurityContextOptions runAsUser:*int64
    runAsGroup:*int64 runAsNonRoot:*bool supplementalGroups:[]int64 supplementalGroupsPolicy:*string fsGroup:*int64
    sysctls:[]Sysctl fsGroupChangePolicy:*string seccompProfile:*SeccompProfile appArmorProfile:*AppArmorProfile
    seLinuxChangePolicy:*string`,
  Sysctl: 'name! value!',
  Affinity: 'nodeAffinity:*NodeAffinity podAffinity:*PodAffinity podAntiAffinity:*PodAffinity',
  NodeAffinity: `requiredDuringSchedulingIgnoredDuringExecution:*NodeSelector
    preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm`,
  NodeSelector: 'nodeSelectorTerms:[]NodeSelectorTerm!',
  NodeSelectorTerm: 'matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement',
  NodeSelectorRequirement: 'key! operator! values:[]string',
  PreferredSchedulingTerm: 'weight:int32! preference:NodeSelectorTerm',
  PodAffinity: `requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm
    preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm`,
  PodAffinityTerm: `labelSelector:*LabelSelector namespaces:[]string topologyKey! namespaceSelector:*LabelSelector
    matchLabelKeys:[]string mismatchLabelKeys:[]string`,
  WeightedPodAffinityTerm: 'weight:int32! podAffinityTerm:PodAffinityTerm',
  Toleration: 'key operator value effect tolerationSeconds:*int64',
  HostAlias: 'ip! hostnames:[]string',
  PodDNSConfig: 'nameservers:[]string searches:[]string options:[]PodDNSConfigOption',
  PodDNSConfigOption: 'name value:*string',
  PodReadinessGate: 'conditionType!',
  TopologySpreadConstraint: `maxSkew:int32! topologyKey! whenUnsatisfiable! labelSelector:*LabelSelector
    minDomains:*int32 nodeAffinityPolicy:*string nodeTaintsPolicy:*string matchLabelKeys:[]string`,
  PodOS: 'name!',
  PodSchedulingGate: 'name!',
  PodResourceClaim: 'name! resourceClaimName:*string resourceClaimTemplateName:*string',

  PodStatus: `observedGeneration:int64 phase conditions:[]PodCondition message reason nominatedNodeName hostIP
    hostIPs:[]HostIP podIP podIPs:[]PodIP startTime:*Time initContainerStatuses:[]ContainerStatus
    containerStatuses:[]ContainerStatus qosClass ephemeralContainerStatuses:[]ContainerStatus resize
    resourceClaimStatuses:any extendedResourceClaimStatus:any allocatedResources:map[Quantity]
    resources:*ResourceRequirements`,
  PodCondition: 'type! observedGeneration:int64 status! lastProbeTime:Time! lastTransitionTime:Time! reason message',
  HostIP: 'ip!',
  PodIP: 'ip!',
  ContainerStatus: `name! state:ContainerState lastState:ContainerState ready:bool! restartCount:int32! image! imageID!
    containerID started:*bool allocatedResources:map[Quantity] resources:*ResourceRequirements volumeMounts:any user:any
    allocatedResourcesStatus:any stopSignal:*string`,
  ContainerState: 'waiting:any running:any terminated:any',

  ReplicationController: 'metadata:ObjectMeta spec:ReplicationControllerSpec status:ReplicationControllerStatus',
  ReplicationControllerSpec: 'replicas:*int32 minReadySeconds:int32 selector:map[string] template:*PodTemplateSpec',
  ReplicationControllerStatus: `replicas:int32! fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32
    observedGeneration:int64 conditions:[]WorkloadCondition`,
  WorkloadCondition: 'type! status! lastTransitionTime:Time! reason message',
};

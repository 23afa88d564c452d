/** What kubectl knows of a kind: its names, its group, whether it lives in a namespace. */
export interface KindInfo {
  readonly kind: string;
  /** Empty for the core group. */
  readonly group: string;
  /** The version that clusters of today serve and store. */
  readonly version: string;
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
}

/** kind, plural, short names; `*` marks kinds of the whole cluster. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  v1: [
    'Binding bindings',
    'ComponentStatus* componentstatuses cs',
    'ConfigMap configmaps cm',
    'Endpoints endpoints ep',
    'Event events ev',
    'LimitRange limitranges limits',
    'Namespace* namespaces ns',
    'Node* nodes no',
    'PersistentVolume* persistentvolumes pv',
    'PersistentVolumeClaim persistentvolumeclaims pvc',
    'Pod pods po',
    'PodTemplate podtemplates',
    'ReplicationController replicationcontrollers rc',
    'ResourceQuota resourcequotas quota',
    'Secret secrets',
    'Service services svc',
    'ServiceAccount serviceaccounts sa',
  ],
  'admissionregistration.k8s.io/v1': [
    'MutatingWebhookConfiguration* mutatingwebhookconfigurations',
    'ValidatingAdmissionPolicy* validatingadmissionpolicies',
    'ValidatingAdmissionPolicyBinding* validatingadmissionpolicybindings',
    'ValidatingWebhookConfiguration* validatingwebhookconfigurations',
  ],
  'apiextensions.k8s.io/v1': ['CustomResourceDefinition* customresourcedefinitions crd crds'],
  'apiregistration.k8s.io/v1': ['APIService* apiservices'],
  'apps/v1': [
    'ControllerRevision controllerrevisions',
    'DaemonSet daemonsets ds',
    'Deployment deployments deploy',
    'ReplicaSet replicasets rs',
    'StatefulSet statefulsets sts',
  ],
  'autoscaling/v2': ['HorizontalPodAutoscaler horizontalpodautoscalers hpa'],
  'batch/v1': ['CronJob cronjobs cj', 'Job jobs'],
  'certificates.k8s.io/v1': ['CertificateSigningRequest* certificatesigningrequests csr'],
  'coordination.k8s.io/v1': ['Lease leases'],
  'discovery.k8s.io/v1': ['EndpointSlice endpointslices'],
  'events.k8s.io/v1': ['Event events ev'],
  'flowcontrol.apiserver.k8s.io/v1': [
    'FlowSchema* flowschemas',
    'PriorityLevelConfiguration* prioritylevelconfigurations',
  ],
  'networking.k8s.io/v1': [
    'IPAddress* ipaddresses ip',
    'Ingress ingresses ing',
    'IngressClass* ingressclasses',
    'NetworkPolicy networkpolicies netpol',
    'ServiceCIDR* servicecidrs',
  ],
  'node.k8s.io/v1': ['RuntimeClass* runtimeclasses'],
  'policy/v1': ['PodDisruptionBudget poddisruptionbudgets pdb'],
  'rbac.authorization.k8s.io/v1': [
    'ClusterRole* clusterroles',
    'ClusterRoleBinding* clusterrolebindings',
    'Role roles',
    'RoleBinding rolebindings',
  ],
  'resource.k8s.io/v1': [
    'DeviceClass* deviceclasses',
    'ResourceClaim resourceclaims',
    'ResourceClaimTemplate resourceclaimtemplates',
    'ResourceSlice* resourceslices',
  ],
  'scheduling.k8s.io/v1': ['PriorityClass* priorityclasses pc'],
  'storage.k8s.io/v1': [
    'CSIDriver* csidrivers',
    'CSINode* csinodes',
    'CSIStorageCapacity csistoragecapacities',
    'StorageClass* storageclasses sc',
    'VolumeAttachment* volumeattachments',
    'VolumeAttributesClass* volumeattributesclasses vac',
  ],
  // Kinds that are not Kubernetes' own, but that netsim knows by name.
  'gateway.networking.k8s.io/v1': [
    'BackendTLSPolicy backendtlspolicies btlspolicy',
    'GRPCRoute grpcroutes',
    'Gateway gateways gtw',
    'GatewayClass* gatewayclasses gc',
    'HTTPRoute httproutes',
    'ListenerSet listenersets lset',
    'ReferenceGrant referencegrants refgrant',
    'TLSRoute tlsroutes',
  ],
  'gateway.networking.k8s.io/v1alpha2': ['TCPRoute tcproutes', 'UDPRoute udproutes'],
};

/** Groups and versions that clusters serve or once served. Everything else with a dot is a custom resource. */
const SERVED_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '': ['v1'],
  'admissionregistration.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
  'apiextensions.k8s.io': ['v1', 'v1beta1'],
  'apiregistration.k8s.io': ['v1', 'v1beta1'],
  apps: ['v1', 'v1beta2', 'v1beta1'],
  'authentication.k8s.io': ['v1', 'v1beta1'],
  'authorization.k8s.io': ['v1', 'v1beta1'],
  autoscaling: ['v2', 'v1', 'v2beta2', 'v2beta1'],
  batch: ['v1', 'v1beta1', 'v2alpha1'],
  'certificates.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
  'coordination.k8s.io': ['v1', 'v1beta1', 'v1alpha2'],
  'discovery.k8s.io': ['v1', 'v1beta1'],
  'events.k8s.io': ['v1', 'v1beta1'],
  extensions: ['v1beta1'],
  'flowcontrol.apiserver.k8s.io': ['v1', 'v1beta3', 'v1beta2', 'v1beta1'],
  'gateway.networking.k8s.io': ['v1', 'v1beta1', 'v1alpha3', 'v1alpha2'],
  'networking.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
  'node.k8s.io': ['v1', 'v1beta1'],
  policy: ['v1', 'v1beta1'],
  'rbac.authorization.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
  'resource.k8s.io': ['v1', 'v1beta2', 'v1beta1', 'v1alpha3'],
  'scheduling.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
  'storage.k8s.io': ['v1', 'v1beta1', 'v1alpha1'],
};

const KINDS: readonly KindInfo[] = Object.entries(TABLE).flatMap(([apiVersion, lines]) =>
  lines.map((line) => {
    const [marked, plural, ...shortNames] = line.split(' ') as [string, string, ...string[]];
    const kind = marked.replace('*', '');
    const { group, version } = parseApiVersion(apiVersion);
    return {
      kind,
      group,
      version,
      apiVersion,
      plural,
      singular: kind.toLowerCase(),
      shortNames,
      namespaced: marked === kind,
    };
  }),
);

const BY_KIND = new Map<string, KindInfo>();
const BY_NAME = new Map<string, KindInfo>();
for (const info of KINDS) {
  if (!BY_KIND.has(info.kind)) BY_KIND.set(info.kind, info);
  for (const name of [info.plural, info.singular, ...info.shortNames]) {
    if (!BY_NAME.has(name)) BY_NAME.set(name, info);
  }
}

/** `apps/v1` into group and version; the core group is empty. */
export function parseApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/');
  return slash === -1
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/**
 * The kind that a user means: `Pod`, `pod`, `pods`, `po`, `deployments.apps`, `deployments.v1.apps`. Undefined where no
 * known kind has the name.
 */
export function kindInfo(kindOrAlias: string): KindInfo | undefined {
  const exact = BY_KIND.get(kindOrAlias);
  if (exact !== undefined) return exact;
  const [name, ...qualifiers] = kindOrAlias.toLowerCase().split('.') as [string, ...string[]];
  if (qualifiers.length === 0) return BY_NAME.get(name);
  const group = qualifiers.join('.');
  return KINDS.find(
    (info) =>
      (info.plural === name || info.singular === name || info.shortNames.includes(name)) &&
      (group === info.group || group === `${info.version}.${info.group}` || group === `${info.version}.`),
  );
}

/** Every kind that netsim knows by name, in the order of `kubectl api-resources`. */
export function knownKinds(): readonly KindInfo[] {
  return KINDS;
}

/** The versions of one of Kubernetes' own groups, newest first; undefined for groups of custom resources. */
export function groupVersions(group: string): readonly string[] | undefined {
  return Object.hasOwn(SERVED_VERSIONS, group) ? SERVED_VERSIONS[group] : undefined;
}

/** Names of Kubernetes' own groups. */
export function knownGroups(): readonly string[] {
  return Object.keys(SERVED_VERSIONS);
}

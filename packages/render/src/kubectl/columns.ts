import type {
  ConfigMap,
  Container,
  Deployment,
  EndpointSlice,
  Endpoints,
  Gateway,
  GatewayClass,
  KubeObject,
  Namespace,
  Node,
  Pod,
  PodTemplate,
  ReplicaSet,
  Route,
  Service,
} from '@netsim/manifest';
import { ageOf, humanDuration } from './age.ts';
import {
  firstThree,
  formatEndpoints,
  formatExternalIp,
  formatLabels,
  formatSelector,
  formatServicePorts,
  loadBalancerIps,
} from './format.ts';
import type {
  CronJob,
  DaemonSet,
  Ingress,
  IngressClass,
  Job,
  NetworkPolicy,
  ReplicationController,
  Secret,
  StatefulSet,
} from './kinds.ts';
import { summarizePod } from './pod-status.ts';

/** What a cell may depend on beside its object. */
export interface CellContext {
  /** `-o wide`. */
  readonly wide: boolean;
  /** Milliseconds since 1970, for ages. */
  readonly now: number;
}

/** A column of `kubectl get`. NAME is the first of every table and not listed. */
export interface Column<T extends KubeObject> {
  readonly title: string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
  cell(object: T, context: CellContext): string;
}

const age: Column<KubeObject> = {
  title: 'AGE',
  cell: ({ metadata }, { now }) => ageOf(metadata.creationTimestamp, now),
};

function column<T extends KubeObject>(title: string, cell: Column<T>['cell']): Column<T> {
  return { title, cell };
}
function wide<T extends KubeObject>(title: string, cell: Column<T>['cell']): Column<T> {
  return { title, wide: true, cell };
}
function orNone(text: string | undefined): string {
  return text === undefined || text === '' ? '<none>' : text;
}
function orUnknown(text: string | undefined): string {
  return text === undefined || text === '' ? '<unknown>' : text;
}
function count(value: number | undefined): string {
  return String(value ?? 0);
}

interface HasTemplate extends KubeObject {
  spec: { template: PodTemplate };
}
function containersOf({ spec }: HasTemplate): readonly Container[] {
  return spec.template.spec.containers;
}
const containerNames = wide<HasTemplate>('CONTAINERS', (o) =>
  containersOf(o)
    .map(({ name }) => name)
    .join(','),
);
const images = wide<HasTemplate>('IMAGES', (o) =>
  containersOf(o)
    .map(({ image = '' }) => image)
    .join(','),
);
const labelSelector = wide<KubeObject & { spec: { selector: Deployment['spec']['selector'] } }>('SELECTOR', (o) =>
  formatSelector(o.spec.selector),
);

const pod: readonly Column<Pod>[] = [
  column('READY', (o) => {
    const { ready, total } = summarizePod(o);
    return `${ready}/${total}`;
  }),
  column('STATUS', (o) => summarizePod(o).status),
  column('RESTARTS', (o, { now }) => {
    const { restarts, lastRestart } = summarizePod(o);
    return restarts > 0 && lastRestart !== undefined ? `${restarts} (${ageOf(lastRestart, now)} ago)` : count(restarts);
  }),
  age,
  wide('IP', (o) => orNone(o.status?.podIPs?.[0]?.ip ?? o.status?.podIP)),
  wide('NODE', (o) => orNone(o.spec.nodeName)),
  wide('NOMINATED NODE', (o) => orNone((o.status as { nominatedNodeName?: string } | undefined)?.nominatedNodeName)),
  wide('READINESS GATES', (o) => {
    const gates = o.spec.readinessGates ?? [];
    const passed = gates.filter(({ conditionType }) =>
      (o.status?.conditions ?? []).some((c) => c.type === conditionType && c.status === 'True'),
    );
    return gates.length === 0 ? '<none>' : `${passed.length}/${gates.length}`;
  }),
];

const service: readonly Column<Service>[] = [
  column('TYPE', (o) => o.spec.type ?? 'ClusterIP'),
  column('CLUSTER-IP', (o) => orNone(o.spec.clusterIPs?.[0] ?? o.spec.clusterIP)),
  column('EXTERNAL-IP', (o, context) => formatExternalIp(o, context.wide)),
  column('PORT(S)', formatServicePorts),
  age,
  wide('SELECTOR', (o) => formatLabels(o.spec.selector)),
];

const endpoints: readonly Column<Endpoints>[] = [column('ENDPOINTS', formatEndpoints), age];

const endpointSlice: readonly Column<EndpointSlice>[] = [
  column('ADDRESSTYPE', (o) => o.addressType),
  column('PORTS', (o) =>
    firstThree(
      (o.ports ?? []).map(({ port, name }) => (port === undefined || port === null ? (name ?? '*') : String(port))),
      '<unset>',
    ),
  ),
  column('ENDPOINTS', (o) =>
    firstThree(
      (o.endpoints ?? []).flatMap(({ addresses }) => addresses),
      '<unset>',
    ),
  ),
  age,
];

const deployment: readonly Column<Deployment>[] = [
  column('READY', (o) => `${count(o.status?.readyReplicas)}/${count(o.spec.replicas ?? 1)}`),
  column('UP-TO-DATE', (o) => count(o.status?.updatedReplicas)),
  column('AVAILABLE', (o) => count(o.status?.availableReplicas)),
  age,
  containerNames,
  images,
  labelSelector,
];

const replicaSet: readonly Column<ReplicaSet>[] = [
  column('DESIRED', (o) => count(o.spec.replicas ?? 1)),
  column('CURRENT', (o) => count(o.status?.replicas)),
  column('READY', (o) => count(o.status?.readyReplicas)),
  age,
  containerNames,
  images,
  labelSelector,
];

const replicationController: readonly Column<ReplicationController>[] = [
  column('DESIRED', (o) => count(o.spec.replicas ?? 1)),
  column('CURRENT', (o) => count(o.status?.replicas)),
  column('READY', (o) => count(o.status?.readyReplicas)),
  age,
  containerNames,
  images,
  wide('SELECTOR', (o) => formatLabels(o.spec.selector)),
];

const statefulSet: readonly Column<StatefulSet>[] = [
  column('READY', (o) => `${count(o.status?.readyReplicas)}/${count(o.spec.replicas ?? 1)}`),
  age,
  containerNames,
  images,
];

const daemonSet: readonly Column<DaemonSet>[] = [
  column('DESIRED', (o) => count(o.status?.desiredNumberScheduled)),
  column('CURRENT', (o) => count(o.status?.currentNumberScheduled)),
  column('READY', (o) => count(o.status?.numberReady)),
  column('UP-TO-DATE', (o) => count(o.status?.updatedNumberScheduled)),
  column('AVAILABLE', (o) => count(o.status?.numberAvailable)),
  column('NODE SELECTOR', (o) => formatLabels(o.spec.template.spec.nodeSelector)),
  age,
  containerNames,
  images,
  labelSelector,
];

/** Roles of a node by its labels, sorted. */
export function nodeRoles({ metadata }: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith('node-role.kubernetes.io/')) {
      const role = key.slice('node-role.kubernetes.io/'.length);
      if (role !== '') roles.add(role);
    } else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort();
}

function nodeAddress({ status }: Node, type: string): string {
  return orNone(status?.addresses?.find((address) => address.type === type)?.address);
}

const node: readonly Column<Node>[] = [
  column('STATUS', ({ spec, status }) => {
    const ready = (status?.conditions ?? []).find(({ type }) => type === 'Ready');
    const state = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
    return spec?.unschedulable === true ? `${state},SchedulingDisabled` : state;
  }),
  column('ROLES', (o) => orNone(nodeRoles(o).join(','))),
  age,
  column('VERSION', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
  wide('INTERNAL-IP', (o) => nodeAddress(o, 'InternalIP')),
  wide('EXTERNAL-IP', (o) => nodeAddress(o, 'ExternalIP')),
  wide('OS-IMAGE', ({ status }) => orUnknown(status?.nodeInfo?.osImage)),
  wide('KERNEL-VERSION', ({ status }) => {
    const { kernelVersion, architecture } = status?.nodeInfo ?? {};
    return kernelVersion && architecture ? `${kernelVersion} (${architecture})` : orUnknown(kernelVersion);
  }),
  wide('CONTAINER-RUNTIME', ({ status }) => orUnknown(status?.nodeInfo?.containerRuntimeVersion)),
];

const namespace: readonly Column<Namespace>[] = [column('STATUS', ({ status }) => status?.phase ?? 'Active'), age];
const configMap: readonly Column<ConfigMap>[] = [
  column('DATA', (o) => count(Object.keys(o.data ?? {}).length + Object.keys(binaryData(o)).length)),
  age,
];
function binaryData(object: KubeObject): object {
  return (object as { binaryData?: object }).binaryData ?? {};
}
const secret: readonly Column<Secret>[] = [
  column('TYPE', ({ type = 'Opaque' }) => type),
  column('DATA', ({ data = {} }) => count(Object.keys(data).length)),
  age,
];

const ingress: readonly Column<Ingress>[] = [
  column('CLASS', ({ spec, metadata }) =>
    orNone(spec.ingressClassName ?? metadata.annotations?.['kubernetes.io/ingress.class']),
  ),
  column('HOSTS', ({ spec }) => {
    const hosts = (spec.rules ?? []).map(({ host }) => host ?? '').filter((host) => host !== '');
    return hosts.length === 0 ? '*' : firstThree(hosts, '*');
  }),
  column('ADDRESS', ({ status }, context) => loadBalancerIps(status?.loadBalancer, context.wide)),
  column('PORTS', ({ spec }) => ((spec.tls ?? []).length > 0 ? '80, 443' : '80')),
  age,
];

const ingressClass: readonly Column<IngressClass>[] = [
  column('CONTROLLER', ({ spec }) => spec?.controller ?? ''),
  column('PARAMETERS', ({ spec }) => {
    const parameters = spec?.parameters;
    if (parameters === undefined) return '<none>';
    const group = parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`;
    return `${parameters.kind}${group}/${parameters.name}`;
  }),
  age,
];

const networkPolicy: readonly Column<NetworkPolicy>[] = [
  column('POD-SELECTOR', ({ spec }) => formatSelector(spec.podSelector)),
  age,
];

const job: readonly Column<Job>[] = [
  column('STATUS', ({ status }) => {
    const has = (type: string) => (status?.conditions ?? []).some((c) => c.type === type && c.status === 'True');
    return has('Complete') ? 'Complete' : has('Failed') ? 'Failed' : 'Running';
  }),
  column('COMPLETIONS', ({ spec, status }) => `${count(status?.succeeded)}/${spec.completions ?? 1}`),
  column('DURATION', ({ status }, { now }) => {
    if (status?.startTime === undefined) return '';
    const end = status.completionTime === undefined ? now : Date.parse(status.completionTime);
    return humanDuration(end - Date.parse(status.startTime));
  }),
  age,
  containerNames,
  images,
];

const cronJob: readonly Column<CronJob>[] = [
  column('SCHEDULE', ({ spec }) => spec.schedule),
  column('TIMEZONE', ({ spec }) => orNone(spec.timeZone)),
  column('SUSPEND', ({ spec }) => (spec.suspend === true ? 'True' : 'False')),
  column('ACTIVE', ({ status }) => count(status?.active?.length)),
  column('LAST SCHEDULE', ({ status }, { now }) =>
    status?.lastScheduleTime === undefined ? '<none>' : ageOf(status.lastScheduleTime, now),
  ),
  age,
];

/** The printer columns of the Gateway API's custom resource definitions; a field that is not there is an empty cell. */
type Conditioned = KubeObject & { status?: { conditions?: { type: string; status: string }[] } };
const conditionColumn = (type: string): Column<Conditioned> =>
  column(type.toUpperCase(), ({ status }) => status?.conditions?.find((one) => one.type === type)?.status ?? '');

const gatewayClass: readonly Column<GatewayClass>[] = [
  column('CONTROLLER', ({ spec }) => spec.controllerName),
  conditionColumn('Accepted'),
  age,
  wide('DESCRIPTION', ({ spec }) => spec.description ?? ''),
];

const gateway: readonly Column<Gateway>[] = [
  column('CLASS', ({ spec }) => spec.gatewayClassName),
  // Of several addresses the server's table has the first.
  column('ADDRESS', ({ status }) => status?.addresses?.[0]?.value ?? ''),
  conditionColumn('Programmed'),
  age,
];

const listenerSet: readonly Column<Conditioned>[] = [conditionColumn('Accepted'), conditionColumn('Programmed'), age];

const route: readonly Column<Route>[] = [
  column('HOSTNAMES', ({ spec }) => (spec.hostnames === undefined ? '' : JSON.stringify(spec.hostnames))),
  age,
];

/** A column whose cells are asked only for objects of its kind. */
type AnyColumn = Column<KubeObject>;

/** The columns of every kind's table. A kind that is not here has NAME and AGE. */
const tables = new Map<string, readonly AnyColumn[]>([
  ['Pod', pod as readonly AnyColumn[]],
  ['Service', service as readonly AnyColumn[]],
  ['Endpoints', endpoints as readonly AnyColumn[]],
  ['EndpointSlice', endpointSlice as readonly AnyColumn[]],
  ['Deployment', deployment as readonly AnyColumn[]],
  ['ReplicaSet', replicaSet as readonly AnyColumn[]],
  ['ReplicationController', replicationController as readonly AnyColumn[]],
  ['StatefulSet', statefulSet as readonly AnyColumn[]],
  ['DaemonSet', daemonSet as readonly AnyColumn[]],
  ['Node', node as readonly AnyColumn[]],
  ['Namespace', namespace as readonly AnyColumn[]],
  ['ConfigMap', configMap as readonly AnyColumn[]],
  ['Secret', secret as readonly AnyColumn[]],
  ['Ingress', ingress as readonly AnyColumn[]],
  ['IngressClass', ingressClass as readonly AnyColumn[]],
  ['NetworkPolicy', networkPolicy as readonly AnyColumn[]],
  ['Job', job as readonly AnyColumn[]],
  ['CronJob', cronJob as readonly AnyColumn[]],
  ['GatewayClass', gatewayClass as readonly AnyColumn[]],
  ['Gateway', gateway as readonly AnyColumn[]],
  ['ListenerSet', listenerSet as readonly AnyColumn[]],
  ['HTTPRoute', route as readonly AnyColumn[]],
  ['GRPCRoute', route as readonly AnyColumn[]],
]);

export function columnsOf(kind: string): readonly Column<KubeObject>[] {
  return tables.get(kind) ?? [age];
}

/** What the NAME column shows. */
export function nameOf(object: KubeObject): string {
  const isDefault = object.metadata.annotations?.['ingressclass.kubernetes.io/is-default-class'] === 'true';
  return object.kind === 'IngressClass' && isDefault ? `${object.metadata.name} (default)` : object.metadata.name;
}

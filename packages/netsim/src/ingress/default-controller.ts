import { givesLoadBalancerAddresses, internalIPs } from '@netsim/control';
import { gkeClassOf } from '@netsim/ingress';
import {
  type Ingress,
  type IngressClass,
  type KubeObject,
  loadManifests,
  type Node,
  type ObjectStore,
  type Pod,
} from '@netsim/manifest';
import { tryParseIp } from '@netsim/wire';
import { controllerOf, type KnownController, knownController } from './controllers.ts';
import { isGke } from './gke/load-balancers.ts';

/** On an Ingress, IngressClass or Gateway: `none` says that nobody serves it, and that no controller is to be made up. */
const CONTROLLER_ANNOTATION = 'netsim.dev/controller';

/** What the made objects say they come from, where an object's file is shown. */
const ORIGIN_FILE = 'netsim:ingress-controller';

const NGINX = 'k8s.io/ingress-nginx';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_CLASS = 'ingressclass.kubernetes.io/is-default-class';

export interface MadeController {
  readonly objects: readonly KubeObject[];
  /** One line for the user: what was made, and why. */
  readonly note: string;
}

/** True for an object that nobody is to serve. */
export function refusesController({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[CONTROLLER_ANNOTATION] === 'none';
}

/**
 * The ingress controllers that manifests with Ingresses leave out: one for each class whose controller is known, else
 * ingress-nginx. None where one of the manifests' pods is a controller, or an annotation says that there is none.
 */
export function defaultControllers(store: ObjectStore): MadeController[] {
  const onGke = isGke(store);
  const ingresses = store.list<Ingress>('Ingress').filter((each) => gkeClassOf(each, onGke) === undefined);
  const classes = store.list<IngressClass>('IngressClass');
  if (ingresses.length === 0 || [...ingresses, ...classes].some(refusesController)) return [];
  if (podTemplates(store).some((pod) => controllerOf(pod) !== undefined)) return [];
  const known = new Map<string, KnownController>();
  for (const { spec } of classes) {
    const found = knownController(spec.controller ?? '');
    if (found !== undefined) known.set(found.controller, found);
  }
  if (classes.length === 0) known.set(NGINX, knownController(NGINX)!);
  return [...known.values()].map((each) => made(store, each, ingresses, classes));
}

function made(
  store: ObjectStore,
  known: KnownController,
  ingresses: readonly Ingress[],
  classes: readonly IngressClass[],
): MadeController {
  const nginx = known.kind === 'ingress-nginx';
  const namespace = known.name;
  const name = nginx ? 'ingress-nginx-controller' : known.name;
  const classless = ingresses.some(
    ({ spec, metadata }) =>
      spec.ingressClassName === undefined && metadata.annotations?.[CLASS_ANNOTATION] === undefined,
  );
  const address = addressInStatus(store, ingresses);
  const provided = givesLoadBalancerAddresses(store);
  const type = provided || address !== undefined ? 'LoadBalancer' : 'NodePort';
  const needsClass = classes.length === 0;
  const text = manifests({
    namespace,
    name,
    image: nginx ? 'registry.k8s.io/ingress-nginx/controller:v1.12.1' : `${known.name}:latest`,
    controller: known.controller,
    type,
    address,
    provided,
    className: needsClass ? 'nginx' : undefined,
    isDefault: classless,
  });
  const { objects } = loadManifests([{ file: ORIGIN_FILE, text }], { namespace });
  const one = ingresses.length === 1 ? 'an Ingress' : `${ingresses.length} Ingresses`;
  const parts = [
    `the manifests have ${one} and no ingress controller: ${known.name} is added (Deployment and ${type} Service ${namespace}/${name}`,
    needsClass ? `, IngressClass nginx${classless ? ', which is the default class' : ''}` : '',
    ')',
    nginx ? '' : '; it is taken to route by the words of the Ingress API alone',
  ];
  return {
    objects: objects.filter(
      (object) => store.get(object.kind, object.metadata.namespace, object.metadata.name) === undefined,
    ),
    note: parts.join(''),
  };
}

/** A dump of a live cluster says where its Ingresses are reached; a node's own address is no load balancer's. */
function addressInStatus(store: ObjectStore, ingresses: readonly Ingress[]): string | undefined {
  const nodes = new Set(store.list<Node>('Node').flatMap((node) => internalIPs(node)));
  return ingresses
    .flatMap(({ status }) => status?.loadBalancer?.ingress ?? [])
    .flatMap(({ ip }) => (ip === undefined || tryParseIp(ip) === undefined || nodes.has(ip) ? [] : [ip]))[0];
}

/** Pods that are there, and those that workloads are going to make. */
export function podTemplates(store: ObjectStore): Pod[] {
  const templates = ['Deployment', 'DaemonSet', 'ReplicaSet', 'StatefulSet', 'ReplicationController'].flatMap((kind) =>
    store.list<KubeObject & { spec: { template?: Pod } }>(kind).flatMap(({ metadata, spec: { template } }) => {
      if (template === undefined) return [];
      const { namespace, name } = metadata;
      return [
        {
          ...template,
          metadata: { ...(template.metadata ?? { name }), ...(namespace === undefined ? {} : { namespace }) },
        },
      ];
    }),
  );
  return [...store.list<Pod>('Pod'), ...templates];
}

interface Names {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly controller: string;
  readonly type: 'LoadBalancer' | 'NodePort';
  /** The address that the Ingresses have had. */
  readonly address: string | undefined;
  /** Somebody gives addresses to load balancers. */
  readonly provided: boolean;
  readonly className: string | undefined;
  readonly isDefault: boolean;
}

/** As the project's own `deploy.yaml` sets it up: for clouds a load balancer with externalTrafficPolicy Local, for bare metal a NodePort. */
function manifests({
  namespace,
  name,
  image,
  controller,
  type,
  address,
  provided,
  className,
  isDefault,
}: Names): string {
  const labels = `{ app.kubernetes.io/name: ${namespace}, app.kubernetes.io/component: controller }`;
  const ingressClass = `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: ${className}${isDefault ? `\n  annotations: { ${DEFAULT_CLASS}: "true" }` : ''}
spec: { controller: ${controller} }
`;
  return `apiVersion: v1
kind: Namespace
metadata: { name: ${namespace} }
${className === undefined ? '' : ingressClass}---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace}, labels: ${labels} }
spec:
  selector: { matchLabels: ${labels} }
  template:
    metadata: { labels: ${labels} }
    spec:
      containers:
      - name: controller
        image: ${image}
        args:
        - /nginx-ingress-controller
        - --controller-class=${controller}
        - --ingress-class=nginx
        - --configmap=$(POD_NAMESPACE)/${name}
        ${type === 'LoadBalancer' ? `- --publish-service=$(POD_NAMESPACE)/${name}` : ''}
        ports:
        - { name: http, containerPort: 80 }
        - { name: https, containerPort: 443 }
        readinessProbe:
          httpGet: { path: /healthz, port: 10254 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace}, labels: ${labels} }
spec:
  type: ${type}
  ${type === 'LoadBalancer' ? 'externalTrafficPolicy: Local' : ''}
  ${provided && address !== undefined ? `loadBalancerIP: ${address}` : ''}
  selector: ${labels}
  ports:
  - { name: http, port: 80, targetPort: http, appProtocol: http }
  - { name: https, port: 443, targetPort: https, appProtocol: https }
${provided || address === undefined ? '' : `status: { loadBalancer: { ingress: [{ ip: ${address} }] } }\n`}`;
}

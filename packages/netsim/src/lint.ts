import type { Finding, KubeObject, ObjectStore, Path, Pod, Service } from '@netsim/manifest';
import { matchesLabels, nearest } from '@netsim/manifest';
import { findingOf } from './finding.ts';
import { LISTEN_ANNOTATION, type PodListener, podListeners, START_DELAY_ANNOTATION, startDelay } from './listeners.ts';

/** Findings that need to know what listens: a port taken twice in a pod, a target port where nobody is, an annotation that cannot be read. */
export function lintListeners(store: ObjectStore): Finding[] {
  const findings: Finding[] = [];
  // Pods made from one template would say the same many times: the first speaks for all.
  const told = new Set<string>();
  for (const pod of store.list<Pod>('Pod')) {
    const owner = pod.metadata.ownerReferences?.[0]?.uid;
    if (owner !== undefined && told.has(owner)) continue;
    const found = [...lintPod(pod)];
    if (found.length > 0 && owner !== undefined) told.add(owner);
    findings.push(...found);
  }
  const labels = new LabelIndex(store.list<Pod>('Pod'));
  for (const service of store.list<Service>('Service')) findings.push(...lintService(service, labels));
  for (const ingress of store.list('Ingress')) findings.push(...lintIngress(ingress, store));
  for (const policy of store.list('NetworkPolicy')) findings.push(lintPolicy(policy));
  return findings;
}

function* lintPod(pod: Pod): Generator<Finding> {
  const { listeners, errors } = podListeners(pod);
  for (const entry of errors) {
    yield findingOf(
      pod,
      'bad-listen-annotation',
      ['metadata', 'annotations', LISTEN_ANNOTATION],
      `annotation ${LISTEN_ANNOTATION}: ${JSON.stringify(entry)} is no port`,
      'write 8080, 127.0.0.1:8080, 53/udp or container=9090',
    );
  }
  const delay = pod.metadata.annotations?.[START_DELAY_ANNOTATION];
  if (delay !== undefined && startDelay(pod) === 0 && !/^0+(ms|s|m|h)$/.test(delay)) {
    yield findingOf(
      pod,
      'bad-start-delay',
      ['metadata', 'annotations', START_DELAY_ANNOTATION],
      `annotation ${START_DELAY_ANNOTATION}: ${JSON.stringify(delay)} is no duration`,
      'write 10s or 1m30s',
    );
  }
  const taken = new Map<string, PodListener>();
  for (const listener of listeners) {
    const key = `${listener.protocol}/${listener.port}`;
    const first = taken.get(key);
    if (first === undefined) {
      taken.set(key, listener);
      continue;
    }
    if (first.container === listener.container) continue;
    const index = pod.spec.containers.findIndex((container) => container.name === listener.container);
    yield findingOf(
      pod,
      'port-taken',
      ['spec', 'containers', index],
      `container "${listener.container}" cannot start: address already in use, port ${listener.port}/${listener.protocol} is taken by container "${first.container}" of the same pod`,
      'containers of a pod share one network namespace; give one of them another port',
    );
  }
}

/** Neither flannel nor the bridge plugin puts a policy in force, here as in a real cluster. */
function lintPolicy(policy: KubeObject): Finding {
  return findingOf(
    policy,
    'policy-not-enforced',
    ['spec'],
    'blocks nothing: flannel and the bridge plugin put no NetworkPolicy in force',
    'with a network that does (Calico, Cilium, kube-network-policies), paths shown here as open may be closed',
  );
}

/** Containers that lose the fight for a port: the kernel gives it to the first. */
export function losers(pod: Pod): ReadonlySet<PodListener> {
  const taken = new Set<string>();
  const lost = new Set<PodListener>();
  for (const listener of podListeners(pod).listeners) {
    const key = `${listener.protocol}/${listener.port}/${listener.address ?? ''}`;
    if (taken.has(key)) lost.add(listener);
    taken.add(key);
  }
  return lost;
}

/** Pods by namespace and label, so that the pods of a service are found without a look at all of them. */
class LabelIndex {
  readonly #byLabel = new Map<string, Pod[]>();

  constructor(pods: readonly Pod[]) {
    for (const pod of pods) {
      for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) {
        const label = `${pod.metadata.namespace}/${key}=${value}`;
        const others = this.#byLabel.get(label);
        if (others === undefined) this.#byLabel.set(label, [pod]);
        else others.push(pod);
      }
    }
  }

  /** Pods with all of these labels (at least one is asked for). */
  select(namespace: string | undefined, selector: Readonly<Record<string, string>>): Pod[] {
    let fewest: Pod[] | undefined;
    for (const [key, value] of Object.entries(selector)) {
      const pods = this.#byLabel.get(`${namespace}/${key}=${value}`) ?? [];
      if (fewest === undefined || pods.length < fewest.length) fewest = pods;
    }
    return (fewest ?? []).filter((pod) => matchesLabels(selector, pod.metadata.labels ?? {}));
  }
}

function* lintService(service: Service, labels: LabelIndex): Generator<Finding> {
  const { selector } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0) return;
  const pods = labels.select(service.metadata.namespace, selector);
  for (const [index, port] of (service.spec.ports ?? []).entries()) {
    const target = port.targetPort ?? port.port;
    if (typeof target !== 'number' || pods.length === 0) continue;
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    const deaf = pods.filter((pod) => {
      const { complete, listeners } = podListeners(pod);
      return complete && !listeners.some((listener) => listener.port === target && listener.protocol === protocol);
    });
    if (deaf.length === 0) continue;
    const listening = podListeners(deaf[0]!).listeners;
    const open = [...new Set(listening.filter((each) => each.protocol === protocol).map((each) => each.port))];
    const other = listening.find((each) => each.port === target);
    yield findingOf(
      service,
      'target-port-closed',
      ['spec', 'ports', index, port.targetPort === undefined ? 'port' : 'targetPort'],
      `targetPort ${protocol === 'tcp' ? target : `${target}/${protocol.toUpperCase()}`}: nothing listens there in ${deaf.length === pods.length ? 'any pod' : `${deaf.length} of ${pods.length} pods`} that the service selects`,
      suggestListener(other, open, protocol === 'tcp' ? `${target}` : `${target}/${protocol}`),
    );
  }
}

/** What to do about a target port where nobody listens. */
function suggestListener(other: PodListener | undefined, open: readonly number[], entry: string): string {
  if (other !== undefined) return `its listener is for ${other.protocol.toUpperCase()}`;
  if (open.length > 0) return `did you mean ${open.join(' or ')}?`;
  return `annotate the pods with ${LISTEN_ANNOTATION}: "${entry}" if they do`;
}

/** Backends of an Ingress whose service or port is not there: its controller answers 503 for them. */
function* lintIngress(ingress: KubeObject, store: ObjectStore): Generator<Finding> {
  const { namespace } = ingress.metadata;
  for (const { path, name, port } of ingressBackends(ingress)) {
    const service = store.get<Service>('Service', namespace, name);
    const at = [...path, 'service'];
    if (service === undefined) {
      const names = store.list('Service', namespace).map(({ metadata }) => metadata.name);
      const near = nearest(name, names);
      const known =
        names.length === 0 ? 'there is no service at all' : `its services are ${names.slice(0, 5).join(', ')}`;
      const hint = near === undefined ? known : `did you mean "${near}"?`;
      const message = `there is no service "${name}" in namespace "${namespace}"`;
      yield findingOf(ingress, 'unknown-service', [...at, 'name'], message, hint);
      continue;
    }
    const ports = service.spec.ports ?? [];
    if (port === undefined || ports.some((each) => each.port === port || each.name === port)) continue;
    const known = ports
      .map((each) => (each.name === undefined ? `${each.port}` : `${each.port} (${each.name})`))
      .join(', ');
    const message = `service "${name}" has no port ${JSON.stringify(port)}`;
    yield findingOf(
      ingress,
      'unknown-service-port',
      [...at, 'port'],
      message,
      `its ports: ${known === '' ? 'none' : known}`,
    );
  }
}

interface IngressBackend {
  readonly path: Path;
  readonly name: string;
  readonly port: string | number | undefined;
}

function ingressBackends({ spec }: KubeObject & { spec?: IngressSpec }): IngressBackend[] {
  const found: IngressBackend[] = [];
  const see = (backend: IngressSpec['defaultBackend'], path: Path) => {
    const { name, port } = backend?.service ?? {};
    if (name !== undefined) found.push({ path, name, port: port?.name ?? port?.number });
  };
  see(spec?.defaultBackend, ['spec', 'defaultBackend']);
  for (const [i, { http }] of (spec?.rules ?? []).entries()) {
    for (const [j, { backend }] of (http?.paths ?? []).entries()) {
      see(backend, ['spec', 'rules', i, 'http', 'paths', j, 'backend']);
    }
  }
  return found;
}

/** What is read of an Ingress here; it was checked before. */
interface IngressSpec {
  readonly defaultBackend?: { readonly service?: { readonly name?: string; readonly port?: ServicePortRef } };
  readonly rules?: readonly {
    readonly http?: { readonly paths?: readonly { readonly backend?: IngressSpec['defaultBackend'] }[] };
  }[];
}
interface ServicePortRef {
  readonly name?: string;
  readonly number?: number;
}

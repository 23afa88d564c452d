import {
  type AnyObject,
  Causes,
  checkClusterIPRanges,
  type EndpointSlice,
  type Endpoints,
  type Finding,
  nearest,
  type ObjectStore,
  ORIGIN,
  type Path,
  type Pod,
  type PodTemplate,
  type Service,
} from '@netsim/manifest';
import { formatPrefix } from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';
import { matchesLabels } from '../core/selector.ts';
import { findPort } from '../endpoints/pod-endpoint.ts';
import { serviceNameLabel } from '../endpoints/service-labels.ts';
import { podSelector } from '../endpoints/service-tracker.ts';
import { isTerminal } from '../kubelet/pod-status.ts';
import { clusterIPs, serviceFamilies } from '../services/service-families.ts';
import { findingAt, listOf, nameOf } from './finding-at.ts';

/** What is wrong with the services, by what the cluster has. */
export function serviceFindings(store: ObjectStore, config: ClusterConfig): Finding[] {
  const findings: Finding[] = [];
  const services = store.list<Service>('Service');
  const pods = new PodsByNamespace(store);
  const served = servedServices(store);
  for (const service of services) {
    findings.push(...selectorFindings(service, pods, served));
    findings.push(...addressFindings(service, config), ...ignoredFamilies(service));
  }
  findings.push(...clashes(services), ...portClashes(services, config), ...orphanEndpoints(store));
  return findings;
}

class PodsByNamespace {
  readonly store: ObjectStore;
  readonly #byPair = new Map<string, Map<string, Pod[]>>();

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** The pods of a namespace that have a label of this value. */
  withLabel(namespace: string, key: string, value: string): readonly Pod[] {
    return this.pairs(namespace).get(`${key}=${value}`) ?? [];
  }

  /** The pods of a namespace by `key=value`. */
  pairs(namespace: string): ReadonlyMap<string, Pod[]> {
    let pairs = this.#byPair.get(namespace);
    if (pairs === undefined) {
      pairs = new Map();
      for (const pod of this.store.list<Pod>('Pod', namespace)) {
        for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) {
          const list = pairs.get(`${key}=${value}`);
          if (list === undefined) pairs.set(`${key}=${value}`, [pod]);
          else list.push(pod);
        }
      }
      this.#byPair.set(namespace, pairs);
    }
    return pairs;
  }
}

const workloadKinds = [
  'StatefulSet',
  'DaemonSet',
  'ReplicationController',
  'Deployment',
  'ReplicaSet',
  'Job',
  'CronJob',
];

/** The workloads of a namespace that would make pods with these labels. */
export function workloadsWithLabels(
  store: ObjectStore,
  namespace: string,
  selector: Readonly<Record<string, string>>,
): AnyObject[] {
  return workloadKinds.flatMap((kind) =>
    store.list<AnyObject>(kind, namespace).filter(({ spec }) => {
      const labels = templateLabels(spec);
      return labels !== undefined && matchesLabels(selector, labels);
    }),
  );
}

/** What is wrong with the selector of one service, or with its target ports by name. */
export function selectorFinding(store: ObjectStore, service: Service): Finding | undefined {
  return selectorFindings(service, new PodsByNamespace(store), servedServices(store))[0];
}

interface MaybeTemplate {
  readonly template?: PodTemplate;
  readonly jobTemplate?: { readonly spec?: unknown };
}

function templateLabels(spec: unknown): Record<string, string> | undefined {
  if (typeof spec !== 'object' || spec === null) return undefined;
  const { template, jobTemplate }: MaybeTemplate = spec;
  return template === undefined ? templateLabels(jobTemplate?.spec) : (template.metadata?.labels ?? {});
}

/** Services that have endpoints, wherever these come from. */
function servedServices(store: ObjectStore): Set<string> {
  const served = new Set<string>();
  for (const { metadata, endpoints } of store.list<EndpointSlice>('EndpointSlice')) {
    const service = metadata.labels?.[serviceNameLabel];
    if (service !== undefined && (endpoints?.length ?? 0) > 0) served.add(`${metadata.namespace}/${service}`);
  }
  return served;
}

function selectorFindings(service: Service, pods: PodsByNamespace, served: ReadonlySet<string>): Finding[] {
  const selector = podSelector(service);
  const { namespace = 'default', name } = service.metadata;
  if (selector === undefined) return [];
  const [key, value] = Object.entries(selector)[0]!;
  const selected = pods.withLabel(namespace, key, value).filter((pod) => matchesLabels(selector, pod.metadata.labels));
  if (selected.length > 0) return targetPortFindings(service, selected);
  if (served.has(`${namespace}/${name}`) || workloadsWithLabels(pods.store, namespace, selector).length > 0) return [];
  const text = Object.entries(selector)
    .map((each) => each.join('='))
    .join(',');
  const pairs = pods.pairs(namespace);
  const wrong = Object.entries(selector).find(([each, wanted]) => !pairs.has(`${each}=${wanted}`));
  return [
    findingAt(service, ['spec', 'selector', ...(wrong === undefined ? [] : [wrong[0]])], {
      severity: 'warning',
      code: 'selector-matches-nothing',
      message: `${nameOf(service)}: selector "${text}" matches no pod in namespace "${namespace}"`,
      suggestion: elsewhere(pods.store, selector) ?? nearestLabels(wrong, pairs),
    }),
  ];
}

/** Other namespaces have such pods. */
function elsewhere(store: ObjectStore, selector: Readonly<Record<string, string>>): string | undefined {
  const found = store.list<Pod>('Pod').filter(({ metadata }) => matchesLabels(selector, metadata.labels ?? {}));
  const namespaces = [...new Set(found.map(({ metadata }) => metadata.namespace ?? 'default'))].sort();
  if (namespaces.length === 0) return undefined;
  return `such pods are in namespace ${listOf(namespaces.map((each) => JSON.stringify(each)))}: a service selects pods of its own namespace only`;
}

/** What the selector probably meant, from the first pair that no pod has. */
function nearestLabels(
  wrong: readonly [string, string] | undefined,
  pairs: ReadonlyMap<string, readonly Pod[]>,
): string | undefined {
  if (pairs.size === 0) return 'there are no pods with labels in this namespace';
  if (wrong === undefined) return 'each of these labels is on some pod, but no pod has all of them';
  const known = [...pairs.keys()].filter((pair) => !pair.startsWith('pod-template-hash='));
  const [key, value] = wrong;
  const values = known.filter((pair) => pair.startsWith(`${key}=`)).map((pair) => pair.slice(key.length + 1));
  const near = nearest(value, values);
  if (near !== undefined) return `did you mean "${key}: ${near}"?`;
  if (values.length > 0) return `pods have ${listOf(values.map((each) => `"${key}: ${each}"`))}`;
  const keys = [...new Set(known.map((pair) => pair.slice(0, pair.indexOf('='))))];
  const nearKey = nearest(key, keys) ?? keys.find((each) => pairs.has(`${each}=${value}`));
  if (nearKey !== undefined) return `did you mean the label "${nearKey}"?`;
  return `pods have ${listOf(known.map((pair) => `"${pair.replace('=', ': ')}"`))}`;
}

function targetPortFindings(service: Service, selected: readonly Pod[]): Finding[] {
  const findings: Finding[] = [];
  const pods = selected.filter((pod) => !isTerminal(pod));
  for (const [i, port] of (service.spec.ports ?? []).entries()) {
    if (typeof port.targetPort !== 'string' || pods.length === 0) continue;
    const missing = pods.filter((pod) => findPort(pod, port) === undefined);
    if (missing.length === 0) continue;
    const name = JSON.stringify(port.targetPort);
    const named = pods.flatMap(({ spec }) => spec.containers.flatMap(({ ports = [] }) => ports));
    const names = named.map((each) => each.name).filter((each) => each !== undefined);
    const near = nearest(port.targetPort, new Set(names));
    const protocol = port.protocol ?? 'TCP';
    const other = named.find((each) => each.name === port.targetPort && (each.protocol ?? 'TCP') !== protocol);
    const all = missing.length === pods.length;
    const what = `${protocol} container port named ${name}`;
    const message = all
      ? `${noneOf(pods.length)} a ${what}`
      : `${missing.length} of the ${pods.length} pods that it selects ${missing.length === 1 ? 'has' : 'have'} no ${what}: ${listOf(missing.map(({ metadata }) => metadata.name))}`;
    findings.push(
      findingAt(service, ['spec', 'ports', i, 'targetPort'], {
        severity: 'warning',
        code: all ? 'target-port-not-found' : 'target-port-not-in-all-pods',
        message: `${nameOf(service)}: ${message}`,
        suggestion: suggestPort(near, port.targetPort, other?.protocol ?? (other === undefined ? undefined : 'TCP')),
      }),
    );
  }
  return findings;
}

function noneOf(pods: number): string {
  return pods === 1 ? 'the pod that it selects does not have' : `none of the ${pods} pods that it selects has`;
}

function suggestPort(near: string | undefined, name: string, protocol: string | undefined): string | undefined {
  if (protocol !== undefined) return `a port of this name is there for ${protocol}`;
  return near === undefined || near === name ? undefined : `did you mean "${near}"?`;
}

function addressFindings(service: Service, config: ClusterConfig): Finding[] {
  const { spec } = service;
  if (spec.type === 'ExternalName') return [];
  const causes = new Causes();
  const ranges = config.serviceCIDRs.map(formatPrefix);
  const families = serviceFamilies(service, config).refused.map((cause) => ({ code: 'service-families', ...cause }));
  // The allocator is asked when the families are settled.
  if (families.length === 0) checkClusterIPRanges({ ...spec, clusterIPs: [...clusterIPs(service)] }, ranges, causes);
  const outside = causes.list.map((cause) => ({ code: 'service-ip-out-of-range', ...cause }));
  const findings = [...outside, ...families].map(({ code, path, field, message }) => {
    // A manifest has clusterIP; the list is the API server's doing.
    const at = field.startsWith('spec.clusterIPs') ? ['spec', 'clusterIP'] : path;
    return findingAt(service, at, { severity: 'error', code, message: `${nameOf(service)}: ${field}: ${message}` });
  });
  if (findings.length === 0 && clusterIPs(service).length === 0) {
    const message = `${nameOf(service)}: no free address is left in the service CIDR ${ranges.join(', ')}`;
    findings.push(findingAt(service, ['spec'], { severity: 'error', code: 'service-cidr-full', message }));
  }
  return findings;
}

/** Services that ask for an address that another one has. */
function clashes(services: readonly Service[]): Finding[] {
  const holders = new Map<string, Service>();
  const findings: Finding[] = [];
  // What a cluster makes of itself is there before any manifest.
  const inOrder = [
    ...services.filter((each) => each[ORIGIN] === undefined),
    ...services.filter((each) => each[ORIGIN]),
  ];
  for (const service of inOrder) {
    if (service.spec.type === 'ExternalName') continue;
    for (const ip of clusterIPs(service)) {
      if (ip === 'None') continue;
      const holder = holders.get(ip);
      if (holder === undefined) holders.set(ip, service);
      else {
        findings.push(
          findingAt(service, ['spec', 'clusterIP'], {
            severity: 'error',
            code: 'service-ip-clash',
            message: `${nameOf(service)}: spec.clusterIPs: Invalid value: ["${ip}"]: failed to allocate IP ${ip}: provided IP is already allocated; ${nameOf(holder)} has it`,
            suggestion: 'leave clusterIP out, and a free one is allocated',
          }),
        );
      }
    }
  }
  return findings;
}

interface AskedPort {
  readonly number: number;
  readonly path: Path;
  /** How the API server begins what it says. */
  readonly saying: string;
}

function askedPorts({ spec }: Service): AskedPort[] {
  const asked: AskedPort[] = [];
  for (const [i, { nodePort }] of (spec.ports ?? []).entries()) {
    if (!nodePort) continue;
    const saying = `spec.ports[${i}].nodePort: Invalid value: ${nodePort}:`;
    asked.push({ number: nodePort, path: ['spec', 'ports', i, 'nodePort'], saying });
  }
  const health = spec.healthCheckNodePort;
  if (health) {
    const saying = `spec.healthCheckNodePort: failed to allocate requested HealthCheck NodePort ${health}:`;
    asked.push({ number: health, path: ['spec', 'healthCheckNodePort'], saying });
  }
  return asked;
}

/** Node ports out of the range, or that something else has. The allocator of the API server knows numbers, not protocols. */
function portClashes(services: readonly Service[], { nodePortRange }: ClusterConfig): Finding[] {
  const holders = new Map<number, Service>();
  const findings: Finding[] = [];
  for (const service of services) {
    for (const { number, path, saying } of askedPorts(service)) {
      const { from, to } = nodePortRange;
      const holder = holders.get(number);
      const health = path[1] === 'healthCheckNodePort';
      if (number < from || number > to) {
        const message = `${nameOf(service)}: ${saying} provided port is not in the valid range. The range of valid ports is ${from}-${to}`;
        findings.push(findingAt(service, path, { severity: 'error', code: 'node-port-out-of-range', message }));
      } else if (holder !== undefined && (health || holder !== service)) {
        const message = `${nameOf(service)}: ${saying} provided port is already allocated; ${holder === service ? 'a port of the service itself' : nameOf(holder)} has it`;
        findings.push(findingAt(service, path, { severity: 'error', code: 'node-port-clash', message }));
      } else holders.set(number, service);
    }
  }
  return findings;
}

/** Addresses that kube-proxy leaves out, since the service has none of their family. */
function ignoredFamilies(service: Service): Finding[] {
  const { ipFamilies = [], loadBalancerSourceRanges: ranges = [], externalIPs = [], type } = service.spec;
  const findings: Finding[] = [];
  if (ipFamilies.length === 0 || type === 'ExternalName') return findings;
  const familyIn = (text: string) => (text.includes(':') ? 'IPv6' : 'IPv4');
  const tell = (path: Path, text: string, more: string) => {
    const message = `${nameOf(service)}: ${text} is ${familyIn(text)}, and the service has no ${familyIn(text)} address: kube-proxy leaves it out${more}`;
    findings.push(findingAt(service, path, { severity: 'warning', code: 'family-left-out', message }));
  };
  const open = ipFamilies.filter((family) => !ranges.some((range) => familyIn(range) === family));
  for (const [i, range] of ranges.entries()) {
    if (ipFamilies.includes(familyIn(range))) continue;
    const consequence = open.length === 0 ? '' : `; no range of ${open.join(', ')} is given, so anyone may enter`;
    tell(['spec', 'loadBalancerSourceRanges', i], range, consequence);
  }
  for (const [i, ip] of externalIPs.entries()) {
    if (!ipFamilies.includes(familyIn(ip))) tell(['spec', 'externalIPs', i], ip, '');
  }
  return findings;
}

/** Endpoints that no service uses: kube-proxy never sees them. */
function orphanEndpoints(store: ObjectStore): Finding[] {
  const findings: Finding[] = [];
  for (const endpoints of store.list<Endpoints>('Endpoints')) {
    const { namespace, name } = endpoints.metadata;
    if (store.get('Service', namespace, name) !== undefined) continue;
    const names = store.list('Service', namespace).map(({ metadata }) => metadata.name);
    const near = nearest(name, names);
    findings.push(
      findingAt(endpoints, ['metadata', 'name'], {
        severity: 'warning',
        code: 'endpoints-without-service',
        message: `${nameOf(endpoints)}: there is no service of this name in namespace "${namespace}", so nobody uses them`,
        suggestion: near === undefined ? undefined : `did you mean "${near}"?`,
      }),
    );
  }
  return findings;
}

import { dns1123LabelProblems, dns1123SubdomainProblems, portNameProblems, qualifiedNameProblems } from '../labels.ts';
import type { Container, ContainerPort, ObjectMeta, Pod, PodSpec, Probe } from '../objects.ts';
import { checkIp } from '../validate/address.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import {
  PROTOCOLS,
  subdomainName,
  validateLabels,
  validateMetadata,
  validateNonNegative,
  validatePortNumber,
  validatePortNumberOrName,
} from '../validate/common.ts';
import { TAINT_EFFECTS } from './cluster.ts';

/** The parts of a container that netsim does not read, but completes and checks. */
type FullContainer = Container & {
  imagePullPolicy?: string;
  terminationMessagePath?: string;
  terminationMessagePolicy?: string;
  restartPolicy?: string;
  env?: { name: string; valueFrom?: { fieldRef?: { apiVersion?: string } } }[];
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
  lifecycle?: { postStart?: Handler; preStop?: Handler };
  volumeMounts?: { name: string; mountPath: string }[];
};
type Handler = Pick<Probe, 'httpGet' | 'tcpSocket' | 'exec'> & { sleep?: { seconds: number } };
type FullSpec = PodSpec & {
  containers: FullContainer[];
  initContainers?: FullContainer[];
  securityContext?: object;
  schedulerName?: string;
  serviceAccount?: string;
  priority?: number;
  preemptionPolicy?: string;
  activeDeadlineSeconds?: number;
  volumes?: Volume[];
};
type Volume = { name: string } & Record<string, unknown>;

/** SetDefaults_PodSpec and what it calls: what pods and the templates of pods have in common. */
export function defaultPodSpec(podSpec: PodSpec): void {
  const spec = podSpec as FullSpec;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.restartPolicy ??= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ??= 'default-scheduler';
  if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

function defaultContainer(container: FullContainer): void {
  for (const port of container.ports ?? []) if ((port.protocol ?? '') === '') port.protocol = 'TCP';
  if (container.imagePullPolicy === undefined) {
    const image = container.image ?? '';
    const name = image.slice(image.lastIndexOf('/') + 1);
    const latest = image !== '' && !image.includes('@') && (!name.includes(':') || name.endsWith(':latest'));
    container.imagePullPolicy = latest ? 'Always' : 'IfNotPresent';
  }
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) defaultProbe(probe);
  }
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (handler !== undefined) defaultHttpGet(handler);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) valueFrom.fieldRef.apiVersion ??= 'v1';
  }
  const { limits, requests } = container.resources ?? {};
  if (limits !== undefined) container.resources!.requests = { ...limits, ...requests };
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ??= 1;
  probe.periodSeconds ??= 10;
  probe.successThreshold ??= 1;
  probe.failureThreshold ??= 3;
  defaultHttpGet(probe);
  const { grpc } = probe as { grpc?: { service?: string | null } };
  if (grpc !== undefined) grpc.service ??= '';
}

function defaultHttpGet({ httpGet }: Handler): void {
  if (httpGet === undefined) return;
  httpGet.path ??= '/';
  httpGet.scheme ??= 'HTTP';
}

const MODE_0644 = 0o644;

function defaultVolume(volume: Volume): void {
  const sources = Object.keys(volume).filter((key) => key !== 'name');
  if (sources.length === 0) volume.emptyDir = {};
  for (const name of ['configMap', 'secret', 'downwardAPI', 'projected']) {
    const source = volume[name] as { defaultMode?: number } | undefined;
    if (source !== undefined) source.defaultMode ??= MODE_0644;
  }
  const hostPath = volume.hostPath as { type?: string | null } | undefined;
  if (hostPath !== undefined) hostPath.type ??= '';
}

const NOT_READY = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const EVICTION_SECONDS = 300;

/** Defaults of a pod itself, with what the admission plugins Priority and DefaultTolerationSeconds add. */
export function defaultPod(pod: Pod): void {
  const spec = pod.spec as FullSpec;
  defaultPodSpec(spec);
  if (spec.hostNetwork === true) {
    for (const { ports = [] } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      for (const port of ports) if ((port.hostPort ?? 0) === 0) port.hostPort = port.containerPort;
    }
  }
  spec.enableServiceLinks ??= true;
  spec.priority ??= 0;
  spec.preemptionPolicy ??= 'PreemptLowerPriority';
  spec.tolerations ??= [];
  const { tolerations } = spec;
  for (const key of NOT_READY) {
    const tolerated = tolerations.some(
      (each) =>
        (each.key === key || (each.key ?? '') === '') && ((each.effect ?? '') === '' || each.effect === 'NoExecute'),
    );
    if (!tolerated)
      tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: EVICTION_SECONDS });
  }
  pod.status ??= {};
  const status: { phase?: string; qosClass?: string; conditions?: unknown } = pod.status;
  // Conditions without a phase are a wish of whoever wrote the manifest: the pod starts with them.
  if (status.conditions === undefined) status.phase ??= 'Pending';
  status.qosClass ??= qosClass(spec);
}

/** Guaranteed where every container limits cpu and memory to what it requests; BestEffort where none says anything. */
function qosClass(spec: FullSpec): string {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const named = containers.flatMap(({ resources }) => [resources?.requests ?? {}, resources?.limits ?? {}]);
  if (named.every((list) => list.cpu === undefined && list.memory === undefined)) return 'BestEffort';
  const guaranteed = containers.every(({ resources }) =>
    ['cpu', 'memory'].every((name) => {
      const limit = resources?.limits?.[name];
      return limit !== undefined && limit === resources?.requests?.[name];
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** ValidatePod. */
export function validatePod(pod: Pod, causes: Causes): void {
  validateMetadata(causes, pod.metadata, true, subdomainName);
  validatePodSpec(pod.spec, SPEC, causes);
}

/** ValidatePodTemplateSpec: the labels and annotations of a template, then its pod. */
export function validatePodTemplate(
  template: { metadata?: Partial<ObjectMeta>; spec: PodSpec },
  at: FieldPath,
  causes: Causes,
): void {
  const metadata = at.child('metadata');
  // The server leaves `metadata` out of these names.
  if (template.metadata?.labels) {
    validateLabels(causes, metadata.child('labels').shownAs(`${at}.labels`), template.metadata.labels);
  }
  for (const key of Object.keys(template.metadata?.annotations ?? {})) {
    causes.invalidEach(
      metadata.child('annotations').shownAs(`${at}.annotations`),
      key,
      qualifiedNameProblems(key.toLowerCase()),
    );
  }
  validatePodSpec(template.spec, at.child('spec'), causes);
}

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

function validatePodSpec(podSpec: PodSpec, at: FieldPath, causes: Causes): void {
  const spec = podSpec as FullSpec;
  const volumes = validateVolumes(spec.volumes ?? [], at.child('volumes'), causes);
  const names = new Set<string>();
  validateContainers(spec, spec.containers, at.child('containers'), names, volumes, causes);
  validateContainers(spec, spec.initContainers, at.child('initContainers'), names, volumes, causes);
  causes.oneOf(at.child('restartPolicy'), spec.restartPolicy, RESTART_POLICIES);
  validateDns(spec, at, causes);
  if (spec.nodeSelector !== undefined) validateLabels(causes, at.child('nodeSelector'), spec.nodeSelector);
  validateNonNegative(causes, at.child('terminationGracePeriodSeconds'), spec.terminationGracePeriodSeconds);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    causes.invalid(at.child('activeDeadlineSeconds'), deadline, 'must be between 1 and 2147483647, inclusive');
  }
  for (const name of ['serviceAccountName', 'nodeName'] as const) {
    const value = spec[name] ?? '';
    if (value !== '') causes.invalidEach(at.child(name), value, dns1123SubdomainProblems(value));
  }
  for (const name of ['hostname', 'subdomain'] as const) {
    const value = spec[name] ?? '';
    if (value !== '') causes.invalidEach(at.child(name), value, dns1123LabelProblems(value));
  }
  spec.hostAliases?.forEach(({ ip, hostnames = [] }, i) => {
    const here = at.child('hostAliases').index(i);
    checkIp(causes, here.child('ip'), ip);
    hostnames.forEach((hostname, j) => {
      causes.invalidEach(here.child('hostnames').index(j), hostname, dns1123SubdomainProblems(hostname));
    });
  });
  spec.readinessGates?.forEach(({ conditionType }, i) => {
    causes.invalidEach(
      at.child('readinessGates').index(i).child('conditionType'),
      conditionType,
      qualifiedNameProblems(conditionType),
    );
  });
  validateTolerations(spec, at.child('tolerations'), causes);
}

function validateDns(spec: FullSpec, at: FieldPath, causes: Causes): void {
  causes.oneOf(at.child('dnsPolicy'), spec.dnsPolicy, DNS_POLICIES);
  const config = spec.dnsConfig;
  const here = at.child('dnsConfig');
  if (spec.dnsPolicy === 'None') {
    if (config === undefined) {
      causes.required(here, 'must provide `dnsConfig` when `dnsPolicy` is None');
      return;
    }
    if ((config.nameservers ?? []).length === 0) {
      causes.required(here.child('nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None');
      return;
    }
  }
  if (config === undefined) return;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > 3)
    causes.invalid(here.child('nameservers'), nameservers, 'must not have more than 3 nameservers');
  nameservers.forEach((ip, i) => {
    checkIp(causes, here.child('nameservers').index(i), ip);
  });
  if (searches.length > 32) causes.invalid(here.child('searches'), searches, 'must not have more than 32 search paths');
  if (searches.join(' ').length > 2048)
    causes.invalid(here.child('searches'), searches, 'must not have more than 2048 characters');
  searches.forEach((search, i) => {
    if (search === '.') return;
    causes.invalidEach(here.child('searches').index(i), search, searchProblems(search.replace(/\.$/, '')));
  });
  options.forEach(({ name }, i) => {
    if ((name ?? '') === '') causes.required(here.child('options').index(i), 'must not be empty');
  });
}

/** Search paths may have underscores, which other names may not. */
function searchProblems(search: string): string[] {
  if (search.length > 253) return ['must be no more than 253 characters'];
  return /^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/.test(search)
    ? []
    : [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
      ];
}

function validateTolerations({ tolerations = [] }: FullSpec, at: FieldPath, causes: Causes): void {
  tolerations.forEach(({ key = '', operator = '', value = '', effect = '', tolerationSeconds }, i) => {
    const here = at.index(i);
    if (key !== '') causes.invalidEach(here.child('key'), key, qualifiedNameProblems(key));
    if (key === '' && operator !== 'Exists') {
      causes.invalid(
        here.child('operator'),
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      causes.invalid(here.child('effect'), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (operator === '' || operator === 'Equal') {
      if (!/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(value) || value.length > 63) {
        causes.invalid(
          here.child('operator'),
          value,
          'a valid label must be an empty string or consist of alphanumeric characters',
        );
      }
    } else if (operator === 'Exists') {
      if (value !== '')
        causes.invalid(
          here.child('operator'),
          { key, operator, value },
          "value must be empty when `operator` is 'Exists'",
        );
    } else causes.unsupported(here.child('operator'), operator, ['Equal', 'Exists']);
    if (effect !== '' && !TAINT_EFFECTS.includes(effect))
      causes.unsupported(here.child('effect'), effect, TAINT_EFFECTS);
  });
}

function validateVolumes(volumes: readonly Volume[], at: FieldPath, causes: Causes): Set<string> {
  const names = new Set<string>();
  volumes.forEach((volume, i) => {
    const here = at.index(i).child('name');
    const { name } = volume;
    if (name === '') causes.required(here);
    else {
      causes.invalidEach(here, name, dns1123LabelProblems(name));
      if (names.has(name)) causes.duplicate(here, name);
    }
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    for (const source of sources.slice(1))
      causes.forbidden(at.index(i).child(source), 'may not specify more than 1 volume type');
    names.add(name);
  });
  return names;
}

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];

function validateContainers(
  spec: FullSpec,
  containers: readonly FullContainer[] | null | undefined,
  at: FieldPath,
  names: Set<string>,
  volumes: ReadonlySet<string>,
  causes: Causes,
): void {
  const init = containers === spec.initContainers;
  if (!init && (containers ?? []).length === 0) {
    causes.required(at);
    return;
  }
  const hostPorts = new Set<string>();
  containers?.forEach((container, i) => {
    const here = at.index(i);
    const { name } = container;
    if (name === '') causes.required(here.child('name'));
    else {
      causes.invalidEach(here.child('name'), name, dns1123LabelProblems(name));
      if (names.has(name)) causes.duplicate(here.child('name'), name);
      names.add(name);
    }
    const image = container.image ?? '';
    if (image === '') causes.required(here.child('image'));
    else if (image.trim() !== image)
      causes.invalid(here.child('image'), image, 'must not have leading or trailing whitespace');
    validateContainerPorts(container.ports ?? [], here.child('ports'), spec.hostNetwork === true, hostPorts, causes);
    causes.oneOf(here.child('imagePullPolicy'), container.imagePullPolicy, PULL_POLICIES);
    container.env?.forEach((variable, j) => {
      if (variable.name === '') causes.required(here.child('env').index(j).child('name'));
    });
    container.volumeMounts?.forEach((mount, j) => {
      const mountAt = here.child('volumeMounts').index(j);
      if (mount.name === '') causes.required(mountAt.child('name'));
      else if (!volumes.has(mount.name)) causes.list.push(notFound(mountAt.child('name'), mount.name));
      if (mount.mountPath === '') causes.required(mountAt.child('mountPath'));
    });
    const sidecar = init && container.restartPolicy === 'Always';
    for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      const probe = container[kind];
      if (probe === undefined) continue;
      if (init && !sidecar)
        causes.forbidden(here.child(kind), 'may not be set for init containers without restartPolicy=Always');
      else validateProbe(probe, here.child(kind), kind, causes);
    }
    for (const kind of ['postStart', 'preStop'] as const) {
      const handler = container.lifecycle?.[kind];
      if (handler !== undefined) validateHandler(handler, here.child('lifecycle').child(kind), causes);
    }
  });
}

function notFound(at: FieldPath, value: string): Causes['list'][number] {
  return { type: 'invalid', field: at.toString(), path: at.path(), message: `Not found: ${JSON.stringify(value)}` };
}

function validateContainerPorts(
  ports: readonly ContainerPort[],
  at: FieldPath,
  hostNetwork: boolean,
  hostPorts: Set<string>,
  causes: Causes,
): void {
  const names = new Set<string>();
  ports.forEach(({ name = '', containerPort, hostPort = 0, hostIP = '', protocol }, i) => {
    const here = at.index(i);
    if (name !== '') {
      const problems = portNameProblems(name);
      causes.invalidEach(here.child('name'), name, problems);
      if (problems.length === 0) {
        if (names.has(name)) causes.duplicate(here.child('name'), name);
        names.add(name);
      }
    }
    if (containerPort === 0) causes.required(here.child('containerPort'));
    else validatePortNumber(causes, here.child('containerPort'), containerPort);
    if (hostPort !== 0) {
      validatePortNumber(causes, here.child('hostPort'), hostPort);
      if (hostNetwork && hostPort !== containerPort) {
        causes.invalid(here.child('containerPort'), containerPort, 'must match `hostPort` when `hostNetwork` is true');
      }
      const id = `${protocol}/${hostIP}/${hostPort}`;
      if (hostPorts.has(id)) causes.duplicate(here.child('hostPort'), id);
      hostPorts.add(id);
    }
    if (hostIP !== '') checkIp(causes, here.child('hostIP'), hostIP);
    causes.oneOf(here.child('protocol'), protocol, PROTOCOLS);
  });
}

const PROBE_SECONDS = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

function validateProbe(probe: Probe, at: FieldPath, kind: string, causes: Causes): void {
  validateHandler(probe, at, causes);
  for (const name of PROBE_SECONDS) validateNonNegative(causes, at.child(name), probe[name]);
  if (kind !== 'readinessProbe' && (probe.successThreshold ?? 1) !== 1) {
    causes.invalid(at.child('successThreshold'), probe.successThreshold, 'must be 1');
  }
}

function validateHandler(handler: Handler & Pick<Probe, 'grpc'>, at: FieldPath, causes: Causes): void {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  let first = true;
  const one = (name: string, check: () => void): void => {
    if (first) check();
    else causes.forbidden(at.child(name), 'may not specify more than 1 handler type');
    first = false;
  };
  if (exec !== undefined) {
    one('exec', () => {
      if ((exec.command ?? []).length === 0) causes.required(at.child('exec').child('command'));
    });
  }
  if (httpGet !== undefined) {
    one('httpGet', () => {
      const here = at.child('httpGet');
      if ((httpGet.path ?? '') === '') causes.required(here.child('path'));
      validatePortNumberOrName(causes, here.child('port'), httpGet.port);
      if (httpGet.scheme !== 'HTTP' && httpGet.scheme !== 'HTTPS')
        causes.unsupported(here.child('scheme'), httpGet.scheme, ['HTTP', 'HTTPS']);
    });
  }
  if (tcpSocket !== undefined) {
    one('tcpSocket', () => validatePortNumberOrName(causes, at.child('tcpSocket').child('port'), tcpSocket.port));
  }
  if (grpc !== undefined) one('grpc', () => validatePortNumber(causes, at.child('grpc').child('port'), grpc.port));
  if (sleep !== undefined) one('sleep', () => undefined);
  if (first) causes.required(at, 'must specify a handler type');
}

import type { Container, ContainerPort, PodSpec, PodTemplate, Probe } from '@netsim/manifest';
import { longDate } from '../age.ts';
import { hostPort } from '../format.ts';
import type { DescribeWriter } from './writer.ts';

interface RunState {
  running?: { startedAt?: string };
  waiting?: { reason?: string };
  terminated?: {
    reason?: string;
    message?: string;
    exitCode?: number;
    signal?: number;
    startedAt?: string;
    finishedAt?: string;
  };
}
export interface ContainerStatus {
  name: string;
  containerID?: string;
  imageID?: string;
  ready?: boolean;
  restartCount?: number;
  state?: RunState;
  lastState?: RunState;
}
/** Fields that are shown but decide nothing in netsim. */
type ShownContainer = Container & {
  resources?: { limits?: Record<string, string | number>; requests?: Record<string, string | number> };
  envFrom?: {
    prefix?: string;
    configMapRef?: { name: string; optional?: boolean };
    secretRef?: { name: string; optional?: boolean };
  }[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
};
interface ValueFrom {
  fieldRef?: { apiVersion?: string; fieldPath: string };
  resourceFieldRef?: { resource: string };
  secretKeyRef?: { name: string; key: string; optional?: boolean };
  configMapKeyRef?: { name: string; key: string; optional?: boolean };
}

/** The value of a `fieldRef`, where the pod is known. */
export type FieldResolver = (path: string) => string;

/** The block of containers in a pod or a template. `indent` moves the whole block, as templates need. */
export function describeContainers(
  w: DescribeWriter,
  label: string,
  containers: readonly Container[],
  statuses: readonly ContainerStatus[],
  indent: string,
  resolve?: FieldResolver,
): void {
  w.line(0, `${indent}${label}:${containers.length === 0 ? ' <none>' : ''}`);
  for (const container of containers as readonly ShownContainer[]) {
    const status = statuses.find(({ name }) => name === container.name);
    w.line(1, `${indent === '' ? '' : ' '}${container.name}:`);
    if (status !== undefined) w.line(2, 'Container ID:', status.containerID ?? '');
    w.line(2, 'Image:', container.image ?? '');
    if (status !== undefined) w.line(2, 'Image ID:', status.imageID ?? '');
    describePorts(w, 'Port', container.ports ?? [], (port) => port.containerPort);
    describePorts(w, 'Host Port', container.ports ?? [], (port) => port.hostPort ?? 0);
    describeWords(w, 'Command', container.command);
    describeWords(w, 'Args', container.args);
    if (status !== undefined) describeStatus(w, status);
    describeQuantities(w, 'Limits', container.resources?.limits);
    describeQuantities(w, 'Requests', container.resources?.requests);
    for (const [title, probe] of [
      ['Liveness', container.livenessProbe],
      ['Readiness', container.readinessProbe],
      ['Startup', container.startupProbe],
    ] as const) {
      if (probe !== undefined) w.line(2, `${title}:`, describeProbe(probe));
    }
    describeEnvironment(w, container, resolve);
    const mounts = [...(container.volumeMounts ?? [])].sort((a, b) => (a.mountPath < b.mountPath ? -1 : 1));
    if (mounts.length === 0) w.line(2, 'Mounts:', '<none>');
    else w.line(2, 'Mounts:');
    for (const { mountPath, name, readOnly, subPath } of mounts) {
      const flags = [readOnly === true ? 'ro' : 'rw', ...(subPath ? [`path=${JSON.stringify(subPath)}`] : [])];
      w.line(3, `${mountPath} from ${name} (${flags.join(',')})`);
    }
  }
}

function describePorts(
  w: DescribeWriter,
  title: string,
  ports: readonly ContainerPort[],
  number: (port: ContainerPort) => number,
): void {
  const text = ports.map((port) => `${number(port)}/${port.protocol ?? 'TCP'}`).join(', ');
  w.line(2, `${title}${ports.length > 1 ? 's' : ''}:`, text === '' ? '<none>' : text);
}

function describeWords(w: DescribeWriter, title: string, words: readonly string[] | undefined): void {
  if (words === undefined || words.length === 0) return;
  w.line(2, `${title}:`);
  for (const word of words) for (const line of String(word).split('\n')) w.line(3, line);
}

function describeQuantities(
  w: DescribeWriter,
  title: string,
  quantities: Readonly<Record<string, string | number>> | undefined,
): void {
  const names = Object.keys(quantities ?? {}).sort();
  if (names.length > 0) w.line(2, `${title}:`);
  for (const name of names) w.line(3, `${name}:`, quantities![name]!);
}

function describeStatus(w: DescribeWriter, status: ContainerStatus): void {
  describeState(w, 'State', status.state ?? {});
  if (status.lastState?.terminated !== undefined) describeState(w, 'Last State', status.lastState);
  w.line(2, 'Ready:', status.ready === true ? 'True' : 'False');
  w.line(2, 'Restart Count:', status.restartCount ?? 0);
}

function describeState(w: DescribeWriter, title: string, { running, terminated, waiting }: RunState): void {
  if (running !== undefined) {
    w.line(2, `${title}:`, 'Running');
    w.line(3, 'Started:', longDate(running.startedAt));
  } else if (terminated !== undefined) {
    w.line(2, `${title}:`, 'Terminated');
    if (terminated.reason) w.line(3, 'Reason:', terminated.reason);
    if (terminated.message) w.line(3, 'Message:', terminated.message);
    w.line(3, 'Exit Code:', terminated.exitCode ?? 0);
    if (terminated.signal) w.line(3, 'Signal:', terminated.signal);
    w.line(3, 'Started:', longDate(terminated.startedAt));
    w.line(3, 'Finished:', longDate(terminated.finishedAt));
  } else {
    w.line(2, `${title}:`, 'Waiting');
    if (waiting?.reason) w.line(3, 'Reason:', waiting.reason);
  }
}

/** A probe in one line. Absent fields show the API server's defaults. */
function describeProbe(probe: Probe): string {
  const attributes =
    `delay=${probe.initialDelaySeconds ?? 0}s timeout=${probe.timeoutSeconds ?? 1}s ` +
    `period=${probe.periodSeconds ?? 10}s #success=${probe.successThreshold ?? 1} #failure=${probe.failureThreshold ?? 3}`;
  if (probe.exec !== undefined) return `exec [${(probe.exec.command ?? []).join(' ')}] ${attributes}`;
  if (probe.httpGet !== undefined) {
    const { scheme = 'HTTP', host = '', port, path = '/' } = probe.httpGet;
    return `http-get ${scheme.toLowerCase()}://${hostPort(host, port)}${path} ${attributes}`;
  }
  if (probe.tcpSocket !== undefined) return `tcp-socket :${probe.tcpSocket.port} ${attributes}`;
  if (probe.grpc !== undefined) return `grpc <pod>:${probe.grpc.port}  ${attributes}`;
  return `unknown ${attributes}`;
}

function describeEnvironment(w: DescribeWriter, container: ShownContainer, resolve: FieldResolver | undefined): void {
  if ((container.envFrom ?? []).length > 0) w.line(2, 'Environment Variables from:');
  for (const { prefix, configMapRef, secretRef } of container.envFrom ?? []) {
    const kind = configMapRef === undefined ? 'Secret' : 'ConfigMap';
    const from = prefix ? `${kind} with prefix '${prefix}'` : kind;
    const reference = configMapRef ?? secretRef;
    w.line(3, reference?.name ?? '', from, `Optional: ${reference?.optional === true}`);
  }
  const env = container.env ?? [];
  if (env.length === 0) w.line(2, 'Environment:', '<none>');
  else w.line(2, 'Environment:');
  for (const { name, value = '', valueFrom } of env) {
    if (valueFrom === undefined || valueFrom === null) {
      const [first = '', ...more] = String(value).split('\n');
      w.line(3, `${name}:`, first);
      for (const line of more) w.line(3, '', line);
      continue;
    }
    const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } = valueFrom as ValueFrom;
    if (fieldRef !== undefined) {
      const { apiVersion = 'v1', fieldPath } = fieldRef;
      w.line(3, `${name}:`, `${resolve?.(fieldPath) ?? ''} (${apiVersion}:${fieldPath})`);
    } else if (resourceFieldRef !== undefined) w.line(3, `${name}:`, ` (${resourceFieldRef.resource})`);
    else if (secretKeyRef !== undefined) {
      const { key, name: secret, optional = false } = secretKeyRef;
      w.line(3, `${name}:`, `<set to the key '${key}' in secret '${secret}'>`, `Optional: ${optional}`);
    } else if (configMapKeyRef !== undefined) {
      const { key, name: map, optional = false } = configMapKeyRef;
      w.line(3, `${name}:`, `<set to the key '${key}' of config map '${map}'>`, `Optional: ${optional}`);
    }
  }
}

interface Volume {
  name: string;
  hostPath?: { path: string; type?: string };
  emptyDir?: { medium?: string; sizeLimit?: string };
  secret?: { secretName?: string; optional?: boolean };
  configMap?: { name?: string; optional?: boolean };
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean };
  projected?: {
    sources?: {
      secret?: { name: string; optional?: boolean };
      configMap?: { name: string; optional?: boolean };
      downwardAPI?: object;
      serviceAccountToken?: { expirationSeconds?: number };
    }[];
  };
}

/** The block of volumes in a pod or a template. */
export function describeVolumes(w: DescribeWriter, spec: PodSpec, indent: string): void {
  const volumes = (spec as { volumes?: Volume[] }).volumes ?? [];
  if (volumes.length === 0) w.line(0, `${indent}Volumes:`, '<none>');
  else w.line(0, `${indent}Volumes:`);
  for (const volume of volumes) {
    w.line(1, `${indent === '' ? '' : ' '}${volume.name}:`);
    const { hostPath, emptyDir, secret, configMap, persistentVolumeClaim, projected } = volume;
    if (hostPath !== undefined) {
      w.line(2, 'Type:', 'HostPath (bare host directory volume)');
      w.line(2, 'Path:', hostPath.path);
      w.line(2, 'HostPathType:', hostPath.type ?? '');
    } else if (emptyDir !== undefined) {
      w.line(2, 'Type:', "EmptyDir (a temporary directory that shares a pod's lifetime)");
      w.line(2, 'Medium:', emptyDir.medium ?? '');
      w.line(2, 'SizeLimit:', emptyDir.sizeLimit ?? '<unset>');
    } else if (secret !== undefined) {
      w.line(2, 'Type:', 'Secret (a volume populated by a Secret)');
      w.line(2, 'SecretName:', secret.secretName ?? '');
      w.line(2, 'Optional:', secret.optional === true);
    } else if (configMap !== undefined) {
      w.line(2, 'Type:', 'ConfigMap (a volume populated by a ConfigMap)');
      w.line(2, 'Name:', configMap.name ?? '');
      w.line(2, 'Optional:', configMap.optional === true);
    } else if (persistentVolumeClaim !== undefined) {
      w.line(2, 'Type:', 'PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)');
      w.line(2, 'ClaimName:', persistentVolumeClaim.claimName);
      w.line(2, 'ReadOnly:', persistentVolumeClaim.readOnly === true);
    } else if (projected !== undefined) {
      w.line(2, 'Type:', 'Projected (a volume that contains injected data from multiple sources)');
      for (const source of projected.sources ?? []) {
        if (source.secret !== undefined) {
          w.line(2, 'SecretName:', source.secret.name);
          w.line(2, 'Optional:', source.secret.optional === true);
        } else if (source.downwardAPI !== undefined) w.line(2, 'DownwardAPI:', true);
        else if (source.configMap !== undefined) {
          w.line(2, 'ConfigMapName:', source.configMap.name);
          w.line(2, 'Optional:', source.configMap.optional === true);
        } else if (source.serviceAccountToken !== undefined) {
          w.line(2, 'TokenExpirationSeconds:', source.serviceAccountToken.expirationSeconds ?? 3600);
        }
      }
    } else w.line(1, '<unknown>');
  }
}

/** Tolerations, one a line, by key. */
export function describeTolerations(w: DescribeWriter, indent: string, spec: PodSpec): void {
  const tolerations = [...(spec.tolerations ?? [])].sort((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1));
  w.list(
    indent,
    'Tolerations',
    tolerations.map(({ key = '', value, effect, operator, tolerationSeconds }) => {
      const exists = operator === 'Exists' && !value;
      return (
        key +
        (value ? `=${value}` : '') +
        (effect ? `:${effect}` : '') +
        (exists ? (key || effect ? ' op=Exists' : 'op=Exists') : '') +
        (tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`)
      );
    }),
  );
}

export function describePodTemplate(w: DescribeWriter, template: PodTemplate): void {
  const { metadata = {}, spec } = template;
  w.line(0, 'Pod Template:');
  w.labels('  ', 'Labels', metadata.labels);
  if (Object.keys(metadata.annotations ?? {}).length > 0) w.annotations('  ', 'Annotations', metadata.annotations);
  if (spec.serviceAccountName) w.line(1, 'Service Account:', spec.serviceAccountName);
  if ((spec.initContainers ?? []).length > 0) {
    describeContainers(w, 'Init Containers', spec.initContainers!, [], '  ');
  }
  describeContainers(w, 'Containers', spec.containers, [], '  ');
  describeVolumes(w, spec, '  ');
  w.labels('  ', 'Node-Selectors', spec.nodeSelector);
  describeTolerations(w, '  ', spec);
}

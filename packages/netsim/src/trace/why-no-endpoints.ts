import { conditionOf, configFaultsOf, selectorFinding, workloadsWithLabels } from '@netsim/control';
import type { Container, Node, ObjectStore, Pod, Service } from '@netsim/manifest';
import type { Cause } from '@netsim/trace';
import { expectationOf } from '../probes/expectation.ts';
import { type ProbeKind, probesOf } from '../probes/probe-spec.ts';
import { causeOf } from './cause.ts';

/** What keeps a service from having endpoints, the line that makes it so, and what to write there. */
export interface Trouble {
  readonly text: string;
  readonly cause: Cause;
  readonly advice: string;
}

interface Scaled {
  readonly replicas?: number;
  readonly suspend?: boolean;
}

/** Why no pod has the labels that a service selects. */
export function whyNoPods(store: ObjectStore, service: Service): Trouble {
  const { name, namespace = 'default' } = service.metadata;
  const { selector = {} } = service.spec;
  const wanted = selectorText(selector);
  const text = `no pod in namespace "${namespace}" has the labels ${wanted}`;
  for (const workload of workloadsWithLabels(store, namespace, selector)) {
    const { kind } = workload;
    const spec = (workload.spec ?? {}) as Scaled;
    const what = `${kind.toLowerCase()} "${workload.metadata.name}"`;
    if (spec.replicas === 0) {
      return {
        text: `${text}: ${what} makes them, and has replicas: 0`,
        cause: causeOf(workload, ['spec', 'replicas'], 'replicas: 0'),
        advice: `Write replicas: 1 or more into ${what}`,
      };
    }
    if (spec.suspend === true) {
      return {
        text: `${text}: ${what} makes them, and is suspended`,
        cause: causeOf(workload, ['spec', 'suspend'], 'suspend: true'),
        advice: `Write suspend: false into ${what}`,
      };
    }
    return {
      text: `${text}: ${what} makes them, and has none now`,
      cause: causeOf(workload, ['spec'], `it makes pods with ${wanted}`),
      advice: `See why: netsim describe ${kind.toLowerCase()} ${workload.metadata.name} -n ${namespace}`,
    };
  }
  const elsewhere = namespacesWith(store, namespace, selector);
  const [first] = elsewhere;
  if (first !== undefined) {
    const where = elsewhere.map((each) => `"${each}"`).join(', ');
    return {
      text: `${text}: such pods are in namespace ${where}, and a service selects pods of its own namespace only`,
      cause: causeOf(service, ['metadata', 'namespace'], `namespace ${namespace}`),
      advice: `Write namespace: ${first} into service "${name}"; pods elsewhere ask it as ${name}.${first}`,
    };
  }
  const finding = selectorFinding(store, service);
  const meant = /^did you mean ("[^"]+: [^"]+")\?$/.exec(finding?.suggestion ?? '')?.[1];
  return {
    text,
    cause: causeOf(service, finding?.path ?? ['spec', 'selector'], `selector ${wanted}`),
    advice:
      meant === undefined
        ? `Change the selector of service "${name}", or the labels of its pods`
        : `Write ${meant} in its place`,
  };
}

/** Other namespaces that have such pods. */
function namespacesWith(store: ObjectStore, own: string, selector: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>();
  for (const { metadata } of store.list<Pod>('Pod')) {
    const { namespace = 'default', labels = {} } = metadata;
    if (namespace === own || found.has(namespace)) continue;
    if (Object.entries(selector).every(([key, value]) => labels[key] === value)) found.add(namespace);
  }
  return [...found].sort();
}

/** Why a pod is not ready, and so no endpoint. */
export function whyNotReady(store: ObjectStore, pod: Pod): Trouble {
  return (
    missingConfig(store, pod) ?? waitingContainer(pod) ?? failingProbe(pod) ?? lostNode(store, pod) ?? condition(pod)
  );
}

/** A ConfigMap or Secret that a container, or a volume, is to be filled from is not there. */
function missingConfig(store: ObjectStore, pod: Pod): Trouble | undefined {
  const [fault] = configFaultsOf(store, pod);
  if (fault === undefined) return undefined;
  const { container, path, message, suggestion } = fault;
  const { name, namespace = 'default' } = pod.metadata;
  const meant = /^did you mean (.+)\?$/.exec(suggestion ?? '')?.[1];
  const where = `in namespace "${namespace}"`;
  return {
    text:
      container === undefined
        ? `pod "${name}" waits: ContainerCreating: a volume cannot be made ${where}: ${message}`
        : `container "${container}" of pod "${name}" waits: CreateContainerConfigError: ${message} ${where}`,
    cause: causeOf(pod, path, message),
    advice:
      meant === undefined
        ? `Make what is missing ${where}; the pod then starts by itself`
        : `Write ${meant} there, or make what is missing ${where}`,
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  readonly lastState?: { readonly terminated?: { readonly exitCode?: number } };
}

/** A container that the kubelet does not get to run, by what it reports. */
function waitingContainer(pod: Pod): Trouble | undefined {
  const { name } = pod.metadata;
  const statuses: readonly ContainerStatus[] = pod.status?.containerStatuses ?? [];
  for (const status of statuses) {
    const waiting = status.state?.waiting;
    const { reason = '', message } = waiting ?? {};
    if (waiting === undefined || reason === 'ContainerCreating' || reason === 'PodInitializing') continue;
    const index = pod.spec.containers.findIndex((each) => each.name === status.name);
    const container = pod.spec.containers[index];
    if (container === undefined) continue;
    const said = message === undefined || message === '' ? '' : `: ${message}`;
    const text = `container "${status.name}" of pod "${name}" waits: ${reason}${said}`;
    const at = ['spec', 'containers', index];
    if (/Image/.test(reason)) {
      const image = `image: ${container.image ?? ''}`;
      return {
        text,
        cause: causeOf(pod, [...at, 'image'], image),
        advice: 'Correct the name or the tag of the image, or give the pod imagePullSecrets for its registry',
      };
    }
    if (reason === 'CrashLoopBackOff') {
      const probe = failingProbe(pod, container);
      if (probe !== undefined) return { ...probe, text: `${text}; ${probe.text}` };
      const exitCode = status.lastState?.terminated?.exitCode;
      const code = exitCode === undefined ? '' : `; it ended with exit code ${exitCode}`;
      return {
        text: `${text}${code}`,
        cause: causeOf(pod, [...at, container.command === undefined ? 'image' : 'command'], 'what it runs'),
        advice: `See why it ends: kubectl logs ${name} -c ${status.name} --previous`,
      };
    }
    const field = reason === 'CreateContainerConfigError' ? (container.env === undefined ? 'envFrom' : 'env') : 'image';
    return {
      text,
      cause: causeOf(pod, [...at, field], reason),
      advice:
        reason === 'CreateContainerConfigError'
          ? 'Make the ConfigMap or Secret that it names, with that key, in the namespace of the pod'
          : `See netsim describe pod ${name}`,
    };
  }
  return undefined;
}

/** The liveness probe of one of the pods cannot succeed: they are ready only in between. */
export function killedAgainAndAgain(pods: readonly Pod[]): Trouble | undefined {
  for (const pod of pods) {
    const trouble = failingProbe(pod, undefined, 'liveness');
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

/** A probe that cannot succeed as the manifests are. */
function failingProbe(pod: Pod, only?: Container, kind?: ProbeKind): Trouble | undefined {
  for (const [index, container] of pod.spec.containers.entries()) {
    if (only !== undefined && container !== only) continue;
    for (const spec of probesOf(container)) {
      if (kind !== undefined && spec.kind !== kind) continue;
      const expected = expectationOf(pod, spec);
      if (expected.kind !== 'failure') continue;
      const what = `${spec.kind} probe of container "${container.name}" fails: ${expected.why}`;
      const meant = /^did you mean (.+)\?$/.exec(expected.suggestion ?? '')?.[1];
      return {
        text: `pod "${pod.metadata.name}": ${what}`,
        cause: causeOf(pod, ['spec', 'containers', index, `${spec.kind}Probe`], what),
        advice:
          meant === undefined
            ? 'Correct the path, port or command of the probe, or let the program pass it'
            : `Write ${meant} into the ${spec.kind} probe, or let the program pass it`,
      };
    }
  }
  return undefined;
}

/** The node of the pod is silent, or says itself that it is not ready. */
function lostNode(store: ObjectStore, pod: Pod): Trouble | undefined {
  const { nodeName = '' } = pod.spec;
  const node = store.get<Node>('Node', undefined, nodeName);
  if (node === undefined) return undefined;
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready === undefined || ready.status === 'True') return undefined;
  const said = ready.message === undefined ? '' : `: ${ready.message}`;
  return {
    text: `pod "${pod.metadata.name}" is on node "${nodeName}", which is not ready (Ready is ${ready.status}${said})`,
    cause: causeOf(node, ['status', 'conditions'], `Ready is ${ready.status}`),
    advice: `Bring node "${nodeName}" back, or delete the pod: its workload makes another one elsewhere`,
  };
}

function condition(pod: Pod): Trouble {
  const { name } = pod.metadata;
  const phase = pod.status?.phase ?? 'Pending';
  const { containers, readinessGates = [] } = pod.spec;
  const gate = readinessGates.findIndex(({ conditionType }) => conditionOf(pod, conditionType)?.status !== 'True');
  if (phase === 'Running' && gate >= 0 && conditionOf(pod, 'ContainersReady')?.status === 'True') {
    const { conditionType } = readinessGates[gate]!;
    return {
      text: `pod "${name}" runs, and waits for its readiness gate ${conditionType}`,
      cause: causeOf(pod, ['spec', 'readinessGates', gate], `conditionType: ${conditionType}`),
      advice: `Somebody must set the condition ${conditionType} of the pod, such as a load balancer's controller`,
    };
  }
  if (phase === 'Running') {
    const at = containers.findIndex((container) => container.readinessProbe !== undefined);
    const text = `pod "${name}" runs, and is not ready`;
    if (at < 0) {
      return {
        text,
        cause: causeOf(pod, ['spec'], 'phase Running, not ready'),
        advice: 'Look at its conditions: netsim describe pod',
      };
    }
    return {
      text,
      cause: causeOf(
        pod,
        ['spec', 'containers', at, 'readinessProbe'],
        `readinessProbe of container "${containers[at]!.name}"`,
      ),
      advice: 'Let the program pass the probe, or correct its path, port or command',
    };
  }
  const unplaced = ['PodScheduled', 'PodReadyToStartContainers']
    .map((type) => conditionOf(pod, type))
    .find((each) => each?.status === 'False');
  const message = unplaced?.message;
  const field = unplaced?.type === 'PodScheduled' && pod.spec.nodeSelector !== undefined ? ['nodeSelector'] : [];
  return {
    text: `pod "${name}" is ${phase}${message === undefined || message === '' ? '' : `: ${message}`}`,
    cause: causeOf(pod, ['spec', ...field], field.length > 0 ? selectorOfNode(pod) : `phase ${phase}`),
    advice:
      field.length > 0
        ? 'Correct the nodeSelector, or label a node with it'
        : 'Let the pod run first: netsim describe pod says what it waits for',
  };
}

function selectorOfNode({ spec }: Pod): string {
  return `nodeSelector ${selectorText(spec.nodeSelector ?? {})}`;
}

export function selectorText(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map((pair) => pair.join('='))
    .join(',');
}

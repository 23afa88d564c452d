import { conditionOf, hasClusterIP, isReady, isTerminal } from '@netsim/control';
import type { Finding as LintFinding, Pod, Service } from '@netsim/manifest';
import { causeOf } from '../trace/outcome.ts';
import type { Finding } from './model.ts';
import { backends, endpointText, type Subject, selectedPods } from './subject.ts';

/** A virtual IP has a meaning only where kube-proxy's rules are: on the nodes, and in the pods on them. */
export function inside({ service, source }: Subject): Finding {
  if (source.kind !== 'Host') {
    const what =
      service === undefined
        ? 'the source is in the cluster'
        : hasClusterIP(service)
          ? `the source is in the cluster, where cluster IP ${service.spec.clusterIP} has a meaning`
          : 'the source is in the cluster';
    return { status: 'ok', text: what };
  }
  if (service === undefined)
    return { status: 'ok', text: 'the source is outside: what is sent there must be routed there' };
  const { type = 'ClusterIP', externalIPs = [], ports = [] } = service.spec;
  const external = service.status?.loadBalancer?.ingress?.[0]?.ip ?? externalIPs[0];
  if (external !== undefined) return { status: 'ok', text: `from outside by its external IP ${external}` };
  const nodePort = ports.find((port) => port.nodePort !== undefined)?.nodePort;
  if (nodePort !== undefined) return { status: 'ok', text: `from outside by node port ${nodePort} of any node` };
  return {
    status: 'fail',
    text: `the source is outside, and service "${service.metadata.name}" of type ${type} can be reached from inside the cluster only`,
    cause: causeOf(service, ['spec', 'type'], `type: ${type}`),
    advice: 'Ask from a pod (--from pod/NAME), or write type: NodePort or LoadBalancer, or put an Ingress before it',
  };
}

/** A virtual IP is no machine: nobody is there to answer an echo request. */
export function ping({ service, protocol }: Subject): Finding {
  if (service === undefined || !hasClusterIP(service)) return { status: 'skipped', text: 'there is no virtual IP' };
  if (protocol !== 'icmp') {
    return {
      status: 'ok',
      text: `asked by ${protocol}; to ping a virtual IP says nothing, it answers on its ports only`,
    };
  }
  return {
    status: 'fail',
    text: `a ping of cluster IP ${service.spec.clusterIP} is no test: it exists only together with its ports`,
    cause: causeOf(service, ['spec', 'ports'], `ports: ${portsText(service)}`),
    advice: 'Do not ping a service: try its port, with curl or nc -z',
  };
}

export function readiness(subject: Subject): Finding {
  const { service, pod } = subject;
  if (pod !== undefined) return podReadiness(pod);
  if (service === undefined) return { status: 'skipped', text: 'no service is asked' };
  if (service.spec.selector === undefined) return { status: 'skipped', text: 'the service selects no pods' };
  const pods = selectedPods(subject).filter((each) => !isTerminal(each));
  if (pods.length === 0) return { status: 'skipped', text: 'no pod is selected' };
  const waiting = pods.filter((each) => !isReady(each));
  const count = `${pods.length - waiting.length} of ${pods.length} ${pods.length === 1 ? 'pod' : 'pods'} ready`;
  if (waiting.length === 0) return { status: 'ok', text: count };
  const names = listed(waiting.map(({ metadata }) => metadata.name));
  if (waiting.length < pods.length) return { status: 'ok', text: `${count}; not ready: ${names}` };
  if (service.spec.publishNotReadyAddresses === true) {
    return { status: 'ok', text: `${count}, but publishNotReadyAddresses sends to them all the same` };
  }
  return { ...podReadiness(waiting[0]!), text: `${count}: ${whyNotReady(waiting[0]!)}` };
}

function podReadiness(pod: Pod): Finding {
  const { name } = pod.metadata;
  if (isReady(pod)) return { status: 'ok', text: `pod "${name}" is ready` };
  const running = pod.status?.phase === 'Running';
  const at = pod.spec.containers.findIndex((container) => container.readinessProbe !== undefined);
  if (running && at >= 0) {
    return {
      status: 'fail',
      text: whyNotReady(pod),
      cause: causeOf(
        pod,
        ['spec', 'containers', at, 'readinessProbe'],
        `readinessProbe of container "${pod.spec.containers[at]!.name}"`,
      ),
      advice: 'Let the program pass the probe, or correct its path, port or command',
    };
  }
  return {
    status: 'fail',
    text: whyNotReady(pod),
    cause: causeOf(pod, ['spec'], `phase ${pod.status?.phase ?? 'Pending'}`),
    advice: running
      ? 'Look at its conditions: netsim describe pod'
      : 'Let the pod run first: netsim describe pod says what it waits for',
  };
}

function whyNotReady(pod: Pod): string {
  const { name } = pod.metadata;
  const phase = pod.status?.phase ?? 'Pending';
  if (phase === 'Running') return `pod "${name}" runs, and is not ready`;
  const message = conditionOf(pod, 'PodScheduled')?.message;
  return `pod "${name}" is ${phase}${message === undefined || message === '' ? '' : `: ${message}`}`;
}

export function endpoints(subject: Subject): Finding {
  const { service, servicePort, cluster } = subject;
  if (service === undefined) return { status: 'skipped', text: 'no service is asked' };
  const { name, namespace } = service.metadata;
  if (service.spec.type === 'ExternalName') {
    return { status: 'skipped', text: `it is another name for ${service.spec.externalName}, and has no endpoints` };
  }
  const found = backends(subject);
  if (found.length > 0) return { status: 'ok', text: listed(found.map(endpointText)) };
  const lint = lintOf(subject, ['selector-matches-nothing', 'target-port-not-found']);
  if (lint !== undefined) {
    return {
      status: 'fail',
      text: lint.message.replace(/^service "[^"]*": /, ''),
      cause: {
        kind: 'Service',
        ...(namespace !== undefined && { namespace }),
        name,
        ...(lint.file !== undefined && { file: lint.file }),
        ...(lint.line !== undefined && { line: lint.line }),
        text:
          lint.code === 'selector-matches-nothing'
            ? `selector ${selectorText(service)}`
            : `targetPort: ${String(servicePort?.targetPort)}`,
      },
      advice:
        lint.suggestion?.replace(/^did you mean ("[^"]+")\?$/, 'Write $1 in its place') ??
        'Correct the selector of the service, or the labels of its pods',
    };
  }
  if (service.spec.selector === undefined) {
    return {
      status: 'fail',
      text: 'the service has no selector, and nobody wrote endpoints for it',
      cause: causeOf(service, ['spec'], 'no selector'),
      advice: `Write a selector, or an EndpointSlice labelled kubernetes.io/service-name: ${name}`,
    };
  }
  const pods = cluster.store.list<Pod>('Pod', namespace).length;
  return {
    status: 'fail',
    text: `no pod is selected by ${selectorText(service)}; namespace "${namespace}" has ${pods} ${pods === 1 ? 'pod' : 'pods'}`,
    cause: causeOf(service, ['spec', 'selector'], `selector ${selectorText(service)}`),
    advice: 'Start its pods: netsim get pods --show-labels shows what is there',
  };
}

/** What lint has found out about the service. */
function lintOf({ cluster, service }: Subject, codes: readonly string[]): LintFinding | undefined {
  const { name, namespace } = service!.metadata;
  return cluster.findings.find(
    ({ code, object }) =>
      codes.includes(code) && object?.kind === 'Service' && object.name === name && object.namespace === namespace,
  );
}

export function servicePortPoint({ service, servicePort, port, protocol, to }: Subject): Finding {
  if (service === undefined || service.spec.type === 'ExternalName')
    return { status: 'skipped', text: 'no service is asked' };
  if (port === undefined) return { status: 'skipped', text: 'no port is asked' };
  if (!hasClusterIP(service)) return { status: 'ok', text: `a headless service leaves the port as it is: ${port}` };
  if (servicePort !== undefined) {
    return {
      status: 'ok',
      text: `port ${port} is the service's; it goes to targetPort ${servicePort.targetPort ?? port}`,
    };
  }
  const { name } = service.metadata;
  const ports = service.spec.ports ?? [];
  const at = ports.findIndex((each) => each.targetPort === port);
  const target = ports[at];
  const known = `its ports: ${portsText(service)}`;
  if (target === undefined) {
    return {
      status: 'fail',
      text: `${protocol} ${port} is no port of service "${name}"`,
      cause: causeOf(service, ['spec', 'ports'], known),
      advice: `Use one of its ports, or add { port: ${port} } to it`,
    };
  }
  return {
    status: 'fail',
    text: `${port} is the targetPort of service "${name}", which the pods listen on: the service itself has port ${target.port}`,
    cause: causeOf(service, ['spec', 'ports', at], known),
    advice: `Ask port ${target.port}: ${to.replace(new RegExp(`:${port}(?=/|$)`), `:${target.port}`)}`,
  };
}

function portsText({ spec }: Service): string {
  const ports = (spec.ports ?? []).map(
    ({ port, protocol = 'TCP', name }) => `${protocol} ${port}${name === undefined ? '' : ` (${name})`}`,
  );
  return ports.length === 0 ? 'none' : ports.join(', ');
}

function selectorText({ spec }: Service): string {
  return Object.entries(spec.selector ?? {})
    .map((pair) => pair.join('='))
    .join(',');
}

export function listed(words: readonly string[]): string {
  return words.length <= 4 ? words.join(', ') : `${words.slice(0, 3).join(', ')} and ${words.length - 3} more`;
}

import { hasClusterIP, isReady, isTerminal, selectorFinding } from '@netsim/control';
import type { Pod, Service } from '@netsim/manifest';
import { causeOf } from '../trace/cause.ts';
import { killedAgainAndAgain, selectorText, whyNoPods, whyNotReady } from '../trace/why-no-endpoints.ts';
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
  const { service, pod, cluster } = subject;
  if (pod !== undefined) return podReadiness(subject, pod);
  if (service === undefined) return { status: 'skipped', text: 'no service is asked' };
  if (service.spec.selector === undefined) return { status: 'skipped', text: 'the service selects no pods' };
  const pods = selectedPods(subject).filter((each) => !isTerminal(each));
  if (pods.length === 0) return { status: 'skipped', text: 'no pod is selected' };
  const waiting = pods.filter((each) => !isReady(each));
  const count = `${pods.length - waiting.length} of ${pods.length} ${pods.length === 1 ? 'pod' : 'pods'} ready`;
  if (waiting.length === 0) {
    const ill = killedAgainAndAgain(pods);
    return ill === undefined
      ? { status: 'ok', text: count }
      : { status: 'fail', ...ill, text: `${count} now, and the kubelet will kill them again and again: ${ill.text}` };
  }
  const names = listed(waiting.map(({ metadata }) => metadata.name));
  if (waiting.length < pods.length) return { status: 'ok', text: `${count}; not ready: ${names}` };
  if (service.spec.publishNotReadyAddresses === true) {
    return { status: 'ok', text: `${count}, but publishNotReadyAddresses sends to them all the same` };
  }
  const why = whyNotReady(cluster.store, waiting[0]!);
  return { status: 'fail', ...why, text: `${count}: ${why.text}` };
}

function podReadiness({ cluster }: Subject, pod: Pod): Finding {
  if (isReady(pod)) return { status: 'ok', text: `pod "${pod.metadata.name}" is ready` };
  return { status: 'fail', ...whyNotReady(cluster.store, pod) };
}

export function endpoints(subject: Subject): Finding {
  const { service, servicePort, cluster } = subject;
  if (service === undefined) return { status: 'skipped', text: 'no service is asked' };
  if (service.spec.type === 'ExternalName') {
    return { status: 'skipped', text: `it is another name for ${service.spec.externalName}, and has no endpoints` };
  }
  const found = backends(subject);
  if (found.length > 0) return { status: 'ok', text: listed(found.map(endpointText)) };
  if (service.spec.selector === undefined) {
    return {
      status: 'fail',
      text: 'the service has no selector, and nobody wrote endpoints for it',
      cause: causeOf(service, ['spec'], 'no selector'),
      advice: `Write a selector, or an EndpointSlice labelled kubernetes.io/service-name: ${service.metadata.name}`,
    };
  }
  if (selectedPods(subject).length === 0) return { status: 'fail', ...whyNoPods(cluster.store, service) };
  const lint = selectorFinding(cluster.store, service);
  if (lint?.path !== undefined) {
    return {
      status: 'fail',
      text: lint.message.replace(/^service "[^"]*": /, ''),
      cause: causeOf(service, lint.path, `targetPort: ${String(servicePort?.targetPort)}`),
      advice:
        lint.suggestion?.replace(/^did you mean ("[^"]+")\?$/, 'Write $1 in its place') ??
        'Compare targetPort with the names of the container ports',
    };
  }
  return {
    status: 'fail',
    text: 'none of the pods that it selects runs',
    cause: causeOf(service, ['spec', 'selector'], `selector ${selectorText(service.spec.selector)}`),
    advice: 'Pods that have ended are no endpoints: netsim get pods shows what is there',
  };
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

export function listed(words: readonly string[]): string {
  return words.length <= 4 ? words.join(', ') : `${words.slice(0, 3).join(', ')} and ${words.length - 3} more`;
}

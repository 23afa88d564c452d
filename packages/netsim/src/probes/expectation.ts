import { nearest, type Pod } from '@netsim/manifest';
import { formatIp, tryParseIp } from '@netsim/wire';
import { isCoreDns } from '../dns/coredns-files.ts';
import { controllerOf } from '../ingress/controllers.ts';
import { imageName, type PodListener, podListeners } from '../listeners.ts';
import { undecided } from './exec-probe.ts';
import { type ProbeSpec, probePort } from './probe-spec.ts';

/**
 * What a probe comes to once the programs of a pod run, as far as manifests say: `unknown` (with why) where they do not, which netsim
 * takes for success. `file`: it depends on files.
 */
export type Expectation =
  | { readonly kind: 'success' | 'file' }
  | { readonly kind: 'failure' | 'unknown'; readonly why: string; readonly suggestion?: string };

const success: Expectation = { kind: 'success' };

export function expectationOf(pod: Pod, { container, probe }: ProbeSpec): Expectation {
  // They have health checks of their own, which are not emulated.
  if (isCoreDns(pod) || controllerOf(pod) !== undefined) return success;
  const { exec, grpc, httpGet, tcpSocket } = probe;
  if (exec !== undefined) {
    const why = undecided(exec.command ?? [], container);
    return why === undefined ? { kind: 'file' } : { kind: 'unknown', why };
  }
  const target = httpGet ?? tcpSocket ?? grpc;
  if (target === undefined) return success;
  const port = probePort(container, target.port);
  if (port === undefined) {
    const names = (container.ports ?? []).flatMap(({ name }) => name ?? []);
    const near = nearest(String(target.port), names);
    return {
      kind: 'failure',
      why: `the container has no port named ${JSON.stringify(target.port)}`,
      ...(near !== undefined && { suggestion: `did you mean ${JSON.stringify(near)}?` }),
    };
  }
  const host = (httpGet ?? tcpSocket)?.host;
  if (host !== undefined && host !== '') return ofHost(pod, host, port);
  return ofPort(pod, port, httpGet !== undefined);
}

/** The kubelet connects from the node: a host of its own that is not the pod's leads elsewhere. */
function ofHost(pod: Pod, host: string, port: number): Expectation {
  if (host === pod.status?.podIP) return ofPort(pod, port, true);
  if (pod.spec.hostNetwork === true || (host !== 'localhost' && host !== '127.0.0.1')) {
    return { kind: 'unknown', why: `it asks ${host}, not the pod` };
  }
  return {
    kind: 'failure',
    why: `${host} is the node's own: the kubelet does not connect from inside the pod`,
    suggestion: 'leave host out: the address of the pod is the default',
  };
}

function ofPort(pod: Pod, port: number, http: boolean): Expectation {
  const { listeners, complete } = podListeners(pod);
  const tcp = listeners.filter(({ protocol }) => protocol === 'tcp');
  const there = tcp.filter((listener) => listener.port === port);
  const heard = there.find((listener) => reachable(listener, pod));
  if (heard !== undefined) {
    if (!http || heard.http || heard.tls === true) return success;
    return { kind: 'failure', why: `what listens on port ${port} speaks no HTTP` };
  }
  const [other] = there;
  if (other?.address !== undefined) {
    return {
      kind: 'failure',
      why: `on port ${port} it listens at ${formatIp(other.address)} only, and the kubelet asks the address of the pod`,
    };
  }
  if (!complete) return { kind: 'unknown', why: `what listens on port ${port} is not known` };
  const open = [...new Set(tcp.map((listener) => listener.port))];
  return {
    kind: 'failure',
    why: `nothing listens on port ${port}`,
    ...(open.length > 0 && { suggestion: `did you mean ${open.join(' or ')}?` }),
  };
}

function reachable({ address }: PodListener, pod: Pod): boolean {
  if (address === undefined) return true;
  return (pod.status?.podIPs ?? []).some(({ ip }) => tryParseIp(ip) === address);
}

/** Images whose answer changes while they run. */
export function isMoody(image: string | undefined): boolean {
  return imageName(image ?? '') === 'luksa/kubia-unhealthy';
}

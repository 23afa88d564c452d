import { internalIPs, isControlPlane } from '@netsim/control';
import { type GkeBackendService, type GkeClass, gkeBackendService } from '@netsim/ingress';
import type { Node, ObjectStore } from '@netsim/manifest';
import { formatEndpoint, tryParseIp } from '@netsim/wire';
import type { BackendSource, ProxyEndpoint, ProxyEndpoints } from '../endpoints.ts';

const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** What a health check has found. */
export interface HealthOf {
  /** Why an endpoint gets no requests; undefined: it does. */
  problem(service: GkeBackendService, endpoint: ProxyEndpoint): string | undefined;
}

/** Where a load balancer of GKE sends requests: pods, or node ports, as far as they pass their health check. */
export class GkeBackends implements BackendSource {
  readonly #store: ObjectStore;
  /** The ready endpoints of Services: what network endpoint groups hold. */
  readonly #ready: BackendSource;
  readonly #health: HealthOf;
  readonly #class: GkeClass;

  constructor(store: ObjectStore, ready: BackendSource, health: HealthOf, gkeClass: GkeClass) {
    this.#class = gkeClass;
    this.#store = store;
    this.#ready = ready;
    this.#health = health;
  }

  of(namespace: string, name: string, port: number | string): ProxyEndpoints {
    const { service, problems } = gkeBackendService(
      this.#store,
      { kind: 'service', namespace, name, port },
      this.#class,
    );
    if (service === undefined) return { list: [], why: problems[0]?.message ?? '' };
    const all = this.candidates(service);
    const ill = all.list.flatMap((endpoint) => {
      const problem = this.#health.problem(service, endpoint);
      return problem === undefined ? [] : [{ endpoint, problem }];
    });
    if (ill.length === 0) return all;
    const list = all.list.filter((each) => !ill.some(({ endpoint }) => endpoint === each));
    const first = `${ill[0]!.endpoint.text} ${ill[0]!.problem}`;
    const more = ill.length === 1 ? '' : ` (${ill.length - 1} more ${ill.length === 2 ? 'fails' : 'fail'})`;
    const text = `health check: ${first}${more}`;
    return list.length === 0
      ? { list, why: `no backend of service ${namespace}/${name} passes its ${text}` }
      : { ...all, list, without: text };
  }

  /** All that are in the groups, healthy or not. */
  candidates(service: GkeBackendService): ProxyEndpoints {
    const { namespace, name, port, reaches, nodePort } = service;
    if (reaches === 'pods') return this.#ready.of(namespace, name, port);
    const list = this.#store.list<Node>('Node').flatMap((node): ProxyEndpoint[] => {
      const ip = tryParseIp(internalIPs(node)[0] ?? '');
      const { labels = {} } = node.metadata;
      if (ip === undefined || isControlPlane(node) || EXCLUDE_LABEL in labels || !nodeReady(node)) return [];
      return [{ ip, port: nodePort, text: formatEndpoint(ip, nodePort) }];
    });
    const why = `no node of the cluster can take requests for node port ${nodePort} of service ${namespace}/${name}`;
    return { list, why, by: 'by the node port of' };
  }
}

function nodeReady(node: Node): boolean {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

import type { Node, Service } from '@netsim/manifest';
import type { Cause, Path } from '@netsim/trace';
import type { TransportProtocol } from '../names.ts';
import { type Subject, sourceText } from './subject.ts';

/** What a controller does with the URL that is asked: where it goes on to, and by which rule. */
export interface BehindDoor {
  /** The service behind, asked by the controller. */
  readonly subject: Subject;
  /** `ingress default/kubia`. */
  readonly rule: string;
  readonly cause?: Cause;
}

/** The service that a URL leads to through the controller of an Ingress or a Gateway; undefined where no controller is met. */
export function behindDoor(subject: Subject): BehindDoor | undefined {
  const { cluster, from, to, namespace, service } = subject;
  if (service !== undefined || !/^https?:\/\//i.test(to)) return undefined;
  const path = cluster.trace({ from, to, namespace, protocol: 'tcp' }).paths[0];
  const { service: backend, rule } = path?.http ?? {};
  if (path === undefined || backend === undefined || rule === undefined) return undefined;
  const behind = cluster.store.get<Service>('Service', backend.namespace, backend.name);
  if (behind === undefined) return undefined;
  const { ports = [] } = behind.spec;
  const servicePort = ports.find(({ port, name }) => port === backend.port || name === backend.port);
  const port = servicePort?.port ?? (typeof backend.port === 'number' ? backend.port : undefined);
  const source = controllerOf(subject, path);
  const { host: _, servicePort: __, port: ___, ...rest } = subject;
  return {
    subject: {
      ...rest,
      source,
      from: sourceText(source),
      to: `svc/${backend.namespace}/${backend.name}:${backend.port}`,
      namespace: backend.namespace,
      protocol: (servicePort?.protocol?.toLowerCase() as TransportProtocol | undefined) ?? 'tcp',
      service: behind,
      ...(port === undefined ? {} : { port }),
      ...(servicePort === undefined ? {} : { servicePort }),
    },
    rule: `${rule.kind.toLowerCase()} ${rule.namespace}/${rule.name}`,
    ...(path.cause === undefined ? {} : { cause: path.cause }),
  };
}

/** Who asks the endpoints: the pod of the controller, or its node where it has the node's network. */
function controllerOf({ cluster, source }: Subject, { request }: Path): Subject['source'] {
  const hop = request.hops.find(({ steps }) => steps.some(({ kind }) => kind === 'http'));
  if (hop === undefined) return source;
  const pod = cluster.datapath.podOf(hop.netns);
  if (pod !== undefined) return { kind: 'Pod', pod };
  // A cloud's load balancer stands outside.
  const node = cluster.store.get<Node>('Node', undefined, hop.node);
  return node === undefined ? source : { kind: 'Node', node };
}

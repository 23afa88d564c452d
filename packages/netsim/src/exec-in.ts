import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';

export interface ExecOptions {
  readonly namespace?: string;
  /** Of a pod; containers share the network, so it only has to exist. */
  readonly container?: string;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status. */
  readonly code: number;
}

/** Runs an emulated tool where `target` says: a pod, `node/NAME` or `host/NAME`. */
export async function execIn(
  cluster: Cluster,
  target: string,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  if (argv.length === 0) throw new UsageError('no command given', 'write the command after --');
  // Loaded when first used: tracing needs none of the tools.
  const { runTool } = await import('./exec/index.ts');
  const source = cluster.names(options.namespace).source(target);
  switch (source.kind) {
    case 'Pod': {
      const { pod } = source;
      const { name, namespace } = pod.metadata;
      const containers = pod.spec.containers.map((container) => container.name);
      if (options.container !== undefined && !containers.includes(options.container)) {
        throw new UsageError(
          `container ${options.container} is not valid for pod ${name}`,
          `its containers: ${containers.join(', ')}`,
        );
      }
      const hostname = pod.spec.hostNetwork === true ? (pod.spec.nodeName ?? name) : (pod.spec.hostname ?? name);
      const own = new Map<string, Ip>(
        [pod.status?.podIP].flatMap((text) => {
          const ip = text === undefined ? undefined : tryParseIp(text);
          return ip === undefined ? [] : [[hostname, ip] as const];
        }),
      );
      return runTool(argv, {
        netns: cluster.netnsOfPod(pod),
        programs: cluster.programs,
        hostname,
        privileged: false,
        files: new Map([['/etc/hosts', hostsFile(own)]]),
        resolve: (lookedUp) => resolveIn(cluster, lookedUp, namespace, own),
      });
    }
    case 'Node':
    case 'Host': {
      const hostname = source.kind === 'Node' ? source.node.metadata.name : source.name;
      return runTool(argv, {
        netns: cluster.netnsOfMachine(hostname),
        programs: cluster.programs,
        hostname,
        privileged: true,
        // Machines use the resolver of their own network, which knows nothing of the cluster's names.
        resolve: (lookedUp) => resolveIn(cluster, lookedUp, undefined, new Map()),
      });
    }
  }
}

function resolveIn(
  cluster: Cluster,
  name: string,
  namespace: string | undefined,
  own: ReadonlyMap<string, Ip>,
): readonly Ip[] | undefined {
  const ip = tryParseIp(name) ?? own.get(name) ?? (name === 'localhost' ? tryParseIp('127.0.0.1') : undefined);
  if (ip !== undefined) return [ip];
  const found = namespace === undefined ? undefined : cluster.resolve(name, namespace);
  return found === undefined ? undefined : [found];
}

/** As the kubelet writes it for a pod with its own network. */
function hostsFile(own: ReadonlyMap<string, Ip>): string {
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...[...own].map(([name, ip]) => `${formatIp(ip)}\t${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

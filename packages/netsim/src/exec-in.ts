import { containerLibc } from '@netsim/dns';
import type { Pod } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { driveLookup } from './dns/drive.ts';
import { addressesOf, lookUp, podResolver } from './dns/look-up.ts';
import { MACHINE_RESOLV_CONF, podFiles } from './dns/pod-files.ts';
import { UsageError } from './errors.ts';
import type { ToolDns } from './exec/tool.ts';

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
      const { name } = pod.metadata;
      const containers = pod.spec.containers.map((container) => container.name);
      if (options.container !== undefined && !containers.includes(options.container)) {
        throw new UsageError(
          `container ${options.container} is not valid for pod ${name}`,
          `its containers: ${containers.join(', ')}`,
        );
      }
      const { hosts, hostname, resolvConf } = podFiles(pod, cluster.config);
      return runTool(argv, {
        netns: cluster.netnsOfPod(pod),
        programs: cluster.programs,
        hostname,
        privileged: false,
        files: new Map([
          ['/etc/hosts', hosts],
          ['/etc/resolv.conf', resolvConf],
        ]),
        dns: toolDns(cluster, pod, options.container),
        resolve: (name) => addressesOf(lookUp(cluster, pod, name, options.container)),
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
        files: new Map([['/etc/resolv.conf', MACHINE_RESOLV_CONF]]),
        resolve: () => undefined,
      });
    }
  }
}

/** Images with musl that bring the tools of bind all the same. */
const withBindTools = /netshoot|multitool|agnhost|dnsutils/;

function toolDns(cluster: Cluster, pod: Pod, name: string | undefined): ToolDns {
  const netns = cluster.netnsOfPod(pod);
  const container = pod.spec.containers.find((each) => each.name === name) ?? pod.spec.containers[0];
  const resolver = podResolver(cluster, pod, netns, name);
  const musl = containerLibc(pod, container).libc === 'musl';
  return {
    conf: resolver.conf,
    nslookup: musl && !withBindTools.test(container?.image ?? '') ? 'busybox' : 'bind',
    lookup: (asked, family) => driveLookup(netns, resolver.lookup(asked, { family })),
    now: () => new Date(cluster.now),
  };
}

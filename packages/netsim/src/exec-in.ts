import { containerLibc } from '@netsim/dns';
import type { Pod } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { driveLookup } from './dns/drive.ts';
import { type Asker, addressesOf, askerOf } from './dns/look-up.ts';
import { UsageError } from './errors.ts';
import type { ExecContext, ToolDns } from './exec/tool.ts';
import type { SourceRef } from './names.ts';

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
      return runTool(argv, { ...inside(cluster, source, options.container), privileged: false });
    }
    case 'Node':
    case 'Host':
      return runTool(argv, { ...inside(cluster, source), privileged: true });
  }
}

/** What a tool finds where it runs: the network namespace, the files, the resolver. */
function inside(cluster: Cluster, source: SourceRef, container?: string): Omit<ExecContext, 'privileged'> {
  const asker = askerOf(cluster, source, container);
  const { netns, files, resolver } = asker;
  return {
    netns,
    programs: cluster.programs,
    hostname: files.hostname,
    files: new Map([
      ['/etc/hosts', files.hosts],
      ['/etc/resolv.conf', files.resolvConf],
    ]),
    dns: toolDns(cluster, source, asker, container),
    resolve: (name) => addressesOf(driveLookup(netns, resolver.lookup(name))),
  };
}

/** Images with musl that bring the tools of bind all the same. */
const withBindTools = /netshoot|multitool|agnhost|dnsutils/;

function toolDns(cluster: Cluster, source: SourceRef, { netns, resolver }: Asker, name?: string): ToolDns {
  return {
    conf: resolver.conf,
    nslookup: source.kind === 'Pod' && hasBusyboxTools(source.pod, name) ? 'busybox' : 'bind',
    lookup: (asked, family) => driveLookup(netns, resolver.lookup(asked, { family })),
    now: () => new Date(cluster.now),
  };
}

function hasBusyboxTools(pod: Pod, name: string | undefined): boolean {
  const container = pod.spec.containers.find((each) => each.name === name) ?? pod.spec.containers[0];
  return containerLibc(pod, container).libc === 'musl' && !withBindTools.test(container?.image ?? '');
}

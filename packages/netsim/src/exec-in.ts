import type { Container, Pod } from '@netsim/manifest';
import { nearest } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { addFile, emptyTree, FileSystem } from './containers/file-system.ts';
import { type Userland, userlandOf } from './containers/userland.ts';
import { driveLookup } from './dns/drive.ts';
import { type Asker, addressesOf, askerOf } from './dns/look-up.ts';
import type { NameFiles } from './dns/pod-files.ts';
import { UsageError } from './errors.ts';
import type { ExecContext, ToolDns } from './exec/tool.ts';

export interface ExecOptions {
  readonly namespace?: string;
  /** Of a pod: whose files and environment, and which image's tools. Default: the first. */
  readonly container?: string;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status. */
  readonly code: number;
}

/** Names of the tools that {@link execIn} emulates in pods, or (`privileged`) on nodes and outside hosts. */
export async function execTools({ privileged }: { readonly privileged: boolean }): Promise<string[]> {
  const { toolNames } = await import('./exec/index.ts');
  return toolNames({ privileged });
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
  await cluster.awaitHealth();
  switch (source.kind) {
    case 'Pod': {
      const { pod } = source;
      const container = containerOf(pod, options.container);
      const asker = askerOf(cluster, source, container.name);
      const { files, env } = cluster.containers.view(pod, container);
      const reason = notRunning(pod, container.name);
      if (reason !== undefined) {
        const name = JSON.stringify(container.name);
        const stderr = `error: unable to upgrade connection: container not found (${name}) (netsim: ${reason})\n`;
        return { stdout: '', stderr, code: 1 };
      }
      const userland = userlandOf(pod, container);
      const result = await runTool(argv, { ...inside(cluster, asker, userland), privileged: false, files, env });
      // The tool may have made a file that a probe looks at.
      cluster.prober.wake(pod);
      return result;
    }
    case 'Node':
    case 'Host': {
      if (options.container !== undefined) {
        throw new UsageError(`${target} has no containers`, 'leave -c out: it is for pods');
      }
      const asker = askerOf(cluster, source);
      const files = filesOfMachine(asker.files, cluster.now);
      const env = new Map([
        ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        ['HOME', '/root'],
        ['HOSTNAME', asker.files.hostname],
      ]);
      return runTool(argv, { ...inside(cluster, asker, 'gnu'), privileged: true, files, env });
    }
  }
}

/** What a tool finds where it runs: the network namespace, the resolver. */
function inside(cluster: Cluster, asker: Asker, userland: Userland): Omit<ExecContext, 'privileged' | 'files' | 'env'> {
  const { netns, files, resolver } = asker;
  return {
    netns,
    programs: cluster.programs,
    hostname: files.hostname,
    userland,
    dns: toolDns(cluster, asker, userland),
    resolve: (name) => addressesOf(driveLookup(netns, resolver.lookup(name))),
  };
}

function containerOf({ metadata, spec }: Pod, name: string | undefined): Container {
  const { containers } = spec;
  const found = name === undefined ? containers[0] : containers.find((each) => each.name === name);
  if (found !== undefined) return found;
  const names = containers.map((each) => each.name);
  const near = nearest(name ?? '', names);
  throw new UsageError(
    `container ${name} is not valid for pod ${metadata.name}`,
    near === undefined ? `its containers: ${names.join(', ')}` : `did you mean "${near}"?`,
  );
}

/** Why a container does not run now. */
function notRunning({ status }: Pod, container: string): string | undefined {
  const state = status?.containerStatuses?.find(({ name }) => name === container)?.state;
  const waiting = state?.waiting as { reason?: string; message?: string } | undefined;
  const { reason = 'it waits', message } = waiting ?? {};
  if (waiting !== undefined) return reason === 'CreateContainerConfigError' ? `${reason}: ${message}` : reason;
  return state?.terminated === undefined ? undefined : 'it has ended';
}

function filesOfMachine({ resolvConf, hosts, hostname }: NameFiles, now: number): FileSystem {
  const root = emptyTree(now);
  for (const path of ['root', 'tmp', 'var', 'var/log']) root.set(path, { changed: now });
  addFile(root, 'etc/resolv.conf', resolvConf, now);
  addFile(root, 'etc/hostname', `${hostname}\n`, now);
  addFile(root, 'etc/hosts', hosts, now);
  return new FileSystem(root, [], () => now);
}

function toolDns(cluster: Cluster, { netns, resolver }: Asker, userland: Userland): ToolDns {
  return {
    conf: resolver.conf,
    nslookup: userland === 'busybox' ? 'busybox' : 'bind',
    lookup: (asked, family) => driveLookup(netns, resolver.lookup(asked, { family })),
    now: () => new Date(cluster.now),
  };
}

import { kindInfo } from '@netsim/manifest';
import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';
import { readSelection, selectorTest, suggestKind } from './select.ts';

export interface GetOptions {
  readonly selector?: string;
  readonly allNamespaces?: boolean;
  readonly showLabels?: boolean;
  readonly labelColumns?: readonly string[];
  readonly headers?: boolean;
}

/** `netsim get`: kubectl's output, and its messages; an object that is not there is exit status 1, an unknown kind 2. */
export async function get(
  context: CommandContext,
  kind: string,
  names: readonly string[],
  options: GetOptions,
): Promise<number> {
  const output = context.output(formats.get);
  const selection = readSelection(kind, names);
  const selects = selectorTest(options.selector);
  const cluster = await context.loadCluster({ look: true });
  const { getObjects } = await import('@netsim/render');
  const { stdout, stderr, code } = getObjects(cluster.store, {
    ...selection,
    namespace: context.namespace,
    output,
    now: cluster.now,
    allNamespaces: options.allNamespaces === true,
    labels: options.showLabels === true,
    labelColumns: (options.labelColumns ?? []).flatMap((keys) => keys.split(',')),
    noHeaders: options.headers === false,
    ...(selects === undefined ? {} : { selects }),
  });
  context.out(stdout);
  const unknown = selection.kinds
    .split(',')
    .find((word) => word.toLowerCase() !== 'all' && kindInfo(word) === undefined);
  if (unknown === undefined) {
    context.say(stderr);
    return context.badInput ? 2 : code;
  }
  const hint = suggestKind(unknown);
  context.say(hint === undefined ? stderr : `${stderr.trimEnd()}; did you mean "${hint}"?\n`);
  return 2;
}

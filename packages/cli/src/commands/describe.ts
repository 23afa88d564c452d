import { type KubeObject, kindInfo } from '@netsim/manifest';
import { CliError, type CommandContext } from '../context.ts';
import { formats } from '../formats.ts';
import { readSelection, selectorTest, suggestKind } from './select.ts';

export interface DescribeOptions {
  readonly selector?: string;
  readonly allNamespaces?: boolean;
}

/** `netsim describe`: one block for each object, a blank line or two between, as kubectl has it. */
export async function describe(
  context: CommandContext,
  kind: string,
  names: readonly string[],
  options: DescribeOptions,
): Promise<number> {
  context.output(formats.describe);
  const selection = readSelection(kind, names);
  const selects = selectorTest(options.selector) ?? (() => true);
  const kinds = selection.kinds.split(',').map((word) => {
    const info = kindInfo(word);
    if (info !== undefined) return info;
    const hint = suggestKind(word);
    throw new CliError(
      `the server doesn't have a resource type "${word}"${hint === undefined ? '' : `; did you mean "${hint}"?`}`,
    );
  });
  const cluster = await context.loadCluster({ look: true });
  const render = await import('@netsim/render');
  const { store, now } = cluster;
  const objects: KubeObject[] = [];
  let missing = 0;
  for (const { kind: wanted, namespaced } of kinds) {
    const warning = render.warningOf(wanted);
    if (warning !== undefined) context.err(`Warning: ${warning}\n`);
    const namespace = namespaced ? context.namespace : undefined;
    if (selection.names.length === 0) {
      const all = store.list(wanted, options.allNamespaces === true ? undefined : namespace);
      objects.push(...render.inOrder(all.filter(selects)));
      continue;
    }
    for (const name of selection.names) {
      const object = store.get(wanted, namespace, name);
      if (object !== undefined) objects.push(object);
      else {
        context.say(`${render.notFoundMessage(wanted, name)}\n`);
        missing++;
      }
    }
  }
  if (objects.length === 0 && missing === 0) {
    const everywhere = options.allNamespaces === true || kinds.every(({ namespaced }) => !namespaced);
    context.say(`${render.nothingFoundMessage(everywhere ? undefined : context.namespace)}\n`);
  }
  context.out(objects.map((object) => render.describe(object, { store, now })).join('\n\n'));
  if (context.badInput) return 2;
  return missing > 0 ? 1 : 0;
}

import type { CommandContext } from '../context.ts';

/** `netsim demo`: manifests that can be written to a file and changed. */
export async function demo(context: CommandContext): Promise<number> {
  context.output(['yaml']);
  const { demos } = await import('netsim');
  context.out(demos.kubia);
  return 0;
}

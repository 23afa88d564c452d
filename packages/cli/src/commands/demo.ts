import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/** `netsim demo`: manifests that can be written to a file and changed. */
export async function demo(context: CommandContext): Promise<number> {
  context.output(formats.demo);
  const { demos } = await import('netsim');
  context.out(demos.kubia);
  return 0;
}

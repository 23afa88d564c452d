import { CliError, type CommandContext } from '../context.ts';
import { allCodes, findCode, suggestCode } from '../explain/index.ts';
import { formats } from '../formats.ts';

/** `netsim explain CODE`; without a code the list of all. */
export async function explain(context: CommandContext, code: string | undefined): Promise<number> {
  const output = context.output(formats.explain);
  const found = code === undefined ? allCodes() : findCode(code);
  if (found.length === 0) {
    const hint = suggestCode(code ?? '');
    throw new CliError(
      `nothing is known of "${code}"; ${hint === undefined ? 'netsim explain lists all codes' : `did you mean "${hint}"?`}`,
    );
  }
  if (output !== 'text') await context.printData(output, 'Explanations', { codes: found });
  else if (code === undefined) {
    for (const entry of found) context.out(`${entry.code.padEnd(26)} ${entry.type}\n`);
  } else {
    const blocks = found.map(
      (entry) => `${entry.code} (${entry.type})\n  ${entry.meaning}\n\n  To mend it: ${entry.mend}\n`,
    );
    context.out(blocks.join('\n'));
  }
  return 0;
}

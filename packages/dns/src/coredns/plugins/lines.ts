import { type Directive, didYouMean, type Statement } from '../../corefile/parse.ts';
import {
  argumentError,
  type Fallthrough,
  normalZones,
  originsOf,
  parseDuration,
  readFallthrough,
} from '../kubernetes/options.ts';
import type { SetupContext } from '../plugin.ts';

export { argumentError, type Fallthrough, normalZones, originsOf, parseDuration, readFallthrough };

/** What to do for each word that may begin a line in a plugin's braces. */
export type LineReaders = Readonly<Record<string, (line: Statement) => void>>;

/** Reads the lines of a plugin's braces; one that nobody knows is an error as CoreDNS words it. */
export function readLines(directive: Directive, context: SetupContext, readers: LineReaders): void {
  for (const line of directive.body ?? []) {
    const reader = Object.hasOwn(readers, line.name) ? readers[line.name] : undefined;
    if (reader === undefined)
      context.error(line, `unknown property '${line.name}'`, didYouMean(line.name, Object.keys(readers)));
    else reader(line);
  }
}

/** Reports a line whose number of words is not between `least` and `most`. */
export function expectArgs(line: Statement, context: SetupContext, least: number, most = least): boolean {
  const good = line.args.length >= least && line.args.length <= most;
  if (!good) context.error(line, argumentError(line));
  return good;
}

/** A whole number from a line's word; reports others. */
export function readNumber(line: Statement, text: string | undefined, context: SetupContext, least = 0): number {
  if (text === undefined) context.error(line, argumentError(line));
  else if (!/^-?[0-9]+$/.test(text)) context.error(line, `strconv.Atoi: parsing "${text}": invalid syntax`);
  else if (Number(text) < least) context.error(line, `${line.name} must be ${least} or more: ${text}`);
  return Number(text);
}

/** Seconds from a Go duration; reports others. */
export function readDuration(line: Statement, text: string | undefined, context: SetupContext): number {
  if (text === undefined) {
    context.error(line, argumentError(line));
    return 0;
  }
  const seconds = parseDuration(text);
  if (seconds === undefined) context.error(line, `time: invalid duration "${text}"`);
  return seconds ?? 0;
}

/** The only use of a plugin in a block; reports a second one. */
export function only(directives: readonly Directive[], context: SetupContext): Directive {
  if (directives.length > 1) context.error(directives[1]!, 'this plugin can only be used once per Server Block');
  return directives[0]!;
}

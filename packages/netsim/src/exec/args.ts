/** What getopt found. Options are named by their letter or long name; repeated ones keep every value. */
export interface ParsedArgs {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  /** Every option as it came, in order: what `flags` and `values` are made of. */
  readonly sequence: readonly { readonly name: string; readonly value?: string }[];
  /** First option that is not known, as it was written, that could be several, or that lacks its value. */
  readonly problem?: ArgProblem;
}

export interface ArgProblem {
  readonly kind: 'unknown' | 'ambiguous' | 'needs-value';
  /** A letter, or a long option with its dashes. */
  readonly option: string;
  /** The word that it stands in. */
  readonly word: string;
}

export interface ArgSpec {
  /** Letters as in getopt's string: `c:` takes a value. */
  readonly short: string;
  /** Long names; the letter (or other name) that each stands for, with `:` where it takes a value. May be cut short, as for getopt_long. */
  readonly long?: Readonly<Record<string, string>>;
}

/** Reads short options, alone or in clusters, long ones with `=` or a space, and operands, in any order. `--` ends options. */
export function parseArgs(args: readonly string[], spec: ArgSpec): ParsedArgs {
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  const sequence: { name: string; value?: string }[] = [];
  let problem: ArgProblem | undefined;
  const set = (name: string) => {
    sequence.push({ name });
    flags.add(name);
  };
  const add = (name: string, value: string) => {
    sequence.push({ name, value });
    const list = values.get(name);
    if (list === undefined) values.set(name, [value]);
    else list.push(value);
  };
  for (let at = 0; at < args.length && problem === undefined; at++) {
    const word = args[at]!;
    if (word === '--') {
      operands.push(...args.slice(at + 1));
      break;
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      const target = longOption(name, spec.long ?? {});
      if (typeof target !== 'string') problem = { kind: target.problem, option: word, word };
      else if (!target.endsWith(':')) set(target);
      else {
        const value = equals < 0 ? args[++at] : word.slice(equals + 1);
        if (value === undefined) problem = { kind: 'needs-value', option: word, word };
        else add(target.slice(0, -1), value);
      }
      continue;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    for (let letterAt = 1; letterAt < word.length; letterAt++) {
      const letter = word[letterAt]!;
      const place = letter === ':' ? -1 : spec.short.indexOf(letter);
      if (place < 0) {
        problem = { kind: 'unknown', option: letter, word };
        break;
      }
      if (spec.short[place + 1] !== ':') {
        set(letter);
        continue;
      }
      const value = letterAt + 1 < word.length ? word.slice(letterAt + 1) : args[++at];
      if (value === undefined) problem = { kind: 'needs-value', option: letter, word };
      else add(letter, value);
      break;
    }
  }
  const parsed = { flags, values, operands, sequence };
  return problem === undefined ? parsed : { ...parsed, problem };
}

/** What a long option stands for: its whole name, or the beginning of just one. */
function longOption(
  name: string,
  long: Readonly<Record<string, string>>,
): string | { readonly problem: 'unknown' | 'ambiguous' } {
  if (Object.hasOwn(long, name)) return long[name]!;
  const fitting = name === '' ? [] : Object.keys(long).filter((each) => each.startsWith(name));
  const meanings = new Set(fitting.map((each) => long[each]!));
  if (meanings.size > 1) return { problem: 'ambiguous' };
  return [...meanings][0] ?? { problem: 'unknown' };
}

/** The last value of an option. */
export function lastValue({ values }: ParsedArgs, name: string): string | undefined {
  return values.get(name)?.at(-1);
}

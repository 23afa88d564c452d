/** What getopt found. Options are named by their letter or long name; repeated ones keep every value. */
export interface ParsedArgs {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  /** First option that is not known, as it was written, or that lacks its value. */
  readonly problem?: { readonly kind: 'unknown' | 'needs-value'; readonly option: string };
}

export interface ArgSpec {
  /** Letters as in getopt's string: `c:` takes a value. */
  readonly short: string;
  /** Long names; the letter (or other name) that each stands for, with `:` where it takes a value. */
  readonly long?: Readonly<Record<string, string>>;
}

/** Reads short options, alone or in clusters, long ones with `=` or a space, and operands, in any order. `--` ends options. */
export function parseArgs(args: readonly string[], spec: ArgSpec): ParsedArgs {
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  let problem: ParsedArgs['problem'];
  const add = (name: string, value: string) => {
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
      const target = spec.long !== undefined && Object.hasOwn(spec.long, name) ? spec.long[name]! : undefined;
      if (target === undefined) problem = { kind: 'unknown', option: word };
      else if (!target.endsWith(':')) flags.add(target);
      else {
        const value = equals < 0 ? args[++at] : word.slice(equals + 1);
        if (value === undefined) problem = { kind: 'needs-value', option: word };
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
        problem = { kind: 'unknown', option: letter };
        break;
      }
      if (spec.short[place + 1] !== ':') {
        flags.add(letter);
        continue;
      }
      const value = letterAt + 1 < word.length ? word.slice(letterAt + 1) : args[++at];
      if (value === undefined) problem = { kind: 'needs-value', option: letter };
      else add(letter, value);
      break;
    }
  }
  return problem === undefined ? { flags, values, operands } : { flags, values, operands, problem };
}

/** The last value of an option. */
export function lastValue({ values }: ParsedArgs, name: string): string | undefined {
  return values.get(name)?.at(-1);
}

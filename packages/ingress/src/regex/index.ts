import { Matcher } from './matcher.ts';
import { parsePattern } from './parse.ts';
import { compilePattern } from './program.ts';

export { MatchLimitError } from './matcher.ts';
export { RegexError } from './syntax.ts';

/** What a search has found; texts are byte texts. */
export interface RegexMatch {
  readonly index: number;
  /** By number; the whole match is 0; undefined: the group took no part. */
  readonly groups: readonly (string | undefined)[];
}

/**
 * A regular expression as PCRE understands it, over bytes: Perl's syntax with look-around, atomic groups and back references;
 * recursion, conditions and verbs are refused. No pattern and no text can make it run without bound: without back
 * references its steps are bounded by length of pattern times length of text, with them by PCRE's match limit.
 */
export class Regex {
  /** As it was written. */
  readonly source: string;
  /** Numbers of the groups with a name. */
  readonly names: ReadonlyMap<string, number>;
  readonly #matcher: Matcher;

  /** How many groups capture. */
  get groupCount(): number {
    return this.#matcher.groups;
  }

  /** Throws a RegexError where the pattern is wrong. */
  constructor(source: string, { caseless = false }: { readonly caseless?: boolean } = {}) {
    const program = compilePattern(parsePattern(toBytes(source), caseless));
    this.source = source;
    this.names = program.names;
    this.#matcher = new Matcher(program);
  }

  /** Whether it matches anywhere in a byte text (see `toBytes`). Throws a MatchLimitError. */
  test(text: string): boolean {
    return this.#matcher.exec(text) !== undefined;
  }

  /** The first match in a byte text. Throws a MatchLimitError. */
  exec(text: string): RegexMatch | undefined {
    const slots = this.#matcher.exec(text);
    if (slots === undefined) return undefined;
    const groups: (string | undefined)[] = [];
    for (let group = 0; group <= this.#matcher.groups; group++) {
      const from = slots[2 * group]!;
      const to = slots[2 * group + 1]!;
      groups.push(from < 0 || to < from ? undefined : text.slice(from, to));
    }
    return { index: slots[0]!, groups };
  }
}

/** A text as UTF-8, one character a byte: what programs that know no characters match on. */
export function toBytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** The characters of a byte text; what is not UTF-8 becomes U+FFFD. */
export function fromBytes(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

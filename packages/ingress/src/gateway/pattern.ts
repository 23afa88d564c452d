import { MatchLimitError, Regex, RegexError, toBytes } from '../regex/index.ts';

/** A regular expression of a route. */
export interface Pattern {
  /** Whether the whole text matches. */
  test(text: string): boolean;
}

/** Compiles an expression that must match a whole text; undefined where it does not compile. */
export function compilePattern(source: string): Pattern | undefined {
  let regex: Regex;
  try {
    // On its own first: a parenthesis that closes ours must not make it right.
    new Regex(source);
    regex = new Regex(`^(?:${source})$`);
  } catch (error) {
    if (error instanceof RegexError) return undefined;
    throw error;
  }
  return {
    test: (text) => {
      try {
        return regex.test(toBytes(text));
      } catch (error) {
        if (error instanceof MatchLimitError) return false;
        throw error;
      }
    },
  };
}

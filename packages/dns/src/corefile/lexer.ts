/** A word of a Corefile. */
export interface Token {
  readonly text: string;
  readonly file: string;
  /** From 1, as the column. */
  readonly line: number;
  readonly column: number;
  /** First of its line. */
  readonly first: boolean;
}

/**
 * Splits text into words: white space separates, `#` at the start of a word begins a comment, double quotes hold a
 * word together across lines, and `\"` inside them is a quote.
 */
export function tokenize(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lastLine = 0;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let lineStart = at;
  const push = (word: string, start: number, column: number) => {
    tokens.push({ text: word, file, line: start, column, first: start !== lastLine });
    lastLine = line;
  };
  while (at < text.length) {
    const char = text[at]!;
    if (char === '\n') {
      line++;
      at++;
      lineStart = at;
    } else if (/\s/.test(char)) {
      at++;
    } else if (char === '#') {
      while (at < text.length && text[at] !== '\n') at++;
    } else if (char === '"') {
      const start = line;
      const column = at - lineStart + 1;
      let word = '';
      at++;
      while (at < text.length && text[at] !== '"') {
        if (text[at] === '\\' && text[at + 1] === '"') at++;
        else if (text[at] === '\n') {
          line++;
          lineStart = at + 1;
        }
        word += text[at++];
      }
      at++;
      push(word, start, column);
    } else {
      const start = at;
      while (at < text.length && !/\s/.test(text[at]!)) at++;
      push(text.slice(start, at), line, start - lineStart + 1);
    }
  }
  return tokens;
}

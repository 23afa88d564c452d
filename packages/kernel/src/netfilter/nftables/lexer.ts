import { type NftProblem, NftSyntaxError } from './error.ts';

export interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'address' | 'sign' | 'newline' | 'end';
  readonly text: string;
  readonly line: number;
}

/**
 * Patterns in the order in which they are tried. An address comes before a word, so that `fd00::1` is one; a number with
 * letters (`3h`, `1d2h`) is a word.
 */
const patterns: readonly (readonly [Token['kind'] | 'skip', RegExp])[] = [
  ['skip', /[ \t\r]+|#[^\n]*|\\\r?\n/y],
  ['newline', /\n|;/y],
  ['string', /"[^"\n]*"/y],
  ['address', /(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]{1,4})?(?::)?/y],
  ['address', /[0-9]+(?:\.[0-9]+){3}/y],
  ['number', /0x[0-9a-fA-F]+|[0-9]+(?![0-9a-zA-Z_])/y],
  ['word', /[0-9]+[a-zA-Z][0-9a-zA-Z]*/y],
  ['word', /[a-zA-Z_][a-zA-Z0-9/\-_.]*\*?/y],
  ['sign', /==|!=|<=|>=|<<|>>|[{}()[\],:=<>&|^!@/\-+.*$]/y],
];

/** Cuts text into tokens; what no token begins with is reported and left out. */
export function tokenize(text: string, problems: NftProblem[]): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  scan: while (at < text.length) {
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (found === null) continue;
      const token = found[0];
      at += token.length;
      if (kind !== 'skip') tokens.push({ kind, text: kind === 'string' ? token.slice(1, -1) : token, line });
      for (let i = 0; i < token.length; i++) if (token.charCodeAt(i) === 10) line++;
      continue scan;
    }
    const token = text[at]!;
    problems.push(new NftSyntaxError(`unexpected ${JSON.stringify(token)}`, line, token).problem);
    at++;
  }
  tokens.push({ kind: 'end', text: 'end of text', line });
  return tokens;
}

/** Reads tokens one after the other. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #problems: NftProblem[];
  #at = 0;

  /** `problems` takes what {@link recover} is given. */
  constructor(tokens: readonly Token[], problems: NftProblem[]) {
    this.#tokens = tokens;
    this.#problems = problems;
  }

  /** Notes what was wrong with a statement and goes on after it. @throws any other error */
  recover(error: unknown): void {
    if (!(error instanceof NftSyntaxError)) throw error;
    this.#problems.push(error.problem);
    this.skipStatement();
  }

  /** Problems noted so far: tells whether a block was read without any. */
  get problems(): number {
    return this.#problems.length;
  }

  /** In a block: goes to its next statement; false at its closing brace, which is taken. */
  inBlock(): boolean {
    this.skipNewlines();
    if (this.peek().kind === 'end') this.fail('a block is not closed', ['}']);
    return !this.take('}');
  }

  endStatement(): void {
    if (!this.atEnd) this.fail('expected the end of the statement');
  }

  get line(): number {
    return this.peek().line;
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    if (this.#at < this.#tokens.length - 1) this.#at++;
    return token;
  }

  /** Is the next token this word or sign? A quoted string is never one. */
  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.text === text && token.kind !== 'string' && token.kind !== 'end';
  }

  /** Takes the next token if it is this word or sign. */
  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.next();
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail(`expected ${JSON.stringify(text)}`, [text]);
  }

  /** A name of a table, chain, set or map. */
  name(what: string): string {
    const token = this.peek();
    if (token.kind !== 'word' && token.kind !== 'string') this.fail(`expected the name of a ${what}`);
    return this.next().text;
  }

  number(what: string): number {
    const token = this.peek();
    if (token.kind !== 'number') this.fail(`expected ${what}`);
    return Number(this.next().text);
  }

  string(what: string): string {
    const token = this.peek();
    if (token.kind !== 'string' && token.kind !== 'word') this.fail(`expected ${what}`);
    return this.next().text;
  }

  /** At the end of a statement: a newline, a semicolon, the end of a block or of the text. */
  get atEnd(): boolean {
    const token = this.peek();
    return token.kind === 'newline' || token.kind === 'end' || this.is('}');
  }

  skipNewlines(): void {
    while (this.peek().kind === 'newline') this.next();
  }

  /** Leaves out the rest of the statement, with the blocks that it opens. */
  skipStatement(): void {
    let depth = 0;
    for (;;) {
      const token = this.peek();
      if (token.kind === 'end') return;
      if (depth === 0 && (token.kind === 'newline' || this.is('}'))) return;
      if (this.is('{')) depth++;
      if (this.is('}')) depth--;
      this.next();
    }
  }

  /** @throws NftSyntaxError about the next token */
  fail(message: string, candidates?: Iterable<string>): never {
    const { kind, text, line } = this.peek();
    const shown = kind === 'end' ? 'the end of the text' : kind === 'newline' ? 'the end of the line' : text;
    const word = kind === 'end' || kind === 'newline' ? undefined : text;
    throw new NftSyntaxError(`${message}, found ${JSON.stringify(shown)}`, line, word, candidates);
  }
}

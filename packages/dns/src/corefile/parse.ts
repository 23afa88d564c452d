import { type Finding, formatFinding } from '@netsim/manifest';
import { type Token, tokenize } from './lexer.ts';
import { isDirective } from './plugins.ts';

/** One line inside a plugin's braces, with its own braces where it has them. */
export interface Statement {
  readonly name: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly line: number;
  readonly body?: readonly Statement[];
}
/** One use of a plugin in a server block. */
export type Directive = Statement;

/** A key of a server block as it is written: `[scheme://]zone[:port]`. */
export interface ServerKey {
  readonly text: string;
  readonly file: string;
  readonly line: number;
}
export interface ServerBlock {
  readonly keys: readonly ServerKey[];
  readonly directives: readonly Directive[];
}
export interface Corefile {
  readonly file: string;
  readonly blocks: readonly ServerBlock[];
}

export interface CorefileOptions {
  /** Name for messages; `Corefile` where it is not given. */
  readonly file?: string;
  /** For `{$NAME}` and `{%NAME%}`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Files for `import`, by path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Thrown for a Corefile that CoreDNS would not start with; carries every mistake. */
export class CorefileError extends Error {
  override readonly name = 'CorefileError';
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super(findings.map(formatFinding).join('\n'));
    this.findings = findings;
  }
}

/** A finding with the text CoreDNS would print: `Corefile:3 - Error during parsing: ...`. */
export function corefileFinding(file: string, line: number, message: string): Finding {
  return { severity: 'error', code: 'corefile', message: `${file}:${line} - ${message}`, file, line };
}

const MAX_IMPORTS = 200;
const MAX_TOKENS = 200_000;

/**
 * Reads a Corefile: server blocks, snippets, imports and environment variables. Follows CoreDNS's own parser, but goes
 * on after a mistake. Throws {@link CorefileError}.
 */
export function parseCorefile(text: string, options: CorefileOptions = {}): Corefile {
  const file = options.file ?? 'Corefile';
  const parser = new CorefileParser(tokenize(text, file), file, options);
  const blocks = parser.parse();
  if (parser.findings.length > 0) throw new CorefileError(parser.findings);
  return { file, blocks };
}

/** Thrown inside the parser where going on makes no sense. */
class Stop extends Error {}

class CorefileParser {
  readonly findings: Finding[] = [];
  readonly #file: string;
  readonly #options: CorefileOptions;
  readonly #snippets = new Map<string, Token[]>();
  #tokens: Token[];
  #at = 0;
  #imports = 0;

  constructor(tokens: Token[], file: string, options: CorefileOptions) {
    this.#tokens = tokens;
    this.#file = file;
    this.#options = options;
  }

  parse(): ServerBlock[] {
    const blocks: ServerBlock[] = [];
    try {
      while (this.#at < this.#tokens.length) {
        const block = this.#block();
        if (block !== undefined) blocks.push(block);
      }
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    return blocks;
  }

  #block(): ServerBlock | undefined {
    const keys = this.#keys();
    const name = keys.length === 1 ? /^\((.+)\)$/.exec(keys[0]!.text)?.[1] : undefined;
    if (name !== undefined) {
      this.#snippet(name, keys[0]!);
      return undefined;
    }
    const braced = this.#peek()?.text === '{';
    if (braced) this.#at++;
    const directives = this.#directives(braced);
    return keys.length === 0 ? undefined : { keys, directives };
  }

  #keys(): ServerKey[] {
    const keys: ServerKey[] = [];
    let another = false;
    for (;;) {
      const token = this.#peek();
      if (token === undefined) {
        if (another) this.#fail('Unexpected EOF');
        return keys;
      }
      if (keys.length > 0 && !another && token.first) return keys;
      const text = this.#env(token.text);
      if (text === 'import' && token.first) {
        this.#import();
        continue;
      }
      if (text === '{') {
        if (another) this.#fail(`Expected another address but had '${text}' - check for extra comma`, token);
        return keys;
      }
      this.#at++;
      if (text === '') continue;
      another = text.endsWith(',');
      const key = another ? text.slice(0, -1) : text;
      if (key !== '') keys.push({ text: key, file: token.file, line: token.line });
    }
  }

  #snippet(name: string, at: ServerKey): void {
    if (this.#snippets.has(name)) this.#report(`redeclaration of previously declared snippet ${name}`, at);
    if (this.#peek()?.text !== '{') {
      this.#fail(`Syntax error: Unexpected token '${this.#peek()?.text ?? ''}', expecting '{'`, at);
    }
    this.#at++;
    const tokens: Token[] = [];
    let depth = 1;
    for (;;) {
      const token = this.#peek();
      if (token === undefined) this.#fail('Unexpected EOF');
      this.#at++;
      if (token!.text === '{') depth++;
      else if (token!.text === '}' && --depth === 0) break;
      tokens.push(token!);
    }
    this.#snippets.set(name, tokens);
  }

  #directives(braced: boolean): Directive[] {
    const directives: Directive[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === undefined) {
        if (braced) this.#fail("Unexpected EOF, expecting '}'");
        return directives;
      }
      if (token.text === '}') {
        this.#at++;
        if (!braced) this.#report("Unexpected '}' because no matching opening brace", token);
        return directives;
      }
      if (token.text === 'import') {
        this.#import();
        continue;
      }
      const directive = this.#statement();
      if (isDirective(directive.name)) directives.push(directive);
      else this.#report(`Unknown directive '${directive.name}'`, token);
    }
  }

  /** One line and its braces. */
  #statement(): Statement {
    const first = this.#peek()!;
    this.#at++;
    const args: string[] = [];
    const head = { name: this.#env(first.text), args, file: first.file, line: first.line };
    for (;;) {
      const token = this.#peek();
      if (token === undefined || token.first || token.text === '}') return head;
      this.#at++;
      if (token.text === '{') return { ...head, body: this.#body() };
      args.push(this.#env(token.text));
    }
  }

  #body(): Statement[] {
    const body: Statement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === undefined) this.#fail('Unexpected EOF');
      if (token!.text === '}') {
        this.#at++;
        return body;
      }
      if (token!.text === 'import' && token!.first) this.#import();
      else body.push(this.#statement());
    }
  }

  /** Puts the tokens of a snippet or of files in the place of an import line. */
  #import(): void {
    const start = this.#at;
    const token = this.#peek()!;
    const argument = this.#tokens[start + 1];
    if (argument === undefined || argument.first) {
      this.#fail("Wrong argument count or unexpected line ending after 'import'", token);
    }
    const pattern = this.#env(argument!.text);
    if (pattern === '') this.#fail('Import requires a non-empty filepath', token);
    const extra = this.#tokens[start + 2];
    if (extra !== undefined && !extra.first && extra.text !== '}') {
      this.#fail(`Import takes only one argument (glob pattern or file)`, token);
    }
    if (++this.#imports > MAX_IMPORTS) this.#fail('maximum number of imports exceeded: an import loop', token);
    const tokens = this.#snippets.get(pattern) ?? this.#imported(pattern, token);
    if (this.#tokens.length + tokens.length > MAX_TOKENS) this.#fail('the Corefile is too large', token);
    this.#tokens = [...this.#tokens.slice(0, start), ...tokens, ...this.#tokens.slice(start + 2)];
  }

  #imported(pattern: string, at: Token): Token[] {
    const files = this.#options.files ?? {};
    const glob = /[*?[]/.test(pattern);
    const names = Object.keys(files)
      .filter((name) => (glob ? globPattern(pattern).test(name) : name === pattern || name.endsWith(`/${pattern}`)))
      .sort();
    if (names.length === 0 && !glob) {
      this.#report(`File to import not found: ${pattern}`, at);
    }
    return names.flatMap((name) => tokenize(files[name]!, name));
  }

  #env(text: string): string {
    if (!text.includes('{')) return text;
    const { env = {} } = this.#options;
    return text
      .replace(/\{\$([^{}]*)\}/g, (_, name: string) => env[name] ?? '')
      .replace(/\{%([^{}%]*)%\}/g, (_, name: string) => env[name] ?? '');
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #report(message: string, at?: { readonly file: string; readonly line: number }): void {
    const where = at ?? this.#tokens[this.#tokens.length - 1] ?? { file: this.#file, line: 1 };
    this.findings.push(corefileFinding(where.file, where.line, `Error during parsing: ${message}`));
  }

  #fail(message: string, at?: { readonly file: string; readonly line: number }): never {
    this.#report(message, at);
    throw new Stop();
  }
}

function globPattern(glob: string): RegExp {
  const text = glob
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\*/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  return new RegExp(`(^|/)${text}$`);
}

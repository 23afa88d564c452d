import { type Finding, formatFinding, nearest } from '@netsim/manifest';
import { type Token, tokenize } from './lexer.ts';
import { isDirective, PLUGIN_ORDER } from './plugins.ts';

/** Where a word of a Corefile stands; line and column from 1. */
export interface CorefilePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One line inside a plugin's braces, with its own braces where it has them. */
export interface Statement extends CorefilePlace {
  readonly name: string;
  readonly args: readonly string[];
  readonly body?: readonly Statement[];
}
/** One use of a plugin in a server block. */
export type Directive = Statement;

/** A key of a server block as it is written: `[scheme://]zone[:port]`. */
export interface ServerKey extends CorefilePlace {
  readonly text: string;
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

/** Thrown for a Corefile that CoreDNS would not start with; carries every mistake, first the one at which CoreDNS stops. */
export class CorefileError extends Error {
  override readonly name = 'CorefileError';
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super(findings.map(formatFinding).join('\n'));
    this.findings = findings;
  }
}

/** A finding with the text CoreDNS would print: `plugin/cache: Corefile:3 - Error during parsing: ...`. */
export function corefileFinding(
  { file, line, column }: CorefilePlace,
  message: string,
  { plugin, suggestion }: { readonly plugin?: string; readonly suggestion?: string | undefined } = {},
): Finding {
  const text = `${plugin === undefined ? '' : `plugin/${plugin}: `}${file}:${line} - ${message}`;
  const found: Finding = { severity: 'error', code: 'corefile', message: text, file, line, column };
  return suggestion === undefined ? found : { ...found, suggestion };
}

/** What was probably meant by a name that nobody knows. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const near = nearest(name, candidates);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

const MAX_IMPORTS = 200;
const MAX_TOKENS = 200_000;

/**
 * Reads a Corefile: server blocks, snippets, imports and environment variables. Follows CoreDNS's own parser, but goes
 * on after a mistake. Throws {@link CorefileError}.
 */
export function parseCorefile(text: string, options: CorefileOptions = {}): Corefile {
  const { corefile, findings } = readCorefile(text, options);
  if (findings.length > 0) throw new CorefileError(findings);
  return corefile;
}

/** As {@link parseCorefile}, but returns the mistakes, and the server blocks without the plugins that nobody knows. */
export function readCorefile(
  text: string,
  options: CorefileOptions = {},
): { readonly corefile: Corefile; readonly findings: readonly Finding[] } {
  const file = options.file ?? 'Corefile';
  const parser = new CorefileParser(tokenize(text, file), file, options);
  const blocks = parser.parse();
  return { corefile: { file, blocks }, findings: parser.findings };
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
      if (key !== '') keys.push({ text: key, ...placeOf(token) });
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
      else this.#report(`Unknown directive '${directive.name}'`, token, didYouMean(directive.name, PLUGIN_ORDER));
    }
  }

  /** One line and its braces. */
  #statement(): Statement {
    const first = this.#peek()!;
    this.#at++;
    const args: string[] = [];
    const head = { name: this.#env(first.text), args, ...placeOf(first) };
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

  #report(message: string, at?: CorefilePlace, suggestion?: string): void {
    const where = at ?? this.#tokens[this.#tokens.length - 1] ?? { file: this.#file, line: 1, column: 1 };
    this.findings.push(corefileFinding(where, `Error during parsing: ${message}`, { suggestion }));
  }

  #fail(message: string, at?: CorefilePlace): never {
    this.#report(message, at);
    throw new Stop();
  }
}

function placeOf({ file, line, column }: Token): CorefilePlace {
  return { file, line, column };
}

function globPattern(glob: string): RegExp {
  const text = glob
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\*/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  return new RegExp(`(^|/)${text}$`);
}

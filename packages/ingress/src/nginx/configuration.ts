/** What of nginx's configuration decides where a request goes. */
export interface NginxConfiguration {
  /** In the order in which they are written; the first regular expression among names that matches wins. */
  readonly servers: readonly NginxServer[];
}

export interface NginxServer {
  /** As in `server_name`: `foo.com`, `*.foo.com`, `~^www\d\.foo\.com$`, `_`. */
  readonly names: readonly string[];
  /** Answers to whom no server is named after. */
  readonly isDefault: boolean;
  readonly locations: readonly NginxLocation[];
}

export interface NginxLocation {
  /** `=`: the whole path; '': a prefix; `~*`: a regular expression in any case. */
  readonly modifier: '=' | '' | '~*';
  readonly path: string;
  /** `rewrite "PATTERN" TARGET break`. */
  readonly rewrite?: { readonly pattern: string; readonly target: string } | undefined;
}

/** A configuration that nginx would not start with (`nginx -t` says [emerg]). */
export class NginxConfigurationError extends Error {
  override readonly name = 'NginxConfigurationError';
}

/** What nginx reads where a text stands between double quotes. Throws where the quotes would end early. */
export function unquote(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') throw new NginxConfigurationError(`unexpected quotation mark in ${JSON.stringify(text)}`);
    if (c !== '\\') {
      out += c;
      continue;
    }
    const next = text[i + 1];
    const special = next === undefined ? undefined : ESCAPES.get(next);
    if (special === undefined) out += c;
    else {
      out += special;
      i++;
    }
  }
  return out;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['t', '\t'],
  ['r', '\r'],
  ['n', '\n'],
]);

import type { RegexMatch } from '../regex/index.ts';
import { NginxConfigurationError } from './configuration.ts';
import { escapeArgs, escapeUri } from './uri.ts';

/** What stands in a text for values that a request gives: `$host`, `${host}`, `$1`. */
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'capture'; readonly group: number }
  /** From here on it is arguments: captures are escaped. */
  | { readonly kind: 'arguments' };

export type Variables = (name: string) => string;

const KNOWN =
  /^(?:(?:http|arg|cookie|sent_http|upstream_http)_\w+|args|best_http_host|binary_remote_addr|connection|content_length|content_type|document_uri|host|hostname|https|ingress_name|is_args|location_path|msec|namespace|pass_access_scheme|pass_port|pass_server_port|pid|proxy_upstream_name|query_string|realip_remote_addr|redirect_to|remote_addr|remote_port|remote_user|req_id|request|request_id|request_method|request_uri|scheme|server_addr|server_name|server_port|server_protocol|service_name|service_port|status|the_real_ip|time_iso8601|time_local|uri|subdomain)$/;

/** A text with variables in it, as `return`, `rewrite` and `proxy_set_header` take it. Throws on names nginx does not know. */
export class Script {
  readonly #parts: readonly Part[];

  constructor(source: string, { names = new Map(), args = false }: ScriptOptions = {}) {
    this.#parts = parse(source, names, args);
  }

  /** The text alone; captures are those of the last search, if there was one. */
  run(variables: Variables, match?: RegexMatch): string {
    let out = '';
    for (const part of this.#parts) {
      if (part.kind === 'text') out += part.text;
      else if (part.kind === 'variable') out += variables(part.name);
      else if (part.kind === 'capture') out += match?.groups[part.group] ?? '';
    }
    return out;
  }

  /** A rewritten URI: what comes before and after the question mark; `args` undefined where there is none. */
  rewrite(match: RegexMatch, variables: Variables, quote: boolean, always: boolean): { uri: string; args?: string } {
    let uri = '';
    let args: string | undefined;
    for (const part of this.#parts) {
      if (part.kind === 'arguments') {
        args = '';
        continue;
      }
      let text: string;
      if (part.kind === 'text') text = part.text;
      else if (part.kind === 'variable') text = variables(part.name);
      else {
        text = match.groups[part.group] ?? '';
        if (quote && (always || args !== undefined)) text = escapeArgs(text);
      }
      if (args === undefined) uri += text;
      else args += text;
    }
    return args === undefined ? { uri } : { uri, args };
  }
}

interface ScriptOptions {
  /** Groups of the regular expression that has a name. */
  readonly names?: ReadonlyMap<string, number>;
  /** A question mark begins the arguments. */
  readonly args?: boolean;
}

function parse(source: string, names: ReadonlyMap<string, number>, splitArgs: boolean): Part[] {
  const parts: Part[] = [];
  let text = '';
  let inArgs = false;
  const flush = (): void => {
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
  };
  for (let i = 0; i < source.length; ) {
    const c = source[i]!;
    if (c === '?' && splitArgs && !inArgs) {
      inArgs = true;
      flush();
      parts.push({ kind: 'arguments' });
      i++;
    } else if (c === '$') {
      const found = /^\$(?:([1-9])|\{(\w+)\}|(\w+))/.exec(source.slice(i, i + 80));
      if (found === null) throw new NginxConfigurationError('invalid variable name');
      flush();
      i += found[0].length;
      const name = found[2] ?? found[3];
      if (name === undefined) parts.push({ kind: 'capture', group: Number(found[1]) });
      else if (names.has(name)) parts.push({ kind: 'capture', group: names.get(name)! });
      else if (KNOWN.test(name)) parts.push({ kind: 'variable', name });
      else throw new NginxConfigurationError(`unknown "${name}" variable`);
    } else {
      text += c;
      i++;
    }
  }
  flush();
  return parts;
}

/** What a backend is sent after a rewrite. */
export function rewrittenTarget(uri: string, args: string): string {
  return args === '' ? escapeUri(uri) : `${escapeUri(uri)}?${args}`;
}

import { Regex, RegexError, toBytes } from '../regex/index.ts';
import { NginxConfigurationError, type NginxServer } from './configuration.ts';
import { asciiLower } from './request.ts';

/** The server that a host name belongs to: exact names, then wildcards in front, then behind, then regular expressions. */
export class ServerIndex<S extends NginxServer> {
  readonly #exact = new Map<string, S>();
  /** By what follows the star, with its dot: `.foo.com`. */
  readonly #heads = new Map<string, S>();
  /** By what stands before the star, with its dot: `www.`. */
  readonly #tails = new Map<string, S>();
  readonly #regexes: { readonly regex: Regex; readonly server: S }[] = [];
  readonly #default: S;

  /** Throws a NginxConfigurationError where a name is a bad regular expression, or no server is the default. */
  constructor(servers: readonly S[]) {
    const fallback = servers.find(({ isDefault }) => isDefault);
    if (fallback === undefined) throw new NginxConfigurationError('no default server');
    this.#default = fallback;
    for (const server of servers) for (const name of server.names) this.#add(name, server);
  }

  #add(name: string, server: S): void {
    const add = (map: Map<string, S>, key: string): void => {
      if (!map.has(key)) map.set(key, server);
    };
    if (name.startsWith('~')) {
      const source = name.slice(1);
      try {
        this.#regexes.push({ regex: new Regex(source, { caseless: /[A-Z]/.test(source) }), server });
      } catch (error) {
        if (!(error instanceof RegexError)) throw error;
        throw new NginxConfigurationError(`server name "${name}" does not compile: ${error.message}`);
      }
      return;
    }
    const lower = asciiLower(toBytes(name));
    if (lower.startsWith('*.')) add(this.#heads, lower.slice(1));
    else if (lower.endsWith('.*')) add(this.#tails, lower.slice(0, -1));
    else if (lower.startsWith('.')) {
      add(this.#heads, lower);
      add(this.#exact, lower.slice(1));
    } else add(this.#exact, lower);
  }

  /** `host` in lower case, without port. Throws a MatchLimitError. */
  find(host: string): S {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    if (host === '') return this.#default;
    if (this.#heads.size > 0) {
      for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const found = this.#heads.get(host.slice(dot));
        if (found !== undefined) return found;
      }
    }
    if (this.#tails.size > 0) {
      for (let dot = host.lastIndexOf('.'); dot !== -1; dot = dot === 0 ? -1 : host.lastIndexOf('.', dot - 1)) {
        const found = this.#tails.get(host.slice(0, dot + 1));
        if (found !== undefined) return found;
      }
    }
    for (const { regex, server } of this.#regexes) if (regex.test(host)) return server;
    return this.#default;
  }
}

import { canonicalHost } from '../http/host.ts';
import { splitTarget } from '../http/target.ts';
import type { FrontRequest } from '../model.ts';

/** A request, read once for the matching. */
export class Incoming {
  readonly request: FrontRequest;
  /** As host names are compared; '' where the request names none. */
  readonly host: string;
  /** Path and query as they go on, in origin form. */
  readonly target: string;
  readonly path: string;
  /** With its question mark; '' where there is none. */
  readonly query: string;
  #params: ReadonlyMap<string, string> | undefined;

  constructor(request: FrontRequest) {
    this.request = request;
    const { host, path, query } = splitTarget(request.target);
    // The absolute form names the host; a Host header beside it does not count (RFC 9112 section 3.2.2).
    this.host = canonicalHost(host ?? request.host);
    this.path = path;
    this.query = query;
    const whole = path.length + query.length === request.target.length;
    this.target = whole ? request.target : path + query;
  }

  /** The value of a header field (its name in lower case); several are joined as RFC 9110 does. */
  header(name: string): string | undefined {
    let value: string | undefined;
    for (const [field, text] of this.request.headers) {
      if (field.length !== name.length || field.toLowerCase() !== name) continue;
      value = value === undefined ? text : `${value},${text}`;
    }
    return value;
  }

  /** The first value of a query parameter, decoded. */
  param(name: string): string | undefined {
    this.#params ??= readParams(this.query);
    return this.#params.get(name);
  }
}

function readParams(query: string): ReadonlyMap<string, string> {
  const params = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) if (!params.has(name)) params.set(name, value);
  return params;
}

import type { HTTPRouteFilter } from '@netsim/manifest';
import type { HeaderChange, HeaderField } from '../model.ts';

type CorsFilter = NonNullable<HTTPRouteFilter['cors']>;

/** Cross-origin rules of a route (the HTTPRouteFilter `CORS`; the words are those of the Fetch standard). */
export class Cors {
  readonly #filter: CorsFilter;
  readonly #all: boolean;
  readonly #exact: ReadonlySet<string>;
  /** Before and after the star. */
  readonly #wildcards: readonly (readonly [string, string])[];

  constructor(filter: CorsFilter) {
    this.#filter = filter;
    const origins = filter.allowOrigins ?? [];
    this.#all = origins.includes('*');
    this.#exact = new Set(origins.map((origin) => origin.toLowerCase()));
    this.#wildcards = origins
      .filter((origin) => origin !== '*' && origin.includes('*'))
      .map((origin) => {
        const star = origin.indexOf('*');
        return [origin.slice(0, star).toLowerCase(), origin.slice(star + 1).toLowerCase()];
      });
  }

  #allows(origin: string): boolean {
    const name = origin.toLowerCase();
    return (
      this.#all ||
      this.#exact.has(name) ||
      this.#wildcards.some(
        ([start, end]) => name.length > start.length + end.length && name.startsWith(start) && name.endsWith(end),
      )
    );
  }

  /** The header fields that answer a preflight request; empty where the origin is not allowed. */
  preflight(origin: string, method: string, headers: string | undefined): HeaderField[] {
    if (!this.#allows(origin)) return [];
    const { allowMethods = [], allowHeaders = [], maxAge = 5 } = this.#filter;
    const fields = this.#answer(origin);
    // The star would not do for requests with credentials: what was asked for is named.
    if (allowMethods.length > 0) {
      fields.push(['Access-Control-Allow-Methods', allowMethods.includes('*') ? method : allowMethods.join(', ')]);
    }
    if (allowHeaders.length > 0 && !(allowHeaders.includes('*') && headers === undefined)) {
      fields.push(['Access-Control-Allow-Headers', allowHeaders.includes('*') ? headers! : allowHeaders.join(', ')]);
    }
    fields.push(['Access-Control-Max-Age', String(maxAge)]);
    return fields;
  }

  /** What is done to the answer of the backend. */
  changes(origin: string): HeaderChange[] {
    if (!this.#allows(origin)) {
      return ['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials'].map((name) => ({
        kind: 'remove',
        name,
      }));
    }
    return this.#answer(origin).map(([name, value]) => ({ kind: 'set', name, value }));
  }

  #answer(origin: string): HeaderField[] {
    const { allowCredentials = false, exposeHeaders = [] } = this.#filter;
    const fields: HeaderField[] = [['Access-Control-Allow-Origin', this.#all && !allowCredentials ? '*' : origin]];
    if (allowCredentials) fields.push(['Access-Control-Allow-Credentials', 'true']);
    if (exposeHeaders.length > 0) fields.push(['Access-Control-Expose-Headers', exposeHeaders.join(', ')]);
    return fields;
  }
}

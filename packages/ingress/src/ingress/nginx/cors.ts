import type { FrontRequest, HeaderField } from '../../model.ts';
import { type Regex, toBytes } from '../../regex/index.ts';
import type { Cors } from './settings.ts';
import { headerValue } from './variables.ts';

/** The header fields of an answer to a request from one of the origins; undefined: it comes from elsewhere. */
export function corsHeaders(cors: Cors, origins: Regex | undefined, request: FrontRequest): HeaderField[] | undefined {
  // Without a single origin that can be read, nothing is allowed.
  if (cors.origins.length === 0) return undefined;
  const origin = headerValue(request, 'Origin') ?? '';
  if (origins !== undefined && !origins.test(toBytes(origin))) return undefined;
  const fields: HeaderField[] = [['Access-Control-Allow-Origin', origins === undefined ? '*' : origin]];
  if (cors.credentials) fields.push(['Access-Control-Allow-Credentials', 'true']);
  fields.push(['Access-Control-Allow-Methods', cors.methods], ['Access-Control-Allow-Headers', cors.headers]);
  if (cors.exposed !== '') fields.push(['Access-Control-Expose-Headers', cors.exposed]);
  fields.push(['Access-Control-Max-Age', String(cors.maxAge)]);
  return fields;
}

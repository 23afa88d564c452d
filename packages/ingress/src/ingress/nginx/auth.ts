import type { AuthRequest, HeaderField } from '../../model.ts';
import { fromBytes } from '../../regex/index.ts';
import type { CompiledPlace } from './compile.ts';
import type { ExternalAuth } from './settings.ts';
import { type RequestVariables, variablesOf } from './variables.ts';

/** The request that asks the auth service of a location; its fields are those of the template's auth location. */
export function authRequest(place: CompiledPlace, variables: RequestVariables): AuthRequest {
  const auth = place.settings!.auth!;
  const { method, responseHeaders, alwaysSetCookie, cacheFor } = auth;
  const values = variablesOf(variables);
  const fields: HeaderField[] = [];
  if (method !== '') fields.push(['X-Original-URI', values('request_uri')], ['X-Scheme', values('pass_access_scheme')]);
  if (place.authRedirect !== undefined) fields.push(['X-Auth-Request-Redirect', place.authRedirect.run(values)]);
  for (const { name, value } of place.authFields) fields.push([name, value.run(values)]);
  const key = place.authCacheKey?.run(values);
  return {
    method: method || 'GET',
    url: place.authUrl!.run(values),
    responseHeaders,
    ...(fields.length > 0 && { fields }),
    ...(alwaysSetCookie && { alwaysSetCookie }),
    // Each server and location has keys of its own.
    ...(key !== undefined && {
      cache: { key: JSON.stringify([variables.hostname, place.ingressPath, auth.url, key]), times: cacheFor },
    }),
    ...(place.authSignin !== undefined && { signin: signinUrl(auth, place.authSignin.run(values), variables) }),
  };
}

/** The page for people who are not signed in, with the way back, unless it names one itself. */
function signinUrl({ signin, signinParameter }: ExternalAuth, page: string, variables: RequestVariables): string {
  const values = variablesOf(variables);
  const back = fromBytes(variables.read.requestUri).replace(/[^A-Za-z0-9\-._~]+/gu, escapeAll);
  const url = `${values('pass_access_scheme')}://${values('http_host')}${back}`;
  const query = new URLSearchParams(signin.split('?').slice(1).join('?'));
  if ((query.get(signinParameter) ?? '') !== '') return page;
  return `${page}${query.size === 0 ? '?' : '&'}${signinParameter}=${url}`;
}

/** `set_escape_uri`: all but letters, digits and `-._~`. */
function escapeAll(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

import { createHash } from 'node:crypto';
import type { CookieAffinity, FrontRequest } from '../../model.ts';
import type { CompiledPlace } from './compile.ts';
import type { Upstream } from './render.ts';
import { cookieValue } from './variables.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const keys = new WeakMap<Upstream, string>();

/** What a cookie says whose upstream it is for, as `balancer/sticky.lua` writes it. */
function keyOf(upstream: Upstream): string {
  let key = keys.get(upstream);
  if (key === undefined) {
    key = md5(md5(upstream.name) + upstream.name);
    keys.set(upstream, key);
  }
  return key;
}

/** Whether the client has a cookie of this upstream. */
export function isAffinitized(upstream: Upstream, request: FrontRequest): boolean {
  const { affinity } = upstream;
  return affinity !== undefined && cookieValue(request, affinity.cookie).split('|')[1] === keyOf(upstream);
}

/** What the cookie of a request says, and what a new one is to look like. */
export function affinityOf(upstream: Upstream, place: CompiledPlace, request: FrontRequest): CookieAffinity {
  const { cookie, path, domain, expires, maxAge, sameSite, secure, partitioned, persistent, changeOnFailure } =
    upstream.affinity!;
  const [value = ''] = cookieValue(request, cookie).split('|');
  const attributes = [
    maxAge === '' ? '' : `; Max-Age=${maxAge}`,
    domain === '' ? '' : `; Domain=${domain}`,
    `; Path=${path === '' ? (place.rule?.path ?? place.ingressPath) : path}`,
    secure || request.scheme === 'https' ? '; Secure' : '',
    '; HttpOnly',
    sameSite === '' ? '' : `; SameSite=${sameSite}`,
    partitioned ? '; Partitioned' : '',
  ].join('');
  return {
    cookie,
    key: keyOf(upstream),
    ...(value !== '' && { value }),
    ...(expires !== '' && { expires: Number(expires) }),
    ...(persistent && { persistent }),
    ...(changeOnFailure && { changeOnFailure }),
    // The cookie is set at the paths of Ingresses that ask for it, and read at all of the same upstream.
    ...(place.settings?.affinity === undefined && { silent: true }),
    attributes,
  };
}

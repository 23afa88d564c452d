import type { FrontRequest } from '../../model.ts';
import { MatchLimitError, Regex, RegexError, toBytes } from '../../regex/index.ts';
import { hasEndpoints } from '../endpoints.ts';
import type { IngressView } from '../view.ts';
import { isAffinitized } from './affinity.ts';
import type { Upstream } from './render.ts';
import type { Canary } from './settings.ts';
import { cookieVariable, headerValue } from './variables.ts';

/** The upstream that gets the request: this one or its canary, as `route_to_alternative_balancer` of the controller's balancer. */
export function balanced(upstream: Upstream, view: IngressView, request: FrontRequest, chance: number): Upstream {
  const [other] = upstream.alternatives;
  if (other?.canary === undefined) return upstream;
  // A balancer without endpoints does not exist: without the main one there is no canary either.
  if (!hasEndpoints(view, upstream.backend) || !hasEndpoints(view, other.backend)) return upstream;
  if (isAffinitized(upstream, request)) return upstream;
  return isAffinitized(other, request) || takesCanary(other.canary, request, chance) ? other : upstream;
}

function takesCanary(canary: Canary, request: FrontRequest, chance: number): boolean {
  const { header, headerValue: wanted, headerPattern, cookie, weight, weightTotal } = canary;
  const sent = header === '' ? undefined : headerValue(request, header);
  if (sent !== undefined) {
    if (wanted !== '') {
      if (sent === wanted) return true;
    } else if (headerPattern !== '') {
      const found = matchesPattern(headerPattern, sent);
      if (found !== false) return found === true;
    } else if (sent === 'always') return true;
    else if (sent === 'never') return false;
  }
  const value = cookie === '' ? '' : cookieVariable(request, cookie);
  if (value === 'always') return true;
  if (value === 'never') return false;
  return chance < weight / weightTotal;
}

/** Undefined: the pattern is wrong, and the canary gets nothing. */
function matchesPattern(pattern: string, text: string): boolean | undefined {
  try {
    return new Regex(pattern).test(toBytes(text));
  } catch (error) {
    if (error instanceof RegexError || error instanceof MatchLimitError) return undefined;
    throw error;
  }
}

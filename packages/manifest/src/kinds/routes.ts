import type {
  BackendRef,
  GRPCRoute,
  GRPCRouteMatch,
  HTTPBackendRef,
  HTTPHeaderMatch,
  HTTPRoute,
  HTTPRouteFilter,
  HTTPRouteMatch,
  HTTPRouteRule,
  PathModifier,
  Route,
} from '../gateway-objects.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import { subdomainName, validateMetadata } from '../validate/common.ts';
import { inRange, matchesPattern, requireText, validateHostname } from './gateway-fields.ts';

const GROUP = 'gateway.networking.k8s.io';

function defaultParents({ spec }: Route): void {
  for (const ref of spec.parentRefs ?? []) {
    ref.group ??= GROUP;
    ref.kind ??= 'Gateway';
  }
}

function defaultBackend(ref: BackendRef): void {
  ref.group ??= '';
  ref.kind ??= 'Service';
  ref.weight ??= 1;
}

/** TLSRoute, TCPRoute, UDPRoute. */
export function defaultStreamRoute(route: Route): void {
  if (route.spec === undefined) return;
  defaultParents(route);
  for (const { backendRefs } of route.spec.rules ?? []) for (const ref of backendRefs ?? []) defaultBackend(ref);
}

function defaultFilters(filters: readonly HTTPRouteFilter[] = []): void {
  for (const { requestMirror, requestRedirect, cors } of filters) {
    if (requestMirror?.backendRef !== undefined) {
      requestMirror.backendRef.group ??= '';
      requestMirror.backendRef.kind ??= 'Service';
    }
    if (requestMirror?.fraction !== undefined) requestMirror.fraction.denominator ??= 100;
    if (requestRedirect !== undefined) requestRedirect.statusCode ??= 302;
    if (cors !== undefined) cors.maxAge ??= 5;
  }
}

function defaultBackends(refs: readonly HTTPBackendRef[] = []): void {
  for (const ref of refs) {
    defaultBackend(ref);
    defaultFilters(ref.filters);
  }
}

function defaultHeaders(headers: readonly HTTPHeaderMatch[] = []): void {
  for (const match of headers) match.type ??= 'Exact';
}

export function defaultHTTPRoute(route: HTTPRoute): void {
  const { spec } = route;
  if (spec === undefined) return;
  defaultParents(route);
  spec.rules ??= [{}];
  for (const rule of spec.rules) {
    rule.matches ??= [{}];
    for (const match of rule.matches) {
      match.path ??= {};
      match.path.type ??= 'PathPrefix';
      match.path.value ??= '/';
      defaultHeaders(match.headers);
      defaultHeaders(match.queryParams);
    }
    defaultFilters(rule.filters);
    defaultBackends(rule.backendRefs);
  }
}

export function defaultGRPCRoute(route: GRPCRoute): void {
  if (route.spec === undefined) return;
  defaultParents(route);
  for (const rule of route.spec.rules ?? []) {
    for (const { method, headers } of rule.matches ?? []) {
      if (method !== undefined) method.type ??= 'Exact';
      defaultHeaders(headers);
    }
    defaultFilters(rule.filters);
    defaultBackends(rule.backendRefs);
  }
}

function validateRoute({ metadata, spec }: Route, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  const seen = new Set<string>();
  (spec?.parentRefs ?? []).forEach((ref, i) => {
    const at = SPEC.child('parentRefs').index(i);
    requireText(causes, at.child('name'), ref.name);
    if (ref.port !== undefined) inRange(causes, at.child('port'), ref.port, 1, 65535);
    const key = JSON.stringify([ref.group, ref.kind, ref.namespace, ref.name, ref.sectionName, ref.port]);
    if (seen.has(key)) {
      const message =
        'sectionName or port must be unique when parentRefs includes 2 or more references to the same parent';
      causes.invalid(SPEC.child('parentRefs'), 'array', message);
    }
    seen.add(key);
  });
  (spec?.hostnames ?? []).forEach((hostname, i) => {
    validateHostname(causes, SPEC.child('hostnames').index(i), hostname);
  });
}

/** TLSRoute, TCPRoute, UDPRoute: one rule, with one backend or more. */
export function validateStreamRoute(route: Route, causes: Causes): void {
  validateRoute(route, causes);
  const at = SPEC.child('rules');
  const rules = route.spec?.rules ?? [];
  if (rules.length === 0) causes.required(at);
  if (rules.length > 1) causes.tooMany(at, rules.length, 1);
  rules.forEach(({ backendRefs = [] }, i) => {
    const here = at.index(i).child('backendRefs');
    if (backendRefs.length === 0) causes.required(here);
    validateBackends(backendRefs, here, causes);
  });
}

const MOST_RULES = 16;

export function validateHTTPRoute(route: HTTPRoute, causes: Causes): void {
  validateRoute(route, causes);
  const at = SPEC.child('rules');
  const rules = route.spec?.rules ?? [];
  if (rules.length > MOST_RULES) causes.tooMany(at, rules.length, MOST_RULES);
  rules.slice(0, MOST_RULES).forEach((rule, i) => {
    validateRule(rule, at.index(i), causes);
    (rule.matches ?? []).forEach((match, j) => {
      validateMatch(match, at.index(i).child('matches').index(j), causes);
    });
  });
}

export function validateGRPCRoute(route: GRPCRoute, causes: Causes): void {
  validateRoute(route, causes);
  const at = SPEC.child('rules');
  (route.spec?.rules ?? []).forEach((rule, i) => {
    const here = at.index(i);
    validateFilters(rule.filters, here.child('filters'), causes, GRPC_FILTERS);
    validateBackends(rule.backendRefs, here.child('backendRefs'), causes);
    (rule.matches ?? []).forEach((match: GRPCRouteMatch, j) => {
      const there = here.child('matches').index(j);
      const { method } = match;
      if (method !== undefined) {
        causes.oneOf(there.child('method').child('type'), method.type, ['Exact', 'RegularExpression']);
        if (method.service === undefined && method.method === undefined) {
          causes.invalid(there.child('method'), 'object', "One or both of 'service' or 'method' must be specified");
        }
      }
      validateValues(match.headers, there.child('headers'), causes);
    });
  });
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const PATH_TYPES = ['Exact', 'PathPrefix', 'RegularExpression'];
const BAD_PATHS = ['//', '/./', '/../', '%2f', '%2F', '#'];
const BAD_ENDS = ['/..', '/.'];

function validateMatch({ path, method, headers, queryParams }: HTTPRouteMatch, at: FieldPath, causes: Causes): void {
  if (path !== undefined) {
    const here = at.child('path');
    const { type, value = '/' } = path;
    causes.oneOf(here.child('type'), type, PATH_TYPES);
    if (type === 'Exact' || type === 'PathPrefix') {
      const rule = (message: string) => causes.invalid(here, 'object', message);
      const types = "['Exact', 'PathPrefix']";
      const meant = value.startsWith('/') ? undefined : `did you mean "/${value}"?`;
      if (!value.startsWith('/')) {
        causes.invalid(
          here,
          'object',
          `value must be an absolute path and start with '/' when type one of ${types}`,
          meant,
        );
      }
      for (const bad of BAD_PATHS) if (value.includes(bad)) rule(`must not contain '${bad}' when type one of ${types}`);
      for (const bad of BAD_ENDS) if (value.endsWith(bad)) rule(`must not end with '${bad}' when type one of ${types}`);
      if (!/^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/.test(value)) {
        rule(
          `must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) for types ${types}`,
        );
      }
    }
  }
  if (method !== undefined) causes.oneOf(at.child('method'), method, METHODS);
  validateValues(headers, at.child('headers'), causes);
  validateValues(queryParams, at.child('queryParams'), causes);
}

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$/;

function validateValues(values: readonly HTTPHeaderMatch[] = [], at: FieldPath, causes: Causes): void {
  values.forEach(({ type, name, value }, i) => {
    const here = at.index(i);
    causes.oneOf(here.child('type'), type, ['Exact', 'RegularExpression']);
    if (requireText(causes, here.child('name'), name)) matchesPattern(causes, here.child('name'), name, HEADER_NAME);
    requireText(causes, here.child('value'), value);
  });
}

const DURATION = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;

function validateRule(rule: HTTPRouteRule, at: FieldPath, causes: Causes): void {
  validateFilters(rule.filters, at.child('filters'), causes, HTTP_FILTERS);
  validateBackends(rule.backendRefs, at.child('backendRefs'), causes);
  const filters = rule.filters ?? [];
  if ((rule.backendRefs ?? []).length > 0 && filters.some(({ requestRedirect }) => requestRedirect !== undefined)) {
    causes.invalid(at, 'object', 'RequestRedirect filter must not be used together with backendRefs');
  }
  const onePrefix = rule.matches?.length === 1 && rule.matches[0]?.path?.type === 'PathPrefix';
  for (const [name, path] of [
    ['RequestRedirect', filters.find(({ requestRedirect }) => requestRedirect !== undefined)?.requestRedirect?.path],
    ['URLRewrite', filters.find(({ urlRewrite }) => urlRewrite !== undefined)?.urlRewrite?.path],
  ] as const) {
    if (path?.type === 'ReplacePrefixMatch' && !onePrefix) {
      const message = `When using ${name} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified`;
      causes.invalid(at, 'object', message);
    }
  }
  const { timeouts, retry } = rule;
  for (const name of ['request', 'backendRequest'] as const) {
    const text = timeouts?.[name];
    if (text !== undefined) matchesPattern(causes, at.child('timeouts').child(name), text, DURATION);
  }
  (retry?.codes ?? []).forEach((code, i) => {
    inRange(causes, at.child('retry').child('codes').index(i), code, 400, 599);
  });
  if (retry?.backoff !== undefined) matchesPattern(causes, at.child('retry').child('backoff'), retry.backoff, DURATION);
}

function validateBackends(refs: readonly HTTPBackendRef[] = [], at: FieldPath, causes: Causes): void {
  refs.forEach((ref, i) => {
    const here = at.index(i);
    requireText(causes, here.child('name'), ref.name);
    if (ref.port !== undefined) inRange(causes, here.child('port'), ref.port, 1, 65535);
    else if (ref.group === '' && ref.kind === 'Service') {
      causes.invalid(here, 'object', 'Must have port for Service reference');
    }
    if (ref.weight !== undefined) inRange(causes, here.child('weight'), ref.weight, 0, 1_000_000);
    validateFilters(ref.filters, here.child('filters'), causes, HTTP_FILTERS);
  });
}

type FilterField = Exclude<keyof HTTPRouteFilter, 'type'>;
const HTTP_FILTERS: Readonly<Record<string, FilterField>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
};
const GRPC_FILTERS: Readonly<Record<string, FilterField>> = {
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestHeaderModifier: 'requestHeaderModifier',
  RequestMirror: 'requestMirror',
  ExtensionRef: 'extensionRef',
};
const REDIRECT_CODES = [301, 302, 303, 307, 308];

function validateFilters(
  filters: readonly HTTPRouteFilter[] = [],
  at: FieldPath,
  causes: Causes,
  known: Readonly<Record<string, FilterField>>,
): void {
  const has = (type: string) => filters.some((filter) => filter.type === type);
  if (has('RequestRedirect') && has('URLRewrite')) {
    const message = 'May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both';
    causes.invalid(at, 'array', message);
  }
  for (const type of Object.keys(known)) {
    if (type === 'RequestMirror' || type === 'ExtensionRef') continue;
    if (filters.filter((filter) => filter.type === type).length > 1)
      causes.invalid(at, 'array', `${type} filter cannot be repeated`);
  }
  filters.forEach((filter, i) => {
    const here = at.index(i);
    causes.oneOf(here.child('type'), filter.type, Object.keys(known));
    for (const [type, field] of Object.entries(known)) {
      const given = filter[field] !== undefined;
      if (filter.type === type && !given) {
        causes.invalid(here, 'object', `filter.${field} must be specified for ${type} filter.type`);
      } else if (filter.type !== type && given) {
        causes.invalid(here, 'object', `filter.${field} must be nil if the filter.type is not ${type}`);
      }
    }
    validatePathModifier(filter.urlRewrite?.path, here.child('urlRewrite').child('path'), causes);
    validatePathModifier(filter.requestRedirect?.path, here.child('requestRedirect').child('path'), causes);
    const { requestRedirect: redirect, requestMirror: mirror } = filter;
    if (redirect !== undefined) {
      const there = here.child('requestRedirect');
      if (redirect.scheme !== undefined) causes.oneOf(there.child('scheme'), redirect.scheme, ['http', 'https']);
      if (redirect.statusCode !== undefined && !REDIRECT_CODES.includes(redirect.statusCode)) {
        causes.unsupported(there.child('statusCode'), redirect.statusCode, REDIRECT_CODES.map(String));
      }
      if (redirect.port !== undefined) inRange(causes, there.child('port'), redirect.port, 1, 65535);
      if (redirect.hostname !== undefined) validateHostname(causes, there.child('hostname'), redirect.hostname);
    }
    if (mirror !== undefined) {
      const there = here.child('requestMirror');
      if (mirror.backendRef === undefined) causes.required(there.child('backendRef'));
      if (mirror.percent !== undefined) inRange(causes, there.child('percent'), mirror.percent, 0, 100);
      if (mirror.percent !== undefined && mirror.fraction !== undefined) {
        causes.invalid(there, 'object', 'Only one of percent or fraction may be specified in HTTPRequestMirrorFilter');
      }
    }
  });
}

function validatePathModifier(path: PathModifier | undefined, at: FieldPath, causes: Causes): void {
  if (path === undefined) return;
  causes.oneOf(at.child('type'), path.type, ['ReplaceFullPath', 'ReplacePrefixMatch']);
  for (const [type, field] of [
    ['ReplaceFullPath', 'replaceFullPath'],
    ['ReplacePrefixMatch', 'replacePrefixMatch'],
  ] as const) {
    const given = path[field] !== undefined;
    if (path.type === type && !given) {
      causes.invalid(at, 'object', `${field} must be specified when type is set to '${type}'`);
    } else if (path.type !== type && given) {
      causes.invalid(at, 'object', `type must be '${type}' when ${field} is set`);
    }
  }
}

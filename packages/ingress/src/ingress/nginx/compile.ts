import type { PathTables } from '../../http/path-tables.ts';
import { NginxConfigurationError, unquote } from '../../nginx/configuration.ts';
import { LocationIndex, type LocationMatch } from '../../nginx/locations.ts';
import { Script } from '../../nginx/script.ts';
import { ServerIndex } from '../../nginx/servers.ts';
import { Regex, RegexError, toBytes } from '../../regex/index.ts';
import type { Place, Server } from './render.ts';

/** A location with its scripts and expressions read. */
export interface CompiledPlace extends Place {
  readonly rewriting: Rewriting | undefined;
  readonly redirect: { readonly code: number; readonly url: Script } | undefined;
  readonly authUrl: Script | undefined;
  readonly authSignin: Script | undefined;
  readonly authRedirect: Script | undefined;
  readonly authCacheKey: Script | undefined;
  readonly authFields: readonly { readonly name: string; readonly value: Script }[];
  readonly mirror: { readonly target: Script; readonly host: Script | undefined } | undefined;
  readonly vhost: Script | undefined;
  readonly forwardedPrefix: Script | undefined;
  readonly corsOrigin: Regex | undefined;
  readonly timeouts: { readonly request: number; readonly backendRequest: number; readonly connect: number };
}

export interface Rewriting {
  readonly regex: Regex;
  readonly target: Script;
  /** The target is a URL: a redirect. */
  readonly redirect: boolean;
  /** The target has a question mark of its own. */
  readonly hasArgs: boolean;
  /** The arguments of the request go on behind those of the target. */
  readonly keepArgs: boolean;
}

export interface CompiledServer extends Server {
  readonly locations: readonly CompiledPlace[];
  readonly index: LocationIndex<CompiledPlace>;
}

const DEFAULT_TIMEOUTS = { request: 0, backendRequest: 60_000, connect: 5_000 };

/** Throws a NginxConfigurationError where `nginx -t` would refuse the server. `paths`: shared by all servers. */
export function compileServer(server: Server, paths: PathTables<LocationMatch<CompiledPlace>>): CompiledServer {
  // A name that is a bad regular expression breaks the server as a bad location does.
  if (server.names.some((name) => name.startsWith('~'))) new ServerIndex([{ ...server, isDefault: true }]);
  const locations = server.locations.map(compilePlace);
  // Written out: an object that is spread from another is larger and slower, and there are very many of them.
  const { hostname, names, isDefault, regex, redirectTo, appRoot, certificate, ingresses, losers, ignored } = server;
  const index = new LocationIndex(locations, paths);
  return {
    index,
    redirectTo,
    appRoot,
    hostname,
    names,
    isDefault,
    regex,
    certificate,
    ingresses,
    losers,
    ignored,
    locations,
  };
}

function compilePlace(place: Place): CompiledPlace {
  const { settings, rewrite } = place;
  const script = (text: string | undefined): Script | undefined =>
    text === undefined || text === '' ? undefined : new Script(toBytes(text));
  const auth = settings?.auth;
  return {
    settings,
    upstream: place.upstream,
    rewrite,
    rule: place.rule,
    modifier: place.modifier,
    path: place.path,
    ingressPath: place.ingressPath,
    rewriting: rewrite === undefined ? undefined : compileRewrite(rewrite),
    redirect:
      settings?.redirect === undefined
        ? undefined
        : { code: settings.redirect.code, url: new Script(token(settings.redirect.url)) },
    authUrl: script(auth?.url),
    authSignin: script(auth?.signin),
    authRedirect: script(auth?.requestRedirect),
    authCacheKey: script(auth?.cacheKey),
    authFields: auth?.fields.map(([name, value]) => ({ name, value: new Script(toBytes(value)) })) ?? [],
    mirror:
      settings?.mirror === undefined
        ? undefined
        : { target: new Script(token(settings.mirror.target)), host: script(settings.mirror.host) },
    vhost: script(settings?.upstreamVhost),
    forwardedPrefix: rewrite === undefined ? undefined : script(settings?.forwardedPrefix),
    corsOrigin: settings?.cors === undefined ? undefined : originRegex(settings.cors.origins),
    timeouts:
      settings === undefined || (settings.readTimeout === 60_000 && settings.connectTimeout === 5_000)
        ? DEFAULT_TIMEOUTS
        : { request: 0, backendRequest: settings.readTimeout, connect: settings.connectTimeout },
  };
}

/** A text that stands in the configuration without quotes. */
function token(text: string): string {
  if (/[\s;{}'"]/.test(text.replace(/\$\{\w+\}/g, ''))) {
    throw new NginxConfigurationError(`invalid number of arguments: ${JSON.stringify(text)} stands without quotes`);
  }
  return toBytes(text);
}

function compileRewrite({ pattern, target }: { readonly pattern: string; readonly target: string }): Rewriting {
  let regex: Regex;
  try {
    regex = new Regex(unquote(pattern));
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new NginxConfigurationError(`rewrite "${pattern}" does not compile: ${error.message}`);
  }
  const written = token(target);
  const redirect = /^(?:https?:\/\/|\$scheme)/.test(written);
  const dropsArgs = written.endsWith('?');
  const text = dropsArgs ? written.slice(0, -1) : written;
  return {
    regex,
    target: new Script(text, { names: regex.names, args: !redirect }),
    redirect,
    hasArgs: text.includes('?'),
    keepArgs: !dropsArgs,
  };
}

/** The controller's `buildCorsOriginRegex`; undefined: every origin. */
function originRegex(origins: readonly string[]): Regex | undefined {
  if (origins.length === 1 && origins[0] === '*') return undefined;
  const options = origins.map(
    (origin) => `(${origin.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&').replace('\\*', '[A-Za-z0-9\\-]+')})`,
  );
  return new Regex(`(${options.join('|')})$`, { caseless: true });
}

import type { NginxConfiguration, NginxLocation, NginxServer } from './configuration.ts';

/** What the printed text needs besides the model: where nginx listens, and what stands in each location. */
export interface PrintOptions {
  /** `listen` of every server, without the semicolon: `127.0.0.1:8080`. */
  readonly listen: string;
  /** Directives of a server before its locations. */
  server?(server: NginxServer): readonly string[];
  /** Directives of a location before and after its `rewrite`. */
  body(location: NginxLocation): { readonly before: readonly string[]; readonly after: readonly string[] };
}

/** The `server` blocks as nginx reads them. */
export function printNginxConf({ servers }: NginxConfiguration, options: PrintOptions): string {
  return servers.map((server) => printServer(server, options)).join('');
}

function printServer(server: NginxServer, options: PrintOptions): string {
  const { names, isDefault, locations } = server;
  const lines = [
    'server {',
    ` listen ${options.listen}${isDefault ? ' default_server' : ''};`,
    ` server_name ${names.map((name) => (name.startsWith('~') ? `"${name}"` : name)).join(' ')};`,
    ...(options.server?.(server) ?? []).map((line) => ` ${line}`),
    ...locations.flatMap((location) => printLocation(location, options)),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

function printLocation(location: NginxLocation, options: PrintOptions): string[] {
  const { before, after } = options.body(location);
  const { rewrite } = location;
  return [
    ` location ${locationName(location)} {`,
    ...before.map((line) => `  ${line}`),
    ...(rewrite === undefined ? [] : [`  rewrite "${rewrite.pattern}" ${rewrite.target} break;`]),
    ...after.map((line) => `  ${line}`),
    ' }',
  ];
}

/** What stands behind the word `location`: `= "/foo"`. */
export function locationName({ modifier, path }: NginxLocation): string {
  return `${modifier === '' ? '' : `${modifier} `}"${path}"`;
}

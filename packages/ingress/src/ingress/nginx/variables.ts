import type { FrontRequest, TrustedClient } from '../../model.ts';
import type { NginxRequest } from '../../nginx/request.ts';
import type { Variables } from '../../nginx/script.ts';

/** What nginx's variables are read from. */
export interface RequestVariables {
  readonly request: FrontRequest;
  readonly read: NginxRequest;
  /** The first name of the server. */
  readonly hostname: string;
  readonly client: TrustedClient | undefined;
}

/** The values that a request gives to nginx's variables; what netsim does not know is empty. */
export function variablesOf({ request, read, hostname, client }: RequestVariables): Variables {
  return (name) => {
    switch (name) {
      case 'host':
        return read.server || hostname;
      case 'best_http_host':
        return client?.host ?? read.httpHost ?? (read.server || hostname);
      case 'request_uri':
        return read.requestUri;
      case 'uri':
      case 'document_uri':
        return read.uri;
      case 'args':
      case 'query_string':
        return read.args;
      case 'is_args':
        return read.args === '' ? '' : '?';
      case 'scheme':
        return request.scheme;
      case 'pass_access_scheme':
        return client?.scheme ?? request.scheme;
      case 'https':
        return request.scheme === 'https' ? 'on' : '';
      case 'request_method':
        return request.method;
      case 'remote_addr':
      case 'the_real_ip':
        return client?.address ?? request.clientAddress ?? '';
      case 'realip_remote_addr':
        return request.clientAddress ?? '';
      case 'server_name':
        return hostname;
      case 'server_port':
        return String(request.port);
      case 'pass_server_port':
      case 'pass_port':
        return client?.port ?? String(request.port);
      case 'server_protocol':
        return `HTTP/${request.version === '2' ? '2.0' : request.version}`;
      case 'http_host':
        return read.httpHost ?? '';
    }
    if (name.startsWith('http_')) return headerValue(request, name.slice(5)) ?? '';
    if (name.startsWith('cookie_')) return cookieVariable(request, name.slice(7));
    if (name.startsWith('arg_')) return argument(read.args, name.slice(4));
    return '';
  };
}

/** A header field by its name; nginx makes no difference between `-` and `_`. */
export function headerValue({ headers }: FrontRequest, name: string): string | undefined {
  const wanted = name.toLowerCase().replaceAll('-', '_');
  const values = headers.filter(([field]) => field.toLowerCase().replaceAll('-', '_') === wanted);
  return values.length === 0 ? undefined : values.map(([, value]) => value).join(', ');
}

/** A cookie as nginx's `$cookie_name`, in any case of its name; '' where it is not sent. */
export function cookieVariable(request: FrontRequest, name: string): string {
  const wanted = name.toLowerCase();
  return findCookie(request, (each) => each.toLowerCase() === wanted);
}

/** A cookie by its name to the letter; '' where it is not sent. */
export function cookieValue(request: FrontRequest, name: string): string {
  return findCookie(request, (each) => each === name);
}

function findCookie(request: FrontRequest, isWanted: (name: string) => boolean): string {
  for (const [field, value] of request.headers) {
    if (field.toLowerCase() !== 'cookie') continue;
    for (const part of value.split(';')) {
      const equals = part.indexOf('=');
      if (equals !== -1 && isWanted(part.slice(0, equals).trim())) return part.slice(equals + 1).trim();
    }
  }
  return '';
}

function argument(args: string, name: string): string {
  for (const part of args.split('&')) {
    const equals = part.indexOf('=');
    if (equals !== -1 && part.slice(0, equals).toLowerCase() === name.toLowerCase()) return part.slice(equals + 1);
  }
  return '';
}

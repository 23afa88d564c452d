import type { FrontRequest, TrustedClient } from '@netsim/ingress';
import type { Field } from '../http/message.ts';
import type { Controller } from './controllers.ts';

/** Fields that belong to one connection and are not passed on (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function endToEnd(fields: readonly Field[]): Field[] {
  return fields.filter(([name]) => !hopByHop.has(name.toLowerCase()));
}

/**
 * What a controller tells the backend about the client. ingress-nginx writes them all anew, for it does not trust what the
 * client says, unless `use-forwarded-headers` is on (`client`); its template: `rootfs/etc/nginx/template/nginx.tmpl`.
 */
export function forwardedFields(
  kind: Controller['kind'],
  request: FrontRequest,
  { host, id, client }: { readonly host: string; readonly id: string; readonly client: TrustedClient | undefined },
): Field[] {
  const { scheme, port, clientAddress = '', headers } = request;
  const sent = headers.find(([name]) => name.toLowerCase() === 'x-forwarded-for')?.[1];
  if (kind !== 'ingress-nginx') {
    return [
      ['X-Forwarded-For', sent === undefined ? clientAddress : `${sent}, ${clientAddress}`],
      ['X-Forwarded-Proto', scheme],
      ['X-Forwarded-Host', host],
      ['X-Request-Id', id],
    ];
  }
  const through = client?.scheme ?? scheme;
  return [
    ['X-Request-ID', id],
    ['X-Real-IP', client?.address ?? clientAddress],
    ['X-Forwarded-For', client?.forwardedFor ?? clientAddress],
    ['X-Forwarded-Host', client?.host ?? host],
    ['X-Forwarded-Port', client?.port ?? String(port)],
    ['X-Forwarded-Proto', through],
    ['X-Forwarded-Scheme', through],
    ['X-Scheme', through],
    ...(sent === undefined ? [] : [['X-Original-Forwarded-For', sent] as const]),
  ];
}

/** Fields of the request as the backend gets them: what the controller writes, then the client's others. */
export function upstreamFields(host: string, own: readonly Field[], headers: readonly Field[]): Field[] {
  const names = new Set(own.map(([name]) => name.toLowerCase()));
  names.add('host');
  return [['Host', host], ...own, ...endToEnd(headers).filter(([name]) => !names.has(name.toLowerCase()))];
}

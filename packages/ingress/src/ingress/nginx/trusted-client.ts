import { type Ip, type Prefix, prefixContains, tryParseIp } from '@netsim/wire';
import type { FrontRequest, TrustedClient } from '../../model.ts';
import type { NginxRequest } from '../../nginx/request.ts';
import type { Globals } from './globals.ts';
import { headerValue } from './variables.ts';

/** Who the client is by the words of a proxy in front; undefined: nobody is trusted to say. */
export function trustedClient(globals: Globals, request: FrontRequest, read: NginxRequest): TrustedClient | undefined {
  const { realIp, trustForwarded, trusted, forwardedForHeader, fullForwardedFor } = globals;
  if (!realIp) return undefined;
  const { clientAddress = '', scheme, port } = request;
  const sent = headerValue(request, forwardedForHeader);
  const address = realAddress(clientAddress, sent, trusted);
  const told = (name: string): string | undefined => (trustForwarded ? headerValue(request, name) : undefined);
  return {
    address,
    forwardedFor: fullForwardedFor ? [...(sent ? [sent] : []), clientAddress].join(', ') : address,
    scheme: told('x-forwarded-proto') ?? scheme,
    port: told('x-forwarded-port') ?? String(port),
    host: told('x-forwarded-host')?.split(',')[0] ?? read.httpHost ?? read.server,
  };
}

/** nginx's `real_ip_recursive on`: from the right the first address that is not trusted, else the leftmost. */
function realAddress(peer: string, sent: string | undefined, trusted: readonly Prefix[]): string {
  const isTrusted = (ip: Ip): boolean => trusted.some((range) => prefixContains(range, ip));
  const peerIp = tryParseIp(peer);
  if (sent === undefined || peerIp === undefined || !isTrusted(peerIp)) return peer;
  let address = peer;
  for (const item of sent.split(/[\s,]+/).reverse()) {
    const ip = tryParseIp(item);
    if (ip === undefined) break;
    address = item;
    if (!isTrusted(ip)) break;
  }
  return address;
}

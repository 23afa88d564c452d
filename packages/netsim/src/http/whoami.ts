import { podIPs } from '@netsim/control';
import type { TcpConnection } from '@netsim/kernel';
import type { Pod } from '@netsim/manifest';
import { formatEndpoint } from '@netsim/wire';
import { fieldOf, type HttpRequest } from './message.ts';

/** The answer of traefik/whoami: who it is, who asks, and the request as it came (Go writes header fields in order of their names). */
export function whoami(pod: Pod, { remoteAddress, remotePort }: TcpConnection, request: HttpRequest): string {
  const { method, target, version, fields } = request;
  const others = fields
    .filter(([name]) => name.toLowerCase() !== 'host')
    .map(([name, value]) => `${name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${value}`)
    .sort();
  return [
    `Hostname: ${pod.metadata.name}`,
    ...['127.0.0.1', '::1', ...podIPs(pod)].map((ip) => `IP: ${ip}`),
    `RemoteAddr: ${remoteAddress === undefined ? '' : formatEndpoint(remoteAddress, remotePort)}`,
    `${method} ${target} HTTP/${version}`,
    `Host: ${fieldOf(request, 'host') ?? ''}`,
    ...others,
    '',
    '',
  ].join('\n');
}

import type { Errno } from '@netsim/kernel';

/** What strerror says of an error. */
const texts: Partial<Record<Errno, string>> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  EHOSTDOWN: 'Host is down',
  EINVAL: 'Invalid argument',
  EMSGSIZE: 'Message too long',
  ENETUNREACH: 'Network is unreachable',
  ENETDOWN: 'Network is down',
  ENOPROTOOPT: 'Protocol not available',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EPROTO: 'Protocol error',
  ETIMEDOUT: 'Connection timed out',
};

export function strerror(error: Errno): string {
  return texts[error] ?? error;
}

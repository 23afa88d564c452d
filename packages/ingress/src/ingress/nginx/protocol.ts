import type { FrontRequest } from '../../model.ts';

/** Whether a backend of that protocol (`backend-protocol`) is asked over TLS. */
export function isTls(protocol: string, scheme: FrontRequest['scheme']): boolean {
  return protocol === 'HTTPS' || protocol === 'GRPCS' || (protocol === 'AUTO_HTTP' && scheme === 'https');
}

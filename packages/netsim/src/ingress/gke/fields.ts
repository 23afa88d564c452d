import type { FrontRequest } from '@netsim/ingress';
import type { RandomSource } from '@netsim/kernel';
import type { Field } from '../../http/message.ts';

/** What Google's load balancer tells a backend: it adds itself behind the client, and behind what the client said. */
export function gkeFields(
  { headers, clientAddress = '', scheme }: FrontRequest,
  own: string,
  random: RandomSource,
): Field[] {
  const sent = headers.filter(([name]) => name.toLowerCase() === 'x-forwarded-for').map(([, value]) => value);
  const trace = Array.from({ length: 8 }, () => random.below(0x10000).toString(16).padStart(4, '0')).join('');
  return [
    ['X-Forwarded-For', forwardedFor(sent, clientAddress, own)],
    ['X-Forwarded-Proto', scheme],
    ['Via', '1.1 google'],
    ['X-Cloud-Trace-Context', `${trace}/${random.below(2 ** 30)}`],
  ];
}

export function forwardedFor(sent: readonly string[], client: string, own: string): string {
  return [...sent, client, own].join(', ');
}

import type { HttpListener } from '@netsim/dns';
import { textResponse } from '../http/message.ts';
import type { Answer } from '../http/server.ts';

/** What the HTTP ports of CoreDNS's plugins answer. `ready`: whether all plugins are. */
export function coreDnsAnswer({ plugin, path }: HttpListener, ready: () => boolean): Answer {
  return ({ target }, reply) => {
    if (target.split('?')[0] !== path) reply(textResponse(404, '404 page not found\n'));
    else if (plugin === 'prometheus') reply(textResponse(200, ''));
    else if (plugin === 'ready' && !ready()) reply(textResponse(503, 'kubernetes'));
    else reply(textResponse(200, 'OK'));
  };
}

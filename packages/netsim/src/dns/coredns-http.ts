import type { HttpListener } from '@netsim/dns';
import { type HttpResponse, textResponse } from '../http/message.ts';
import type { Answer } from '../http/server.ts';

/** What the HTTP ports of CoreDNS's plugins answer. `ready`: whether all plugins are; `metrics`: in the format of Prometheus. */
export function coreDnsAnswer({ plugin, path }: HttpListener, ready: () => boolean, metrics: () => string): Answer {
  return ({ target }, reply) => {
    if (target.split('?')[0] !== path) reply(textResponse(404, '404 page not found\n'));
    else if (plugin === 'prometheus') reply(metricsResponse(metrics()));
    else if (plugin === 'ready' && !ready()) reply(textResponse(503, 'kubernetes'));
    else reply(textResponse(200, 'OK'));
  };
}

function metricsResponse(text: string): HttpResponse {
  const response = textResponse(200, text);
  return { ...response, fields: [['Content-Type', 'text/plain; version=0.0.4; charset=utf-8']] };
}

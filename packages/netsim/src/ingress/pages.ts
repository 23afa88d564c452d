import { type Field, type HttpResponse, statusText } from '../http/message.ts';

/** What nginx says in the status line of its own answers, where HTTP has another word (`ngx_http_header_filter_module.c`). */
const phrases: Record<number, string> = {
  302: 'Moved Temporarily',
  405: 'Not Allowed',
  413: 'Request Entity Too Large',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** And in their pages. */
const titles: Record<number, string> = { ...phrases, 302: 'Found', 401: 'Authorization Required' };

/** The page that nginx makes for an answer of its own (`ngx_http_special_response.c`, without its version). */
export function nginxPage(status: number, fields: readonly Field[] = []): HttpResponse {
  const title = `${status} ${titles[status] ?? statusText(status)}`;
  const body = page(title, [`<center><h1>${title}</h1></center>`]);
  const phrase = phrases[status];
  return {
    status,
    ...(phrase === undefined ? {} : { statusText: phrase }),
    fields: [['Content-Type', 'text/html'], ['Content-Length', String(body.length)], ...fields],
    body,
  };
}

/** What nginx says to plain HTTP on a port for TLS. */
export function plainToTlsPage(): HttpResponse {
  const what = 'The plain HTTP request was sent to HTTPS port';
  const body = page(`400 ${what}`, ['<center><h1>400 Bad Request</h1></center>', `<center>${what}</center>`]);
  return {
    status: 400,
    fields: [
      ['Content-Type', 'text/html'],
      ['Content-Length', String(body.length)],
    ],
    body,
  };
}

function page(title: string, center: readonly string[]): Uint8Array {
  const head = ['<html>', `<head><title>${title}</title></head>`, '<body>'];
  const foot = ['<hr><center>nginx</center>', '</body>', '</html>', ''];
  return new TextEncoder().encode([...head, ...center, ...foot].join('\r\n'));
}

/** An answer of a proxy that is not nginx: its status and nothing else to see. */
export function plainPage(status: number, fields: readonly Field[] = []): HttpResponse {
  return { status, fields: [['Content-Length', '0'], ...fields], body: new Uint8Array(0) };
}

/** Google's page for a backend that cannot be reached. */
export function googlePage(status: number): HttpResponse {
  const lines = [
    '',
    '<html><head>',
    '<meta http-equiv="content-type" content="text/html;charset=utf-8">',
    `<title>${status} Server Error</title>`,
    '</head>',
    '<body text=#000000 bgcolor=#ffffff>',
    '<h1>Error: Server Error</h1>',
    '<h2>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.</h2>',
    '<h2></h2>',
    '</body></html>',
    '',
  ];
  const body = new TextEncoder().encode(lines.join('\n'));
  return {
    status,
    fields: [
      ['Content-Type', 'text/html; charset=UTF-8'],
      ['Referrer-Policy', 'no-referrer'],
      ['Content-Length', String(body.length)],
    ],
    body,
  };
}

import { World } from '@netsim/kernel';
import { parseIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { type HttpRequest, textResponse } from '../../src/http/message.ts';
import { ConnectionPool } from '../../src/http/pool.ts';
import { serveHttp } from '../../src/http/server.ts';
import { acceptedStream, connectStream, type Stream } from '../../src/http/stream.ts';

const localhost = parseIp('127.0.0.1');

/** One machine with a server on port 80 that answers with the request's target, and a client's raw connection to it. */
function setUp(): {
  world: World;
  asked: HttpRequest[];
  connect(): { stream: Stream; text(): string; ended(): boolean };
} {
  const world = new World();
  const netns = world.addNetns('m', 'm', 'host');
  netns.setUp('lo');
  const asked: HttpRequest[] = [];
  netns.sockets.tcp.listen({
    port: 80,
    onConnection: (connection) =>
      serveHttp(acceptedStream(connection), {
        answer: (request, reply) => {
          asked.push(request);
          reply(textResponse(200, `${request.target}\n`));
        },
      }),
  });
  const connect = () => {
    let stream: Stream | undefined;
    let text = '';
    let ended = false;
    connectStream({ netns, ip: localhost, port: 80, program: 'client', timeout: 1000 }, (made) => {
      if (typeof made === 'string') throw new Error(made);
      stream = made;
    });
    world.run();
    stream!.onData = (bytes) => {
      text += new TextDecoder().decode(bytes);
    };
    stream!.onEnd = () => {
      ended = true;
    };
    return { stream: stream!, text: () => text, ended: () => ended };
  };
  return { world, asked, connect };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('an HTTP/1.1 server', () => {
  test.each<[string, string, string[], boolean]>([
    ['keeps the connection after an answer', 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n', ['/a'], false],
    [
      'answers pipelined requests in their order',
      'GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\n\r\n',
      ['/a', '/b', '/c'],
      false,
    ],
    ['closes when asked to', 'GET /a HTTP/1.1\r\nConnection: close\r\n\r\n', ['/a'], true],
    ['closes after a request of HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n', ['/a'], true],
    ['keeps it for HTTP/1.0 with keep-alive', 'GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', ['/a'], false],
    ['refuses what is no HTTP, and closes', 'hello\r\n\r\n', ['Bad Request'], true],
    ['refuses the handshake of TLS at once', '\u0016\u0003\u0001', ['Bad Request'], true],
    ['refuses a length that is no number', 'POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n', ['Bad Request'], true],
    ['waits for the rest of a body', 'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nxy', [], false],
  ])('%s', (_, sent, bodies, closed) => {
    const { world, connect } = setUp();
    const { stream, text, ended } = connect();
    stream.send(bytes(sent));
    world.run();
    expect([...text().matchAll(/\r\n\r\n([^\r\n]*)\n/g)].map((match) => match[1])).toEqual(bodies);
    expect(ended()).toBe(closed);
  });

  test('takes a request that comes byte by byte', () => {
    const { world, connect, asked } = setUp();
    const { stream, text } = connect();
    for (const byte of bytes('POST /a HTTP/1.1\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 2\r\n\r\nhi')) {
      stream.send(Uint8Array.of(byte));
      world.run();
    }
    expect(text()).toContain('/a');
    expect(asked[0]?.fields).toEqual([
      ['X-One', '1'],
      ['x-one', '2'],
      ['Content-Length', '2'],
    ]);
  });

  test('ends a connection that waits too long', () => {
    const { world, connect } = setUp();
    const { ended } = connect();
    world.advance(74_999);
    expect(ended()).toBe(false);
    world.advance(1);
    expect(ended()).toBe(true);
  });
});

test('a pool gives a connection out again, until it has waited too long', () => {
  const { world } = setUp();
  const netns = world.requireNetns('m');
  const pool = new ConnectionPool(netns, 'proxy', 60_000);
  const taken: boolean[] = [];
  const use = (): void => {
    pool.take({ ip: localhost, port: 80, timeout: 1000 }, (stream, reused) => {
      if (typeof stream === 'string') throw new Error(stream);
      taken.push(reused);
      pool.give(stream);
    });
    world.run();
  };
  use();
  use();
  world.advance(60_000);
  use();
  expect(taken).toEqual([false, true, false]);
});

import { type CoreDns, decodeMessage, type ExchangeFunction, encodeMessage, type QuerySource } from '@netsim/dns';
import { type AnyObject, ObjectStore } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';

export function storeOf(objects: readonly AnyObject[]): ObjectStore {
  const store = new ObjectStore();
  for (const object of objects) store.put(object);
  return store;
}

const LOOPBACK = parseIp('127.0.0.1');

export function source(port: number, transport: 'udp' | 'tcp'): QuerySource {
  return { client: LOOPBACK, server: LOOPBACK, port, transport };
}

/** An exchange that reaches the same CoreDNS on its other ports, in octets. */
export function loopback(server: () => CoreDns): ExchangeFunction {
  return (exchange, done) => {
    const to = source(exchange.server.port, 'tcp');
    server().query(encodeMessage(exchange.query), to, (bytes) =>
      done(
        bytes === undefined
          ? { kind: 'failed', reason: 'i/o timeout' }
          : { kind: 'reply', message: decodeMessage(bytes) },
      ),
    );
  };
}

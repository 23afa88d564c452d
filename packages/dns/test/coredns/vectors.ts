import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CoreDns, decodeMessage, type ExchangeFunction, encodeMessage, type QuerySource } from '@netsim/dns';
import { type AnyObject, ObjectStore } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';

const VECTORS = process.env['NETSIM_VECTORS'] ?? fileURLToPath(new URL('../../../../test/vectors', import.meta.url));

/** The vectors of a file, or undefined (and a line that says so) where it is not there. */
export function readVectors<T>(name: string): T | undefined {
  const path = join(VECTORS, `${name}.json`);
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as T;
  console.log(`vectors ${name}: skipped`);
  return undefined;
}

export function storeOf(objects: readonly AnyObject[]): ObjectStore {
  const store = new ObjectStore();
  for (const object of objects) store.put(object);
  return store;
}

/** Prints the closing line, failing ids first. */
export function reportVectors(name: string, total: number, failures: readonly string[]): void {
  for (const failure of failures.slice(0, Number(process.env['NETSIM_SHOW'] ?? 20))) console.log(`failed ${failure}`);
  console.log(`vectors ${name}: ${total - failures.length}/${total}`);
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

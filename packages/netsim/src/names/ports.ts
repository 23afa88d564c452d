import type { Service, ServicePort } from '@netsim/manifest';
import { UsageError } from '../errors.ts';
import type { TransportProtocol } from './refs.ts';
import { didYouMean, withoutPort } from './words.ts';

export function protocolOf(port: ServicePort): TransportProtocol {
  return (port.protocol ?? 'TCP').toLowerCase() as TransportProtocol;
}

export function pickPort(
  ports: readonly ServicePort[],
  port: string | undefined,
  wanted: TransportProtocol | undefined,
): ServicePort | undefined {
  const fitting = wanted === undefined ? ports : ports.filter((candidate) => protocolOf(candidate) === wanted);
  if (port === undefined) return fitting.length === 1 ? fitting[0] : undefined;
  return (
    fitting.find((candidate) => candidate.name === port) ?? fitting.find((candidate) => String(candidate.port) === port)
  );
}

export function portNumber(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** The port of a service that is meant by its name or number, or the only one; an error where that says nothing. */
export function portOf(
  service: Service,
  port: string | undefined,
  wanted: TransportProtocol | undefined,
): ServicePort | undefined {
  const { ports = [] } = service.spec;
  const found = pickPort(ports, port, wanted === 'icmp' ? undefined : wanted);
  if (found !== undefined || (port !== undefined && portNumber(port) !== undefined) || wanted === 'icmp') return found;
  if (port === undefined && ports.length === 0) return undefined;
  const { name } = service.metadata;
  throw portError(
    `service "${name}"`,
    ports.map((each) => ({ name: each.name, port: each.port })),
    port,
    `svc/${name}`,
  );
}

/** The port of an address that is no object; none for ICMP. */
export function numberedPort(port: string | undefined, protocol: TransportProtocol, text: string): { port?: number } {
  if (protocol === 'icmp') return {};
  const number = port === undefined ? undefined : portNumber(port);
  if (number === undefined) {
    throw new UsageError(
      port === undefined ? `${text} has no port` : `${JSON.stringify(port)} is not a port`,
      `write ${withoutPort(text)}:PORT with a port of 1 to 65535, or use --protocol icmp`,
    );
  }
  return { port: number };
}

export function portError(
  what: string,
  ports: readonly { name?: string; port: number }[],
  asked: string | undefined,
  prefix: string,
): UsageError {
  const list = ports
    .map((port) => (port.name === undefined ? String(port.port) : `${port.port} (${port.name})`))
    .join(', ');
  if (asked === undefined) {
    if (ports.length === 0) return new UsageError(`${what}: no port is known`, `write ${prefix}:PORT`);
    return new UsageError(
      `${what} has ${ports.length} ports: ${list}`,
      `write ${prefix}:${ports[0]!.name ?? ports[0]!.port}`,
    );
  }
  if (/^[0-9]+$/.test(asked)) return new UsageError(`${asked} is not a port`, 'ports are 1 to 65535');
  const names = ports.flatMap((port) => (port.name === undefined ? [] : [port.name]));
  return new UsageError(
    `${what} has no port named ${JSON.stringify(asked)}`,
    didYouMean(asked, names) ?? `its ports: ${list === '' ? 'none' : list}`,
  );
}

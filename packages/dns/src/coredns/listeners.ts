import type { Finding } from '@netsim/manifest';
import { type Ip, tryParseIp } from '@netsim/wire';
import { type Corefile, corefileFinding, type ServerBlock } from '../corefile/parse.ts';

/** Where CoreDNS listens. */
export interface Listener {
  readonly scheme: string;
  readonly port: number;
  /** Addresses of `bind`; all where there are none. */
  readonly addresses: readonly Ip[];
}

/** A port where a plugin answers HTTP. */
export interface HttpListener {
  readonly plugin: string;
  readonly port: number;
  readonly path: string;
}

const HTTP_PLUGINS: Readonly<Record<string, { readonly port: number; readonly path: string }>> = {
  health: { port: 8080, path: '/health' },
  ready: { port: 8181, path: '/ready' },
  prometheus: { port: 9153, path: '/metrics' },
};

/** The TCP ports of plugins `health`, `ready` and `prometheus`, and the path that answers 200. */
export function httpListenersOf({ blocks }: Corefile): readonly HttpListener[] {
  return blocks.flatMap(({ directives }) =>
    directives.flatMap(({ name, args }) => {
      const known = HTTP_PLUGINS[name];
      if (known === undefined) return [];
      const port = Number(/:([0-9]+)$/.exec(args[0] ?? '')?.[1] ?? known.port);
      return [{ plugin: name, port, path: known.path }];
    }),
  );
}

/** The addresses of a block's plugin `bind`. Names of interfaces are passed over. */
export function bindAddresses(block: ServerBlock, findings: Finding[]): Ip[] {
  const addresses: Ip[] = [];
  for (const directive of block.directives) {
    if (directive.name !== 'bind') continue;
    for (const text of directive.args) {
      const ip = tryParseIp(text);
      if (ip !== undefined) {
        addresses.push(ip);
      } else if (!/^[a-z][a-z0-9._-]*$/i.test(text)) {
        const message = `Error during parsing: not a valid IP address or interface name: ${text}`;
        findings.push(corefileFinding(directive, message, { plugin: 'bind' }));
      }
    }
  }
  return addresses;
}

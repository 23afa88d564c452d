import type { Finding } from '@netsim/manifest';
import { formatIp } from '@netsim/wire';
import { parseServerKey } from '../corefile/keys.ts';
import { corefileFinding, type ServerBlock } from '../corefile/parse.ts';
import { buildChain } from './chain.ts';
import { bindAddresses, type Listener } from './listeners.ts';
import type { Environment, Handler, QuerySource, Request, UpstreamServer } from './plugin.ts';
import { CacheHandler } from './plugins/cache.ts';
import { ForwardHandler } from './plugins/forward.ts';
import { LoopHandler } from './plugins/observe.ts';
import { ReplyMemo } from './reply-memo.ts';

/**
 * Plugins whose answers depend on the query, on the API and on the second, and on nothing else that they do not tell: neither on
 * who asks, nor on earlier queries.
 */
const REPEATABLE = new Set([
  'any',
  'bufsize',
  'cache',
  'errors',
  'forward',
  'health',
  'hosts',
  'kubernetes',
  'loadbalance',
  'local',
  'loop',
  'minimal',
  'prometheus',
  'ready',
  'reload',
]);

/** A zone of a server, and the plugins that answer for it. */
export interface Zone {
  readonly zone: string;
  readonly chain: Handler;
  /** Its place among the zones of all servers. */
  readonly number: number;
  /** The server as metrics name it: `dns://:53`. */
  readonly server: string;
  /** Whether plugin `prometheus` counts its queries. */
  readonly counted: boolean;
  /** The plugin that replies pass last, as far as it is one that all of them pass; else empty. */
  readonly writer: string;
  readonly cache: CacheHandler | undefined;
}

/** What listens at one port: the zones of all blocks that name it. */
export interface Server extends Listener {
  /** Whether a plugin of it answers classes other than IN. */
  chaos: boolean;
  /** Whether all plugins of it are {@link REPEATABLE}. */
  repeatable: boolean;
  /** What was replied over UDP. */
  readonly memo: ReplyMemo;
  readonly zones: Map<string, Zone>;
}

/** A plugin `loop`, and what its probes need. */
export interface Loop {
  readonly loop: LoopHandler;
  readonly port: number;
  readonly upstreams: readonly UpstreamServer[];
}

/** The servers that the blocks of a Corefile come to. */
export class Servers {
  readonly list: Server[] = [];
  /** The zones of all servers. */
  readonly zones: Zone[] = [];
  readonly loops: Loop[] = [];

  /** Adds the servers and zones of a block. */
  add(block: ServerBlock, environment: Environment, findings: Finding[]): void {
    const addresses = block.keys.flatMap((key) => {
      const parsed = parseServerKey(key.text);
      if (typeof parsed !== 'string') return parsed.map((address) => ({ ...address, key }));
      findings.push(corefileFinding(key, parsed));
      return [];
    });
    const bound = bindAddresses(block, findings);
    const zones = [...new Set(addresses.map(({ zone }) => zone))];
    const { first: chain, handlers } = buildChain(block, zones, environment, findings);
    const loop = handlers.get('loop');
    if (loop instanceof LoopHandler) {
      const forward = handlers.get('forward');
      const upstreams = forward instanceof ForwardHandler ? forward.upstreams : [];
      this.loops.push({ loop, port: addresses[0]?.port ?? 53, upstreams });
    }
    const cache = handlers.get('cache');
    const counted = block.directives.some(({ name }) => name === 'prometheus');
    const chaos = block.directives.some(({ name }) => name === 'chaos' || name === 'forward');
    const repeatable = block.directives.every(({ name }) => REPEATABLE.has(name));
    for (const { scheme, port, zone, key } of addresses) {
      const id = `${scheme} ${port} ${bound.join(' ')}`;
      let server = this.list.find((one) => `${one.scheme} ${one.port} ${one.addresses.join(' ')}` === id);
      if (server === undefined) {
        server = {
          scheme,
          port,
          addresses: bound,
          chaos: false,
          repeatable: true,
          memo: new ReplyMemo(),
          zones: new Map(),
        };
        this.list.push(server);
      }
      const viewed = block.directives.some(({ name }) => name === 'view');
      if (server.zones.has(zone) && !viewed) {
        const text = `${scheme}://${zone}:${port}`;
        findings.push(corefileFinding(key, `cannot serve ${text} - it is already defined`));
      }
      server.chaos ||= chaos;
      server.repeatable &&= repeatable;
      const added: Zone = {
        zone,
        chain,
        number: this.zones.length,
        server: `${scheme}://${bound[0] === undefined ? '' : formatIp(bound[0])}:${port}`,
        counted,
        writer: handlers.has('loadbalance') ? 'loadbalance' : '',
        cache: cache instanceof CacheHandler ? cache : undefined,
      };
      this.zones.push(added);
      server.zones.set(zone, added);
    }
  }

  /** The server that hears a query: one that is bound to the address before one that hears all. */
  for(source: QuerySource): Server | undefined {
    const port = source.port ?? 53;
    let open: Server | undefined;
    for (const server of this.list) {
      if (server.port !== port || (server.scheme !== 'dns' && server.scheme !== 'tls')) continue;
      if (server.addresses.length === 0) open ??= server;
      else if (server.addresses.includes(source.server)) return server;
    }
    return open;
  }
}

/** The zone that serves a name: the longest that holds it; for DS the one above, where there is one. */
export function findZone({ zones }: Server, { name, question }: Request): Zone | undefined {
  const root = zones.get('.');
  if (zones.size === 1 && root !== undefined) return root;
  let child: Zone | undefined;
  let at = 0;
  while (at < name.length && name !== '.') {
    const zone = zones.get(at === 0 ? name : name.slice(at));
    if (zone !== undefined) {
      if (question.type !== 'DS') return zone;
      child ??= zone;
    }
    at = name.indexOf('.', at) + 1;
    if (at === 0) break;
  }
  return child ?? root;
}

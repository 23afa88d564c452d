import type { Finding } from '@netsim/manifest';
import { corefileFinding, type Directive, type ServerBlock, type Statement } from '../corefile/parse.ts';
import { PLUGIN_ORDER } from '../corefile/plugins.ts';
import { type DnsMessage, replyTo } from './message.ts';
import {
  type Environment,
  type Exchange,
  type ExchangeResult,
  type Handler,
  LAST,
  type Link,
  type Request,
  type SetupContext,
  settled,
  type Transferer,
  withQuestion,
} from './plugin.ts';
import { SETUPS } from './plugins/index.ts';

/** How deep a server may ask itself for the names that answers point to; CoreDNS has no such limit and would not end. */
const MAX_LOOKUPS = 24;

/** The plugins of a server block, joined. */
export interface Chain {
  readonly first: Handler;
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** Sets up the plugins of a server block in their fixed order, and joins them to a chain. */
export function buildChain(
  block: ServerBlock,
  zones: readonly string[],
  environment: Environment,
  findings: Finding[],
): Chain {
  const byName = new Map<string, Directive[]>();
  for (const directive of block.directives) {
    const list = byName.get(directive.name);
    if (list === undefined) byName.set(directive.name, [directive]);
    else list.push(directive);
  }
  const handlers = new Map<string, Handler>();
  let first: Handler = LAST;
  let depth = 0;
  const context = (plugin: string): SetupContext => ({
    zones,
    environment,
    error: (at: Statement | Directive, message: string, suggestion?: string) =>
      findings.push(corefileFinding(at, `Error during parsing: ${message}`, { plugin, suggestion })),
    *lookup(request: Request, name: string, type: string): Generator<Exchange, DnsMessage | undefined, ExchangeResult> {
      if (depth >= MAX_LOOKUPS) return undefined;
      depth++;
      try {
        const inner = withQuestion(request, name, type);
        const outcome = yield* settled(first.serve(inner));
        if (outcome.kind === 'dropped') return undefined;
        return outcome.kind === 'reply' ? outcome.message : replyTo(inner.message, { rcode: outcome.rcode });
      } finally {
        depth--;
      }
    },
    find: (name) => handlers.get(name),
    transferers: () => [...handlers.values()].filter(isTransferer),
  });
  const links: { readonly name: string; readonly link: Link }[] = [];
  for (const name of PLUGIN_ORDER) {
    const directives = byName.get(name);
    if (directives === undefined) continue;
    const link = SETUPS[name]?.(directives, context(name));
    if (link !== undefined) links.push({ name, link });
  }
  for (const { name, link } of links.reverse()) {
    first = link(first);
    handlers.set(name, first);
  }
  return { first, handlers };
}

function isTransferer(handler: Handler): handler is Handler & Transferer {
  return 'transfer' in handler;
}

import { type Ip, tryParseIp } from '@netsim/wire';
import type { Directive } from '../../corefile/parse.ts';
import { replyTo } from '../message.ts';
import { isSubDomainLower, matchZone } from '../names.ts';
import {
  type Handler,
  type Outcome,
  type Request,
  replied,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  type UpstreamServer,
  unwritten,
} from '../plugin.ts';
import { argumentError, expectArgs, normalZones, readDuration, readLines, readNumber } from './lines.ts';

/** Seconds after which a query is given up, whatever server is being asked. */
const GIVE_UP = 5;
/** Seconds between the health checks that bring a failed server back. */
const HEALTH_CHECK = 0.5;
/** Rounds through all servers; time ends the real program's loop, and virtual time may stand still. */
const MAX_ROUNDS = 2;

type Policy = 'random' | 'round_robin' | 'sequential';

interface ForwardOptions {
  readonly from: string;
  readonly servers: readonly UpstreamServer[];
  readonly except: readonly string[];
  readonly policy: Policy;
  readonly forceTcp: boolean;
  readonly preferUdp: boolean;
  readonly maxFails: number;
  /** Queries that may wait at once; 0 is no limit. */
  readonly maxConcurrent: number;
  /** Reply codes that make the next server be asked. */
  readonly failover: ReadonlySet<string>;
  /** Reply codes that pass the query to the next plugin. */
  readonly passOn: ReadonlySet<string>;
}

interface Health {
  fails: number;
  /** Time of the last failure. */
  at: number;
}

/** Asks other name servers. After CoreDNS `plugin/forward/forward.go`. */
export class ForwardHandler implements Handler {
  readonly name = 'forward';
  /** The servers of this handler and of those behind it. */
  readonly upstreams: readonly UpstreamServer[];
  readonly #options: ForwardOptions;
  readonly #context: SetupContext;
  readonly #next: Handler;
  readonly #health = new Map<UpstreamServer, Health>();
  #robin = 0;
  #concurrent = 0;

  constructor(options: ForwardOptions, context: SetupContext, next: Handler) {
    this.#options = options;
    this.upstreams = [...options.servers, ...(next instanceof ForwardHandler ? next.upstreams : [])];
    this.#context = context;
    this.#next = next;
  }

  *serve(request: Request): Serving {
    const { from, except, maxConcurrent, passOn } = this.#options;
    if (!isSubDomainLower(from, request.name) || this.#excepted(request.name, except)) {
      return yield* settled(this.#next.serve(request));
    }
    if (maxConcurrent > 0 && this.#concurrent >= maxConcurrent) {
      // As soon as a reply comes, the next query is forwarded.
      this.#context.environment.changed();
      return unwritten('REFUSED', `concurrent queries exceeded maximum ${maxConcurrent}`);
    }
    this.#concurrent++;
    try {
      const outcome = yield* this.#ask(request);
      if (outcome.kind === 'reply' && passOn.has(outcome.message.rcode))
        return yield* settled(this.#next.serve(request));
      return outcome;
    } finally {
      this.#concurrent--;
    }
  }

  *#ask(request: Request): Serving {
    const { now } = this.#context.environment;
    const start = now();
    let reason = 'no upstream servers';
    let last: Outcome | undefined;
    const servers = this.#ordered();
    for (let attempt = 0; attempt < servers.length * MAX_ROUNDS && now() - start < GIVE_UP; attempt++) {
      const server = servers[attempt % servers.length]!;
      // Down servers are passed over as long as another one is up.
      if (this.#down(server) && servers.some((other) => !this.#down(other))) continue;
      const message = { ...request.message, additionals: [] };
      let to = this.#transport(server, request);
      let result = yield { server: to, query: message, source: request.source };
      if (result.kind === 'reply' && result.message.tc && to.transport === 'udp' && this.#options.preferUdp) {
        to = { ...to, transport: 'tcp' };
        result = yield { server: to, query: message, source: request.source };
      }
      if (result.kind === 'failed') {
        reason = result.reason;
        this.#failed(server);
        continue;
      }
      this.#health.delete(server);
      const reply = result.message;
      const question = reply.questions[0];
      if (question?.name.toLowerCase() !== request.name || question.type !== request.question.type) {
        return replied(replyTo(request.message, { rcode: 'FORMERR' }));
      }
      last = replied({ ...reply, id: request.message.id, questions: request.message.questions });
      if (!this.#options.failover.has(reply.rcode)) return last;
    }
    return last ?? unwritten('SERVFAIL', reason);
  }

  #excepted(name: string, except: readonly string[]): boolean {
    return matchZone(except, name) !== undefined;
  }

  #transport(server: UpstreamServer, { source }: Request): UpstreamServer {
    if (server.transport !== 'udp') return server;
    const tcp = this.#options.forceTcp || (source.transport === 'tcp' && !this.#options.preferUdp);
    return tcp ? { ...server, transport: 'tcp' } : server;
  }

  #ordered(): readonly UpstreamServer[] {
    const { servers, policy } = this.#options;
    if (servers.length < 2 || policy === 'sequential') return servers;
    const { below } = this.#context.environment;
    const first = policy === 'round_robin' ? this.#robin++ % servers.length : below(servers.length);
    if (policy === 'round_robin') return [...servers.slice(first), ...servers.slice(0, first)];
    const rest = servers.filter((_, index) => index !== first);
    for (let index = rest.length - 1; index > 0; index--) {
      const other = below(index + 1);
      [rest[index], rest[other]] = [rest[other]!, rest[index]!];
    }
    return [servers[first]!, ...rest];
  }

  #down(server: UpstreamServer): boolean {
    const health = this.#health.get(server);
    const { maxFails } = this.#options;
    if (health === undefined || maxFails === 0 || health.fails <= maxFails) return false;
    return this.#context.environment.now() - health.at < HEALTH_CHECK;
  }

  #failed(server: UpstreamServer): void {
    const health = this.#health.get(server) ?? { fails: 0, at: 0 };
    health.fails++;
    health.at = this.#context.environment.now();
    this.#health.set(server, health);
  }
}

export const forward: Setup = (directives, context) => {
  const options = directives.map((directive) => readForward(directive, context));
  return (next) => {
    let handler = next;
    for (const one of options.reverse()) {
      if (one !== undefined) handler = new ForwardHandler(one, context, handler);
    }
    return handler;
  };
};

function readForward(directive: Directive, context: SetupContext): ForwardOptions | undefined {
  const [fromText, ...to] = directive.args;
  if (fromText === undefined || to.length === 0) {
    context.error(directive, argumentError(directive));
    return undefined;
  }
  const [from] = normalZones(fromText, directive, context.error);
  const options = {
    except: [] as string[],
    policy: 'random' as Policy,
    forceTcp: false,
    preferUdp: false,
    maxFails: 2,
    maxConcurrent: 0,
    failover: new Set<string>(),
    passOn: new Set<string>(),
  };
  readLines(directive, context, {
    except: (line) => {
      if (line.args.length === 0) context.error(line, argumentError(line));
      options.except.push(...line.args.flatMap((text) => normalZones(text, line, context.error)));
    },
    max_fails: (line) => {
      options.maxFails = readNumber(line, line.args[0], context);
    },
    max_connect_attempts: (line) => void readNumber(line, line.args[0], context),
    health_check: (line) => void readDuration(line, line.args[0], context),
    force_tcp: (line) => {
      expectArgs(line, context, 0);
      options.forceTcp = true;
    },
    prefer_udp: (line) => {
      expectArgs(line, context, 0);
      options.preferUdp = true;
    },
    tls: (line) => void expectArgs(line, context, 0, 3),
    tls_servername: (line) => void expectArgs(line, context, 1),
    expire: (line) => void readDuration(line, line.args[0], context),
    max_age: (line) => void readDuration(line, line.args[0], context),
    max_idle_conns: (line) => void readNumber(line, line.args[0], context),
    policy: (line) => {
      const [policy] = line.args;
      if (policy === undefined) context.error(line, argumentError(line));
      else if (policy === 'random' || policy === 'round_robin' || policy === 'sequential') options.policy = policy;
      else context.error(line, `unknown policy '${policy}'`);
    },
    max_concurrent: (line) => {
      options.maxConcurrent = readNumber(line, line.args[0], context);
    },
    next: (line) => {
      for (const code of line.args) options.passOn.add(code.toUpperCase());
    },
    failover: (line) => {
      for (const code of line.args) options.failover.add(code.toUpperCase());
    },
    failfast_all_unhealthy_upstreams: (line) => void expectArgs(line, context, 0),
    source_address: (line) => void expectArgs(line, context, 1),
  });
  const servers = to.flatMap((text) => serversOf(text, directive, context));
  return { from: from ?? '.', servers, ...options };
}

/** Servers of one word after the zone: an address, or a file like /etc/resolv.conf. */
function serversOf(text: string, directive: Directive, context: SetupContext): UpstreamServer[] {
  if (text.startsWith('/')) {
    const file = context.environment.file(text);
    if (file === undefined) {
      context.error(directive, `not an IP address or file: "${text}"`);
      return [];
    }
    const servers = [...file.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(([, address]) => {
      const ip = tryParseIp(address!.replace(/%.*$/, ''));
      return ip === undefined ? [] : [{ ip, port: 53, transport: 'udp' as const }];
    });
    if (servers.length === 0) context.error(directive, `no nameservers found: "${text}"`);
    return servers;
  }
  const server = parseServer(text);
  if (server === undefined) context.error(directive, `not an IP address or file: "${text}"`);
  return server === undefined ? [] : [server];
}

/** `10.0.0.1`, `10.0.0.1:5353`, `tls://9.9.9.9`, `[fd00::1]:53`. */
function parseServer(text: string): UpstreamServer | undefined {
  const match = /^(?:(dns|tls):\/\/)?(.*)$/.exec(text)!;
  const transport = match[1] === 'tls' ? 'tls' : 'udp';
  const port = transport === 'tls' ? 853 : 53;
  const whole: Ip | undefined = tryParseIp(match[2]!.replace(/%.*$/, ''));
  if (whole !== undefined) return { ip: whole, port, transport };
  const split = /^\[?([^\]]+?)\]?:([0-9]{1,5})$/.exec(match[2]!);
  const ip = split === null ? undefined : tryParseIp(split[1]!.replace(/%.*$/, ''));
  if (ip === undefined || Number(split![2]) > 65535) return undefined;
  return { ip, port: Number(split![2]), transport };
}

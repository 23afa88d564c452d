import { formatIp, tryParseIp } from '@netsim/wire';
import { didYouMean } from '../../corefile/parse.ts';
import { fallsThrough, nameRecord } from '../kubernetes/plugin.ts';
import { type ResourceRecord, replyTo } from '../message.ts';
import { fqdn, matchZone } from '../names.ts';
import { type Handler, type Request, replied, type Served, type Setup, unwritten } from '../plugin.ts';
import { addressOfReverse } from '../reverse.ts';
import { type Fallthrough, normalZones, only, readDuration, readFallthrough, readNumber } from './lines.ts';

const DEFAULT_TTL = 3600;

/** Names of a hosts file, in lower case, both ways. */
interface Hosts {
  readonly v4: Map<string, string[]>;
  readonly v6: Map<string, string[]>;
  readonly reverse: Map<string, string[]>;
}

/** Answers from a file like /etc/hosts. After CoreDNS `plugin/hosts/hosts.go`. */
class HostsHandler implements Handler {
  readonly name = 'hosts';
  readonly #zones: readonly string[];
  readonly #hosts: Hosts;
  readonly #ttl: number;
  readonly #fallthrough: Fallthrough;
  readonly #next: Handler;

  constructor(zones: readonly string[], hosts: Hosts, ttl: number, fallthrough: Fallthrough, next: Handler) {
    this.#zones = zones;
    this.#hosts = hosts;
    this.#ttl = ttl;
    this.#fallthrough = fallthrough;
    this.#next = next;
  }

  serve(request: Request): Served {
    const { name, question, message } = request;
    const inZone = matchZone(this.#zones, name) !== undefined;
    // Reverse names are answered whatever the zones are.
    if (!inZone && question.type !== 'PTR') return this.#next.serve(request);
    const answers = this.#answers(request);
    if (answers.length === 0 && question.type === 'PTR') return this.#next.serve(request);
    if (answers.length === 0 && !this.#known(request)) {
      if (fallsThrough(this.#fallthrough, name)) return this.#next.serve(request);
      return unwritten('SERVFAIL', 'no such host in hosts');
    }
    return replied(replyTo(message, { aa: true, answers }));
  }

  #answers({ name, question }: Request): ResourceRecord[] {
    const owner = { name, class: 'IN', ttl: this.#ttl };
    switch (question.type) {
      case 'PTR': {
        const names = this.#hosts.reverse.get(addressOfReverse(name) ?? '') ?? [];
        return names.map((host) => nameRecord(name, 'PTR', this.#ttl, host));
      }
      case 'A':
        return (this.#hosts.v4.get(name) ?? []).map((data) => ({ ...owner, type: 'A', data }));
      case 'AAAA':
        return (this.#hosts.v6.get(name) ?? []).map((data) => ({ ...owner, type: 'AAAA', data }));
      default:
        return [];
    }
  }

  /** A name that is there for another type has no answer, rather than not to exist. */
  #known({ name }: Request): boolean {
    return this.#hosts.v4.has(name) || this.#hosts.v6.has(name);
  }
}

/** What may begin a line in the braces of the plugin, besides an address. */
const PROPERTIES = ['fallthrough', 'no_reverse', 'reload', 'ttl'];

export const hosts: Setup = (directives, context) => {
  const directive = only(directives, context);
  const [path = '/etc/hosts', ...origins] = directive.args;
  let zones = origins.flatMap((text) => normalZones(text, directive, context.error));
  if (zones.length === 0) zones = [...context.zones];
  let ttl = DEFAULT_TTL;
  let reverse = true;
  let fallthrough: Fallthrough;
  const inline: string[] = [];
  for (const line of directive.body ?? []) {
    switch (line.name) {
      case 'fallthrough':
        fallthrough = readFallthrough(line, context.error);
        break;
      case 'no_reverse':
        reverse = false;
        break;
      case 'ttl':
        ttl = readNumber(line, line.args[0], context, 1);
        if (ttl > 65535) context.error(line, `ttl provided is invalid: ${ttl}`);
        break;
      case 'reload':
        readDuration(line, line.args[0], context);
        break;
      default:
        if (line.args.length > 0 && tryParseIp(line.name) !== undefined)
          inline.push([line.name, ...line.args].join(' '));
        else context.error(line, `unknown property '${line.name}'`, didYouMean(line.name, PROPERTIES));
    }
  }
  const text = `${context.environment.file(path) ?? ''}\n${inline.join('\n')}`;
  const names = parseHosts(text, zones, reverse);
  return (next) => new HostsHandler(zones, names, ttl, fallthrough, next);
};

function parseHosts(text: string, zones: readonly string[], withReverse: boolean): Hosts {
  const names: Hosts = { v4: new Map(), v6: new Map(), reverse: new Map() };
  for (const line of text.split('\n')) {
    const [address, ...words] = line.replace(/#.*/, '').trim().split(/\s+/);
    const ip = tryParseIp((address ?? '').replace(/%.*$/, ''));
    if (ip === undefined) continue;
    const data = formatIp(ip);
    for (const word of words) {
      const name = fqdn(word.toLowerCase());
      if (matchZone(zones, name) === undefined) continue;
      append(typeof ip === 'number' ? names.v4 : names.v6, name, data);
      if (withReverse) append(names.reverse, data, name);
    }
  }
  return names;
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

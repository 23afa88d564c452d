import { type Answer, decode, encode, type Question } from 'dns-packet';
import type { Exchange, MovableClock } from '../../../src/resolver/index.ts';

/** What a scripted server does with a type of a name: an rcode, silence, or addresses; CNAME goes before them. */
export type ZoneEntry =
  | string
  | { readonly CNAME?: string; readonly [type: string]: string | readonly string[] | undefined };
export type Zone = Readonly<Record<string, ZoneEntry>>;
/** One zone on all servers, or each server its own. */
export type Zones = Zone | Servers;
interface Servers {
  readonly __servers: Readonly<Record<string, Zone>>;
}

function zoneOf(zones: Zones, server: string): Zone {
  const servers = zones.__servers;
  return servers === undefined ? (zones as Zone) : ((servers as Servers['__servers'])[server] ?? {});
}

const rcodes: Record<string, number> = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };
const RD_AA = 0x0500;
const RA = 0x0080;
const TRUNCATED = 0x0200;

/** The reply of a scripted server, or undefined where it is silent: malformed queries and names marked DROP. */
export function answer(
  zone: Zone,
  query: Uint8Array,
  transport: 'udp' | 'tcp' = 'udp',
  recursion = true,
): Buffer | undefined {
  let question: Question | undefined;
  let id = 0;
  try {
    const packet = decode(Buffer.from(query));
    id = packet.id ?? 0;
    question = packet.questions?.[0];
  } catch {
    return undefined;
  }
  if (question === undefined) return undefined;
  const entry = zone[`${question.name}.`.toLowerCase()] ?? zone['*'] ?? 'NXDOMAIN';
  const what = typeof entry === 'string' ? entry : (entry[question.type] ?? []);
  if (what === 'DROP') return undefined;
  const reply = (flags: number, answers: Answer[] = []) =>
    encode({ type: 'response', id, flags: RD_AA | (recursion ? RA : 0) | flags, questions: [question], answers });
  if (what === 'TC') return reply(TRUNCATED);
  if (typeof what === 'string') return reply(rcodes[what] ?? 0);
  if (typeof entry !== 'string' && entry.TC === 'udp' && transport === 'udp') return reply(TRUNCATED);
  const owner = typeof entry === 'string' ? undefined : entry.CNAME;
  const answers: Answer[] = owner === undefined ? [] : [{ type: 'CNAME', name: question.name, ttl: 5, data: owner }];
  for (const data of what) {
    answers.push({ type: question.type === 'AAAA' ? 'AAAA' : 'A', name: owner ?? question.name, ttl: 5, data });
  }
  return reply(0, answers);
}

export function exchangeOf(zones: Zones): Exchange {
  return (server, message, { transport }) => {
    const reply = answer(zoneOf(zones, server), message, transport);
    return reply === undefined ? undefined : { message: reply };
  };
}

/** A clock that only moves when told. */
export function testClock(): MovableClock & { now: number } {
  return {
    now: 0,
    advance(ms: number) {
      this.now += ms;
    },
  };
}

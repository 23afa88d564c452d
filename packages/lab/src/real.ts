import { IpProto } from '@netsim/wire';
import type { Lab } from './lab.ts';
import { TRACE_TABLE } from './lab.ts';
import type { Arrival, Connection, MatchedRule, Observation, Passage, Probe } from './observation.ts';
import { decodeFrame, decodeIp, headerKey, type KnownPorts, packetKey } from './packet.ts';
import { type PlanFacts, planFacts } from './plan-facts.ts';

/** How long a probe waits before it is a `timeout`. Failures other than silence take less (see the lab's sysctls). */
export const PROBE_TIMEOUT = 300;

interface Endpoint {
  readonly ip: string;
  readonly port: number;
}
interface Tuple {
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
}
interface TraceEvent {
  readonly netns: number;
  readonly id: number;
  readonly family: number;
  readonly type: 'rule' | 'return' | 'policy' | '?';
  readonly table: string;
  readonly chain: string;
  readonly handle?: number;
  /** Index of the incoming device. */
  readonly iif?: number;
  readonly network?: string;
  readonly transport?: string;
}
interface AgentAnswer {
  /** The kernel had more to tell than there was room for. */
  readonly lost: boolean;
  readonly outcome: string;
  readonly answer: string;
  readonly server?: { readonly netns: number; readonly name: string; readonly peer: Endpoint };
  readonly icmp?: { readonly type: number; readonly code: number };
  readonly connections: readonly { readonly netns: number; readonly original: Tuple; readonly reply: Tuple }[];
  readonly trace: readonly TraceEvent[];
  readonly frames: readonly {
    readonly netns: number;
    readonly device: string;
    readonly mine: boolean;
    readonly bytes: string;
  }[];
}

/** Sends the probe with a real socket and reads the kernel's mind: trace, conntrack, and what arrived where. */
export async function probeReal(lab: Lab, probe: Probe, timeout = PROBE_TIMEOUT): Promise<Observation> {
  const { agent } = lab;
  if (agent === null) throw new Error('a passive lab takes no probes');
  const { from, protocol, destination, port, sourcePort, ttl, keepState } = probe;
  const answer = await agent.ask<AgentAnswer>(
    'probe',
    lab.indexOf(from),
    protocol,
    destination,
    port,
    sourcePort,
    timeout,
    ttl ?? 0,
    keepState === true ? 1 : 0,
  );
  const facts = planFacts(lab.plan);
  const ports = facts.ports(probe);
  const { server, icmp } = answer;
  return {
    outcome: answer.outcome,
    answer: answer.answer,
    ...(answer.lost ? { incomplete: true } : {}),
    ...(icmp === undefined ? {} : { icmp: `${icmp.type}/${icmp.code}` }),
    ...(server === undefined
      ? {}
      : {
          server: {
            netns: lab.nameOf(server.netns),
            program: server.name,
            peer: `${server.peer.ip} ${ports.show(server.peer.port)}`,
          },
        }),
    passages: readTrace(lab, answer.trace, facts, ports),
    arrivals: readFrames(lab, answer, facts, ports),
    connections: answer.connections.flatMap((connection) => readConnection(lab, connection, ports)),
  };
}

interface OpenPassage extends Passage {
  readonly rules: MatchedRule[];
  /** What stays the same on a packet's way through a netns, whatever NAT does to it. */
  readonly identity: string;
}

/**
 * A packet's walk starts with the rule of our own table, which turned its trace on. Its later events carry the same id,
 * until a hook where the kernel gives it another (the id is a hash that the device goes into): then the header tells.
 */
function readTrace(lab: Lab, events: readonly TraceEvent[], facts: PlanFacts, ports: KnownPorts): Passage[] {
  const passages: (OpenPassage & { readonly key: string | undefined })[] = [];
  const byId = new Map<string, OpenPassage>();
  for (const event of events) {
    const netns = lab.nameOf(event.netns);
    const id = `${event.netns} ${event.id}`;
    const header = event.network === undefined ? undefined : Buffer.from(event.network, 'hex');
    const transport = Buffer.from(event.transport ?? '', 'hex');
    if (event.table === TRACE_TABLE) {
      if (event.type !== 'rule' || event.handle === undefined || header === undefined) continue;
      const identity = identityOf(header, transport);
      const looped = event.iif === LOOPBACK && lastOf(passages, netns, identity);
      if (looped) {
        byId.set(id, looped);
        continue;
      }
      const packet = decodeIp(Buffer.concat([header, transport]), facts.vxlanPorts);
      const key = packet && headerKey(packet, ports);
      const passage = { netns, packet: key ?? '', key, rules: [], identity };
      passages.push(passage);
      byId.set(id, passage);
      continue;
    }
    if (header !== undefined) {
      const mine = lastOf(passages, netns, identityOf(header, transport));
      if (mine !== undefined) byId.set(id, mine);
    }
    if (event.type !== 'rule' || event.handle === undefined) continue;
    const rule = lab.ruleOf(netns, event.family, event.table, event.handle);
    if (rule !== undefined) byId.get(id)?.rules.push(rule);
  }
  return passages.flatMap(({ netns, packet, key, rules }) => (key === undefined ? [] : [{ netns, packet, rules }]));
}

/** Every netns has `lo` first. What comes in by it went out in the same netns just before: one walk. */
const LOOPBACK = 1;

function lastOf<T extends OpenPassage>(passages: readonly T[], netns: string, identity: string): T | undefined {
  return passages.findLast((passage) => passage.netns === netns && passage.identity === identity);
}

/** What no NAT and no router changes: protocol, length, for IPv4 the identification, for IPv6 the flow label; for ICMP its type. */
function identityOf(header: Uint8Array, transport: Uint8Array): string {
  const v4 = header[0]! >> 4 === 4;
  const protocol = v4 ? header[9]! : header[6]!;
  const constant = v4 ? header.subarray(2, 6) : header.subarray(1, 6);
  const icmp = protocol === IpProto.ICMP || protocol === IpProto.ICMPV6;
  return [v4 ? 4 : 6, protocol, ...constant, ...(icmp ? transport.subarray(0, 2) : [])].join(' ');
}

function readFrames(lab: Lab, answer: AgentAnswer, facts: PlanFacts, ports: KnownPorts): Arrival[] {
  return answer.frames.flatMap((frame) => {
    const netns = lab.nameOf(frame.netns);
    if (!frame.mine || !facts.ends.has(`${netns} ${frame.device}`)) return [];
    const packet = decodeFrame(Buffer.from(frame.bytes, 'hex'), facts.vxlanPorts);
    const key = packet && packetKey(packet, ports);
    return key === undefined ? [] : [{ netns, device: frame.device, packet: key, ttl: packet!.ttl }];
  });
}

const PROTOCOLS: ReadonlySet<number> = new Set([IpProto.ICMP, IpProto.TCP, IpProto.UDP, IpProto.ICMPV6]);

function readConnection(
  lab: Lab,
  connection: { readonly netns: number; readonly original: Tuple; readonly reply: Tuple },
  ports: KnownPorts,
): Connection[] {
  const { netns, original, reply } = connection;
  if (!PROTOCOLS.has(original.protocol)) return []; // IGMP and the like, which nobody asked for
  const tuple = (t: Tuple): string => tupleText(t, ports);
  return [{ netns: lab.nameOf(netns), original: tuple(original), reply: tuple(reply) }];
}

/** A conntrack tuple as the comparison names it. For ICMP `sport` is the identifier. */
export function tupleText(tuple: Tuple, ports: KnownPorts): string {
  const { src, dst, protocol, sport, dport } = tuple;
  const icmp = protocol === IpProto.ICMP || protocol === IpProto.ICMPV6;
  return `${protocol} ${src} ${ports.show(sport)} > ${dst}${icmp ? '' : ` ${ports.show(dport)}`}`;
}

import {
  type Device,
  frameBytes,
  type Netns,
  PacketType,
  type RandomSource,
  Skb,
  type TcpConnection,
  type Tracer,
  type Tuple,
  World,
  type WorldPlan,
} from '@netsim/kernel';
import type { Step } from '@netsim/trace';
import { formatIp, type Ip, parseIp } from '@netsim/wire';
import { ONE_SYN_ACK } from './lab.ts';
import type { Arrival, Connection, MatchedRule, Observation, Passage, Probe } from './observation.ts';
import { decodeFrame, headerKey, type KnownPorts, packetKey } from './packet.ts';
import { type PlanFacts, planFacts } from './plan-facts.ts';
import { tupleText } from './real.ts';

/** Virtual time that a probe may take: longer than Linux asks for a neighbour before it gives up (3 seconds). */
const PATIENCE = 3_900;

/** Runs probes that follow one another in a world of their own, and observes each as `probeReal` does. */
export function emulateSeries(plan: WorldPlan, series: readonly Probe[], random: RandomSource): Observation[] {
  const world = new World({ random });
  world.load({ ...plan, listeners: [] });
  for (const { name } of plan.netns) world.requireNetns(name).setSysctl(...ONE_SYN_ACK);
  const emulated = new EmulatedProbe(world, plan);
  return series.map((probe) => emulated.run(probe));
}

interface Outcome {
  outcome: string;
  answer: string;
  icmp?: string;
}

interface Server {
  readonly netns: string;
  readonly program: string;
  readonly ip: Ip;
  readonly port: number;
}

class EmulatedProbe {
  readonly #world: World;
  readonly #facts: PlanFacts;
  #server: Server | undefined;

  constructor(world: World, plan: WorldPlan) {
    this.#world = world;
    this.#facts = planFacts(plan);
    for (const listener of plan.listeners) this.#listen(listener);
  }

  /**
   * Servers as those of the real lab's agent: they answer with their name, from the address that was asked. Of two that
   * want one port the first has it, as in a node's netns.
   */
  #listen({ netns: name, protocol, address, port, program }: WorldPlan['listeners'][number]): void {
    const netns = this.#world.requireNetns(name);
    const text = new TextEncoder().encode(program);
    const served = (ip: Ip, peerPort: number): void => {
      this.#server = { netns: name, program, ip, port: peerPort };
    };
    if (protocol === 'tcp') {
      const onConnection = (connection: TcpConnection): void => {
        served(connection.remoteAddress ?? 0, connection.remotePort);
        connection.send(text);
      };
      const listener = netns.listenTcp({ address, port, program, onConnection });
      if (typeof listener === 'string' && listener !== 'EADDRINUSE')
        throw new Error(`tcp ${port} in ${name}: ${listener}`);
    } else if (protocol === 'udp') {
      const socket = netns.bindUdp({
        address,
        port,
        program,
        onMessage: (message, own) => {
          served(message.src, message.sport);
          const answer = new Skb();
          if (own.prepare(answer, { dst: message.src, dport: message.sport, payload: text }) !== '') return;
          answer.src = message.dst;
          own.transmit(answer);
        },
      });
      if (typeof socket === 'string' && socket !== 'EADDRINUSE') throw new Error(`udp ${port} in ${name}: ${socket}`);
    }
  }

  run(probe: Probe): Observation {
    const world = this.#world;
    const netns = world.requireNetns(probe.from);
    const observer = new Observer(this.#facts);
    this.#server = undefined;
    world.tracer = observer;
    world.frameListener = (at, dev, direction, skb) => {
      if (direction === 'in') observer.arrived(at, dev, skb);
    };
    const result: Outcome = { outcome: '', answer: '' };
    const { identifier, close } = this.#ask(netns, probe, result);
    world.runUntil(() => result.outcome !== '', PATIENCE);
    world.tracer = null;
    world.frameListener = null;
    const ports = this.#facts.ports({ ...probe, sourcePort: identifier });
    const server = this.#server as Server | undefined;
    const observation: Observation = {
      outcome: result.outcome || 'timeout',
      answer: result.answer,
      ...(result.icmp === undefined ? {} : { icmp: result.icmp }),
      ...(server === undefined
        ? {}
        : {
            server: {
              netns: server.netns,
              program: server.program,
              peer: `${formatIp(server.ip)} ${ports.show(server.port)}`,
            },
          }),
      passages: observer.passages(ports),
      arrivals: observer.arrivals(ports),
      connections: this.#connections(ports),
    };
    close();
    world.run();
    return observation;
  }

  /** Starts the probe; returns the port or identifier that it has, and how to end it. */
  #ask(netns: Netns, probe: Probe, result: Outcome): { identifier: number; close: () => void } {
    const dst = parseIp(probe.destination);
    const { port: dport, sourcePort, ttl } = probe;
    const failed = (error: string): void => {
      if (error !== '' && result.outcome === '') result.outcome = error;
    };
    if (probe.protocol === 'tcp') {
      const connection = netns.connectTcp({
        dst,
        dport,
        sport: sourcePort,
        onData: (data) => {
          result.outcome = 'answered';
          result.answer = data === null ? '' : new TextDecoder().decode(data);
        },
        onClose: failed,
      });
      failed(connection.error);
      return { identifier: sourcePort, close: () => connection.abort() };
    }
    if (probe.protocol === 'udp') {
      const socket = netns.bindUdp({
        port: sourcePort,
        onMessage: ({ payload }) => {
          result.outcome = 'answered';
          result.answer = payload === null ? '' : new TextDecoder().decode(payload);
        },
        onError: failed,
      });
      if (typeof socket === 'string') {
        failed(socket);
        return { identifier: sourcePort, close: () => {} };
      }
      failed(socket.connect(dst, dport));
      if (result.outcome === '') failed(socket.send({ payload: new TextEncoder().encode('probe'), ttl }));
      return { identifier: sourcePort, close: () => socket.close() };
    }
    const socket = netns.ping({
      dst,
      ttl,
      size: 8,
      onAnswer: (answer) => {
        if (answer.kind === 'reply') result.outcome = 'answered';
        else {
          failed(answer.errno);
          result.icmp = `${answer.icmpType}/${answer.icmpCode}`;
        }
      },
    });
    failed(socket.send());
    return { identifier: socket.localPort, close: () => socket.close() };
  }

  #connections(ports: KnownPorts): Connection[] {
    const text = ({ src, dst, protocol, sport, dport }: Tuple): string =>
      tupleText({ src: formatIp(src), dst: formatIp(dst), protocol, sport, dport }, ports);
    return this.#world.allNetns().flatMap((netns) =>
      (netns.netfilter?.connections() ?? []).map((connection) => ({
        netns: netns.name,
        original: text(connection.original),
        reply: text(connection.reply),
      })),
    );
  }
}

/** Keeps what happened as bytes and rules; packets are named afterwards, when the client's port is known. */
class Observer implements Tracer {
  readonly #facts: PlanFacts;
  readonly #passages: { readonly netns: string; readonly bytes: Uint8Array; readonly rules: MatchedRule[] }[] = [];
  readonly #arrivals: { readonly netns: string; readonly device: string; readonly bytes: Uint8Array }[] = [];
  /** Where a packet was last, and its walk through the rules there. */
  readonly #open = new Map<number, { readonly place: string; readonly rules: MatchedRule[] }>();

  constructor(facts: PlanFacts) {
    this.#facts = facts;
  }

  step(where: { readonly name: string }, skb: Skb, step: Step): void {
    // A datagram around a frame has the frame's identity, and walks through the rules on its own account.
    const place = `${where.name} ${skb.vni >= 0 ? 'outer' : ''}`;
    let open = this.#open.get(skb.trackId);
    if (open?.place !== place) {
      open = { place, rules: [] };
      this.#open.set(skb.trackId, open);
      this.#passages.push({ netns: where.name, bytes: frameBytes(skb), rules: open.rules });
    }
    if (step.kind === 'rule') {
      const { table, chain, index, text } = step;
      open.rules.push({ table, chain, index, text: text.replace(/^-A \S+ /, '') });
    }
  }

  arrived(netns: Netns, dev: Device, skb: Skb): void {
    if (!this.#facts.ends.has(`${netns.name} ${dev.name}`) || skb.pktType !== PacketType.HOST) return;
    if (skb.dstMac !== dev.mac) return;
    this.#arrivals.push({ netns: netns.name, device: dev.name, bytes: frameBytes(skb) });
  }

  passages(ports: KnownPorts): Passage[] {
    return this.#passages.flatMap(({ netns, bytes, rules }) => {
      const packet = decodeFrame(bytes, this.#facts.vxlanPorts);
      const key = packet && headerKey(packet, ports);
      return key === undefined ? [] : [{ netns, packet: key, rules }];
    });
  }

  arrivals(ports: KnownPorts): Arrival[] {
    return this.#arrivals.flatMap(({ netns, device, bytes }) => {
      const packet = decodeFrame(bytes, this.#facts.vxlanPorts);
      const key = packet && packetKey(packet, ports);
      return key === undefined ? [] : [{ netns, device, packet: key, ttl: packet!.ttl }];
    });
  }
}

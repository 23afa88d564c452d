import type { Ip } from '@netsim/wire';
import type { Netns } from '../net/netns.ts';
import type { Skb } from '../skb.ts';
import type { PacketWatcher } from '../world.ts';
import type { Errno } from './errno.ts';
import type { Socket } from './socket.ts';

export interface ProbeOptions {
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'sctp';
  readonly dst: Ip;
  /** TCP, UDP, SCTP. */
  readonly dport?: number | undefined;
  readonly src?: Ip | undefined;
  readonly sport?: number | undefined;
  /** UDP and ICMP. */
  readonly ttl?: number | undefined;
  /** UDP and ICMP: bytes of data. */
  readonly payloadLength?: number | undefined;
  /** Virtual milliseconds to wait for an outcome; default 5000, which neighbour discovery takes 3000 of at most. */
  readonly timeoutMs?: number | undefined;
}

/** The end of one packet. */
export type PacketFate =
  | {
      readonly kind: 'delivered';
      readonly netns: Netns;
      readonly socket: Socket;
      readonly src: Ip;
      readonly sport: number;
      readonly ttl: number;
    }
  | { readonly kind: 'dropped'; readonly netns: Netns; readonly reason: string };

export interface ProbeResult {
  /** What the sender saw: an answer, an error, or nothing in time. For UDP `sent` says that a socket took it and no answer came. */
  readonly outcome: 'answered' | 'sent' | 'error' | 'timeout';
  readonly error: Errno | '';
  /** Identity of the packet sent; 0 where the call itself failed. */
  readonly trackId: number;
  /** Where that packet ended; undefined where it still is on its way or was never sent. */
  readonly fate: PacketFate | undefined;
  /** Packets made in answer to it, in order: an ICMP error, a RST, a SYN ACK, a reply. */
  readonly answers: readonly { readonly trackId: number; readonly fate: PacketFate | undefined }[];
  /** Identities of all packets of the exchange, in order. */
  readonly trackIds: readonly number[];
}

/** Follows the packets that come of one. */
class Follower implements PacketWatcher {
  readonly ids: number[] = [];
  readonly fates = new Map<number, PacketFate>();
  readonly answersTo = new Map<number, number[]>();

  delivered(netns: Netns, skb: Skb, socket: Socket): void {
    if (skb.vni >= 0) return;
    this.fates.set(skb.trackId, { kind: 'delivered', netns, socket, src: skb.src, sport: skb.sport, ttl: skb.ttl });
  }
  dropped(netns: Netns, skb: Skb, reason: string): void {
    // Of a flooded frame one copy may still arrive.
    if (this.fates.get(skb.trackId)?.kind !== 'delivered')
      this.fates.set(skb.trackId, { kind: 'dropped', netns, reason });
  }
  answered(_netns: Netns, about: Skb, answer: Skb): void {
    const known = this.answersTo.get(about.trackId);
    if (known === undefined) this.answersTo.set(about.trackId, [answer.trackId]);
    else known.push(answer.trackId);
    if (this.ids.includes(about.trackId)) this.ids.push(answer.trackId);
  }
}

/**
 * Sends one packet as the socket call of a program would (a TCP SYN, a datagram, an echo request), runs the world until
 * its outcome is known, and closes the socket again.
 */
export function sendProbe(netns: Netns, options: ProbeOptions): ProbeResult {
  const { world } = netns;
  const before = world.watcher;
  const follower = new Follower();
  world.watcher = follower;
  try {
    const sent = open(netns, options);
    if (sent.trackId !== 0) follower.ids.push(sent.trackId);
    if (sent.error() === '') {
      const done = (): boolean => sent.finished() || isOver(follower, sent.trackId);
      world.runUntil(done, options.timeoutMs ?? 5_000);
    }
    const fate = follower.fates.get(sent.trackId);
    const error = sent.error();
    const answers = follower.answersTo.get(sent.trackId) ?? [];
    let outcome: ProbeResult['outcome'] = 'timeout';
    if (error !== '') outcome = 'error';
    else if (sent.finished()) outcome = 'answered';
    else if (fate?.kind === 'delivered' && options.protocol === 'udp') outcome = 'sent';
    const result: ProbeResult = {
      outcome,
      error,
      trackId: sent.trackId,
      fate,
      answers: answers.map((trackId) => ({ trackId, fate: follower.fates.get(trackId) })),
      trackIds: [...follower.ids],
    };
    world.watcher = null;
    const { tracer } = world;
    world.tracer = null;
    sent.close();
    world.run();
    world.tracer = tracer;
    return result;
  } finally {
    world.watcher = before;
  }
}

/** Every packet of the exchange has met its end. */
function isOver(follower: Follower, trackId: number): boolean {
  return trackId !== 0 && follower.ids.every((id) => follower.fates.has(id));
}

interface Sent {
  readonly trackId: number;
  error(): Errno | '';
  finished(): boolean;
  close(): void;
}

function open(netns: Netns, options: ProbeOptions): Sent {
  const { dst, src, sport, ttl } = options;
  const dport = options.dport ?? 0;
  switch (options.protocol) {
    case 'tcp': {
      const connection = netns.connectTcp({ dst, dport, src, sport, program: 'probe' });
      return {
        trackId: connection.firstTrackId,
        error: () => connection.error,
        finished: () => connection.established,
        close: () => connection.abort(),
      };
    }
    case 'udp': {
      const socket = netns.bindUdp({ address: src, port: sport, program: 'probe' });
      if (typeof socket === 'string') return failed(socket);
      let error = socket.connect(dst, dport);
      const trackId = error === '' ? netns.world.nextTrackId() : 0;
      if (error === '') error = socket.send({ payloadLength: options.payloadLength ?? 0, ttl, trackId });
      return {
        trackId,
        error: () => (error === '' ? socket.error : error),
        finished: () => socket.received > 0,
        close: () => socket.close(),
      };
    }
    case 'icmp': {
      const socket = netns.ping({ dst, src, ttl, size: options.payloadLength });
      const error = socket.send(1);
      return {
        trackId: socket.lastSent?.trackId ?? 0,
        error: () => {
          if (error !== '') return error;
          const answer = socket.answers[0];
          return answer?.kind === 'error' ? answer.errno : '';
        },
        finished: () => socket.answers.length > 0,
        close: () => socket.close(),
      };
    }
    case 'sctp': {
      const association = netns.sockets.sctp.connect({ dst, dport, src, sport });
      return {
        trackId: association.lastSent?.trackId ?? 0,
        error: () => association.error,
        finished: () => association.phase === 'ESTABLISHED',
        close: () => association.finish(''),
      };
    }
  }
}

function failed(error: Errno): Sent {
  return { trackId: 0, error: () => error, finished: () => false, close: () => undefined };
}

import { decodeMessage, encodeMessage, fitReply, replyTo, WireError } from '@netsim/dns';
import { type Netns, parseIptablesSave, type TcpConnection, type UdpSocket } from '@netsim/kernel';
import type { Family } from '@netsim/wire';
import type { OutsideNames } from './outside-names.ts';
import { FrameReader, frame } from './tcp-frame.ts';

/** The name servers that machines are given: they stand in the world outside, behind the router. */
export const OUTSIDE_RESOLVERS: Readonly<Record<Family, string>> = { 4: '8.8.8.8', 6: '2001:4860:4860::8888' };
const PROGRAM = 'resolver';
const PORT = 53;
const UDP_SIZE = 512;

/** Only name service is known of the machine: what else is sent to it gets no answer, as anywhere outside. */
const silent = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport ${PORT} -j ACCEPT
-A INPUT -p tcp -m tcp --dport ${PORT} -j ACCEPT
COMMIT
`;

/** Lets a machine outside answer as a recursive resolver of the world. */
export function serveOutside(netns: Netns, family: Family, names: OutsideNames): void {
  netns.loadRuleset(parseIptablesSave(silent, family));
  netns.sockets.udp.bind({ port: PORT, program: PROGRAM, onMessage: onDatagram(names) });
  netns.sockets.tcp.listen({ port: PORT, program: PROGRAM, onConnection: (made) => onConnection(made, names) });
}

function onDatagram(names: OutsideNames): NonNullable<UdpSocket['onMessage']> {
  return ({ src, sport, payload, payloadLength }, socket) => {
    const reply = replyBytes(payload ?? new Uint8Array(payloadLength), names, UDP_SIZE);
    if (reply !== undefined) socket.send({ dst: src, dport: sport, payload: reply });
  };
}

function onConnection(connection: TcpConnection, names: OutsideNames): void {
  const reader = new FrameReader();
  connection.handlers.onEnd = () => connection.close();
  connection.handlers.onData = (data, length) => {
    for (const message of reader.push(data ?? new Uint8Array(length))) {
      const reply = replyBytes(message, names, undefined);
      if (reply !== undefined) connection.send(frame(reply));
    }
  };
}

/** Nothing for what is no query. */
function replyBytes(bytes: Uint8Array, names: OutsideNames, limit: number | undefined): Uint8Array | undefined {
  let query: ReturnType<typeof decodeMessage>;
  try {
    query = decodeMessage(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
  const [question] = query.questions;
  if (query.response || question === undefined) return undefined;
  const { rcode, records } =
    query.opcode === 0 ? names.answer(question.name, question.type) : ({ rcode: 'NOTIMP', records: [] } as const);
  const reply = {
    ...replyTo(query, { rcode, answers: records }),
    ra: true,
    ...(query.edns !== undefined && { edns: { ...query.edns, size: 1232, options: [] } }),
  };
  if (limit === undefined) return encodeMessage(reply);
  return fitReply(reply, query.edns?.size ?? limit).bytes;
}

import { decodeMessage, type ExchangeFunction, encodeMessage, WireError } from '@netsim/dns';
import type { Netns } from '@netsim/kernel';
import { FrameReader, frame } from './tcp-frame.ts';

/** How long `forward` waits for a reply, in milliseconds (CoreDNS: `readTimeout` of plugin/pkg/proxy). */
const READ_TIMEOUT = 2_000;

/** Asks another name server over the sockets of a netns. */
export function exchangeOver(netns: Netns, program: string): ExchangeFunction {
  const { clock } = netns.world;
  return ({ server, query }, done) => {
    const { ip, port, transport } = server;
    let over = false;
    let close = (): void => {};
    const finish = (result: Parameters<typeof done>[0]): void => {
      if (over) return;
      over = true;
      timer.cancel();
      close();
      done(result);
    };
    const fail = (reason: string): void => finish({ kind: 'failed', reason });
    const timer = clock.schedule(clock.now + READ_TIMEOUT, () => fail(`read ${transport}: i/o timeout`));
    const take = (bytes: Uint8Array): void => {
      try {
        finish({ kind: 'reply', message: decodeMessage(bytes) });
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        fail(error.message);
      }
    };
    if (transport === 'tls') {
      fail('DNS over TLS is not modelled');
      return;
    }
    const bytes = encodeMessage(query);
    if (transport === 'udp') {
      const socket = netns.sockets.udp.bind({
        program,
        onMessage: ({ payload }) => payload !== null && take(payload),
        onError: (error) => fail(`read udp: ${error}`),
      });
      if (typeof socket === 'string') {
        fail(socket);
        return;
      }
      close = () => socket.close();
      const error = socket.connect(ip, port) || socket.send({ payload: bytes });
      if (error !== '') fail(`dial udp: ${error}`);
      return;
    }
    const reader = new FrameReader();
    const connection = netns.sockets.tcp.connect({
      dst: ip,
      dport: port,
      program,
      onConnect: (open) => void open.send(frame(bytes)),
      onData: (data, length) => {
        for (const message of reader.push(data ?? new Uint8Array(length))) take(message);
      },
      onEnd: () => fail('read tcp: EOF'),
      onClose: (error) => fail(`dial tcp: ${error}`),
    });
    close = () => connection.close();
    if (connection.error !== '') fail(`dial tcp: ${connection.error}`);
  };
}

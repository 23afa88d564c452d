import type { Netns, UdpSocket } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { formatEndpoint } from '@netsim/wire';

/** Milliseconds without a datagram after which a client is forgotten (Envoy: `idle_timeout` of the UDP proxy). */
const IDLE = 60_000;

export interface UdpRelayOptions {
  readonly netns: Netns;
  readonly port: number;
  readonly program: string;
  /** Where the datagrams of a new client go; undefined: nowhere. */
  target(): { readonly ip: Ip; readonly port: number } | undefined;
}

/**
 * Passes datagrams on to a backend and its answers back. What comes from one address and port of a client goes to the same backend, from a
 * port of its own, as long as it does not fall silent. Undefined: the port is taken.
 */
export function relayUdp({ netns, port, program, target }: UdpRelayOptions): UdpSocket | undefined {
  const { clock } = netns.world;
  const clients = new Map<
    string,
    { readonly socket: UdpSocket; readonly ip: Ip; readonly port: number; used: number }
  >();
  const front = netns.sockets.udp.bind({
    port,
    program,
    onMessage: ({ src, sport, payload, payloadLength }, own) => {
      const key = formatEndpoint(src, sport);
      let client = clients.get(key);
      if (client === undefined) {
        const to = target();
        const socket =
          to === undefined
            ? undefined
            : netns.sockets.udp.bind({
                program,
                onMessage: (answer) => {
                  own.send({ dst: src, dport: sport, payload: answer.payload, payloadLength: answer.payloadLength });
                },
              });
        if (to === undefined || socket === undefined || typeof socket === 'string') return;
        client = { socket, ...to, used: clock.now };
        clients.set(key, client);
        forgetWhenIdle(key);
      }
      client.used = clock.now;
      client.socket.send({ dst: client.ip, dport: client.port, payload, payloadLength });
    },
  });
  const forgetWhenIdle = (key: string): void => {
    const client = clients.get(key);
    if (client === undefined) return;
    clock.schedule(client.used + IDLE, () => {
      if (clock.now < client.used + IDLE) {
        forgetWhenIdle(key);
        return;
      }
      client.socket.close();
      clients.delete(key);
    });
  };
  return typeof front === 'string' ? undefined : front;
}

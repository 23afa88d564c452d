import { describe, expect, test } from 'vitest';
import type { Datagram, TcpConnection, UdpSocket } from '../src/index.ts';
import { ip, twoNodes } from './support/flannel.ts';
import { Recorder } from './support/recorder.ts';

function serve(world: ReturnType<typeof twoNodes>, netns: string, port: number): Datagram[] {
  const got: Datagram[] = [];
  world.requireNetns(netns).bindUdp({
    port,
    onMessage: (message, socket: UdpSocket) => {
      got.push(message);
      socket.send({ dst: message.src, dport: message.sport, payloadLength: 3 });
    },
  });
  return got;
}

describe('two nodes with flannel', () => {
  test('a datagram between pods of one node is bridged and keeps its TTL of 64', () => {
    const world = twoNodes();
    const got = serve(world, 'b', 53);
    const socket = world.requireNetns('a').bindUdp() as UdpSocket;
    expect(socket.send({ dst: ip('10.244.1.3'), dport: 53, payloadLength: 10 })).toBe('');
    world.run();
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject({ src: ip('10.244.1.2'), ttl: 64, payloadLength: 10 });
    expect(socket.received).toBe(1);
  });

  test('a datagram to a pod of the other node arrives with TTL 62, and the answer too', () => {
    const world = twoNodes();
    const got = serve(world, 'c', 53);
    const answers: Datagram[] = [];
    const socket = world.requireNetns('a').bindUdp({ onMessage: (message) => answers.push(message) }) as UdpSocket;
    socket.send({ dst: ip('10.244.2.2'), dport: 53 });
    world.run();
    expect(got).toMatchObject([{ src: ip('10.244.1.2'), ttl: 62 }]);
    expect(answers).toMatchObject([{ src: ip('10.244.2.2'), sport: 53, ttl: 62 }]);
  });

  test('a trace of it names every hop: bridge, route, vxlan, wire, and back out', () => {
    const world = twoNodes();
    serve(world, 'c', 53);
    const socket = world.requireNetns('a').bindUdp() as UdpSocket;
    socket.send({ dst: ip('10.244.2.2'), dport: 53 });
    world.run();
    const recorder = new Recorder(world);
    socket.send({ dst: ip('10.244.2.2'), dport: 53, trackId: 1000 });
    world.run();
    expect(recorder.of(1000)).toEqual([
      'a send eth0',
      'a route output default via 10.244.1.1 dev eth0',
      'a neighbor resolved 10.244.1.1',
      'w1 receive veth-a',
      'w1 bridge local cni0',
      'w1 route forward 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
      'w1 neighbor resolved 10.244.2.0',
      'w1 encap 192.168.1.101 > 192.168.1.102 vni 1',
      'w1 send eth0',
      'w1 route output 192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.101',
      'w1 neighbor resolved 192.168.1.102',
      'w2 receive eth0',
      'w2 route local local 192.168.1.102 dev eth0 table local proto kernel scope host src 192.168.1.102',
      'w2 decap 192.168.1.101 > 192.168.1.102 vni 1',
      'w2 route forward 10.244.2.0/24 dev cni0 proto kernel scope link src 10.244.2.1',
      'w2 neighbor resolved 10.244.2.2',
      'w2 bridge forward cni0',
      'c receive eth0',
      'c route local local 10.244.2.2 dev eth0 table local proto kernel scope host src 10.244.2.2',
      'c socket delivered udp *:53',
    ]);
  });

  test('TCP shakes hands across nodes, carries data both ways and ends on both sides', () => {
    const world = twoNodes();
    const events: string[] = [];
    world.requireNetns('c').listenTcp({
      port: 80,
      program: 'web',
      onConnection: (connection) => {
        connection.handlers = {
          onData: (data, length, own) => {
            events.push(`server got ${new TextDecoder().decode(data!)} (${length})`);
            own.send(new TextEncoder().encode('hi'));
            own.close();
          },
          onEnd: () => events.push('server end'),
          onClose: (error) => events.push(`server closed ${error}`),
        };
      },
    });
    const connection = world.requireNetns('a').connectTcp({
      dst: ip('10.244.2.2'),
      dport: 80,
      onConnect: (own) => {
        events.push('connected');
        own.send(new TextEncoder().encode('hello'));
      },
      onData: (data) => events.push(`client got ${new TextDecoder().decode(data!)}`),
      onEnd: (own: TcpConnection) => {
        events.push('client end');
        own.close();
      },
      onClose: (error) => events.push(`client closed ${error}`),
    });
    world.run();
    expect(connection.error).toBe('');
    expect(events).toEqual([
      'connected',
      'server got hello (5)',
      'client got hi',
      'client end',
      'server closed ',
      'server end',
      'client closed ',
    ]);
  });

  test('a closed TCP port answers with a RST: ECONNREFUSED', () => {
    const world = twoNodes();
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 81 });
    world.run();
    expect(connection.error).toBe('ECONNREFUSED');
  });

  test('a closed UDP port is told to a connected socket', () => {
    const world = twoNodes();
    const socket = world.requireNetns('a').bindUdp() as UdpSocket;
    socket.connect(ip('10.244.1.3'), 5353);
    socket.send();
    world.run();
    expect(socket.error).toBe('ECONNREFUSED');
  });

  test('an address that no pod has is unreachable after three ARP requests, three seconds later', () => {
    const world = twoNodes();
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.77'), dport: 80 });
    world.run();
    expect(connection.phase).toBe('SYN_SENT');
    world.advance(2_999);
    expect(connection.phase).toBe('SYN_SENT');
    world.advance(200);
    expect(connection.error).toBe('EHOSTUNREACH');
  });

  test('ping answers from a pod, a bridge address and a node', () => {
    const world = twoNodes();
    for (const [to, ttl] of [
      ['10.244.2.2', 62],
      ['10.244.1.1', 64],
      ['10.244.2.1', 63],
      ['192.168.1.101', 64],
    ] as const) {
      const ping = world.requireNetns('a').ping({ dst: ip(to) });
      ping.send(1);
      world.run();
      expect(ping.answers).toMatchObject([{ kind: 'reply', from: ip(to), ttl }]);
    }
  });
});

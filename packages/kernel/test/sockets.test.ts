import { describe, expect, test } from 'vitest';
import { type Netns, parseIptablesSave, type TcpConnection, type UdpSocket } from '../src/index.ts';
import { ip, twoNodes } from './support/flannel.ts';

const udp = (socket: UdpSocket | string): UdpSocket => {
  if (typeof socket === 'string') throw new Error(socket);
  return socket;
};

describe('binding', () => {
  const cases: [string, string | undefined, string | undefined, boolean][] = [
    ['any and any', undefined, undefined, false],
    ['any and one address', undefined, '10.244.1.2', false],
    ['one address and another', '10.244.1.2', '127.0.0.1', true],
    ['one address twice', '10.244.1.2', '10.244.1.2', false],
    ['any IPv4 and any IPv6-and-IPv4', '0.0.0.0', undefined, false],
    ['one IPv6 address and any IPv4', '::1', '0.0.0.0', true],
  ];
  test.each(cases)('%s on one port', (_what, first, second, fits) => {
    const netns = twoNodes().requireNetns('a');
    const listen = (address: string | undefined) =>
      netns.listenTcp({ port: 80, address: address === undefined ? undefined : ip(address) });
    expect(typeof listen(first)).toBe('object');
    expect(listen(second)).toEqual(fits ? expect.any(Object) : 'EADDRINUSE');
  });

  test('an address that is not ours cannot be bound', () => {
    expect(
      twoNodes()
        .requireNetns('a')
        .listenTcp({ port: 80, address: ip('10.244.1.3') }),
    ).toBe('EADDRNOTAVAIL');
  });

  test('a socket takes what comes to its address and, once connected, only what comes from its peer', () => {
    const world = twoNodes();
    const b = world.requireNetns('b');
    const client = udp(world.requireNetns('a').bindUdp({ port: 5000 }));
    const send = (): void => {
      client.send({ dst: ip('10.244.1.3'), dport: 53 });
      world.run();
    };
    const one = udp(b.bindUdp({ port: 53, address: ip('10.244.1.3') }));
    const loopback = udp(b.bindUdp({ port: 53, address: ip('127.0.0.1') }));
    send();
    expect([one.received, loopback.received]).toEqual([1, 0]);
    one.close();
    const elsewhere = udp(b.bindUdp({ port: 53, address: ip('10.244.1.3') }));
    elsewhere.connect(ip('10.244.1.2'), 5001);
    send();
    expect([elsewhere.received, client.error]).toEqual([0, '']);
    elsewhere.connect(ip('10.244.1.2'), 5000);
    send();
    expect(elsewhere.received).toBe(1);
  });

  test('ephemeral ports come from the local range and follow the seed', () => {
    const ports = (seed: number): number[] => {
      const netns = twoNodes({ seed }).requireNetns('a');
      return [1, 2, 3].map(() => udp(netns.bindUdp()).localPort);
    };
    expect(ports(7)).toEqual(ports(7));
    expect(ports(7)).not.toEqual(ports(8));
    for (const port of ports(7)) expect(port >= 32768 && port <= 60999).toBe(true);
  });
});

describe('a server that listens on 127.0.0.1 only', () => {
  test('is reached from its own pod, and refuses everybody else', () => {
    const world = twoNodes();
    world.requireNetns('b').listenTcp({ port: 80, address: ip('127.0.0.1') });
    const own = world.requireNetns('b').connectTcp({ dst: ip('127.0.0.1'), dport: 80 });
    const other = world.requireNetns('a').connectTcp({ dst: ip('10.244.1.3'), dport: 80 });
    world.run();
    expect(own.established).toBe(true);
    expect(own.localAddress).toBe(ip('127.0.0.1'));
    expect(other.error).toBe('ECONNREFUSED');
  });
});

describe('TCP', () => {
  const rules = (target: string) =>
    parseIptablesSave(
      `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 80 -j ${target}\nCOMMIT\n`,
      4,
    );

  test('a SYN that is dropped is sent seven times; connect gives up after 127 seconds', () => {
    const world = twoNodes();
    world.requireNetns('w1').loadRuleset(rules('DROP'));
    const sent: number[] = [];
    world.frameListener = (netns, _dev, direction, skb) => {
      if (netns.name === 'a' && direction === 'out' && skb.protocol === 6) sent.push(world.clock.now);
    };
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.advance(126_999);
    expect(connection.phase).toBe('SYN_SENT');
    world.advance(1);
    expect(connection.error).toBe('ETIMEDOUT');
    expect(sent).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000]);
  });

  test.each([
    ['REJECT --reject-with icmp-port-unreachable', 'ECONNREFUSED'],
    ['REJECT --reject-with icmp-host-prohibited', 'EHOSTUNREACH'],
    ['REJECT --reject-with icmp-admin-prohibited', 'EHOSTUNREACH'],
    ['REJECT --reject-with icmp-net-unreachable', 'ENETUNREACH'],
    ['REJECT --reject-with icmp-proto-unreachable', 'ENOPROTOOPT'],
    ['REJECT --reject-with tcp-reset', 'ECONNREFUSED'],
  ])('%s ends a connection attempt with %s', (target, error) => {
    const world = twoNodes();
    world.requireNetns('w1').loadRuleset(rules(target));
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.run();
    expect(connection.error).toBe(error);
  });

  test('a lost segment is sent again and arrives once, in order', () => {
    const world = twoNodes();
    let received = '';
    world.requireNetns('c').listenTcp({
      port: 80,
      onConnection: (connection) => {
        connection.handlers = {
          onData: (data) => {
            received += new TextDecoder().decode(data!);
          },
        };
      },
    });
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.run();
    world.requireNetns('w2').setDown('veth-c');
    connection.send(new TextEncoder().encode('one '));
    world.run();
    expect(received).toBe('');
    world.requireNetns('w2').setUp('veth-c');
    connection.send(new TextEncoder().encode('two '));
    world.advance(10_000);
    expect(received).toBe('one two ');
  });

  test('more bytes than one segment holds arrive whole', () => {
    const world = twoNodes();
    let received = 0;
    let longest = 0;
    world.requireNetns('c').listenTcp({
      port: 80,
      onConnection: (connection) => {
        connection.handlers = {
          onData: (_data, length) => {
            received += length;
            longest = Math.max(longest, length);
          },
        };
      },
    });
    const connection = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.run();
    connection.send(100_000);
    world.run();
    expect([received, longest]).toEqual([100_000, 1410]);
  });

  test('a connection that is aborted tells the other side ECONNRESET', () => {
    const world = twoNodes();
    let server: TcpConnection | undefined;
    world.requireNetns('c').listenTcp({
      port: 80,
      onConnection: (connection) => {
        server = connection;
      },
    });
    const client = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.run();
    client.abort();
    world.run();
    expect(server?.error).toBe('ECONNRESET');
  });

  test('the side that ends first waits a minute in TIME-WAIT', () => {
    const world = twoNodes();
    let server: TcpConnection | undefined;
    world.requireNetns('c').listenTcp({
      port: 80,
      onConnection: (connection) => {
        server = connection;
      },
    });
    const client = world.requireNetns('a').connectTcp({ dst: ip('10.244.2.2'), dport: 80 });
    world.run();
    client.close();
    world.run();
    expect([client.state(), server?.state()]).toEqual(['FIN-WAIT-2', 'CLOSE-WAIT']);
    server?.close();
    world.run();
    expect([client.state(), server?.state()]).toEqual(['TIME-WAIT', 'UNCONN']);
    expect(world.requireNetns('a').allSockets()).toHaveLength(1);
    world.advance(60_000);
    expect(world.requireNetns('a').allSockets()).toHaveLength(0);
  });
});

describe('SCTP', () => {
  const associate = (netns: Netns, dport: number) => netns.sockets.sctp.connect({ dst: ip('10.244.2.2'), dport });
  test('an association is set up with a listener, and aborted by a closed port', () => {
    const world = twoNodes();
    world.requireNetns('c').listenSctp({ port: 36412 });
    const open = associate(world.requireNetns('a'), 36412);
    const closed = associate(world.requireNetns('a'), 36413);
    world.run();
    expect([open.state(), open.error]).toEqual(['ESTAB', '']);
    expect([closed.state(), closed.error]).toEqual(['CLOSED', 'ECONNREFUSED']);
  });
});

describe('a probe', () => {
  test('says where its packet ended and what came back', () => {
    const world = twoNodes();
    world.requireNetns('c').listenTcp({ port: 80, program: 'web' });
    const result = world.requireNetns('a').sendProbe({ protocol: 'tcp', dst: ip('10.244.2.2'), dport: 80 });
    expect(result).toMatchObject({
      outcome: 'answered',
      error: '',
      fate: { kind: 'delivered', src: ip('10.244.1.2'), ttl: 62 },
    });
    expect(result.answers).toMatchObject([{ fate: { kind: 'delivered', ttl: 62 } }]);
    expect(
      world
        .requireNetns('c')
        .allSockets()
        .map((socket) => socket.state()),
    ).toEqual(['LISTEN']);
  });

  test.each([
    ['tcp', '10.244.2.2', 81, 'error', 'ECONNREFUSED', 'NO_SOCKET'],
    ['udp', '10.244.2.2', 81, 'error', 'ECONNREFUSED', 'NO_SOCKET'],
    ['tcp', '10.244.2.77', 80, 'error', 'EHOSTUNREACH', 'NEIGH_FAILED'],
    ['udp', '10.9.9.9', 80, 'timeout', '', 'IP_INNOROUTES'],
    ['icmp', '10.9.9.9', 0, 'error', 'ENETUNREACH', 'IP_INNOROUTES'],
  ] as const)('by %s to %s:%i: %s %s, the packet ended as %s', (protocol, to, dport, outcome, error, reason) => {
    const result = twoNodes()
      .requireNetns('a')
      .sendProbe({ protocol, dst: ip(to), dport });
    expect(result).toMatchObject({ outcome, error, fate: { kind: 'dropped', reason } });
    expect(result.answers).toMatchObject([{ fate: { kind: 'delivered' } }]);
  });
});

describe('a flow', () => {
  test('sends packet after packet, and each arrives as the first did', () => {
    const world = twoNodes();
    const server = udp(world.requireNetns('c').bindUdp({ port: 53 }));
    const flow = world.requireNetns('a').openFlow({ protocol: 'udp', dst: ip('10.244.2.2'), dport: 53 });
    if (typeof flow === 'string') throw new Error(flow);
    for (let at = 0; at < 100; at++) expect(flow.send()).toBe(true);
    expect(server.received).toBe(100);
    server.close();
    expect(flow.send()).toBe(false);
    expect(flow.outcome()).toEqual({ kind: 'dropped', reason: 'NO_SOCKET' });
  });

  test('of TCP goes over an established connection', () => {
    const world = twoNodes();
    world.requireNetns('c').listenTcp({ port: 80 });
    const flow = world.requireNetns('a').openFlow({ protocol: 'tcp', dst: ip('10.244.2.2'), dport: 80 });
    if (typeof flow === 'string') throw new Error(flow);
    expect([flow.send(), flow.send()]).toEqual([true, true]);
    expect(world.requireNetns('a').openFlow({ protocol: 'tcp', dst: ip('10.244.2.2'), dport: 81 })).toBe(
      'ECONNREFUSED',
    );
  });
});

import { describe, expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import { CtInfo } from '../../src/netfilter/conntrack.ts';
import { printConn, printConntrack } from '../../src/netfilter/conntrack-print.ts';
import type { Netfilter } from '../../src/netfilter/netfilter.ts';
import type { Skb } from '../../src/skb.ts';
import { answer, eth0, forward, packet, world } from './fake-host.ts';

const tracked = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n';
const SYN = 2;
const ACK = 16;
const RST = 4;
const FIN = 1;

function table(netfilter: Netfilter, now = 0): string[] {
  return netfilter.connections().map((conn) => printConn(conn, now));
}
/** Protocol, seconds left and state of the only connection. */
function only(netfilter: Netfilter, now = 0): string {
  const [line = 'none'] = table(netfilter, now);
  return line.replace(/ +/g, ' ').split(' src=')[0]!;
}
function send(netfilter: Netfilter, skb: Skb): Skb {
  forward(netfilter, skb);
  return skb;
}
const client = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 80, protocol: 'tcp' } as const;
const server = { src: '10.0.0.2', dst: '10.0.0.1', sport: 80, dport: 1000, protocol: 'tcp' } as const;

function handshake(netfilter: Netfilter): void {
  send(netfilter, packet({ ...client, flags: SYN, seq: 100 }));
  send(netfilter, packet({ ...server, flags: SYN | ACK, seq: 500, ack: 101 }));
  send(netfilter, packet({ ...client, flags: ACK, seq: 101, ack: 501 }));
}

describe('conntrack', () => {
  test('is off where no rule asks for it, and a nat table without rules does not', () => {
    const { netfilter } = world(
      '*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n-A FORWARD -p tcp -j ACCEPT\nCOMMIT\n',
    );
    const skb = send(netfilter, packet({}));
    expect(skb.ct).toBeNull();
    expect(netfilter.connections()).toEqual([]);
  });

  test('follows a TCP connection from SYN to TIME_WAIT with the timeouts of Linux', () => {
    const { netfilter } = world(tracked);
    send(netfilter, packet({ ...client, flags: SYN, seq: 100 }));
    expect(only(netfilter)).toBe('tcp 6 120 SYN_SENT');
    send(netfilter, packet({ ...server, flags: SYN | ACK, seq: 500, ack: 101 }));
    expect(only(netfilter)).toBe('tcp 6 60 SYN_RECV');
    send(netfilter, packet({ ...client, flags: ACK, seq: 101, ack: 501 }));
    expect(only(netfilter)).toBe('tcp 6 432000 ESTABLISHED');
    send(netfilter, packet({ ...client, flags: ACK, seq: 101, ack: 501, length: 10 }));
    expect(only(netfilter)).toBe('tcp 6 300 ESTABLISHED');
    send(netfilter, packet({ ...server, flags: ACK, seq: 501, ack: 111 }));
    expect(only(netfilter)).toBe('tcp 6 432000 ESTABLISHED');
    send(netfilter, packet({ ...client, flags: FIN | ACK, seq: 111, ack: 501 }));
    expect(only(netfilter)).toBe('tcp 6 120 FIN_WAIT');
    send(netfilter, packet({ ...server, flags: ACK, seq: 501, ack: 112 }));
    expect(only(netfilter)).toBe('tcp 6 60 CLOSE_WAIT');
    send(netfilter, packet({ ...server, flags: FIN | ACK, seq: 501, ack: 112 }));
    expect(only(netfilter)).toBe('tcp 6 30 LAST_ACK');
    send(netfilter, packet({ ...client, flags: ACK, seq: 112, ack: 502 }));
    expect(only(netfilter)).toBe('tcp 6 120 TIME_WAIT');
  });

  test('forgets a connection that was answered by a reset only', () => {
    const { netfilter } = world(tracked);
    const syn = send(netfilter, packet({ ...client, flags: SYN }));
    const reset = send(netfilter, answer(syn, RST | ACK));
    expect(reset.ctInfo).toBe(CtInfo.ESTABLISHED_REPLY);
    expect(netfilter.connections()).toEqual([]);
  });

  test('a segment outside the window is INVALID, unless liberal', () => {
    const { netfilter, host } = world(tracked);
    handshake(netfilter);
    const wild = { ...server, flags: ACK, seq: 501 + 10_000_000, ack: 101 };
    expect(forward(netfilter, packet(wild))).toBe(Verdict.DROP);
    host.sysctls.set('net.netfilter.nf_conntrack_tcp_be_liberal', 1);
    expect(forward(netfilter, packet(wild))).toBe(Verdict.ACCEPT);
  });

  test.each([
    ['SYN and FIN together', SYN | FIN],
    ['no flags', 0],
    ['a SYN-ACK out of nowhere', SYN | ACK],
    ['a reset out of nowhere', RST],
  ])('%s is INVALID', (_name, flags) => {
    const { netfilter } = world(tracked);
    const skb = packet({ ...client, flags });
    expect(forward(netfilter, skb)).toBe(Verdict.DROP);
    expect(skb.ct).toBeNull();
  });

  test('a connection is picked up in the middle, unless told not to be so loose', () => {
    const { netfilter, host } = world(tracked);
    expect(forward(netfilter, packet({ ...client, flags: ACK, seq: 5, ack: 7 }))).toBe(Verdict.ACCEPT);
    expect(only(netfilter)).toBe('tcp 6 432000 ESTABLISHED');
    host.sysctls.set('net.netfilter.nf_conntrack_tcp_loose', 0);
    expect(forward(netfilter, packet({ ...client, sport: 1001, flags: ACK, seq: 5, ack: 7 }))).toBe(Verdict.DROP);
  });

  test('UDP lives 30 seconds, and as a stream 120', () => {
    const { netfilter, host } = world(tracked);
    const query = send(netfilter, packet({}));
    expect(only(netfilter)).toBe('udp 17 30');
    send(netfilter, answer(query));
    expect(table(netfilter)[0]).not.toContain('[UNREPLIED]');
    expect(only(netfilter)).toBe('udp 17 30');
    host.time = 3000;
    send(netfilter, packet({}));
    expect(only(netfilter, 3000)).toBe('udp 17 120');
    expect(table(netfilter, 3000)[0]).toContain('[ASSURED]');
    host.time = 3000 + 120_000;
    expect(netfilter.connections()).toEqual([]);
    expect(send(netfilter, packet({})).ctInfo).toBe(CtInfo.NEW);
  });

  test('prints as conntrack -L does', () => {
    const { netfilter } = world(tracked);
    send(netfilter, packet({ mark: 0 }));
    send(netfilter, packet({ protocol: 'icmp', sport: 7 }));
    expect(printConntrack(netfilter.connections(), 0)).toBe(
      'udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=80 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1000 mark=0 use=1\n' +
        'icmp     1 30 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1\n',
    );
    expect(printConn(netfilter.connections()[0]!, 0, { extended: true })).toMatch(/^ipv4 {5}2 udp {6}17 30 /);
  });

  test('a full table drops the unreplied first, then refuses', () => {
    const { netfilter, host } = world(tracked);
    host.sysctls.set('net.netfilter.nf_conntrack_max', 1);
    handshake(netfilter);
    const refused = packet({ sport: 7 });
    expect(forward(netfilter, refused)).toBe(Verdict.DROP);
    expect(refused.dropReason).toBe('CONNTRACK_TABLE_FULL');
    netfilter.flushConnections();
    expect(forward(netfilter, packet({ sport: 8 }))).toBe(Verdict.ACCEPT);
    host.time = 31_000;
    expect(forward(netfilter, packet({ sport: 9 }))).toBe(Verdict.ACCEPT);
    expect(netfilter.connections()).toHaveLength(1);
  });

  test('deletes what a filter describes', () => {
    const { netfilter } = world(tracked);
    send(netfilter, packet({ sport: 1 }));
    send(netfilter, packet({ sport: 2 }));
    expect(netfilter.deleteConnections({ protocol: 17, origSport: 1 })).toBe(1);
    expect(netfilter.connections().map((conn) => conn.original.sport)).toEqual([2]);
  });

  test('NOTRACK leaves a packet UNTRACKED', () => {
    const { netfilter } = world(
      '*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n*filter\n-A FORWARD -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n',
    );
    const skb = packet({});
    expect(forward(netfilter, skb)).toBe(Verdict.DROP);
    expect(skb.ctInfo).toBe(CtInfo.UNTRACKED);
  });

  test('neighbour discovery is never tracked, an IPv6 echo is', () => {
    const { netfilter } = world('', { rules6: '*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n' });
    const nd = packet({ src: 'fd00::1', dst: 'fd00::2', protocol: 'icmp6', icmpType: 135 });
    netfilter.hook(Hook.PREROUTING, nd, eth0, null);
    expect(nd.ctInfo).toBe(CtInfo.UNTRACKED);
    const echo = packet({ src: 'fd00::1', dst: 'fd00::2', protocol: 'icmp6', icmpType: 128, sport: 5 });
    netfilter.hook(Hook.PREROUTING, echo, eth0, null);
    netfilter.hook(Hook.INPUT, echo, eth0, null);
    expect(table(netfilter)).toEqual([
      'icmpv6   58 30 src=fd00::1 dst=fd00::2 type=128 code=0 id=5 [UNREPLIED] src=fd00::2 dst=fd00::1 type=129 code=0 id=5 mark=0 use=1',
    ]);
  });

  test('a thousand short flows of virtual time do not stay in memory', () => {
    const { netfilter, host } = world(tracked);
    for (let i = 0; i < 1000; i++) {
      host.time += 40_000;
      send(netfilter, packet({ sport: i + 1 }));
    }
    expect(netfilter.connections()).toHaveLength(1);
  });
});

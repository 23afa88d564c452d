import { formatEndpoint, formatIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import { CtInfo } from '../../src/netfilter/conntrack.ts';
import { printConn } from '../../src/netfilter/conntrack-print.ts';
import { answer, eth0, eth1, forward, fresh, packet, world } from './fake-host.ts';

const service = `*nat
:KUBE-SVC - [0:0]
:KUBE-SEP - [0:0]
-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
-A KUBE-SVC ! -s 10.244.0.0/16 -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SVC -j KUBE-SEP
-A KUBE-SEP -p tcp -m tcp -j DNAT --to-destination 10.244.1.5:8080
COMMIT
`;
const client = { src: '10.244.0.2', dst: '10.96.0.10', sport: 40000, dport: 80, protocol: 'tcp' } as const;
const ends = (skb: { src: number | bigint; dst: number | bigint; sport: number; dport: number }): string =>
  `${formatEndpoint(skb.src, skb.sport)} > ${formatEndpoint(skb.dst, skb.dport)}`;

describe('a service by DNAT', () => {
  test('the first packet is sent to the endpoint, its answer comes from the service', () => {
    const { netfilter } = world(service);
    const syn = packet(client);
    expect(forward(netfilter, syn)).toBe(Verdict.ACCEPT);
    expect(ends(syn)).toBe('10.244.0.2:40000 > 10.244.1.5:8080');
    const reply = answer(syn);
    expect(forward(netfilter, reply)).toBe(Verdict.ACCEPT);
    expect(reply.ctInfo).toBe(CtInfo.ESTABLISHED_REPLY);
    expect(ends(reply)).toBe('10.96.0.10:80 > 10.244.0.2:40000');
    const ack = packet({ ...client, flags: 16, seq: 1, ack: 1 });
    expect(forward(netfilter, ack)).toBe(Verdict.ACCEPT);
    expect(ends(ack)).toBe('10.244.0.2:40000 > 10.244.1.5:8080');
    expect(netfilter.connections().map((conn) => printConn(conn, 0))).toEqual([
      'tcp      6 432000 ESTABLISHED src=10.244.0.2 dst=10.96.0.10 sport=40000 dport=80 src=10.244.1.5 dst=10.244.0.2 sport=8080 dport=40000 [ASSURED] mark=0 use=1',
    ]);
  });

  test('a client from outside is masqueraded, and its answer finds it', () => {
    const { netfilter } = world(service);
    const syn = packet({ ...client, src: '172.16.0.9' });
    forward(netfilter, syn);
    expect(ends(syn)).toBe('192.168.0.1:40000 > 10.244.1.5:8080');
    const reply = answer(syn);
    forward(netfilter, reply);
    expect(ends(reply)).toBe('10.96.0.10:80 > 172.16.0.9:40000');
  });

  test('two clients that would share one translated tuple get different ports', () => {
    const { netfilter } = world(service);
    const first = packet({ ...client, src: '172.16.0.9' });
    const second = packet({ ...client, src: '172.16.0.10' });
    forward(netfilter, first);
    forward(netfilter, second);
    expect(first.sport).toBe(40000);
    expect(second.sport).not.toBe(40000);
    expect(second.sport).toBeGreaterThanOrEqual(1024);
    const reply = answer(second);
    forward(netfilter, reply);
    expect(ends(reply)).toBe('10.96.0.10:80 > 172.16.0.10:40000');
  });

  test('a dropped first packet leaves no connection behind', () => {
    const { netfilter } = world(`${service}*filter\n-A FORWARD -j DROP\nCOMMIT\n`);
    const syn = packet(client);
    expect(forward(netfilter, syn)).toBe(Verdict.DROP);
    expect(syn.dropReason).toBe('NETFILTER_DROP');
    expect(netfilter.connections()).toEqual([]);
  });

  test('the steps of a trace tell rules, both tuples and translations in order', () => {
    const { netfilter, steps } = world(service);
    forward(netfilter, packet({ ...client, traced: true }));
    expect(steps).toMatchObject([
      { kind: 'conntrack', action: 'lookup', state: 'NEW' },
      { kind: 'rule', table: 'nat', chain: 'PREROUTING', index: 1, action: 'jump KUBE-SVC' },
      {
        kind: 'rule',
        table: 'nat',
        chain: 'KUBE-SVC',
        index: 2,
        action: 'jump KUBE-SEP',
        text: '-A KUBE-SVC -j KUBE-SEP',
      },
      { kind: 'rule', table: 'nat', chain: 'KUBE-SEP', index: 1, action: 'DNAT' },
      { kind: 'nat', direction: 'dst', from: '10.96.0.10:80', to: '10.244.1.5:8080' },
      { kind: 'policy', hook: 'POSTROUTING', table: 'nat', action: 'ACCEPT' },
      {
        kind: 'conntrack',
        action: 'confirmed',
        state: 'NEW',
        original: 'src=10.244.0.2 dst=10.96.0.10 sport=40000 dport=80',
        reply: 'src=10.244.1.5 dst=10.244.0.2 sport=8080 dport=40000',
      },
    ]);
  });
});

describe('ICMP', () => {
  const rules =
    '*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\n-A PREROUTING -d 10.96.0.10/32 -p udp -j DNAT --to-destination 10.244.1.5:53\nCOMMIT\n';

  test('an echo is masqueraded by its identifier', () => {
    const { netfilter } = world(rules);
    const first = packet({ src: '10.0.0.1', dst: '8.8.8.8', protocol: 'icmp', sport: 7 });
    const second = packet({ src: '10.0.0.2', dst: '8.8.8.8', protocol: 'icmp', sport: 7 });
    forward(netfilter, first);
    forward(netfilter, second);
    expect(first.sport).toBe(7);
    expect(second.sport).not.toBe(7);
    const reply = answer(second);
    forward(netfilter, reply);
    expect([formatIp(reply.dst), reply.sport]).toEqual(['10.0.0.2', 7]);
  });

  test('an error about a translated packet is RELATED and speaks of the packet as its sender knows it', () => {
    const { netfilter } = world(rules);
    const query = packet({ src: '10.0.0.1', dst: '10.96.0.10', sport: 5353, dport: 53 });
    forward(netfilter, query);
    expect(ends(query)).toBe('192.168.0.1:5353 > 10.244.1.5:53');
    const quoted = fresh(packet({ src: '192.168.0.1', dst: '10.244.1.5', sport: 5353, dport: 53 }));
    const error = packet({
      src: '10.244.1.5',
      dst: '192.168.0.1',
      protocol: 'icmp',
      icmpType: 3,
      icmpCode: 3,
      inner: quoted,
    });
    forward(netfilter, error);
    expect(error.ctInfo).toBe(CtInfo.RELATED_REPLY);
    expect([formatIp(error.src), formatIp(error.dst)]).toEqual(['10.96.0.10', '10.0.0.1']);
    expect(ends(error.inner!)).toBe('10.0.0.1:5353 > 10.96.0.10:53');
  });
});

describe('SNAT and REDIRECT', () => {
  test('a source keeps its translated port towards another destination', () => {
    const { netfilter } = world('*nat\n-A POSTROUTING -p udp -j SNAT --to-source 1.2.3.4:2000-2100\nCOMMIT\n');
    const one = packet({ src: '10.0.0.1', dst: '9.9.9.9', sport: 500 });
    const two = packet({ src: '10.0.0.1', dst: '9.9.9.8', sport: 500 });
    forward(netfilter, one);
    forward(netfilter, two);
    expect(one.sport).toBeGreaterThanOrEqual(2000);
    expect(one.sport).toBeLessThanOrEqual(2100);
    expect(two.sport).toBe(one.sport);
  });

  test('a low source port is exchanged for a low one', () => {
    const { netfilter } = world('*nat\n-A POSTROUTING -j SNAT --to-source 1.2.3.4\nCOMMIT\n');
    forward(netfilter, packet({ src: '10.0.0.1', sport: 100 }));
    const second = packet({ src: '10.0.0.2', sport: 100, dst: '10.0.0.2' });
    const clash = packet({ src: '10.0.0.3', sport: 100 });
    forward(netfilter, second);
    forward(netfilter, clash);
    expect(clash.sport).toBeGreaterThanOrEqual(1);
    expect(clash.sport).toBeLessThan(512);
    expect(clash.sport).not.toBe(100);
  });

  test('no free port left drops the packet with its own reason', () => {
    const { netfilter } = world('*nat\n-A POSTROUTING -p udp -j SNAT --to-source 1.2.3.4:2000-2001\nCOMMIT\n');
    expect(forward(netfilter, packet({ src: '10.0.0.1' }))).toBe(Verdict.ACCEPT);
    expect(forward(netfilter, packet({ src: '10.0.0.2' }))).toBe(Verdict.ACCEPT);
    const third = packet({ src: '10.0.0.3' });
    expect(forward(netfilter, third)).toBe(Verdict.DROP);
    expect(third.dropReason).toBe('NAT_NO_PORT');
  });

  test('REDIRECT at OUTPUT goes to loopback, at PREROUTING to the device', () => {
    const { netfilter } = world(
      '*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 9000\n-A OUTPUT -p tcp -j REDIRECT --to-ports 9000\nCOMMIT\n',
    );
    const incoming = packet({ protocol: 'tcp' });
    netfilter.hook(Hook.PREROUTING, incoming, eth0, null);
    const local = packet({ protocol: 'tcp', sport: 1001 });
    netfilter.hook(Hook.OUTPUT, local, null, eth1);
    expect([formatEndpoint(incoming.dst, incoming.dport), formatEndpoint(local.dst, local.dport)]).toEqual([
      '192.168.0.1:9000',
      '127.0.0.1:9000',
    ]);
  });

  test('connections masqueraded to an address end when it goes', () => {
    const { netfilter, host } = world('*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n');
    forward(netfilter, packet({}));
    expect(netfilter.connections()).toHaveLength(1);
    netfilter.addressRemoved(eth1, host.masquerade);
    expect(netfilter.connections()).toEqual([]);
  });
});

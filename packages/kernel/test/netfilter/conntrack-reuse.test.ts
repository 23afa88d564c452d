import { formatIp, parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIptablesSave, type UdpSocket } from '../../src/index.ts';
import { printConn, printConntrack } from '../../src/netfilter/conntrack-print.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import { Skb } from '../../src/skb.ts';
import { ip, twoNodes } from '../support/flannel.ts';
import { answer, FakeHost, forward, packet, world } from './fake-host.ts';

const rules = `*nat
-A PREROUTING -d 10.96.0.1 -p udp --dport 80 -j DNAT --to-destination 10.0.0.2:8080
-A POSTROUTING -s 10.0.0.7 -j MASQUERADE
COMMIT
*filter
-A FORWARD -p tcp --dport 81 -j DROP
COMMIT
`;

type Deed =
  | {
      readonly kind: 'send';
      readonly host: number;
      readonly port: number;
      readonly protocol: 'tcp' | 'udp' | 'icmp';
      readonly answered: boolean;
    }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'delete'; readonly host: number };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      host: fc.integer({ min: 5, max: 9 }),
      port: fc.integer({ min: 80, max: 83 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'icmp' as const),
      answered: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 200 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), host: fc.integer({ min: 5, max: 9 }) }) },
);

/** What becomes of each packet, and the connections at the end; `rests`: does no packet stay under way between two deeds? */
function history(deeds: readonly Deed[], rests: boolean): string[] {
  const host = new FakeHost();
  const netfilter = new Netfilter(host);
  netfilter.restore(rules, 4);
  const send = (skb: Skb): string => {
    const verdict = forward(netfilter, skb);
    const { src, dst, sport, dport, ct, ctInfo, dropReason } = skb;
    const fate = [verdict, formatIp(src), formatIp(dst), sport, dport, ctInfo, dropReason].join(' ');
    return `${fate} ${ct === null ? 'untracked' : printConn(ct, host.time)}`;
  };
  const told = deeds.flatMap((one) => {
    if (rests) host.rests++;
    if (one.kind === 'send') {
      const { port, protocol, answered } = one;
      const skb = packet({ src: address(one.host), dst: '10.96.0.1', dport: port, protocol });
      const first = send(skb);
      return answered ? [first, send(answer(skb))] : [first];
    }
    if (one.kind === 'delete') {
      const origSource = { address: parseIp(address(one.host)), length: 32 };
      return [`deleted ${netfilter.deleteConnections({ origSource })}`];
    }
    if (one.kind === 'wait') host.time += one.seconds * 1000;
    else netfilter.flushConnections();
    return [];
  });
  return [...told, printConntrack(netfilter.connections(), host.time)];
}

function address(host: number): string {
  return `10.0.0.${host}`;
}

describe('connections that are used again', () => {
  test('are what new ones would be', () => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
        expect(history(deeds, true)).toEqual(history(deeds, false));
      }),
    );
  });

  test.each([
    { title: 'one that was flushed, once no packet is under way', rests: 1, shown: false, again: true },
    { title: 'not while a packet may still hold it', rests: 0, shown: false, again: false },
    { title: 'never one that somebody was shown', rests: 1, shown: true, again: false },
  ])('$title', ({ rests, shown, again }) => {
    const { host, netfilter } = world(rules);
    const first = packet({ sport: 1 });
    forward(netfilter, first);
    if (shown) netfilter.connections();
    netfilter.flushConnections();
    host.rests += rests;
    const second = packet({ sport: 2 });
    forward(netfilter, second);
    expect(first.ct).not.toBeNull();
    expect(second.ct === first.ct).toBe(again);
  });

  test('nor one whose packet waits for a neighbour', () => {
    const net = twoNodes();
    const a = net.requireNetns('a');
    a.loadRuleset(parseIptablesSave('*filter\n-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n', 4));
    const sent = ['10.244.1.77', '10.244.1.3'].map((dst) => {
      const skb = new Skb();
      const socket = a.bindUdp() as UdpSocket;
      socket.prepare(skb, { dst: ip(dst), dport: 9 });
      socket.transmit(skb);
      const { ct } = skb;
      net.run();
      a.netfilter!.flushConnections();
      return ct;
    });
    expect(sent[0]).not.toBeNull();
    expect(sent[1]).not.toBe(sent[0]);
  });
});

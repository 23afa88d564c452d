import type { Step } from '@netsim/trace';
import { formatEndpoint, parseIp } from '@netsim/wire';
import { beforeEach, describe, expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import type { Skb } from '../../src/skb.ts';
import { answer, eth0, eth1, FakeHost, forward, fresh, type PacketFields, packet } from '../netfilter/fake-host.ts';

let host: FakeHost;
let netfilter: Netfilter;
let steps: Step[];

beforeEach(() => {
  host = new FakeHost();
  netfilter = new Netfilter(host);
  steps = [];
  host.tracer = { step: (_where, _skb, step) => steps.push(step) };
});

/** Texts of rules met, in order. */
function rules(): string[] {
  return steps.flatMap((step) =>
    step.kind === 'rule' ? [`${step.chain} ${step.index}: ${step.text} => ${step.action}`] : [],
  );
}

function send(fields: PacketFields = {}): Verdict {
  return forward(netfilter, packet({ traced: true, ...fields }));
}

describe('verdicts', () => {
  const priorities = (first: string, second: string): string => `table ip t {
    chain one { type filter hook forward priority 0; ${first}; }
    chain two { type filter hook forward priority 10; ${second}; }
  }`;
  test.each([
    ['accept ends its own base chain only', 'accept', 'drop', Verdict.DROP],
    ['drop ends all', 'drop', 'accept', Verdict.DROP],
    ['return in a base chain is its policy', 'return', 'accept', Verdict.ACCEPT],
    ['continue goes on with the next rule', 'continue; drop', 'accept', Verdict.DROP],
    ['a policy holds where no rule decides', 'policy drop', 'accept', Verdict.DROP],
    ['a rule that does not match decides nothing', 'udp dport 99 drop', 'accept', Verdict.ACCEPT],
  ])('%s', (_name, first, second, verdict) => {
    netfilter.applyNft(priorities(first, second));
    expect(send()).toBe(verdict);
  });

  test('after goto a chain does not come back, after jump it does', () => {
    netfilter.applyNft(`table ip t {
      chain c { return; }
      chain mid { goto c; drop; }
      chain base { type filter hook forward priority 0; jump mid; jump c; meta mark set 7; }
    }`);
    const skb = packet({ traced: true });
    expect(forward(netfilter, skb)).toBe(Verdict.ACCEPT);
    expect(skb.mark).toBe(7);
    expect(rules()).toEqual([
      'base 1: jump mid => jump mid',
      'mid 1: goto c => goto c',
      'c 1: return => RETURN',
      'base 2: jump c => jump c',
      'c 1: return => RETURN',
      'base 3: meta mark set 0x00000007 => CONTINUE',
    ]);
    expect(steps.at(-1)).toMatchObject({ kind: 'policy', action: 'ACCEPT', table: 'ip t', chain: 'base' });
  });

  test('of two chains with one priority the younger is asked first, whichever tool made it', () => {
    netfilter.applyNft('table ip t { chain old { type filter hook forward priority 0; }; }');
    netfilter.applyNft('table ip t { chain new { type filter hook forward priority 0; }; }');
    netfilter.restore('*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n', 4);
    netfilter.applyNft('table ip t { chain newest { type filter hook forward priority 0; }; }');
    netfilter.applyNft('table ip t { chain early { type filter hook forward priority -1; }; }');
    send();
    const asked = steps.flatMap((step) => (step.kind === 'policy' && step.hook === 'FORWARD' ? [step.chain] : []));
    expect(asked).toEqual(['early', 'newest', 'FORWARD', 'new', 'old']);
  });

  test('a jump loop that a map closes while packets pass ends', () => {
    netfilter.applyNft('table ip t { map m { type mark : verdict; }; chain c { meta mark vmap @m; }; }');
    netfilter.applyNft('table ip t { chain base { type filter hook forward priority 0; jump c; }; }');
    const ruleset = netfilter.nftRuleset();
    const [table] = ruleset.tables;
    const map = table!.sets.get('m')!;
    const elements = map.elements.with({ key: [0], data: { kind: 'goto', chain: 'c' } });
    netfilter.loadNft({ tables: [{ ...table!, sets: new Map([['m', { ...map, elements }]]) }] });
    expect(forward(netfilter, packet({}))).toBe(Verdict.DROP);
  });
});

describe('matches', () => {
  const cases: [string, PacketFields, boolean][] = [
    ['ip saddr 10.0.0.0/8', { src: '10.255.255.255' }, true],
    ['ip saddr 10.0.0.0/8', { src: '11.0.0.0' }, false],
    ['ip saddr != 10.0.0.0/8', { src: '11.0.0.0' }, true],
    ['ip saddr { 10.0.0.0/8, 192.168.0.0/16 }', { src: '192.168.7.7' }, true],
    ['ip saddr { 10.0.0.0/8, 192.168.0.0/16 }', { src: '192.169.7.7' }, false],
    ['ip saddr != { 10.0.0.1, 10.0.0.9 }', { src: '10.0.0.1' }, false],
    ['ip saddr 200.0.0.1-200.0.0.5', { src: '200.0.0.5' }, true],
    ['ip saddr 200.0.0.1-200.0.0.5', { src: '200.0.0.6' }, false],
    ['tcp dport 80', { protocol: 'tcp' }, true],
    ['tcp dport 80', { protocol: 'udp' }, false],
    ['tcp dport != 80', { protocol: 'udp' }, false],
    ['th dport 80', { protocol: 'sctp' }, true],
    ['th dport 8-80', { protocol: 'udp' }, true],
    ['th dport 8', { protocol: 'icmp' }, false],
    ['meta l4proto { tcp, udp }', { protocol: 'udp' }, true],
    ['meta l4proto { tcp, udp }', { protocol: 'sctp' }, false],
    ['ip daddr . meta l4proto . th dport { 10.0.0.2 . udp . 80 }', {}, true],
    ['ip daddr . meta l4proto . th dport { 10.0.0.2 . tcp . 80 }', {}, false],
    ['ip saddr . th dport { 10.0.0.0/8 . 70-90 }', {}, true],
    ['ip saddr . th dport { 10.0.0.0/8 . 81-90 }', {}, false],
    ['meta mark & 0x10 != 0', { mark: 0x30 }, true],
    ['meta mark & 0x10 != 0', { mark: 0x20 }, false],
    ['meta mark > 5', { mark: 0xffffffff }, true],
    ['iifname "eth*"', {}, true],
    ['iifname "veth*"', {}, false],
    ['iifname { "lo", "eth*" }', {}, true],
    ['iif "eth0"', {}, true],
    ['oifname != "eth0"', {}, true],
    ['ct state new', {}, true],
    ['ct state established,related', {}, false],
    ['ct state ! established', {}, true],
    ['ct state { established, new }', {}, true],
    ['ct state invalid', { protocol: 'icmp', icmpType: 0 }, true],
    ['ct status dnat', {}, false],
    ['ct direction original', {}, true],
    ['ct original ip saddr 10.0.0.1', {}, true],
    ['fib daddr type local', { dst: '192.168.0.1' }, true],
    ['fib daddr type local', {}, false],
    ['fib saddr . iif oif 0', {}, false],
    ['icmp type echo-request', { protocol: 'icmp' }, true],
    ['icmp type echo-request', { protocol: 'udp' }, false],
    ['tcp flags syn / fin,syn,rst,ack', { protocol: 'tcp', flags: 2 }, true],
    ['tcp flags syn / fin,syn,rst,ack', { protocol: 'tcp', flags: 18 }, false],
    ['numgen inc mod 2 1', {}, false],
    ['limit rate 1/second burst 1 packets', {}, true],
    ['limit rate over 1/second burst 1 packets', {}, false],
  ];
  test.each(cases)('%s of %o: %s', (text, fields, matches) => {
    netfilter.applyNft(`table ip t { chain c { type filter hook forward priority 0; ${text} drop; }; }`);
    expect(send(fields)).toBe(matches ? Verdict.DROP : Verdict.ACCEPT);
  });

  test('an inet table sees both families, an ip table one', () => {
    netfilter.applyNft(`table inet t { chain c { type filter hook forward priority 0; ip6 saddr fd00::/8 drop; }; }
      table ip u { chain c { type filter hook forward priority 0; drop; }; }`);
    expect(send({ src: 'fd00::1', dst: 'fd00::2' })).toBe(Verdict.DROP);
    expect(send({ src: 'fe00::1', dst: 'fd00::2' })).toBe(Verdict.ACCEPT);
    expect(send()).toBe(Verdict.DROP);
  });

  test('connections are tracked only where a rule asks for them', () => {
    netfilter.applyNft('table ip t { chain c { type nat hook postrouting priority 100; }; }');
    send();
    expect(netfilter.connections()).toEqual([]);
    netfilter.applyNft('add rule ip t c masquerade');
    send();
    expect(netfilter.connections()).toHaveLength(1);
  });
});

describe('translation', () => {
  const dnat = (rule: string): string => `table ip t { chain c { type nat hook prerouting priority -100; ${rule}; }; }`;
  test.each([
    ['dnat to 10.9.9.9', 'udp', '10.9.9.9:80'],
    ['meta l4proto udp dnat to 10.9.9.9:53', 'udp', '10.9.9.9:53'],
    ['meta l4proto tcp dnat to 10.9.9.9:53', 'udp', '10.0.0.2:80'],
    ['dnat to udp dport map { 80 : 10.9.9.8 }', 'udp', '10.9.9.8:80'],
    ['meta l4proto udp dnat ip addr . port to numgen random mod 1 map { 0 : 10.9.9.7 . 99 }', 'udp', '10.9.9.7:99'],
    ['meta l4proto udp dnat ip addr . port to numgen random mod 1 map { 1 : 10.9.9.7 . 99 }', 'udp', '10.0.0.2:80'],
    ['udp dport 80 redirect to :8080', 'udp', '192.168.0.1:8080'],
  ] as const)('%s', (rule, protocol, to) => {
    netfilter.applyNft(dnat(rule));
    const skb = packet({ protocol });
    expect(netfilter.hook(Hook.PREROUTING, skb, eth0, null)).toBe(Verdict.ACCEPT);
    expect(formatEndpoint(skb.dst, skb.dport)).toBe(to);
  });

  test('an answer comes back untranslated, and the second packet of a connection meets no rule', () => {
    netfilter.applyNft(`table ip t {
      chain pre { type nat hook prerouting priority -100; meta l4proto udp dnat to 10.9.9.9:53; }
      chain post { type nat hook postrouting priority 100; meta mark set 5 masquerade fully-random; }
    }`);
    const skb = packet({ traced: true });
    expect(forward(netfilter, skb)).toBe(Verdict.ACCEPT);
    expect([formatEndpoint(skb.dst, skb.dport), skb.src]).toEqual(['10.9.9.9:53', parseIp('192.168.0.1')]);
    expect(rules().map((text) => text.split(' ').at(-1))).toEqual(['DNAT', 'MASQUERADE']);
    expect(steps.filter(({ kind }) => kind === 'nat')).toHaveLength(2);
    const reply = answer(skb);
    expect(forward(netfilter, reply)).toBe(Verdict.ACCEPT);
    expect([formatEndpoint(reply.src, reply.sport), reply.dst]).toEqual(['10.0.0.2:80', parseIp('10.0.0.1')]);
    steps.length = 0;
    send();
    expect(rules()).toEqual([]);
  });

  test('the first nat chain that translates decides, those after it are not asked', () => {
    netfilter.restore('*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 10.1.1.1\nCOMMIT\n', 4);
    netfilter.applyNft('table ip t { chain c { type nat hook prerouting priority -99; dnat to 10.2.2.2; }; }');
    const skb = packet({ traced: true });
    netfilter.hook(Hook.PREROUTING, skb, eth0, null);
    expect(skb.dst).toBe(parseIp('10.1.1.1'));
    expect(rules()).toHaveLength(1);
  });
});

describe('choices', () => {
  const text = `table ip t {
    chain a { drop; }
    chain b { accept; }
    chain c { type filter hook forward priority 0; numgen random mod 3 vmap { 0 : goto a, 1 : goto b, 2 : goto b }; }
  }`;

  test('numgen random chooses one way of n, and the step says which', () => {
    netfilter.applyNft(text);
    host.random = { chance: () => true, below: () => 0, choose: (n) => n - 1 };
    expect(send()).toBe(Verdict.ACCEPT);
    expect(steps[0]).toMatchObject({ action: 'goto b', probability: 1 / 3, choice: { number: 3, of: 3 } });
  });

  test('numgen counts only packets that came by what stands before it in the rule', () => {
    netfilter.applyNft(`table ip t {
      set s { type ipv4_addr; elements = { 10.0.0.2, 10.0.0.3 } }
      chain c { type filter hook forward priority 0;
        ip daddr @s ip saddr 10.0.0.9 numgen inc mod 2 == 0 drop
      }
    }`);
    const sent = [
      { src: '10.0.0.9', dst: '10.0.0.4' },
      { src: '10.0.0.9', dst: '10.0.0.2' },
      { src: '10.0.0.8', dst: '10.0.0.2' },
      { src: '10.0.0.9', dst: '10.0.0.3' },
      { src: '10.0.0.9', dst: '10.0.0.4' },
      { src: '10.0.0.9', dst: '10.0.0.2' },
    ];
    const { ACCEPT, DROP } = Verdict;
    expect(sent.map((fields) => send(fields))).toEqual([ACCEPT, DROP, ACCEPT, ACCEPT, ACCEPT, DROP]);
  });

  test('numgen inc takes each in turn', () => {
    netfilter.applyNft(text.replace('random', 'inc'));
    expect([1, 2, 3, 4].map((sport) => send({ sport }))).toEqual([
      Verdict.DROP,
      Verdict.ACCEPT,
      Verdict.ACCEPT,
      Verdict.DROP,
    ]);
  });
});

describe('reject', () => {
  test.each([
    ['ip', 'reject', {}, 'icmp-port-unreachable'],
    ['ip', 'reject with icmp host-unreachable', {}, 'icmp-host-unreachable'],
    ['ip6', 'reject', { src: 'fd00::1', dst: 'fd00::2' }, 'icmp6-port-unreachable'],
    ['inet', 'reject with icmpx admin-prohibited', { src: 'fd00::1', dst: 'fd00::2' }, 'icmp6-adm-prohibited'],
    ['inet', 'reject with icmpx admin-prohibited', {}, 'icmp-admin-prohibited'],
    ['ip', 'meta l4proto tcp reject with tcp reset', { protocol: 'tcp' }, 'tcp-reset'],
  ] as const)('%s: %s', (family, rule, fields, how) => {
    netfilter.applyNft(`table ${family} t { chain c { type filter hook forward priority 0; ${rule}; }; }`);
    expect(send(fields)).toBe(Verdict.STOLEN);
    expect(host.rejected).toEqual([{ how, hook: Hook.FORWARD }]);
  });
});

describe('a set that rules change', () => {
  const affinity = `table ip t {
    set known { type ipv4_addr; flags dynamic,timeout; timeout 10s; }
    chain learn { update @known { ip saddr }; }
    chain base { type filter hook forward priority 0; ip saddr @known drop; udp dport 80 jump learn; }
  }`;

  test('holds a source as long as it was told to', () => {
    netfilter.applyNft(affinity);
    expect([send(), send()]).toEqual([Verdict.ACCEPT, Verdict.DROP]);
    expect(send({ src: '10.0.0.9', dport: 81 })).toBe(Verdict.ACCEPT);
    host.time = 10_000;
    expect([send(), send()]).toEqual([Verdict.ACCEPT, Verdict.DROP]);
  });

  test('keeps what it holds when other rules change, and not when it is flushed or gone', () => {
    netfilter.applyNft(affinity);
    send();
    netfilter.applyNft('add chain ip t other');
    expect(send()).toBe(Verdict.DROP);
    netfilter.flushNft();
    netfilter.applyNft(affinity);
    expect(send()).toBe(Verdict.ACCEPT);
  });
});

describe('a packet that nobody follows', () => {
  const text = `table ip t {
    map m { type ipv4_addr . inet_service : verdict; elements = { 10.0.0.2 . 80 : goto c }; }
    chain c { meta mark set meta mark | 0x10; }
    chain early { type filter hook forward priority -5; ct state established meta mark set 0x1; }
    chain late { type filter hook forward priority 5; ip daddr . th dport vmap @m; }
  }`;

  function walked(plainWalk: boolean, change?: string): number[] {
    const filter = new Netfilter(host, { plainWalk });
    filter.applyNft(text);
    const skb = packet({});
    forward(filter, skb);
    const marks: number[] = [];
    for (let i = 0; i < 40; i++) {
      if (i === 30 && change !== undefined) filter.applyNft(change);
      const next: Skb = fresh(i % 2 === 0 ? answer(packet({})) : packet({}));
      forward(filter, next);
      marks.push(next.mark);
    }
    return marks;
  }

  test('meets the same as one that walks every rule, also after a change', () => {
    host.tracer = null;
    expect(walked(false)).toEqual(walked(true));
    const change = 'delete element ip t m { 10.0.0.2 . 80 }';
    expect(walked(false, change)).toEqual(walked(true, change));
    expect(walked(true, change)).not.toEqual(walked(true));
  });
});

test('log writes a line, notrack leaves a packet without a connection', () => {
  netfilter.applyNft(`table ip t {
    chain pre { type filter hook prerouting priority raw; udp dport 80 notrack; }
    chain c { type filter hook forward priority 0; ct state untracked log prefix "seen: "; }
    chain nat { type nat hook prerouting priority dstnat; dnat to 1.2.3.4; }
  }`);
  expect(send()).toBe(Verdict.ACCEPT);
  expect(host.logged).toEqual([expect.stringMatching(/^seen: IN=eth0 OUT=eth1 SRC=10.0.0.1 DST=10.0.0.2 /)]);
  expect(eth1.name).toBe('eth1');
});

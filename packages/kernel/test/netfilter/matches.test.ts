import { describe, expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import type { Device } from '../../src/net/device.ts';
import { IpSets } from '../../src/netfilter/ipset.ts';
import { IptablesError } from '../../src/netfilter/iptables/error.ts';
import { eth0, forward, type PacketFields, packet, world } from './fake-host.ts';

/** Does a rule with these words match the packet in FORWARD? */
function matches(
  words: string,
  fields: PacketFields,
  prepare: (w: ReturnType<typeof world>) => void = () => {},
): boolean {
  const w = world(`*filter\n-A FORWARD ${words} -j DROP\nCOMMIT\n`);
  prepare(w);
  return forward(w.netfilter, packet(fields)) === Verdict.DROP;
}

const cases: [string, PacketFields, boolean][] = [
  ['-s 10.0.0.0/24', { src: '10.0.0.9' }, true],
  ['! -s 10.0.0.0/24', { src: '10.0.0.9' }, false],
  ['-s 0.0.0.0/1', { src: '127.0.0.1' }, true],
  ['-s 128.0.0.0/1', { src: '192.168.0.1' }, true],
  ['-i eth0', {}, true],
  ['-i eth+', {}, true],
  ['-i eth1', {}, false],
  ['! -o eth1', {}, false],
  ['-p tcp', { protocol: 'udp' }, false],
  ['! -p tcp', { protocol: 'udp' }, true],
  ['-p udp --sport 1000 --dport 80:90', { dport: 85 }, true],
  ['-p udp ! --dport 80', { dport: 80 }, false],
  ['-p udp --dport 80', { dport: 81 }, false],
  ['-p tcp --syn', { protocol: 'tcp', flags: 2 }, true],
  ['-p tcp --syn', { protocol: 'tcp', flags: 18 }, false],
  ['-p tcp --tcp-flags ALL NONE', { protocol: 'tcp', flags: 0 }, true],
  ['-p icmp --icmp-type echo-request', { protocol: 'icmp', icmpType: 8 }, true],
  ['-p icmp --icmp-type 3/4', { protocol: 'icmp', icmpType: 3, icmpCode: 3 }, false],
  ['-p icmp --icmp-type any', { protocol: 'icmp', icmpType: 0 }, true],
  ['-p udp -m multiport --dports 53,80:90', { dport: 88 }, true],
  ['-p udp -m multiport ! --dports 53,80:90', { dport: 88 }, false],
  ['-p udp -m multiport --ports 1000', {}, true],
  ['-m mark --mark 0x4000/0x4000', { mark: 0xc000 }, true],
  ['-m mark ! --mark 0x80000000/0x80000000', { mark: 0x80000000 }, false],
  ['-m conntrack --ctstate NEW', {}, true],
  ['-m conntrack ! --ctstate NEW,RELATED', {}, false],
  ['-m state --state ESTABLISHED', {}, false],
  ['-m conntrack --ctstate NEW --ctorigdst 10.0.0.0/24 --ctorigdstport 80 --ctdir ORIGINAL', {}, true],
  ['-m conntrack --ctproto 6', {}, false],
  ['-m addrtype --dst-type LOCAL', { dst: '192.168.0.1' }, true],
  ['-m addrtype ! --src-type LOCAL --dst-type LOCAL', { src: '192.168.0.1', dst: '192.168.0.1' }, false],
  ['-m physdev --physdev-is-bridged', {}, false],
  ['-m physdev ! --physdev-is-bridged', {}, true],
  ['-m comment --comment x', {}, true],
  ['-f', {}, false],
  ['! -f', {}, true],
];
test.each(cases)('%s against %j: %s', (words, fields, expected) => {
  expect(matches(words, fields)).toBe(expected);
});

describe('matches with a memory', () => {
  test('statistic nth takes every third packet, from the one said', () => {
    const { netfilter } = world('*filter\n-A FORWARD -m statistic --mode nth --every 3 --packet 1 -j DROP\nCOMMIT\n');
    const seen = Array.from({ length: 7 }, () => forward(netfilter, packet({})));
    expect(seen).toEqual([1, 0, 1, 1, 0, 1, 1]);
  });

  test('statistic random asks the random source with the probability of the rule, and a trace shows it', () => {
    const { netfilter, host, steps } = world(
      '*filter\n-A FORWARD -m statistic --mode random --probability 0.25 -j DROP\nCOMMIT\n',
    );
    const asked: number[] = [];
    host.random = { choose: () => 0, below: () => 0, chance: (p) => asked.push(p) > 0 };
    forward(netfilter, packet({ traced: true }));
    expect(asked).toEqual([0.25]);
    expect(steps).toMatchObject([
      { kind: 'rule', probability: 0.25 },
      { kind: 'drop', reason: 'NETFILTER_DROP' },
    ]);
  });

  test('recent remembers a source for the time asked, and rcheck does not renew it', () => {
    const { netfilter, host } = world(
      '*filter\n-A FORWARD -p udp -m recent --set --name x\n-A FORWARD -p tcp -m recent --rcheck --seconds 10 --reap --name x -j DROP\nCOMMIT\n',
    );
    const check = (src: string) => forward(netfilter, packet({ src, protocol: 'tcp' })) === Verdict.DROP;
    forward(netfilter, packet({ src: '10.0.0.1' }));
    expect([check('10.0.0.1'), check('10.0.0.2')]).toEqual([true, false]);
    host.time = 9_000;
    expect(check('10.0.0.1')).toBe(true);
    host.time = 10_001;
    expect(check('10.0.0.1')).toBe(false);
  });

  test('limit lets a burst through, then one for each interval', () => {
    const { netfilter, host } = world('*filter\n-A FORWARD -m limit --limit 1/sec --limit-burst 2 -j DROP\nCOMMIT\n');
    const hit = () => forward(netfilter, packet({})) === Verdict.DROP;
    expect([hit(), hit(), hit()]).toEqual([true, true, false]);
    host.time = 1000;
    expect([hit(), hit()]).toEqual([true, false]);
  });
});

describe('sets', () => {
  const save = `create nets hash:net family inet hashsize 1024 maxelem 65536
add nets 10.0.0.0/24
add nets 10.0.0.128/25 nomatch
create ports bitmap:port range 0-65535
add ports 80
create services hash:ip,port family inet hashsize 1024 maxelem 65536
add services 10.0.0.2,udp:80
create six hash:ip family inet6 hashsize 1024 maxelem 65536
add six fd00::1
`;
  const sets = (w: ReturnType<typeof world>) => w.netfilter.sets.restore(save);
  function inSet(words: string, fields: PacketFields): boolean {
    const w = world('');
    sets(w);
    w.netfilter.restore(`*filter\n-A FORWARD -m set ${words} -j DROP\nCOMMIT\n`, 4);
    return forward(w.netfilter, packet(fields)) === Verdict.DROP;
  }

  test('print as they were read', () => {
    const all = new IpSets();
    all.restore(save);
    // Linux adds what it chose itself: the size of a bucket and where it hashes from.
    const saved = all.save().replaceAll(/ bucketsize 12 initval 0x[0-9a-f]{8}/g, '');
    expect(saved.split('\n').sort()).toEqual(save.split('\n').sort());
  });

  test.each<[string, PacketFields, boolean]>([
    ['--match-set nets src', { src: '10.0.0.5' }, true],
    ['--match-set nets src', { src: '10.0.0.200' }, false],
    ['! --match-set nets src', { src: '10.0.1.5' }, true],
    ['--match-set ports dst', { dport: 80 }, true],
    ['--match-set services dst,dst', { dst: '10.0.0.2', dport: 80 }, true],
    ['--match-set services dst,dst', { dst: '10.0.0.2', dport: 80, protocol: 'tcp' }, false],
    ['--match-set six src', { src: '10.0.0.1' }, false],
  ])('%s against %j: %s', (words, fields, expected) => {
    expect(inSet(words, fields)).toBe(expected);
  });

  test('a rule that names a set which is not there is refused', () => {
    expect(() => world('*filter\n-A FORWARD -m set --match-set nope src -j DROP\nCOMMIT\n')).toThrow(
      /Set nope doesn't exist/,
    );
  });

  test('mistakes in a restore text are told by line, and nothing is done', () => {
    const all = new IpSets();
    expect(() => all.restore('create a hash:ip\nadd a 10.0.0.0/8\nadd b 1.2.3.4\ncreate c hash:ipp\n')).toThrow(
      IptablesError,
    );
    expect([...all.names()]).toEqual([]);
  });
});

describe('targets', () => {
  test('REJECT asks the host to answer, and the packet goes no further', () => {
    const { netfilter, host } = world('*filter\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n');
    expect(forward(netfilter, packet({}))).toBe(Verdict.STOLEN);
    expect(host.rejected).toEqual([{ how: 'icmp-host-prohibited', hook: Hook.FORWARD }]);
  });

  test('a packet that REJECT sends meets the rules on its own, and disturbs nobody', () => {
    const { netfilter, host, steps } = world('*filter\n-A FORWARD -j REJECT\n-A OUTPUT -p icmp -j ACCEPT\nCOMMIT\n');
    host.reject = () => {
      netfilter.hook(Hook.OUTPUT, packet({ protocol: 'icmp', traced: true }), null, eth0);
    };
    expect(forward(netfilter, packet({ traced: true }))).toBe(Verdict.STOLEN);
    expect(steps.map((step) => (step.kind === 'rule' ? `${step.hook} ${step.chain}` : step.kind))).toEqual([
      'FORWARD FORWARD',
      'OUTPUT OUTPUT',
    ]);
  });

  test('MARK and CONNMARK: a mark is saved in the connection and given to its next packet', () => {
    const { netfilter } = world(
      '*mangle\n-A PREROUTING -j CONNMARK --restore-mark\n-A PREROUTING -m mark --mark 0 -j MARK --set-xmark 0x80000001/0xffffffff\n-A POSTROUTING -j CONNMARK --save-mark\nCOMMIT\n',
    );
    const first = packet({});
    forward(netfilter, first);
    expect(first.mark).toBe(0x80000001);
    const second = packet({});
    netfilter.hook(Hook.PREROUTING, second, eth0, null);
    expect(second.mark).toBe(0x80000001);
    expect(netfilter.connections()[0]?.mark).toBe(0x80000001);
  });

  test('LOG writes the line of the kernel', () => {
    const { netfilter, host } = world('*filter\n-A FORWARD -j LOG --log-prefix "drop: "\nCOMMIT\n');
    forward(netfilter, packet({ protocol: 'tcp' }));
    expect(host.logged).toEqual([
      'drop: IN=eth0 OUT=eth1 SRC=10.0.0.1 DST=10.0.0.2 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=1000 DPT=80 WINDOW=65535 RES=0x00 SYN URGP=0 ',
    ]);
  });

  test('goto does not come back, jump does, RETURN leaves the chain, a policy ends it', () => {
    const { netfilter, steps } = world(
      `*filter
:FORWARD DROP [0:0]
:g - [0:0]
:j - [0:0]
-A FORWARD -j j
-A FORWARD -g g
-A FORWARD -j ACCEPT
-A j -j RETURN
-A j -j DROP
-A g -p udp
COMMIT
`,
    );
    expect(forward(netfilter, packet({ traced: true }))).toBe(Verdict.DROP);
    expect(steps.map((step) => ('chain' in step ? `${step.chain} ${step.action}` : step.action))).toEqual([
      'FORWARD jump j',
      'j RETURN',
      'FORWARD goto g',
      'g CONTINUE',
      'FORWARD DROP',
      'dropped',
    ]);
  });

  test('TRACE makes a packet followed that nobody followed', () => {
    const { netfilter, steps } = world('*raw\n-A PREROUTING -j TRACE\nCOMMIT\n*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n');
    const skb = packet({});
    forward(netfilter, skb);
    expect(skb.nfTrace).toBe(true);
    expect(steps.map((step) => step.kind)).toContain('rule');
  });

  test('an IPv6 service by DNAT', () => {
    const { netfilter } = world('', {
      rules6:
        '*nat\n-A PREROUTING -d fd00:96::10/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:10::5]:8080\nCOMMIT\n',
    });
    const skb = packet({ src: 'fd00:10::2', dst: 'fd00:96::10', dport: 80, protocol: 'tcp' });
    forward(netfilter, skb);
    expect([skb.dst.toString(16), skb.dport]).toEqual(['fd000010000000000000000000000005', 8080]);
  });

  test('a masqueraded connection ends when it would leave by another device', () => {
    const { netfilter } = world('*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n');
    forward(netfilter, packet({}));
    const skb = packet({});
    netfilter.hook(Hook.PREROUTING, skb, eth0, null);
    expect(netfilter.hook(Hook.POSTROUTING, skb, null, { name: 'eth9' } as Device)).toBe(Verdict.DROP);
    expect(netfilter.connections()).toEqual([]);
  });
});

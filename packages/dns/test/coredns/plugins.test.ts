import {
  CoreDns,
  type DnsMessage,
  decodeMessage,
  type ExchangeFunction,
  encodeMessage,
  type QuerySource,
  queryMessage,
} from '@netsim/dns';
import { ObjectStore } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { recordText } from './record-text.ts';
import { loopback } from './support.ts';

const FROM: QuerySource = {
  client: parseIp('10.244.1.5'),
  clientPort: 40000,
  server: parseIp('10.244.0.2'),
  transport: 'udp',
};
const ZONE =
  '@ 300 IN SOA ns h 7 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nwww 300 A 192.0.2.80\nsub NS ns.sub\nns.sub A 192.0.2.2\n*.w A 192.0.2.9\na.ent A 192.0.2.3\nd DNAME other.test.\n';

interface Bench {
  readonly server: CoreDns;
  readonly log: string[];
  time: number;
}
function bench(corefile: string, exchange?: ExchangeFunction): Bench {
  const log: string[] = [];
  const setup: { time: number } = { time: 1000 };
  const server: CoreDns = new CoreDns({
    corefile,
    store: new ObjectStore(),
    now: () => setup.time,
    hostname: 'coredns-1',
    log: (line) => log.push(line),
    files: { 'db.a': ZONE },
    ...(exchange === undefined ? {} : { exchange }),
  });
  return Object.assign(setup, { server, log });
}
function ask(one: Bench, name: string, type = 'A', from: Partial<QuerySource> = {}, more: Partial<DnsMessage> = {}) {
  return one.server.askNow({ ...queryMessage(name, type, { id: 5 }), ...more }, { ...FROM, ...from });
}
function answers(reply: DnsMessage | undefined): string[] {
  return (reply?.answers ?? []).map(recordText);
}
const A_TEST = 'a.test {\n file db.a\n}';

describe('file', () => {
  const one = bench(A_TEST);
  test.each([
    ['an address', 'www.a.test', 'A', 'NOERROR', ['www.a.test. 300 IN A 192.0.2.80']],
    ['a wildcard', 'x.y.w.a.test', 'A', 'NOERROR', ['x.y.w.a.test. 300 IN A 192.0.2.9']],
    ['a name with something below', 'ent.a.test', 'A', 'NOERROR', []],
    ['a name that is not there', 'nope.a.test', 'A', 'NXDOMAIN', []],
    [
      'a DNAME',
      'x.d.a.test',
      'A',
      'NOERROR',
      ['d.a.test. 300 IN DNAME other.test.', 'x.d.a.test. 300 IN CNAME x.other.test.'],
    ],
  ])('%s', (_, name, type, rcode, expected) => {
    const reply = ask(one, name, type);
    expect([reply?.rcode, answers(reply)]).toEqual([rcode, expected]);
  });
  test('a delegation is not authoritative and brings glue', () => {
    const reply = ask(one, 'x.sub.a.test');
    expect(reply?.aa).toBe(false);
    expect(reply?.additionals.map(recordText)).toEqual(['ns.sub.a.test. 300 IN A 192.0.2.2']);
  });
});

describe('cache', () => {
  test('counts the TTL down and asks again when it has passed', () => {
    let asked = 0;
    const upstream: ExchangeFunction = ({ query }, done) => {
      asked++;
      const data = `192.0.2.${asked}`;
      const record = { name: query.questions[0]!.name, class: 'IN', ttl: 60, type: 'A' as const, data };
      done({ kind: 'reply', message: { ...query, response: true, answers: [record] } });
    };
    const one = bench('. {\n cache 30\n forward . 192.0.2.53\n}', upstream);
    expect(answers(ask(one, 'x.test'))).toEqual(['x.test. 30 IN A 192.0.2.1']);
    one.time += 10;
    expect(answers(ask(one, 'X.test'))).toEqual(['x.test. 20 IN A 192.0.2.1']);
    one.time += 21;
    expect(answers(ask(one, 'x.test'))).toEqual(['x.test. 30 IN A 192.0.2.2']);
  });
});

describe('forward', () => {
  test('goes to the next server when one fails, and is SERVFAIL when all do', () => {
    const seen: number[] = [];
    const upstream: ExchangeFunction = ({ server, query }, done) => {
      seen.push(server.port);
      if (server.port === 1) done({ kind: 'failed', reason: 'i/o timeout' });
      else done({ kind: 'reply', message: { ...query, response: true } });
    };
    const servers = '192.0.2.1:1 192.0.2.1:2';
    const one = bench(`. {\n forward . ${servers} {\n policy sequential\n }\n}`, upstream);
    expect(ask(one, 'x.test')?.rcode).toBe('NOERROR');
    expect(seen).toEqual([1, 2]);
    const none = bench('. {\n errors\n forward . 192.0.2.1:1\n}', upstream);
    expect(ask(none, 'x.test')?.rcode).toBe('SERVFAIL');
    expect(none.log).toEqual(['[ERROR] plugin/errors: 2 x.test. A: i/o timeout']);
  });
  test('answers later when the other server does', () => {
    const waiting: (() => void)[] = [];
    const upstream: ExchangeFunction = ({ query }, done) => {
      waiting.push(() => done({ kind: 'reply', message: { ...query, response: true, rcode: 'NXDOMAIN' } }));
    };
    const one = bench('. {\n forward . 192.0.2.1\n}', upstream);
    let reply: DnsMessage | undefined;
    one.server.ask(queryMessage('x.test', 'A'), FROM, (message) => {
      reply = message;
    });
    expect(reply).toBeUndefined();
    for (const answer of waiting) answer();
    expect(reply?.rcode).toBe('NXDOMAIN');
  });
  test('to itself ends in SERVFAIL', () => {
    const one: Bench = bench('. {\n bind 127.0.0.1\n forward . 127.0.0.1\n}', (exchange, done) =>
      loopback(() => one.server)(exchange, done),
    );
    const local = parseIp('127.0.0.1');
    expect(ask(one, 'x.test', 'A', { server: local })?.rcode).toBe('SERVFAIL');
  });
});

test('template answers from the parts of a name, and computes', () => {
  const one = bench(`. {
    template IN A nip.test {
      match ^(?P<a>[0-9]+)-(?P<b>[0-9a-f]+)\\.nip\\.test\\.$
      answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ parseInt .Group.b 16 }}"
      fallthrough
    }
    template IN TXT {
      answer "{{ .Name }} 5 TXT {{ if eq .Zone \`.\` }}root{{ else }}no{{ end }}"
    }
    whoami
  }`);
  expect(answers(ask(one, '7-ff.NIP.test'))).toEqual(['7-ff.nip.test. 60 IN A 10.0.7.255']);
  expect(answers(ask(one, 'a.test', 'TXT'))).toEqual(['a.test. 5 IN TXT "root"']);
  expect(ask(one, 'zz.nip.test')?.additionals).toHaveLength(2);
});

test('hosts passes reverse names on that it does not know', () => {
  const one = bench('. {\n hosts {\n  192.0.2.33 four.test\n }\n whoami\n}');
  expect(answers(ask(one, '33.2.0.192.in-addr.arpa', 'PTR'))).toEqual([
    '33.2.0.192.in-addr.arpa. 3600 IN PTR four.test.',
  ]);
  expect(ask(one, '34.2.0.192.in-addr.arpa', 'PTR')?.additionals).toHaveLength(2);
  expect(ask(one, 'five.test')?.rcode).toBe('SERVFAIL');
});

test('rewrite: a rule without end is one pass, a name that grows too long is SERVFAIL', () => {
  const one = bench(
    '. {\n rewrite continue name substring a. aa.a. \n rewrite name regex (.*)long(.*) {1}long{1}long{1}long{1}long{2}\n whoami\n}',
  );
  expect(ask(one, 'a.test')?.rcode).toBe('NOERROR');
  expect(ask(one, `${'x'.repeat(60)}.${'y'.repeat(60)}.long.test`)?.rcode).toBe('SERVFAIL');
});

test('loop sees its own probe and stops the server', () => {
  const one: Bench = bench('. {\n loop\n forward . 127.0.0.1\n}', (exchange, done) =>
    loopback(() => one.server)(exchange, done),
  );
  one.server.start(parseIp('10.244.0.2'));
  expect(one.server.fatal).toContain('plugin/loop: Loop');
  expect(ask(one, 'x.test')).toBeUndefined();
});

test('acl blocks, filters and drops by net and type', () => {
  const one = bench(
    '. {\n acl {\n  block type A net 10.244.0.0/16\n  filter type TXT\n  drop net 192.0.2.0/24\n }\n whoami\n}',
  );
  expect(ask(one, 'x.test')?.rcode).toBe('REFUSED');
  expect(ask(one, 'x.test', 'TXT')).toMatchObject({ rcode: 'NOERROR', answers: [], additionals: [] });
  expect(ask(one, 'x.test', 'A', { client: parseIp('192.0.2.7') })).toBeUndefined();
  expect(ask(one, 'x.test', 'AAAA')?.additionals).toHaveLength(2);
});

test('any, chaos, header, nsid and bufsize change what they are for', () => {
  const one = bench('. {\n any\n chaos v1 me\n nsid here\n bufsize 1000\n header {\n  response set ra\n }\n whoami\n}');
  expect(answers(ask(one, 'x.test', 'ANY'))).toEqual(['x.test. 8482 IN HINFO "ANY obsoleted" "See RFC 8482"']);
  const query = queryMessage('version.bind', 'TXT', { class: 'CH' });
  expect(answers(one.server.askNow(query, FROM))).toEqual(['version.bind. 0 CH TXT "v1"']);
  expect(ask(one, 'x.test')?.ra).toBe(true);
  const edns = { size: 4096, version: 0, dnssecOk: false, options: [{ code: 3, data: new Uint8Array() }] };
  const option = ask(one, 'x.test', 'A', {}, { edns })?.edns?.options[0];
  expect(Buffer.from(option!.data).toString()).toBe('here');
});

test('dns64 makes IPv6 addresses for clients that ask over IPv6', () => {
  const one = bench('. {\n dns64\n hosts {\n  192.0.2.33 four.test\n }\n}');
  const reply = ask(one, 'four.test', 'AAAA', { client: parseIp('fd00::5') });
  expect(answers(reply)).toEqual(['four.test. 3600 IN AAAA 64:ff9b::c000:221']);
  expect(answers(ask(one, 'four.test', 'AAAA'))).toEqual([]);
});

test('transfer gives a zone to whom it names, over TCP only', () => {
  const one = bench('a.test {\n file db.a\n transfer {\n  to 10.244.1.5\n }\n}');
  expect(ask(one, 'a.test', 'AXFR')?.rcode).toBe('REFUSED');
  const records = answers(ask(one, 'a.test', 'AXFR', { transport: 'tcp' }));
  expect(records.at(0)).toBe(records.at(-1));
  expect(records).toHaveLength(10);
  expect(ask(one, 'a.test', 'AXFR', { transport: 'tcp', client: parseIp('10.0.0.9') })?.rcode).toBe('REFUSED');
});

test('a zone of any size is transferred, in several messages', () => {
  const records = Array.from({ length: 3000 }, (_, index) => `host-${index} A 192.0.2.1`).join('\n');
  const server = new CoreDns({
    corefile: 'a.test {\n file db.big\n transfer {\n  to *\n }\n}',
    store: new ObjectStore(),
    now: () => 0,
    files: { 'db.big': `${ZONE}${records}\n` },
  });
  let count = 0;
  let truncated = false;
  server.query(encodeMessage(queryMessage('a.test', 'AXFR')), { ...FROM, transport: 'tcp' }, (bytes) => {
    const reply = decodeMessage(bytes!);
    count += reply.answers.length;
    truncated ||= reply.tc;
  });
  expect([count, truncated]).toEqual([3010, false]);
});

test('plugins that are not modelled are named', () => {
  expect(bench('. {\n whoami\n route53\n errors\n}').server.notModelled).toEqual(['route53']);
});

test('log writes the line that CoreDNS writes', () => {
  const one = bench('. {\n log\n whoami\n}');
  ask(one, 'x.test');
  expect(one.log).toEqual(['[INFO] 10.244.1.5:40000 - 5 "A IN x.test. udp 24 false 512" NOERROR qr,aa,rd 76 0s']);
});

test('loadbalance changes the order of addresses, aliases stay in front', () => {
  const corefile = '. {\n loadbalance\n hosts {\n  192.0.2.1 x.test\n  192.0.2.2 x.test\n }\n}';
  const server = new CoreDns({ corefile, store: new ObjectStore(), now: () => 0, below: () => 0 });
  const reply = server.askNow(queryMessage('x.test', 'A'), FROM);
  expect(answers(reply).map((text) => text.slice(-1))).toEqual(['2', '1']);
});

test('loadbalance puts aliases first and mail servers last, and leaves a zone transfer as it is', () => {
  const zone =
    '$ORIGIN x.test.\n@ 60 IN SOA ns a 1 2 3 4 5\n@ IN MX 1 m\n@ IN A 192.0.2.1\n@ IN A 192.0.2.2\nw IN CNAME x.test.';
  const corefile = '. {\n loadbalance\n transfer {\n  to *\n }\n file /z x.test\n}';
  const server = new CoreDns({
    corefile,
    store: new ObjectStore(),
    now: () => 0,
    below: () => 0,
    files: { '/z': zone },
  });
  const types = (name: string, type: string) =>
    server.askNow(queryMessage(name, type), { ...FROM, transport: 'tcp' })?.answers.map((record) => record.type);
  expect(types('w.x.test', 'A')).toEqual(['CNAME', 'A', 'A']);
  expect(types('x.test', 'AXFR')).toEqual(['SOA', 'MX', 'A', 'A', 'CNAME', 'SOA']);
});

test('the HTTP ports of health, ready and prometheus are known', () => {
  const one = bench('. {\n health :8081\n ready\n prometheus :9153\n whoami\n}');
  expect(one.server.httpListeners.map(({ port, path }) => `${port}${path}`)).toEqual([
    '8081/health',
    '8181/ready',
    '9153/metrics',
  ]);
});

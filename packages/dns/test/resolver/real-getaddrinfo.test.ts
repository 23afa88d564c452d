import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Libc, Resolver, runLookup } from '../../src/resolver/index.ts';
import { questionOf } from '../../src/resolver/message.ts';
import { lookupCommand, muslProgram, printedAddresses, whyNoGlibc } from './support/libcs.ts';
import { DnsNamespace, whyNoNamespace } from './support/namespace.ts';
import { exchangeOf, testClock, type Zones } from './support/zone.ts';

const SEARCH = 'search default.svc.cluster.local svc.cluster.local cluster.local\n';
const ONE = `nameserver 127.0.0.1\n${SEARCH}options ndots:5 timeout:1`;
const TWO = `nameserver 127.0.0.1\nnameserver 127.0.0.2\n${SEARCH}options ndots:5 timeout:1`;
const HOSTS = '127.0.0.1 localhost\n10.1.1.1 InHosts alias\nfd00::99 v6only\n10.1.1.2 dup\n10.1.1.3 dup\n';

const good: Zones = {
  'web.default.svc.cluster.local.': { A: ['10.96.1.1'] },
  'db.shop.svc.cluster.local.': { A: ['10.96.2.1'], AAAA: ['fd00::21'] },
  'www.example.com.': { A: ['192.0.2.80'], AAAA: ['2001:db8::80'] },
  'alias.default.svc.cluster.local.': { CNAME: 'www.example.com', A: ['192.0.2.80'] },
  'dangling.default.svc.cluster.local.': { CNAME: 'gone.example.com' },
  'six.default.svc.cluster.local.': { AAAA: ['fd00::6'] },
  'large.default.svc.cluster.local.': { A: ['10.96.3.1'], AAAA: ['fd00::31'], TC: 'udp' },
  'tc-aaaa.default.svc.cluster.local.': { A: ['10.96.3.2'], AAAA: 'TC' },
  'sf.default.svc.cluster.local.': 'SERVFAIL',
  'sf.svc.cluster.local.': { A: ['1.1.1.1'] },
  'ref.default.svc.cluster.local.': 'REFUSED',
  'ref.': { A: ['1.1.1.2'] },
  'ni.default.svc.cluster.local.': { A: 'NOTIMP', AAAA: 'NOTIMP' },
  'fe.default.svc.cluster.local.': { A: 'FORMERR', AAAA: 'FORMERR' },
  'half-sf.default.svc.cluster.local.': { A: 'SERVFAIL', AAAA: ['fd00::7'] },
  'half-nx.default.svc.cluster.local.': { A: ['1.1.1.3'], AAAA: 'NXDOMAIN' },
  'half-drop.default.svc.cluster.local.': { A: ['1.1.1.4'], AAAA: 'DROP' },
  'drop.default.svc.cluster.local.': 'DROP',
  'drop.': { A: ['1.1.1.5'] },
  'sf-all.': 'SERVFAIL',
};
const many = (count: number): string[] => Array.from({ length: count }, (_, at) => `10.${at >> 8}.${at & 255}.1`);
/** As many addresses as fit into a buffer of getaddrinfo, and one more. */
const crowded: Zones = Object.fromEntries([
  ...[24, 25, 26, 50, 51, 52].map((count) => [`n${count}.example.com.`, { A: many(count) }]),
  ...[24, 25].map((count) => [`c${count}.example.com.`, { CNAME: `${'t'.repeat(40)}.example.com`, A: many(count) }]),
  [
    'two.example.com.',
    { A: many(13), AAAA: ['fd00::1', 'fd00::2'].concat(many(11).map((_, at) => `fd00:1::${at + 1}`)) },
  ],
]);
const silent: Zones = { __servers: { '127.0.0.1': { '*': 'DROP' }, '127.0.0.2': good } };
const refusing: Zones = { __servers: { '127.0.0.1': { '*': 'REFUSED' }, '127.0.0.2': good } };
const split: Zones = { __servers: { '127.0.0.1': { '*': 'NXDOMAIN' }, '127.0.0.2': good } };

const cases: [name: string, resolvConf: string, zone?: Zones][] = [
  ...'web db.shop db.shop.svc.cluster.local. www.example.com nope nope.example.com alias dangling six .web web.. a..b'
    .split(' ')
    .map((name): [string, string] => [name, ONE]),
  ...'large tc-aaaa sf ref ni fe half-sf half-nx half-drop drop sf-all'
    .split(' ')
    .map((name): [string, string] => [name, ONE]),
  ...'inhosts alias v6only dup LOCALHOST'.split(' ').map((name): [string, string] => [name, ONE]),
  [`${'a'.repeat(63)}.example.com`, ONE],
  [`${'a'.repeat(64)}.example.com`, ONE],
  [`${'abcdefg.'.repeat(30)}x`, ONE],
  ['web', `${ONE} single-request`],
  ['half-sf', `${ONE} single-request`],
  ['sf', `${ONE} single-request`],
  ['web', `${ONE} single-request-reopen`],
  ['web', `${ONE} use-vc`],
  ['sf', `${ONE} use-vc`],
  ['web', `${ONE} edns0 trust-ad`],
  ['db.shop', `${ONE} no-aaaa`],
  ['nope', `${ONE} no-tld-query`],
  ['db.shop', `nameserver 127.0.0.1\n${SEARCH}options ndots:1`],
  ['web', `nameserver 127.0.0.1\n${SEARCH}options ndots:0`],
  ['web', 'nameserver 127.0.0.1\nsearch .\n'],
  [
    'web',
    ' nameserver 127.0.0.3\nnameserver 127.0.0.1 #x\n;search x\nsearch a.b\ndomain default.svc.cluster.local extra\n',
  ],
  ['web', 'nameserver 127.0.0.300\nnameserver 127.1\nsearch\tdefault.svc.cluster.local svc.cluster.local \n'],
  ['web', TWO, silent],
  ['web', TWO, refusing],
  ['web', TWO, split],
  ['drop', TWO],
  ['sf', TWO],
  ['x', `nameserver 127.0.0.1\nsearch ${Array.from({ length: 32 }, (_, i) => `d${i}.t`).join(' ')}\noptions ndots:2\n`],
  ['x', `nameserver 127.0.0.1\nsearch ${Array.from({ length: 32 }, (_, i) => `search-domain-${i}.t`).join(' ')}\n`],
  ...[253, 254, 255, 256].flatMap((length): [string, string][] => [
    ['x', `nameserver 127.0.0.1\n${searchLine(length)}\n`],
    ['x', `nameserver 127.0.0.1\n${searchLine(length)}`],
  ]),
  ['a.b', `nameserver 127.0.0.1\nsearch t\noptions ndots:1\noptions ndots:3 timeout:1\nsearch u\n`],
  ['a.b', `nameserver 127.0.0.1\nsearch t\noptions ndots:99\n`],
  ['DB.Shop', ONE],
  ...Object.keys(crowded).map((name): [string, string, Zones] => [name, `${ONE} use-vc`, crowded]),
  ['n26', `nameserver 127.0.0.1\nsearch a.t b.t example.com\noptions ndots:2 use-vc`, crowded],
  ['db.shop', `nameserver 127.0.0.9\nnameserver 127.0.0.1\n${SEARCH}options ndots:5`],
  ['db.shop', `nameserver 127.0.0.9\n${SEARCH}options ndots:5`],
];

/** A search line of so many characters. */
function searchLine(length: number): string {
  const line = `search t ${'abcdefgh.'.repeat(40)}`;
  return `${line.slice(0, length - 1)}z`;
}

const reason = whyNoNamespace() ?? whyNoGlibc();
if (muslProgram() === undefined) console.log('real musl: skipped, needs musl-gcc');
if (reason !== undefined) console.log(`real getaddrinfo: skipped, ${reason}`);

describe.skipIf(reason !== undefined)('the real glibc sends the same queries', () => {
  compareAll('glibc');
});

describe.skipIf(reason !== undefined || muslProgram() === undefined)('the real musl sends the same queries', () => {
  compareAll('musl');
});

function compareAll(libc: Libc): void {
  let namespace: DnsNamespace;
  beforeAll(() => {
    namespace = new DnsNamespace();
  });
  afterAll(() => namespace?.close());

  // A busy machine may stretch a wait over the border of a second: then it is asked again.
  test.each(cases)('for %s with %j', { retry: 2 }, async (name, resolvConf, zone = good) => {
    const real = await namespace.run(lookupCommand(libc, name), { resolvConf, hosts: HOSTS }, exchangeOf(zone));
    const clock = testClock();
    const resolver = new Resolver({ libc, resolvConf, hosts: HOSTS, clock });
    const answer = exchangeOf(zone);
    const made = runLookup(
      resolver.lookup(name),
      // Nobody listens there, and the kernel says so.
      (server, ...rest) => (server === '127.0.0.9' ? { error: 'ECONNREFUSED' } : answer(server, ...rest)),
      clock,
    );
    const wanted = real.queries.map(({ server, transport, message, at }) =>
      line(server, transport, message, Math.round(at / 1000)),
    );
    const got = made.queries
      .filter(({ server }) => server !== '127.0.0.9')
      .map(({ server, transport, message, at }) => line(server, transport, message, Math.round(at / 1000)));
    if (libc === 'musl') for (const list of [wanted, got]) list.sort();
    expect(got).toEqual(wanted);
    expect([...made.addresses].sort()).toEqual(printedAddresses(real.stdout).sort());
  });
}

function line(server: string, transport: string, message: Uint8Array, second: number): string {
  const question = questionOf(message);
  const rest = `${transport} ${Buffer.from(message.subarray(2)).toString('hex')}`;
  return `${second}s ${server} ${question?.name ?? ''} ${question?.typeName ?? ''} ${rest}`;
}

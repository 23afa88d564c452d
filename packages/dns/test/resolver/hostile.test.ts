import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Exchange, type Libc, parseResolvConf, Resolver, runLookup } from '../../src/resolver/index.ts';
import { decodeReply, encodeName } from '../../src/resolver/message.ts';
import { parseNsswitch } from '../../src/resolver/nsswitch.ts';
import { parseNumeric } from '../../src/resolver/numeric.ts';
import { answer, testClock } from './support/zone.ts';

const libcs: readonly Libc[] = ['glibc', 'musl'];
const CONF = 'nameserver 127.0.0.1\nnameserver 127.0.0.2\nsearch a.t b.t\noptions ndots:5 timeout:1';
/** Names of a cluster's size with all that may go wrong in them. */
const anyName = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc
    .array(fc.string({ unit: fc.constantFrom('a', 'B', '-', '_', '0'), maxLength: 70 }), { maxLength: 6 })
    .map((labels) => labels.join('.')),
);

describe.each(libcs)('a look-up of %s ends', (libc) => {
  function queriesOf(name: string, exchange: Exchange, resolvConf = CONF): number {
    const clock = testClock();
    const resolver = new Resolver({ libc, resolvConf, hosts: '', clock });
    const result = runLookup(resolver.lookup(name), exchange, clock);
    expect(result.error === undefined).toBe(result.addresses.length > 0);
    return result.queries.length;
  }

  test('whatever the name', () => {
    fc.assert(fc.property(anyName, (name) => queriesOf(name, () => undefined) <= 48));
  });

  test('whatever octets come back', () => {
    const noise = fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(noise, (replies) => {
        let next = 0;
        const exchange: Exchange = (_, query) => {
          const reply = Uint8Array.from(replies[next++ % replies.length]!);
          // Half of them carry the right identifier.
          if (next % 2 === 0) reply.set(query.subarray(0, Math.min(2, reply.length)));
          return { message: reply };
        };
        return queriesOf('web', exchange) <= 200;
      }),
    );
  });

  test('where a good reply is damaged in one octet', () => {
    const zone = { 'web.a.t.': { CNAME: 'other.t', A: ['10.0.0.1'], AAAA: ['fd00::1'] } };
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), (at, value) => {
        const exchange: Exchange = (_, query) => {
          const reply = answer(zone, query);
          if (reply === undefined) return undefined;
          reply[at % reply.length] = value;
          return { message: reply };
        };
        return queriesOf('web', exchange) <= 200;
      }),
    );
  });

  test('where every answer is truncated, also over TCP, and where every socket fails', () => {
    expect(
      queriesOf('web', (_, query) => ({ message: answer({ '*': { A: 'TC', AAAA: 'TC' } }, query)! })),
    ).toBeLessThan(100);
    expect(queriesOf('web', () => ({ error: 'ECONNRESET' }))).toBeLessThan(100);
    expect(queriesOf('web', () => ({ error: 'ECONNRESET' }), `${CONF} use-vc`)).toBeLessThan(100);
  });

  test('with any file for a configuration', () => {
    const words = fc.constantFrom(
      'nameserver',
      'search',
      'domain',
      'options',
      ' ',
      '\t',
      '\n',
      '127.0.0.1',
      '::1%eth0',
      '.',
      'ndots:',
      '99999999999',
      'timeout:0',
      'attempts:0',
      '#',
      ';',
      'é',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (text) => {
        const conf = parseResolvConf(text.join(''), libc);
        expect(conf.nameservers.length).toBeGreaterThan(0);
        expect(conf.nameservers.length).toBeLessThanOrEqual(3);
        expect(conf.ndots).toBeLessThanOrEqual(15);
        return queriesOf('x', () => undefined, text.join('')) < 2000;
      }),
    );
  });
});

test('a compression pointer that points to itself or forward is the end of the reading', () => {
  const header = [0, 1, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
  for (const pointer of [12, 14, 200]) {
    const reply = decodeReply(Uint8Array.from([...header, 0xc0, pointer, 0, 1, 0, 1, 0xc0, 12, 0, 1]));
    expect(reply?.questionName).toBeUndefined();
    expect(reply?.answers).toEqual([]);
  }
});

test('names have labels of 1 to 63 octets and 255 octets in all', () => {
  const label = 'a'.repeat(63);
  expect(encodeName(label)).toHaveLength(65);
  expect(encodeName(`${label}a`)).toBeUndefined();
  const longest = [label, label, label, 'a'.repeat(61)].join('.');
  expect(encodeName(longest)).toHaveLength(255);
  expect(encodeName(`${longest}a`)).toBeUndefined();
  for (const wrong of ['a..b', '.a', 'a..', '..']) expect(encodeName(wrong), wrong).toBeUndefined();
  expect(encodeName('.')).toEqual(new Uint8Array(1));
});

test.each([
  ['10.1', '10.0.0.1'],
  ['0x7f.1', '127.0.0.1'],
  ['0177.0.0.1', '127.0.0.1'],
  ['2130706433', '127.0.0.1'],
])('%s is a number for getaddrinfo', (text, same) => {
  expect(parseNumeric(text)).toBe(parseNumeric(same));
});
test.each(['', '1.2.3.4.5', '256.1.1.1', '1.2.3.256', '4294967296', '08.1', 'a', '1.', '0x'])(
  '%j is a name',
  (text) => {
    expect(parseNumeric(text)).toBeUndefined();
  },
);

test.each<[string | undefined, string[]]>([
  [undefined, ['files', 'dns']],
  ['passwd: files\nhosts: dns files # x', ['dns', 'files']],
  ['hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname', ['files', 'dns']],
  ['hosts:files', ['files']],
])('the hosts line of %j asks %j', (text, services) => {
  expect(parseNsswitch(text).map(({ name }) => name)).toEqual(services);
});

test('an action after a service ends the search of names', () => {
  const [files, dns] = parseNsswitch('hosts: files [NOTFOUND=return] dns [!UNAVAIL=return]');
  expect([...files!.stopsOn].sort()).toEqual(['NOTFOUND', 'SUCCESS']);
  expect([...dns!.stopsOn].sort()).toEqual(['NOTFOUND', 'SUCCESS', 'TRYAGAIN']);
});

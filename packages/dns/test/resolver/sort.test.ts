import { familyOf, type Ip, parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Resolver, runLookup, type SourceAddress, sortAddresses } from '../../src/resolver/index.ts';
import { exchangeOf, testClock } from './support/zone.ts';

/** A pod with the addresses given, and a default route for each of their families. */
const pod =
  (...addresses: string[]): SourceAddress =>
  (destination: Ip) => {
    const address = addresses.map(parseIp).find((own) => familyOf(own) === familyOf(destination));
    return address === undefined ? undefined : { address, length: familyOf(address) === 4 ? 24 : 64 };
  };

describe.each(['glibc', 'musl'] as const)('%s sorts', (libc) => {
  test.each<[string, string[], SourceAddress, string[]]>([
    ['what can be reached first', ['2001:db8::1', '192.0.2.1'], pod('10.244.1.5'), ['192.0.2.1', '2001:db8::1']],
    [
      'IPv6 first where both can be',
      ['192.0.2.1', '2001:db8::1'],
      pod('10.244.1.5', '2001:db8::5'),
      ['2001:db8::1', '192.0.2.1'],
    ],
    [
      'a label of its own after the other family',
      ['2001:db8::1', '192.0.2.1'],
      pod('10.244.1.5', 'fd00::5'),
      ['192.0.2.1', '2001:db8::1'],
    ],
    ['equals as they came', ['10.96.1.2', '10.96.1.1'], pod('10.244.1.5'), ['10.96.1.2', '10.96.1.1']],
    [
      'the longest common prefix first',
      ['2001:db8:ffff::1', '2001:db8::9'],
      pod('2001:db8::5'),
      ['2001:db8::9', '2001:db8:ffff::1'],
    ],
  ])('%s', (_, addresses, source, wanted) => {
    expect(sortAddresses(addresses, libc, source)).toEqual(wanted);
  });

  test('without losing or doubling an address', () => {
    const address = fc.oneof(
      fc.ipV4(),
      fc.constantFrom('fd00::1', '::1', 'fe80::1', '2001:db8::2', '2002::1', 'ff02::1'),
    );
    fc.assert(
      fc.property(fc.array(address, { maxLength: 12 }), (addresses) => {
        expect(sortAddresses(addresses, libc, pod('10.0.0.1', 'fd00::5')).sort()).toEqual([...addresses].sort());
      }),
    );
  });
});

test('one answer of two makes glibc ask one after the other from then on', () => {
  const clock = testClock();
  const resolvConf = 'nameserver 127.0.0.1\noptions timeout:1';
  const resolver = new Resolver({ libc: 'glibc', resolvConf, hosts: '', clock });
  const zone = { 'half.t.': { A: ['10.0.0.1'], AAAA: 'DROP' }, 'whole.t.': { A: ['10.0.0.2'], AAAA: ['fd00::2'] } };
  const look = (name: string) => runLookup(resolver.lookup(name), exchangeOf(zone), clock);
  expect(look('half.t')).toMatchObject({ addresses: ['10.0.0.1'], elapsedMs: 3000 });
  // The next look-up gives up the missing answer after one timeout.
  expect(look('half.t')).toMatchObject({ addresses: ['10.0.0.1'], elapsedMs: 1000 });
  expect(look('whole.t').addresses).toHaveLength(2);
});

test('rotate begins with the next server each time, from a random one', () => {
  const clock = testClock();
  const resolvConf = 'nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions rotate';
  const resolver = new Resolver({ libc: 'glibc', resolvConf, hosts: '', clock, random: (bound) => bound - 1 });
  const servers = [1, 2, 3, 4].map(() => {
    const result = runLookup(
      resolver.lookup('x.t', { family: 'inet' }),
      exchangeOf({ 'x.t.': { A: ['1.1.1.1'] } }),
      clock,
    );
    return result.queries.map(({ server }) => server).join();
  });
  expect(servers).toEqual(['10.0.0.3', '10.0.0.1', '10.0.0.2', '10.0.0.3']);
});

test('each query tells what came back and when', () => {
  const clock = testClock();
  const resolver = new Resolver({
    libc: 'glibc',
    resolvConf: 'nameserver 10.96.0.10\nsearch a b\noptions ndots:5',
    hosts: '',
    clock,
  });
  const answer = exchangeOf({ 'x.b.': { CNAME: 'y.t', A: ['1.1.1.1'] } });
  const { queries } = runLookup(
    resolver.lookup('x', { family: 'inet' }),
    (server, message, how) => {
      const result = answer(server, message, how);
      return result === undefined ? undefined : { ...result, afterMs: 7 };
    },
    clock,
  );
  expect(queries).toMatchObject([
    { server: '10.96.0.10', name: 'x.a.', type: 'A', at: 0, repliedAt: 7, rcode: 'NXDOMAIN', answers: [] },
    { name: 'x.b.', at: 7, repliedAt: 14, rcode: 'NOERROR', answers: ['CNAME y.t', 'A 1.1.1.1'] },
  ]);
});

import { formatIp, type Ip, parsePrefix, prefixContains, prefixOf } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FibTable, formatRoute, type Route, RouteTable, World } from '../src/index.ts';
import { ip } from './support/flannel.ts';

function route(destination: string, metric = 0): Route {
  const prefix = parsePrefix(destination);
  return {
    family: typeof prefix.address === 'number' ? 4 : 6,
    table: RouteTable.MAIN,
    type: 'unreachable',
    destination: prefix,
    via: undefined,
    dev: null,
    src: undefined,
    metric,
    scope: 'global',
    protocol: 'boot',
    onlink: false,
  };
}

function linearScan(routes: readonly Route[], dst: Ip): Route | undefined {
  let best: Route | undefined;
  for (const candidate of routes) {
    if (!prefixContains(candidate.destination, dst)) continue;
    const longer = best === undefined || candidate.destination.length > best.destination.length;
    const cheaper =
      best !== undefined && candidate.destination.length === best.destination.length && candidate.metric < best.metric;
    if (longer || cheaper) best = candidate;
  }
  return best;
}

const few4: fc.Arbitrary<Ip> = fc.integer({ min: 0, max: 0xffff }).map((low) => 0x0a000000 | low | 0);
const few6: fc.Arbitrary<Ip> = fc.integer({ min: 0, max: 0xffff }).map((low) => (0xfdn << 120n) | BigInt(low));

describe('a routing table', () => {
  test.each([
    [4, few4, 32],
    [6, few6, 128],
  ] as const)('finds what a linear scan finds, IPv%i, also after removals', (family, address, bits) => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            address,
            length: fc.integer({ min: 0, max: bits }),
            metric: fc.integer({ min: 0, max: 2 }),
            keep: fc.boolean(),
          }),
          { maxLength: 40 },
        ),
        fc.array(address, { minLength: 1, maxLength: 20 }),
        (entries, targets) => {
          const table = new FibTable(family);
          const kept: Route[] = [];
          const gone: Route[] = [];
          for (const entry of entries) {
            const prefix = prefixOf(entry.address, entry.length);
            const one: Route = { ...route(family === 4 ? '0.0.0.0/0' : '::/0', entry.metric), destination: prefix };
            if (table.insert(one)) (entry.keep ? kept : gone).push(one);
          }
          for (const one of gone) expect(table.remove(one)).toBe(true);
          for (const target of targets) expect(table.lookup(target)).toBe(linearScan(kept, target));
          expect(table.size).toBe(kept.length);
        },
      ),
    );
  });

  test('looks up as many maps as there are prefix lengths, however many routes there are', () => {
    const table = new FibTable(4);
    for (let at = 0; at < 10_000; at++)
      table.insert({ ...route('10.0.0.0/24'), destination: prefixOf((0x0a000000 + at * 256) | 0, 24) });
    table.insert(route('0.0.0.0/0'));
    expect(formatRoute(table.lookup(ip('10.3.4.5'))!)).toBe('unreachable 10.3.4.0/24');
    expect(formatRoute(table.lookup(ip('192.168.0.1'))!)).toBe('unreachable default');
  });
});

describe('routes of addresses', () => {
  test('an address makes the local, broadcast and connected routes that ip route shows', () => {
    const world = new World();
    const netns = world.addNetns('n', 'n', 'host');
    world.addNetns('m', 'm', 'host');
    netns.addLink({ kind: 'veth', name: 'd0', mac: '02:00:00:00:00:01', peer: { netns: 'm', name: 'd1' } });
    netns.setUp('lo');
    netns.setUp('d0');
    netns.addAddress({ dev: 'd0', address: ip('10.1.2.3'), prefixLength: 24 });
    netns.addAddress({ dev: 'd0', address: ip('10.9.9.9'), prefixLength: 32 });
    netns.addRoute({ destination: parsePrefix('10.3.0.0/16'), via: ip('10.1.2.1') });
    netns.addRoute({ via: ip('10.1.2.1') });
    netns.addRoute({ destination: parsePrefix('10.5.0.0/16'), type: 'unreachable' });
    expect(netns.routes(RouteTable.MAIN, 4).map(formatRoute)).toEqual([
      'default via 10.1.2.1 dev d0',
      '10.1.2.0/24 dev d0 proto kernel scope link src 10.1.2.3',
      '10.3.0.0/16 via 10.1.2.1 dev d0',
      'unreachable 10.5.0.0/16',
    ]);
    expect(netns.routes(RouteTable.LOCAL, 4).map(formatRoute)).toEqual([
      'local 10.1.2.3 dev d0 table local proto kernel scope host src 10.1.2.3',
      'broadcast 10.1.2.255 dev d0 table local proto kernel scope link src 10.1.2.3',
      'local 10.9.9.9 dev d0 table local proto kernel scope host src 10.9.9.9',
      'local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1',
      'local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1',
      'broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1',
    ]);
    netns.delAddress({ dev: 'd0', address: ip('10.1.2.3'), prefixLength: 24 });
    expect(netns.routes(RouteTable.LOCAL, 4)).toHaveLength(4);
    netns.setDown('d0');
    expect(netns.routes(RouteTable.MAIN, 4).map(formatRoute)).toEqual(['unreachable 10.5.0.0/16']);
  });

  test('a gateway that is on no link is refused, and so is the same route twice', () => {
    const world = new World();
    const netns = world.addNetns('n', 'n', 'host');
    netns.addLink({ kind: 'bridge', name: 'br0' });
    netns.setUp('br0');
    netns.addAddress({ dev: 'br0', address: ip('10.1.2.3'), prefixLength: 24 });
    expect(() => netns.addRoute({ via: ip('10.1.3.1') })).toThrow(/invalid gateway/);
    netns.addRoute({ via: ip('10.1.3.1'), dev: 'br0', onlink: true });
    expect(() => netns.addRoute({ via: ip('10.1.2.1') })).toThrow('File exists');
    netns.addRoute({ via: ip('10.1.2.1'), metric: 50 });
    expect(
      formatIp(netns.fib4.lookup({ dst: ip('8.8.8.8'), src: undefined, mark: 0, iif: undefined, oif: null })!.via!),
    ).toBe('10.1.3.1');
  });

  test('a rule by mark sends a packet to another table, and a throw route sends it on', () => {
    const world = new World();
    const netns = world.addNetns('n', 'n', 'host');
    netns.addRoute({ destination: parsePrefix('10.0.0.0/8'), type: 'unreachable' });
    netns.addRoute({ destination: parsePrefix('10.0.0.0/8'), type: 'prohibit', table: 100 });
    netns.addRoute({ destination: parsePrefix('10.1.0.0/16'), type: 'throw', table: 100 });
    netns.addRule({ priority: 100, table: 100, fwmark: { value: 0x200, mask: 0xf00 } });
    const lookup = (dst: string, mark: number): string | undefined =>
      netns.fib4.lookup({ dst: ip(dst), src: undefined, mark, iif: undefined, oif: null })?.type;
    expect(lookup('10.2.0.1', 0)).toBe('unreachable');
    expect(lookup('10.2.0.1', 0x1200)).toBe('prohibit');
    expect(lookup('10.1.0.1', 0x1200)).toBe('unreachable');
    expect(lookup('11.1.0.1', 0x1200)).toBeUndefined();
  });
});

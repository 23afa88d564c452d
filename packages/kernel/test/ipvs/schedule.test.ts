import { IpProto, parseIp } from '@netsim/wire';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { schedule } from '../../src/ipvs/schedule.ts';
import { RealServer, type SchedulerName, VirtualService } from '../../src/ipvs/service.ts';
import { SeededRandom } from '../../src/random.ts';

const random = new SeededRandom(1);

function service(scheduler: SchedulerName, weights: readonly number[]): VirtualService {
  const made = new VirtualService({
    protocol: IpProto.TCP,
    address: parseIp('10.96.0.1'),
    port: 80,
    scheduler,
    persistentSeconds: 0,
    realServers: [],
  });
  made.servers = weights.map((weight, i) => new RealServer({ address: parseIp(`10.0.0.${i + 1}`), port: 80, weight }));
  return made;
}

function draw(from: VirtualService, count: number, each: (server: RealServer) => void = () => {}): number[] {
  const taken: number[] = [];
  for (let i = 0; i < count; i++) {
    const server = schedule(
      from,
      { src: (parseIp('10.1.0.0') as number) + i, sport: 40000 + i, dst: from.address },
      random,
    );
    taken.push(server === undefined ? -1 : from.servers.indexOf(server));
    if (server !== undefined) each(server);
  }
  return taken;
}

describe('schedulers', () => {
  test('rr goes round, past servers of weight 0', () => {
    expect(draw(service('rr', [1, 0, 1, 1]), 6)).toEqual([0, 2, 3, 0, 2, 3]);
  });

  test('rr goes on with the next one where a server went', () => {
    const from = service('rr', [1, 1, 1]);
    draw(from, 2);
    from.remove(from.servers[1]!);
    expect(draw(from, 2)).toEqual([1, 0]);
  });

  test('wrr gives the heavier ones their turns first', () => {
    expect(draw(service('wrr', [4, 3, 2]), 9)).toEqual([0, 0, 1, 0, 1, 2, 0, 1, 2]);
  });

  test('lc and wlc take the one with the fewest connections, active ones counting 256 times', () => {
    const busy = (scheduler: SchedulerName) => {
      const from = service(scheduler, [1, 2]);
      from.servers[0]!.inactive = 200;
      from.servers[1]!.active = 1;
      return draw(from, 1)[0];
    };
    expect(busy('lc')).toBe(0);
    expect(busy('wlc')).toBe(1);
  });

  test('sed spreads by weight while connections stay, nq fills the idle first', () => {
    const hold = (server: RealServer) => {
      server.active++;
    };
    expect(draw(service('sed', [3, 1]), 8, hold).filter((at) => at === 0)).toHaveLength(6);
    expect(draw(service('nq', [9, 1]), 2, hold).sort()).toEqual([0, 1]);
  });

  test('sh gives each address one server, in shares of the weights', () => {
    const from = service('sh', [3, 1]);
    const taken = draw(from, 4000);
    expect(draw(from, 4000)).toEqual(taken);
    expect(taken.filter((at) => at === 0).length / 4000).toBeCloseTo(0.75, 1);
  });

  test('mh moves few clients where a server goes', () => {
    const from = service('mh', [1, 1, 1, 1]);
    const names = () => draw(from, 1000).map((at) => from.servers[at]!.address);
    const before = names();
    const gone = from.servers[3]!;
    from.remove(gone);
    const after = names();
    expect(after.filter((ip, i) => ip !== before[i] && before[i] !== gone.address)).toEqual([]);
  });

  test('no scheduler chooses a server of weight 0, nor any of none', () => {
    const names = fc.constantFrom<SchedulerName>('rr', 'wrr', 'lc', 'wlc', 'sh', 'dh', 'mh', 'sed', 'nq');
    fc.assert(
      fc.property(names, fc.array(fc.nat(4), { maxLength: 6 }), fc.boolean(), (name, weights, unknownPast) => {
        const from = service(name, weights);
        from.unknownPast = unknownPast;
        const taken = draw(from, 12);
        for (const at of taken) if (at >= 0) expect(weights[at]).toBeGreaterThan(0);
        if (name !== 'sh' && name !== 'dh' && weights.some((weight) => weight > 0)) expect(taken).not.toContain(-1);
      }),
    );
  });
});

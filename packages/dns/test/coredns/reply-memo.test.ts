import { CoreDns, encodeMessage, queryMessage } from '@netsim/dns';
import { type EndpointSlice, ObjectStore, type Service } from '@netsim/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplyMemo } from '../../src/coredns/reply-memo.ts';
import { source } from './support.ts';

const service = (name: string, clusterIP: string): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
});
const slice = (name: string, ips: readonly string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-a`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints: ips.map((ip) => ({ addresses: [ip] })),
  ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
});

function startStore(): ObjectStore {
  const store = new ObjectStore();
  store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  store.put(service('web', '10.96.1.1'));
  store.put(service('pods', 'None'));
  store.put(slice('pods', ['10.244.1.1', '10.244.1.2', '10.244.1.3']));
  return store;
}

/** A server whose time and choices are its own; with a plugin that changes nothing it never remembers a reply. */
class Subject {
  readonly store = startStore();
  readonly #server: CoreDns;
  now = 1_700_000_000;
  #choice = 0;

  constructor(plugins: string) {
    this.#server = new CoreDns({
      corefile: `. {\n${plugins}\n}`,
      store: this.store,
      now: () => this.now,
      below: (bound) => this.#choice++ % bound,
    });
  }

  ask(query: Uint8Array): string {
    const replies: string[] = [];
    this.#server.query(query, source(53, 'udp'), (bytes) => {
      replies.push(bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex'));
      // What was given out belongs to the receiver.
      bytes?.fill(0xa5);
    });
    return replies.join(' ');
  }
}

const name = fc.constantFrom(
  'web.default.svc.cluster.local',
  'WEB.default.svc.cluster.LOCAL',
  'pods.default.svc.cluster.local',
  'nope.default.svc.cluster.local',
  'late.default.svc.cluster.local',
  'fixed.example.com',
  'www.example.com',
);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ ask: name, type: fc.constantFrom('A', 'AAAA', 'SRV', 'TXT'), edns: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ address: fc.integer({ min: 1, max: 250 }) }) },
  { weight: 1, arbitrary: fc.record({ endpoints: fc.integer({ min: 0, max: 5 }) }) },
);

const plain =
  'errors\nkubernetes cluster.local in-addr.arpa\nhosts {\n 1.2.3.4 fixed.example.com\n fallthrough\n}\nloadbalance';

describe('a server that remembers its replies', () => {
  test.each([
    ['without a cache', plain],
    ['with a cache', `${plain}\ncache 30`],
    ['with a small cache', `${plain}\ncache 30 {\n success 2\n denial 1\n}`],
    [
      'with a cache for the rest',
      `${plain}\ncache 30 {\n disable success cluster.local\n disable denial cluster.local\n}`,
    ],
  ])('replies octet by octet as one that thinks each time, %s', (_, plugins) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(65_000), (steps, firstId) => {
        const subjects = [new Subject(plugins), new Subject(`${plugins}\ndebug`)];
        let id = firstId;
        for (const one of steps) {
          id++;
          const replies = subjects.map((subject) => {
            if ('wait' in one) subject.now += one.wait;
            else if ('address' in one) subject.store.put(service('late', `10.96.2.${one.address}`));
            else if ('endpoints' in one) {
              const ips = Array.from({ length: one.endpoints }, (_, at) => `10.244.2.${at + 1}`);
              subject.store.put(slice('pods', ips));
            } else {
              const edns = one.edns ? { edns: { size: 1232, version: 0, dnssecOk: false, options: [] } } : {};
              return subject.ask(encodeMessage(queryMessage(one.ask, one.type, { id, ...edns })));
            }
            return '';
          });
          expect(replies[0]).toBe(replies[1]);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('sees a change of the API with the next query', () => {
    const subject = new Subject(plain);
    const query = encodeMessage(queryMessage('late.default.svc.cluster.local', 'A', { id: 7 }));
    expect(subject.ask(query)).toBe(subject.ask(query));
    const before = subject.ask(query);
    subject.store.put(service('late', '10.96.2.1'));
    expect(subject.ask(query)).not.toBe(before);
  });
});

test('what is recalled is what was remembered last for the same octets, generation and second, however much was written since', () => {
  const short = (max: number) => fc.uint8Array({ minLength: 12, maxLength: max });
  const step = fc.record({
    query: fc.nat(40),
    reply: short(512),
    generation: fc.nat(1),
    now: fc.nat(1),
    recall: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(short(60), { minLength: 41, maxLength: 41 }), fc.array(step), (queries, steps) => {
      const memo = new ReplyMemo();
      const plain = new Map<string, { reply: string; generation: number; now: number }>();
      const text = (octets: Uint8Array): string => Buffer.from(octets.subarray(2)).toString('hex');
      for (const { query: at, reply, generation, now, recall } of steps) {
        const query = Uint8Array.from(queries[at]!);
        if (!recall) {
          memo.remember(query, reply, generation, now);
          plain.set(text(query), { reply: text(reply), generation, now });
          // What was handed over belongs to others.
          reply.fill(0xa5);
          continue;
        }
        const known = memo.recall(query, generation, now);
        if (known === undefined) continue;
        expect(plain.get(text(query))).toEqual({ reply: text(known), generation, now });
        expect([...known.subarray(0, 2)]).toEqual([...query.subarray(0, 2)]);
      }
    }),
  );
});

test('replies are forgotten in the order in which they were written, once there are too many octets', () => {
  const memo = new ReplyMemo();
  const query = (at: number): Uint8Array => Uint8Array.from([0, 0, at >> 16, (at >> 8) & 255, at & 255]);
  const reply = (at: number): Uint8Array => new Uint8Array(512).fill(at & 255);
  const recalled = (at: number): number | undefined => memo.recall(query(at), 1, 1)?.at(-1);
  for (let at = 0; at < 4_000; at++) memo.remember(query(at), reply(at), 1, 1);
  // Other queries may have the places of a few.
  const kept = (from: number, to: number): number => {
    let count = 0;
    for (let at = from; at < to; at++) {
      const known = recalled(at);
      if (known === undefined) continue;
      expect(known).toBe(at & 255);
      count++;
    }
    return count;
  };
  expect(kept(0, 4_000)).toBeGreaterThan(3_000);
  for (let at = 4_000; at < 12_200; at++) memo.remember(query(at), reply(at), 1, 1);
  expect(kept(0, 4_000)).toBe(0);
  expect(kept(4_100, 12_200)).toBeGreaterThan(5_000);
});

import { decodeMessage, encodeMessage, queryMessage } from '@netsim/dns';
import { parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';

const SERVER = parseIp('10.96.0.10');
const GOOD = encodeMessage(queryMessage('kubia.default.svc.cluster.local', 'A', { id: 0x1234 }));

/** A program in a pod that sends octets to the cluster DNS, and what comes back. */
class Attacker {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  datagrams(...messages: Uint8Array[]): Uint8Array[] {
    const replies: Uint8Array[] = [];
    const onMessage = ({ payload }: { payload: Uint8Array | null }) => void (payload && replies.push(payload));
    const socket = this.#netns().sockets.udp.bind({ onMessage });
    if (typeof socket === 'string') throw new Error(socket);
    for (const payload of messages) {
      expect(socket.send({ dst: SERVER, dport: 53, payload })).toBe('');
      this.cluster.world.run();
    }
    socket.close();
    return replies;
  }

  stream(...parts: Uint8Array[]): Uint8Array {
    const received: number[] = [];
    const connection = this.#netns().sockets.tcp.connect({
      dst: SERVER,
      dport: 53,
      onData: (data) => void received.push(...(data ?? [])),
    });
    this.cluster.world.run();
    for (const part of parts) {
      connection.send(part);
      this.cluster.world.run();
    }
    connection.close();
    this.cluster.world.run();
    return Uint8Array.from(received);
  }

  #netns() {
    return this.cluster.netnsOfPod(this.cluster.pod('pod-a').object);
  }
}

const framed = (message: Uint8Array): Uint8Array =>
  Uint8Array.from([message.length >> 8, message.length & 255, ...message]);
/** Octets of all kinds: noise, a header and noise, a good query that was damaged or cut. */
const malformed = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc.uint8Array({ minLength: 12, maxLength: 60 }).map((bytes) => Uint8Array.from([...GOOD.subarray(0, 12), ...bytes])),
  fc.tuple(fc.nat(GOOD.length - 1), fc.nat(255)).map(([at, value]) => GOOD.with(at, value)),
  fc.nat(GOOD.length).map((length) => GOOD.slice(0, length)),
);

describe('the cluster DNS, sent anything', () => {
  let attacker: Attacker;
  beforeAll(async () => {
    attacker = new Attacker(await Cluster.load({ demo: 'kubia' }));
  });
  const alive = (): void => {
    const [reply] = attacker.datagrams(GOOD);
    expect(decodeMessage(reply!)).toMatchObject({ id: 0x1234, rcode: 'NOERROR', answers: [{ type: 'A' }] });
  };

  test('answers each datagram once at most, with its identifier, and goes on', () => {
    fc.assert(
      fc.property(malformed, (bytes) => {
        const replies = attacker.datagrams(bytes);
        expect(replies.length).toBeLessThanOrEqual(1);
        for (const reply of replies) {
          expect([reply[0], reply[1]]).toEqual([bytes[0], bytes[1]]);
          expect(reply[2]! & 0x80).toBe(0x80);
        }
      }),
      { numRuns: 500 },
    );
    alive();
  });

  test('reads a stream that is cut anywhere as it was sent', () => {
    const both = Uint8Array.from([...framed(GOOD), ...framed(GOOD.with(1, 0x35))]);
    fc.assert(
      fc.property(fc.array(fc.nat(both.length), { maxLength: 6 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), both.length];
        const parts = at.slice(1).map((end, i) => both.slice(at[i], end));
        const received = attacker.stream(...parts.filter(({ length }) => length > 0));
        const first = (received[0]! << 8) | received[1]!;
        expect([received[2], received[3]]).toEqual([0x12, 0x34]);
        expect([received[first + 4], received[first + 5]]).toEqual([0x12, 0x35]);
      }),
      { numRuns: 100 },
    );
    alive();
  });

  test('survives a stream of noise, and a length that never comes true', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 4 }), (parts) => {
        attacker.stream(...parts);
      }),
      { numRuns: 100 },
    );
    expect(attacker.stream(Uint8Array.from([0xff, 0xff, 1, 2, 3]))).toHaveLength(0);
    alive();
  });

  test('names of 253 characters end as a resolver ends them, longer ones and labels over 63 are not asked', () => {
    const { cluster } = attacker;
    const long = (length: number): string =>
      'abcdefg.'
        .repeat(40)
        .slice(0, length - 2)
        .replace(/\.$/, 'x')
        .concat('.x');
    const pod = cluster.pod('pod-a');
    expect(pod.lookup(`${long(253)}.`)).toMatchObject({ error: 'EAI_NONAME' });
    expect(pod.lookup(`${long(253)}.`).queries.length).toBeGreaterThan(0);
    for (const name of [`${long(255)}.`, `${'a'.repeat(64)}.example.`]) {
      const { queries, addresses } = pod.lookup(name);
      expect([queries.length, addresses.length], name).toEqual([0, 0]);
    }
  });
});

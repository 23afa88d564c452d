import {
  CoreDns,
  type DnsMessage,
  decodeMessage,
  encodeCompressed,
  encodeMessage,
  fitReply,
  queryMessage,
  type ResourceRecord,
  WireError,
} from '@netsim/dns';
import { type EndpointSlice, ObjectStore } from '@netsim/manifest';
import packet from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { optRecord, toPacket } from '../../src/coredns/wire.ts';
import { source } from './support.ts';

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 0, maxLength: 6 }).map((labels) => `${labels.join('.')}.`);
const owner = fc.record({ name, class: fc.constant('IN'), ttl: fc.nat({ max: 86400 }) });
const u16 = fc.nat({ max: 65535 });
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.tuple(owner, fc.ipV4()).map(([head, data]): ResourceRecord => ({ ...head, type: 'A', data })),
  fc
    .tuple(owner, fc.constantFrom('CNAME' as const, 'NS' as const, 'PTR' as const), name)
    .map(([head, type, data]): ResourceRecord => ({ ...head, type, data })),
  fc
    .tuple(owner, fc.record({ priority: u16, weight: u16, port: u16, target: name }))
    .map(([head, data]): ResourceRecord => ({ ...head, type: 'SRV', data })),
  fc
    .tuple(owner, fc.record({ preference: u16, exchange: name }))
    .map(([head, data]): ResourceRecord => ({ ...head, type: 'MX', data })),
  fc.tuple(owner, name, name, u16).map(
    ([head, mname, rname, serial]): ResourceRecord => ({
      ...head,
      type: 'SOA',
      data: { mname, rname, serial, refresh: 1, retry: 2, expire: 3, minimum: 4 },
    }),
  ),
  fc
    .tuple(owner, fc.array(fc.stringMatching(/^[ -~]{1,40}$/), { minLength: 1, maxLength: 3 }))
    .map(([head, data]): ResourceRecord => ({ ...head, type: 'TXT', data })),
  fc
    .tuple(owner, fc.uint8Array({ maxLength: 40 }))
    .map(([head, data]): ResourceRecord => ({ ...head, type: 'OPAQUE', typeCode: 65, data: Uint8Array.from(data) })),
);
const message: fc.Arbitrary<DnsMessage> = fc
  .tuple(name, fc.array(record, { maxLength: 12 }), fc.array(record, { maxLength: 3 }), fc.boolean())
  .map(([qname, answers, additionals, edns]) => ({
    ...queryMessage(qname === '.' ? '.' : qname, 'A', { id: 4711 }),
    response: true,
    answers,
    additionals,
    ...(edns ? { edns: { size: 1232, version: 0, dnssecOk: false, options: [] } } : {}),
  }));

function replyTo(server: CoreDns, bytes: Uint8Array): Uint8Array | undefined {
  let reply: Uint8Array | undefined;
  server.query(bytes, source(53, 'udp'), (answer) => {
    reply = answer;
  });
  return reply;
}

function emptyServer(): CoreDns {
  return new CoreDns({ corefile: '. {\n whoami\n}', store: new ObjectStore(), now: () => 0 });
}

describe('octets', () => {
  test('a message survives encoding and decoding, compressed or not', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(decodeMessage(encodeMessage(one))).toEqual(one);
        expect(decodeMessage(encodeCompressed(one))).toEqual(one);
      }),
    );
  });

  test('a plain query is read as dns-packet reads the same query with an EDNS option', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
    const letters = fc.stringMatching(/^[ -~]{1,20}$/).map((text) => Uint8Array.from(Buffer.from(text)));
    const question = fc.tuple(
      fc.array(fc.oneof(letters, label), { maxLength: 5 }),
      u16,
      fc.constantFrom(1, 3, 254, 255),
    );
    fc.assert(
      fc.property(question, u16, fc.integer({ min: 0, max: 0x7fff }), ([labels, type, klass], id, flags) => {
        const name = labels.flatMap((octets) => [octets.length, ...octets]);
        const tail = [0, type >> 8, type & 255, klass >> 8, klass & 255];
        const query = (additional: number): number[] => [
          id >> 8,
          id & 255,
          flags >> 8,
          flags & 255,
          0,
          1,
          0,
          0,
          0,
          0,
          0,
          additional,
          ...name,
          ...tail,
        ];
        const opt = [0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 0];
        // An option is what the short way leaves to dns-packet.
        const optWithOption = [...opt.slice(0, -1), 4, 0xfd, 0xe9, 0, 0];
        const read = (octets: number[]): DnsMessage | string => {
          try {
            return decodeMessage(Uint8Array.from(octets));
          } catch (error) {
            return String(error);
          }
        };
        const whole = read([...query(1), ...optWithOption]);
        if (typeof whole === 'string') {
          expect(read(query(0))).toBe(whole);
          expect(read([...query(1), ...opt])).toBe(whole);
          return;
        }
        const { edns, ...without } = whole;
        expect(edns).toMatchObject({ size: 1232, version: 0, dnssecOk: true });
        expect(read(query(0))).toEqual(without);
        expect(read([...query(1), ...opt])).toEqual({ ...without, edns: { ...edns, options: [] } });
      }),
      { numRuns: 1000 },
    );
  });

  test('a message is written as dns-packet writes it', () => {
    fc.assert(
      fc.property(message, (one) => {
        const { id, questions, answers, additionals, edns } = one;
        const parts = {
          id,
          type: 'response' as const,
          flags: packet.RECURSION_DESIRED,
          questions: questions.map(({ name }) => ({ name, type: 'A' as const })),
          answers: answers.map(toPacket),
          additionals: [...additionals.map(toPacket), ...(edns === undefined ? [] : [optRecord(edns, 'NOERROR')])],
        };
        expect(Buffer.from(encodeMessage(one)).toString('hex')).toBe(packet.encode(parts).toString('hex'));
      }),
    );
  });

  test('a number that does not fit, or a name that no message can hold, is a WireError', () => {
    const query = queryMessage('a.test', 'A');
    const soa = { mname: 'a.', rname: 'b.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
    const head = { name: 'a.test.', class: 'IN', ttl: 1 };
    const answers: readonly ResourceRecord[] = [
      { ...head, ttl: -1, type: 'A', data: '192.0.2.1' },
      { ...head, ttl: 2 ** 32, type: 'A', data: '192.0.2.1' },
      { ...head, type: 'SOA', data: { ...soa, mname: `${'m'.repeat(64)}.` } },
      { ...head, type: 'SOA', data: { ...soa, rname: 'r.'.repeat(200) } },
      { ...head, type: 'SOA', data: { ...soa, serial: 2 ** 32 } },
    ];
    for (const answer of answers) expect(() => encodeMessage({ ...query, answers: [answer] })).toThrow(WireError);
    expect(() => encodeMessage({ ...query, id: 65_536 })).toThrow(WireError);
  });

  test('a number that does not fit is refused before any larger buffer is tried', () => {
    const head = { name: 'a.test.', class: 'IN', ttl: 1 };
    const soa = { mname: 'a.', rname: 'b.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
    const naptr = { order: 1, preference: 1, flags: '', services: '', regexp: '', replacement: 'a.' };
    const answers: readonly ResourceRecord[] = [
      { ...head, type: 'SOA', data: { ...soa, serial: 2 ** 32 } },
      { ...head, type: 'SOA', data: { ...soa, minimum: -1 } },
      { ...head, type: 'SRV', data: { priority: 65_536, weight: 1, port: 1, target: 'a.' } },
      { ...head, type: 'MX', data: { preference: 65_536, exchange: 'a.' } },
      { ...head, type: 'NAPTR', data: { ...naptr, order: 65_536 } },
      { ...head, type: 'CAA', data: { flags: 256, tag: 'issue', value: 'ca.test' } },
      { ...head, type: 'OPAQUE', typeCode: 65_280, data: new Uint8Array(65_536) },
      { ...head, type: 'OPAQUE', typeCode: 2 ** 32 + 1, data: new Uint8Array() },
    ];
    const alloc = vi.spyOn(Buffer, 'alloc');
    try {
      for (const answer of answers) {
        expect(() => encodeMessage({ ...queryMessage('a.test', 'A'), answers: [answer] })).toThrow(/is no number of/);
      }
      expect(Math.max(0, ...alloc.mock.calls.map(([size]) => size))).toBeLessThan(65_536);
    } finally {
      alloc.mockRestore();
    }
  });

  test('compression never makes a message longer', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(encodeCompressed(one).length).toBeLessThanOrEqual(encodeMessage(one).length);
      }),
    );
  });

  test('a fitted reply keeps to its limit, drops from the end only, and says so', () => {
    fc.assert(
      fc.property(message, fc.integer({ min: 512, max: 1500 }), (one, limit) => {
        const { message: fitted, bytes } = fitReply(one, limit);
        expect(bytes.length).toBeLessThanOrEqual(limit);
        expect(one.answers.slice(0, fitted.answers.length)).toEqual(fitted.answers);
        const complete =
          fitted.answers.length === one.answers.length && fitted.additionals.length === one.additionals.length;
        expect(fitted.tc).toBe(!complete);
      }),
    );
  });

  test('any octets are a message or a WireError, and the server answers or keeps silent', () => {
    const server = emptyServer();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        try {
          decodeMessage(Uint8Array.from(octets));
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
        replyTo(server, Uint8Array.from(octets));
      }),
      { numRuns: 2000 },
    );
  });

  test('a query with one octet changed is answered with its own id, or not at all', () => {
    const server = emptyServer();
    const good = encodeMessage(queryMessage('kubia.default.svc.cluster.local', 'A', { id: 0x1234 }));
    fc.assert(
      fc.property(fc.integer({ min: 2, max: good.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const bad = Uint8Array.from(good);
        bad[at] = value;
        const reply = replyTo(server, bad);
        if (reply !== undefined) expect((reply[0]! << 8) | reply[1]!).toBe(0x1234);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what is no query', () => {
  const query = encodeMessage(queryMessage('a.test', 'A', { id: 9 }));
  const changed = (edit: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = Uint8Array.from(query);
    edit(bytes);
    return bytes;
  };
  const server = emptyServer();

  test('less than a header and replies are not answered', () => {
    expect(replyTo(server, query.subarray(0, 11))).toBeUndefined();
    expect(
      replyTo(
        server,
        changed((bytes) => {
          bytes[2]! |= 0x80;
        }),
      ),
    ).toBeUndefined();
  });
  test('no question, two questions and a question cut off are FORMERR', () => {
    for (const bytes of [
      changed((octets) => {
        octets[5] = 0;
      }),
      changed((octets) => {
        octets[5] = 2;
      }),
      query.subarray(0, 15),
    ]) {
      expect(decodeMessage(replyTo(server, bytes)!).rcode).toBe('FORMERR');
    }
  });
  test('an opcode that nobody serves is NOTIMP', () => {
    const bytes = changed((octets) => {
      octets[2] = 2 << 3;
    });
    expect(decodeMessage(replyTo(server, bytes)!).rcode).toBe('NOTIMP');
  });
  test('another EDNS version is BADVERS', () => {
    const edns = { size: 1232, version: 1, dnssecOk: false, options: [] };
    const reply = decodeMessage(replyTo(server, encodeMessage(queryMessage('a.test', 'A', { edns })))!);
    expect(reply.rcode).toBe('BADVERS');
    expect(reply.edns?.version).toBe(0);
  });
  test('a name of 255 octets is answered, one of 256 is FORMERR', () => {
    const labels = (lengths: readonly number[]) =>
      Uint8Array.from([
        ...query.subarray(0, 12),
        ...lengths.flatMap((length) => [length, ...Array<number>(length).fill(97)]),
        0,
        0,
        1,
        0,
        1,
      ]);
    const silent = new CoreDns({ corefile: 'b.test {\n whoami\n}', store: new ObjectStore(), now: () => 0 });
    expect(decodeMessage(replyTo(silent, labels([63, 63, 63, 61]))!).rcode).toBe('REFUSED');
    // whoami puts `_udp.` in front, which no message can hold: there is no reply.
    expect(replyTo(server, labels([63, 63, 63, 61]))).toBeUndefined();
    expect(decodeMessage(replyTo(server, labels([63, 63, 63, 62]))!).rcode).toBe('FORMERR');
  });
  test('labels with dots and odd octets come back as they were', () => {
    const bytes = Uint8Array.from([...query.subarray(0, 12), 3, 0x61, 0x2e, 0x62, 2, 0xff, 0x5c, 0, 0, 1, 0, 1]);
    const reply = replyTo(server, bytes)!;
    expect([...reply.subarray(12, 24)]).toEqual([...bytes.subarray(12, 24)]);
    expect(decodeMessage(reply).questions[0]?.name).toBe('a\\.b.\\255\\\\.');
  });
});

describe('replies too long for UDP', () => {
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'big-a', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'big' } },
    addressType: 'IPv4',
    endpoints: Array.from({ length: 60 }, (_, index) => ({ addresses: [`10.244.9.${index + 1}`] })),
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  };
  const store = new ObjectStore();
  store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  const spec = { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'http', port: 80 }] };
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'big', namespace: 'shop' }, spec };
  store.put(service);
  store.put(slice);
  const server = new CoreDns({ corefile: '. {\n kubernetes cluster.local\n}', store, now: () => 0 });
  const ask = (type: string, size: number | undefined, transport: 'udp' | 'tcp') => {
    const edns = size === undefined ? {} : { edns: { size, version: 0, dnssecOk: false, options: [] } };
    let reply: DnsMessage | undefined;
    const query = encodeMessage(queryMessage('big.shop.svc.cluster.local', type, edns));
    server.query(query, source(53, transport), (bytes) => {
      reply = decodeMessage(bytes!);
    });
    return reply!;
  };

  test('60 SRV records fit into 4096 octets with 35 of their addresses, and TC is set', () => {
    const reply = ask('SRV', 4096, 'udp');
    expect([reply.answers.length, reply.additionals.length, reply.tc]).toEqual([60, 35, true]);
  });
  test('without EDNS 512 octets hold 29 addresses, and TC is set', () => {
    const reply = ask('A', undefined, 'udp');
    expect([reply.answers.length, reply.tc]).toEqual([29, true]);
  });
  test('over TCP all is sent', () => {
    const reply = ask('SRV', undefined, 'tcp');
    expect([reply.answers.length, reply.additionals.length, reply.tc]).toEqual([60, 60, false]);
  });
});

import { CoreDns, decodeMessage, encodeMessage, queryMessage } from '@netsim/dns';
import { type AnyObject, ObjectStore } from '@netsim/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { source, storeOf } from './support.ts';

const SOA = '@ 60 IN SOA ns h 1 2 3 4 60\n';

function zoneServer(zone: string): CoreDns {
  const files = { '/z': SOA + zone };
  return new CoreDns({ corefile: 'x.test {\n file /z\n}', store: new ObjectStore(), now: () => 0, files });
}
function typesOf(server: CoreDns, name: string, type = 'A'): string[] {
  const reply = server.askNow(queryMessage(name, type), source(53, 'tcp'));
  return [reply?.rcode ?? 'none', ...(reply?.answers ?? []).map((record) => record.type)];
}

/** `c0` is an alias of `c1`, and so on, `last` of them; the end has an address. */
const aliases = (last: number): string =>
  `${Array.from({ length: last }, (_, at) => `c${at} CNAME c${at + 1}\n`).join('')}c${last} A 192.0.2.1\n`;
/** The same as services of type ExternalName. */
function externalNames(last: number, target: string): ObjectStore {
  const service = (name: string, spec: object): AnyObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  });
  return storeOf([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
    ...Array.from({ length: last }, (_, at) => {
      const externalName = at + 1 === last ? target : `s${at + 1}.default.svc.cluster.local`;
      return service(`s${at}`, { type: 'ExternalName', externalName });
    }),
    service('web', { clusterIP: '10.96.1.1', clusterIPs: ['10.96.1.1'] }),
  ]);
}
const kubernetes = (store: ObjectStore): CoreDns =>
  new CoreDns({ corefile: '. {\n kubernetes cluster.local\n}', store, now: () => 0 });

describe('chains of aliases end', () => {
  test('in a zone file: a short one at its address, whatever is longer within a dozen records', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (length) => {
        const [rcode, ...types] = typesOf(zoneServer(aliases(length)), 'c0.x.test');
        expect(rcode).toBe('NOERROR');
        if (length < 8) expect(types).toEqual([...Array<string>(length).fill('CNAME'), 'A']);
        expect(types.length).toBeLessThanOrEqual(12);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['one that points to itself', 'c0 CNAME c0\n'],
    ['two that point to each other', 'c0 CNAME c1\nc1 CNAME c0\n'],
    ['a wildcard that points below itself', '* CNAME a.b\n'],
    ['a DNAME that points below itself', 'c0 DNAME a.c0\n'],
  ])('in a zone file: %s', (_, zone) => {
    for (const name of ['c0.x.test', 'y.c0.x.test']) {
      expect(typesOf(zoneServer(zone), name).length).toBeLessThan(64);
    }
  });

  test('among services of type ExternalName', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (length) => {
        const server = kubernetes(externalNames(length, 'web.default.svc.cluster.local'));
        const [rcode, ...types] = typesOf(server, 's0.default.svc.cluster.local');
        expect(rcode).toBe('NOERROR');
        if (length < 10) expect(types).toEqual([...Array<string>(length).fill('CNAME'), 'A']);
        expect(types.length).toBeLessThanOrEqual(12);
      }),
      { numRuns: 40 },
    );
  });

  test.each([1, 2, 7])('among %i services of type ExternalName that go round', (length) => {
    const server = kubernetes(externalNames(length, 's0.default.svc.cluster.local'));
    for (const type of ['A', 'AAAA', 'SRV', 'CNAME']) {
      expect(typesOf(server, 's0.default.svc.cluster.local', type).length, type).toBeLessThan(20);
    }
  });
});

describe('names of the cluster of any size', () => {
  const server = kubernetes(externalNames(1, 'web.default.svc.cluster.local'));
  const rcodeOf = (name: string): string => {
    let rcode = 'none';
    server.query(encodeMessage(queryMessage(name, 'A', { id: 3 })), source(53, 'udp'), (bytes) => {
      rcode = bytes === undefined ? 'none' : decodeMessage(bytes).rcode;
    });
    return rcode;
  };
  const zone = '.default.svc.cluster.local';

  test('a label of 63 octets is asked, one of 64 cannot be written', () => {
    expect(rcodeOf('a'.repeat(63) + zone)).toBe('NXDOMAIN');
    expect(() => rcodeOf('a'.repeat(64) + zone)).toThrow(/is not a domain name/);
  });

  test('a name of 255 octets is asked, one of 256 cannot be written', () => {
    const labels = Array<string>(3).fill('b'.repeat(63));
    const name = (first: number): string => `${['a'.repeat(first), ...labels].join('.')}${zone}`;
    expect(encodeMessage(queryMessage(name(35), 'A')).length).toBe(12 + 255 + 4);
    expect(rcodeOf(name(35))).toBe('NXDOMAIN');
    expect(() => rcodeOf(name(36))).toThrow(/is not a domain name/);
  });

  test('names that answers would make too long are left out, and no reply is malformed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 63 }), { minLength: 1, maxLength: 4 }), (lengths) => {
        const name = `${lengths.map((length) => 'a'.repeat(length)).join('.')}${zone}`;
        if (name.length > 253) return;
        expect(['NXDOMAIN', 'NOERROR']).toContain(rcodeOf(name));
      }),
    );
  });
});

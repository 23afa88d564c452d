import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeMessage } from '../../src/coredns/index.ts';
import {
  bindCandidates,
  busyboxCandidates,
  formatBusyboxNslookup,
  formatNslookup,
  parseResolvConf,
  type ToolReply,
} from '../../src/resolver/index.ts';
import { DnsNamespace, whyNoNamespace } from './support/namespace.ts';
import { answer, type Zone } from './support/zone.ts';

const resolvConf = 'nameserver 127.0.0.1\nsearch a.t b.t\noptions ndots:2\n';
const conf = parseResolvConf(resolvConf, 'glibc');
const zone: Zone = {
  'second.b.t.': { A: ['10.0.0.1'], AAAA: ['fd00::1'] },
  'bare.': { A: ['10.0.0.2'] },
  'nodata.a.t.': { A: [] },
  'servfail.a.t.': 'SERVFAIL',
  'refused.a.t.': 'REFUSED',
  'six.a.t.': { AAAA: ['fd00::6'] },
};
const names = [
  'second',
  'bare',
  'nodata',
  'refused',
  'six',
  'nope',
  'nope.x',
  'nope.x.y',
  'nope.x.y.',
  'second.b.t',
  'second.b.t.',
];

function candidatesText(): void {
  expect(bindCandidates('x', conf)).toEqual(['x.a.t', 'x.b.t', 'x']);
  expect(bindCandidates('x.y', conf)).toEqual(['x.y.a.t', 'x.y.b.t', 'x.y']);
  expect(bindCandidates('x.y.z', conf)).toEqual(['x.y.z']);
  expect(bindCandidates('x.', conf)).toEqual(['x.']);
  expect(busyboxCandidates('x', conf)).toEqual(['x.a.t', 'x.b.t']);
  expect(busyboxCandidates('x.y', conf)).toEqual(['x.y']);
}
test('the search list of the tools is not that of getaddrinfo', candidatesText);

const reason = whyNoNamespace();
if (reason !== undefined) console.log(`real tools with a search list: skipped, ${reason}`);

describe.skipIf(reason !== undefined)('with the server and search list of resolv.conf', () => {
  let namespace: DnsNamespace;
  let replies: ToolReply[] = [];
  beforeAll(() => {
    namespace = new DnsNamespace();
  });
  afterAll(() => namespace?.close());

  async function run(command: string[]) {
    replies = [];
    const { stdout, status, queries } = await namespace.run(command, { resolvConf }, (server, query) => {
      const bytes = answer(zone, query, 'udp', false)!;
      replies.push({ message: decodeMessage(bytes), server });
      return { message: bytes };
    });
    return { stdout, status, asked: queries.map(({ message }) => decodeMessage(message).questions[0]!) };
  }

  test.skipIf(spawnSync('nslookup', ['-version']).error !== undefined).each([...names, 'servfail'])(
    'nslookup of bind asks for %s and prints the same',
    async (name) => {
      const { stdout, status, asked } = await run(['nslookup', name]);
      const made = formatNslookup({ mode: 'default', server: '127.0.0.1', serverGiven: false, replies });
      expect({ stdout: made.stdout, status: made.status }).toEqual({ stdout, status });
      const first = asked.filter(({ type }) => type === 'A').map(({ name }) => name);
      const candidates = bindCandidates(name, conf).map((each) => (each.endsWith('.') ? each : `${each}.`));
      expect(first).toEqual(candidates.slice(0, first.length));
    },
  );

  test.skipIf(spawnSync('busybox', ['true']).error !== undefined).each(names)(
    'nslookup of BusyBox asks for %s and prints the same',
    async (name) => {
      const { stdout, status, asked } = await run(['busybox', 'nslookup', name]);
      const made = formatBusyboxNslookup({ name, server: '127.0.0.1', replies });
      expect({ stdout: made.stdout, status: made.status }).toEqual({ stdout, status });
      const candidates = busyboxCandidates(name, conf).map((each) => (each.endsWith('.') ? each : `${each}.`));
      expect(asked.map(({ name }) => name)).toEqual([...candidates, ...candidates]);
    },
  );
});

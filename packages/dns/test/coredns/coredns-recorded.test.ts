import { CoreDns, type DnsMessage, decodeMessage, encodeMessage, queryMessage, type ResourceRecord } from '@netsim/dns';
import type { AnyObject } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../../test/support/vectors.ts';
import { recordText } from './record-text.ts';
import { loopback, source, storeOf } from './support.ts';

interface Recorded {
  readonly objects: readonly AnyObject[];
  readonly upstreamZone: string;
  readonly suites: readonly {
    readonly name: string;
    readonly corefile: string;
    readonly cases: readonly RecordedCase[];
  }[];
}
interface RecordedCase {
  readonly qname: string;
  readonly qtype: string;
  readonly qclass?: number;
  readonly edns?: number;
  readonly doBit?: boolean;
  readonly expect: {
    readonly rcode: string;
    readonly aa: boolean;
    readonly size?: number;
    readonly ednsInReply?: number;
    readonly answer: readonly string[];
    readonly authority: readonly string[];
    readonly additional: readonly string[];
  };
}

const PORT = 5300;
const UPSTREAM_PORT = 5301;
const CLASSES: Readonly<Record<number, string>> = { 1: 'IN', 3: 'CH', 255: 'ANY' };

test('CoreDNS answers as the recorded one did', () => {
  const vectors = readVectors<Recorded>('dns/coredns-recorded');
  if (vectors === undefined) return;
  const failures: string[] = [];
  let total = 0;
  for (const suite of vectors.suites) {
    total += suite.cases.length;
    let server: CoreDns;
    try {
      server = serverOf(suite.corefile, vectors);
    } catch (error) {
      failures.push(...suite.cases.map((_, index) => `${suite.name}/${index}: ${String(error)}`));
      continue;
    }
    for (const [index, one] of suite.cases.entries()) {
      const problem = check(server, one);
      if (problem !== undefined) failures.push(`${suite.name}/${index} ${one.qname} ${one.qtype}: ${problem}`);
    }
  }
  reportVectors('dns/coredns-recorded', total, failures);
  expect(failures).toEqual([]);
}, 120_000);

function serverOf(text: string, { objects, upstreamZone }: Recorded): CoreDns {
  const corefile = text
    .replaceAll('@PORTU@', String(UPSTREAM_PORT))
    .replaceAll('@PORT@', String(PORT))
    .replaceAll('@API@', 'http://127.0.0.1:8080')
    .replaceAll('@DIR@', '/zones');
  const server: CoreDns = new CoreDns({
    corefile,
    store: storeOf(objects),
    now: () => 1_700_000_000,
    files: { '/zones/example.com.zone': upstreamZone },
    exchange: loopback(() => server),
  });
  return server;
}

function check(server: CoreDns, one: RecordedCase): string | undefined {
  const query = queryMessage(one.qname, one.qtype, {
    id: 7,
    class: CLASSES[one.qclass ?? 1] ?? 'IN',
    ...(one.edns === undefined
      ? {}
      : { edns: { size: one.edns, version: 0, dnssecOk: one.doBit ?? false, options: [] } }),
  });
  let reply: DnsMessage | undefined;
  let size = 0;
  try {
    server.query(encodeMessage(query), source(PORT, 'tcp'), (bytes) => {
      reply = bytes === undefined ? undefined : decodeMessage(bytes);
      size = bytes?.length ?? 0;
    });
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const actual = {
    rcode: reply?.rcode ?? 'none',
    aa: reply?.aa ?? false,
    answer: texts(reply?.answers),
    authority: texts(reply?.authorities),
    additional: texts(reply?.additionals),
    ...(one.expect.size === undefined ? {} : { size }),
    ...(one.expect.ednsInReply === undefined ? {} : { ednsInReply: reply?.edns?.size }),
  };
  const expected = {
    rcode: one.expect.rcode,
    aa: one.expect.aa,
    answer: [...one.expect.answer].sort(),
    authority: [...one.expect.authority].sort(),
    additional: [...one.expect.additional].sort(),
    ...(one.expect.size === undefined ? {} : { size: one.expect.size }),
    ...(one.expect.ednsInReply === undefined ? {} : { ednsInReply: one.expect.ednsInReply }),
  };
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  return got === wanted ? undefined : `\n  want ${wanted}\n  got  ${got}`;
}

function texts(records: readonly ResourceRecord[] = []): string[] {
  return records
    .map((record) => {
      const masked = record.type === 'SOA' && record.data.serial >= 1_700_000_000;
      return masked ? recordText(record).replace(String(record.data.serial), '<serial>') : recordText(record);
    })
    .sort();
}

import {
  CoreDns,
  CorefileError,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  queryMessage,
  type ResourceRecord,
} from '@netsim/dns';
import type { AnyObject } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../../test/support/vectors.ts';
import { endpointLabel } from '../../src/coredns/kubernetes/cluster-index.ts';
import { readKubernetesOptions } from '../../src/coredns/kubernetes/options.ts';
import { parseRequestName } from '../../src/coredns/kubernetes/request-name.ts';
import { parseRecordText } from '../../src/coredns/zone/zone-text.ts';
import { parseCorefile } from '../../src/corefile/parse.ts';
import { recordText } from './record-text.ts';
import { source, storeOf } from './support.ts';

interface TableConfig {
  readonly zones?: readonly string[];
  readonly pods?: string;
  readonly ttl?: number;
  readonly namespaces?: readonly string[];
  readonly multicluster?: readonly string[];
  readonly localIPs?: readonly string[];
  readonly apiSynced?: boolean;
  readonly ignoreEmptyService?: boolean;
  readonly zonal?: boolean;
  readonly external?: { readonly zones: readonly string[]; readonly headless?: boolean; readonly apexAddress?: string };
}
interface TableCase {
  readonly qname: string;
  readonly qtype: string;
  readonly rcode: string;
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  readonly truncated?: boolean;
  readonly upstream?: { readonly truncated?: boolean; readonly answer: readonly string[] };
}
interface ParseRow {
  readonly input: string;
  readonly shouldErr: boolean;
  readonly expectedErrContent: string;
  readonly expectedZoneCount: number;
  readonly expectedNSCount: number;
  readonly expectedPodMode: { readonly $ident: string };
  readonly expectedFallthrough: { readonly $sel?: string; readonly Zones?: readonly string[] };
}
interface Tables {
  readonly suites: readonly {
    readonly name: string;
    readonly config: TableConfig;
    readonly objects: readonly AnyObject[];
    readonly cases: readonly TableCase[];
  }[];
  readonly xfr: readonly {
    readonly name: string;
    readonly config?: TableConfig;
    readonly zone: string;
    readonly serial?: number;
    readonly orderedRecords?: readonly string[];
    readonly expect?: string;
  }[];
  readonly misc: {
    readonly parseRequest: readonly {
      readonly query: string;
      readonly expected: string;
      readonly multicluster: boolean;
      readonly zonal: boolean;
      readonly zone: string;
    }[];
    readonly parseInvalid: readonly string[];
    readonly endpointHostname: readonly {
      readonly ip: string;
      readonly hostname: string;
      readonly podName: string;
      readonly endpointNameMode: boolean;
      readonly expected: string;
    }[];
    readonly corefileParse: readonly ParseRow[];
  };
}

test("CoreDNS's own tables hold", () => {
  const tables = readVectors<Tables>('dns/coredns-tables');
  if (tables === undefined) return;
  const failures: string[] = [];
  let total = 0;
  const row = (id: string, problem: () => string | undefined) => {
    total++;
    let text: string | undefined;
    try {
      text = problem();
    } catch (error) {
      text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    if (text !== undefined) failures.push(`${id}: ${text}`);
  };
  for (const suite of tables.suites) {
    for (const [index, one] of suite.cases.entries()) {
      row(`${suite.name}/${index} ${one.qname} ${one.qtype}`, () => {
        const server = serverOf(suite.config, suite.objects, one.upstream);
        return compare(ask(server, one.qname, one.qtype), one);
      });
    }
  }
  const objects = tables.suites[0]!.objects;
  for (const one of tables.xfr) {
    row(`xfr/${one.name}`, () => {
      const multicluster = (one.config?.multicluster ?? []).length > 0;
      const all = multicluster ? [...objects, ...tables.suites[2]!.objects] : objects;
      const zones = ['cluster.local.', ...(one.config?.multicluster ?? [])];
      const server = serverOf({ zones, ...one.config }, all, undefined, 'transfer {\n to *\n }');
      return compareTransfer(server, one);
    });
  }
  for (const one of tables.misc.parseRequest) {
    row(`parseRequest ${one.query}`, () => {
      const parsed = parseRequestName(one.query, 'inter.webs.tests.', one)!;
      const { port, protocol, endpoint, cluster, service, namespace, kind, zone } = parsed;
      const text = [port, protocol, endpoint, cluster, service, namespace, kind].join('.');
      return text === one.expected && zone === one.zone ? undefined : `${text} ${zone}`;
    });
  }
  for (const query of tables.misc.parseInvalid) {
    row(`parseInvalid ${query}`, () =>
      parseRequestName(query, 'inter.webs.test.', { multicluster: false, zonal: false }) === undefined
        ? undefined
        : 'accepted',
    );
  }
  for (const one of tables.misc.endpointHostname) {
    row(`endpointHostname ${one.expected}`, () => {
      const label = endpointLabel(one.hostname, one.ip, one.podName, one.endpointNameMode);
      return label === one.expected ? undefined : label;
    });
  }
  for (const one of tables.misc.corefileParse) row(`corefileParse ${JSON.stringify(one.input)}`, () => parse(one));
  reportVectors('dns/coredns-tables', total, failures);
  expect(failures).toEqual([]);
});

function serverOf(
  config: TableConfig,
  objects: readonly AnyObject[],
  upstream?: TableCase['upstream'],
  more = '',
): CoreDns {
  const zones = config.zones ?? ['cluster.local.'];
  const options = [
    config.pods === undefined ? '' : `pods ${config.pods}`,
    config.ttl === undefined ? '' : `ttl ${config.ttl}`,
    config.namespaces === undefined ? '' : `namespaces ${config.namespaces.join(' ')}`,
    config.multicluster === undefined ? '' : `multicluster ${config.multicluster.join(' ')}`,
    config.ignoreEmptyService === true ? 'ignore empty_service' : '',
    config.zonal === true ? 'zonal' : '',
  ];
  const { external } = config;
  const outer =
    external === undefined
      ? ''
      : `k8s_external ${external.zones.join(' ')} {\n${external.headless === true ? ' headless\n' : ''}}`;
  const corefile = `. {
    ${outer}
    kubernetes ${zones.join(' ')} {
      ${options.filter(Boolean).join('\n')}
    }
    ${more}
    ${upstream === undefined ? '' : 'forward . 192.0.2.53'}
  }`;
  return new CoreDns({
    corefile,
    store: storeOf(objects),
    now: () => 3,
    synced: () => config.apiSynced !== false,
    localIps: [...(config.localIPs ?? []), ...(external?.apexAddress === undefined ? [] : [external.apexAddress])].map(
      parseIp,
    ),
    exchange: ({ query }, done) =>
      done({
        kind: 'reply',
        message: {
          ...query,
          response: true,
          tc: upstream?.truncated ?? true,
          // The table gives the whole answer; an upstream knows nothing of the cluster's own alias.
          answers: (upstream?.answer ?? [])
            .filter((text) => !text.includes(' CNAME '))
            .map((text) => parseRecordText(text)),
        },
      }),
  });
}

function ask(server: CoreDns, name: string, type: string, serial?: number): DnsMessage | undefined {
  let reply: DnsMessage | undefined;
  const soa = `${name} 0 IN SOA . . ${serial} 0 0 0 0`;
  const query = {
    ...queryMessage(name, type, { id: 1 }),
    authorities: serial === undefined ? [] : [parseRecordText(soa)],
  };
  server.query(encodeMessage(query), source(53, 'tcp'), (bytes) => {
    reply = bytes === undefined ? undefined : decodeMessage(bytes);
  });
  return reply;
}

/** Serials are those of a test double; the tables do not compare them. */
function normal(text: string): string {
  const record = parseRecordText(text.replace(/ TXT ([^"].*)$/, ' TXT "$1"'));
  return maskSerial(record);
}
function maskSerial(record: ResourceRecord): string {
  if (record.type !== 'SOA') return recordText(record);
  return recordText({ ...record, data: { ...record.data, serial: 0 } });
}

function compare(reply: DnsMessage | undefined, one: TableCase): string | undefined {
  const got = JSON.stringify({
    rcode: reply?.rcode,
    tc: reply?.tc,
    answer: reply?.answers.map(maskSerial).sort(),
    authority: reply?.authorities.map(maskSerial).sort(),
    additional: reply?.additionals.map(maskSerial).sort(),
  });
  const wanted = JSON.stringify({
    rcode: one.rcode,
    tc: one.truncated ?? false,
    answer: one.answer.map(normal).sort(),
    authority: one.authority.map(normal).sort(),
    additional: one.additional.map(normal).sort(),
  });
  return got === wanted ? undefined : `\n  want ${wanted}\n  got  ${got}`;
}

function compareTransfer(server: CoreDns, one: Tables['xfr'][number]): string | undefined {
  const incremental = one.name.startsWith('ixfr');
  const reply = ask(server, one.zone, incremental ? 'IXFR' : 'AXFR', incremental ? (one.serial ?? 0) : undefined);
  const records = reply?.answers.map(recordText) ?? [];
  if (one.orderedRecords !== undefined) {
    const wanted = one.orderedRecords;
    const at = wanted.findIndex((text, index) => records[index] !== text);
    if (at < 0 && records.length === wanted.length) return undefined;
    return `${records.length}/${wanted.length} records; ${at}: want ${wanted[at]} got ${records[at]}`;
  }
  if (one.expect === 'single SOA') return records.length === 1 ? undefined : `${records.length} records`;
  if (one.expect === 'full AXFR') return records.length > 2 ? undefined : `${records.length} records`;
  // Nobody holds the zone: which error it is depends on the plugins that follow.
  return reply?.rcode !== 'NOERROR' && records.length === 0 ? undefined : `${reply?.rcode}`;
}

function parse(one: ParseRow): string | undefined {
  const messages: string[] = [];
  let zones = -1;
  let namespaces = -1;
  let pods = '';
  let fallthrough = '';
  try {
    const { blocks } = parseCorefile(`. {\n${one.input}\n}`);
    const report = (_: unknown, message: string) => messages.push(`Error during parsing: ${message}`);
    const options = readKubernetesOptions(blocks[0]!.directives, ['.'], report);
    zones = options?.zones.length ?? -1;
    namespaces = options?.namespaces.size ?? -1;
    pods = options?.pods ?? '';
    fallthrough = options?.fallthrough === undefined ? 'fall.Zero' : options.fallthrough.join(' ');
  } catch (error) {
    if (!(error instanceof CorefileError)) throw error;
    messages.push(error.message);
  }
  if (one.shouldErr) {
    return messages.some((text) => text.includes(one.expectedErrContent)) ? undefined : `no error: ${messages}`;
  }
  if (messages.length > 0) return messages.join('; ');
  const { $sel, Zones } = one.expectedFallthrough;
  const wanted = $sel === 'fall.Root' ? '.' : ($sel ?? Zones?.join(' '));
  const mode = one.expectedPodMode.$ident.replace('podMode', '').toLowerCase();
  const good =
    zones === one.expectedZoneCount && namespaces === one.expectedNSCount && pods === mode && fallthrough === wanted;
  return good ? undefined : `${zones} zones, ${namespaces} namespaces, pods ${pods}, fallthrough ${fallthrough}`;
}

import { CoreDns, type ExchangeFunction, encodeMessage, queryMessage } from '@netsim/dns';
import { ObjectStore } from '@netsim/manifest';
import { parseIp } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { source } from './support.ts';

/** The lines of `/metrics` that are numbers, after these queries: `NAME TYPE`, over UDP from IPv4 where nothing else is said. */
function numbersAfter(corefile: string, queries: readonly string[], exchange?: ExchangeFunction): string[] {
  const clock = { now: 1000 };
  const server = new CoreDns({
    corefile,
    store: new ObjectStore(),
    now: () => clock.now,
    ...(exchange === undefined ? {} : { exchange }),
  });
  for (const text of queries) {
    const [name = '', type = 'A', how = ''] = text.split(' ');
    if (name === 'wait') clock.now += Number(type);
    else {
      const from = source(53, how === 'tcp' ? 'tcp' : 'udp');
      const client = how === 'v6' ? parseIp('fd00::1') : from.client;
      server.query(encodeMessage(queryMessage(name, type)), { ...from, client }, () => {});
    }
  }
  return server.metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}
const of = (lines: readonly string[], metric: string): string[] =>
  lines.filter((line) => line.startsWith(metric)).map((line) => line.slice(metric.length));
const HOSTS = 'hosts {\n  192.0.2.1 a.test\n }';

describe('/metrics of plugin prometheus', () => {
  test('counts queries by type, transport and family, also those whose reply was remembered', () => {
    const queries = ['a.test', 'a.test', 'a.test A tcp', 'a.test A v6', 'a.test AAAA', 'a.test LOC'];
    const lines = numbersAfter(`. {\n prometheus\n ${HOSTS}\n loadbalance\n}`, queries);
    expect(of(lines, 'coredns_dns_requests_total')).toEqual([
      '{family="1",proto="tcp",server="dns://:53",type="A",view="",zone="."} 1',
      '{family="1",proto="udp",server="dns://:53",type="A",view="",zone="."} 2',
      '{family="1",proto="udp",server="dns://:53",type="AAAA",view="",zone="."} 1',
      '{family="1",proto="udp",server="dns://:53",type="other",view="",zone="."} 1',
      '{family="2",proto="udp",server="dns://:53",type="A",view="",zone="."} 1',
    ]);
    expect(of(lines, 'coredns_dns_responses_total')).toEqual([
      '{plugin="loadbalance",rcode="NOERROR",server="dns://:53",view="",zone="."} 6',
    ]);
    expect(of(lines, 'coredns_panics_total')).toEqual([' 0']);
    expect(of(lines, 'coredns_build_info')).toEqual(['{goversion="",revision="",version="1.14.0"} 1']);
  });

  test('counts by the zone of the server block, and as "dropped" what no block takes', () => {
    const corefile = `a.test {\n bind 127.0.0.1\n prometheus\n ${HOSTS}\n}\nb.test {\n bind 127.0.0.1\n whoami\n}`;
    expect(of(numbersAfter(corefile, ['a.test', 'b.test', 'c.test']), 'coredns_dns_responses_total')).toEqual([
      '{plugin="",rcode="NOERROR",server="dns://127.0.0.1:53",view="",zone="a.test."} 1',
      '{plugin="",rcode="REFUSED",server="dns://127.0.0.1:53",view="",zone="dropped"} 1',
    ]);
  });

  test('counts what the cache had and had not', () => {
    const queries = ['a.test', 'a.test', 'a.test', 'no.test', 'no.test', 'wait 5', 'a.test', 'wait 4000', 'a.test'];
    const upstream: ExchangeFunction = ({ query }, done) => {
      const { name } = query.questions[0]!;
      const found = name === 'a.test.';
      const soa = { mname: 'n.', rname: 'h.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 30 };
      done({
        kind: 'reply',
        message: {
          ...query,
          response: true,
          rcode: found ? 'NOERROR' : 'NXDOMAIN',
          answers: found ? [{ name, class: 'IN', ttl: 60, type: 'A', data: '192.0.2.1' }] : [],
          authorities: found ? [] : [{ name: 'test.', class: 'IN', ttl: 30, type: 'SOA', data: soa }],
        },
      });
    };
    const lines = numbersAfter('. {\n prometheus\n cache\n forward . 192.0.2.53\n}', queries, upstream);
    expect(of(lines, 'coredns_cache_hits_total')).toEqual([
      '{server="dns://:53",type="denial",view="",zones="."} 1',
      '{server="dns://:53",type="success",view="",zones="."} 3',
    ]);
    expect(of(lines, 'coredns_cache_misses_total')).toEqual(['{server="dns://:53",view="",zones="."} 3']);
  });

  test('is empty without the plugin', () => {
    expect(numbersAfter(`. {\n ${HOSTS}\n}`, ['a.test'])).toEqual([]);
  });
});

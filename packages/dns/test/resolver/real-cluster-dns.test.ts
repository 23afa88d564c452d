import { CoreDns } from '@netsim/dns';
import { parseIp } from '@netsim/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Exchange, type Libc, Resolver, runLookup } from '../../src/resolver/index.ts';
import { storeOf } from '../coredns/support.ts';
import { lookupCommand, muslProgram, printedAddresses, whyNoGlibc } from './support/libcs.ts';
import { DnsNamespace, whyNoNamespace } from './support/namespace.ts';
import { testClock } from './support/zone.ts';

const metadata = (name: string) => ({ name, namespace: 'shop' });
const slice = (service: string, ips: readonly string[], addressType = 'IPv4') => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { ...metadata(`${service}-${addressType}`), labels: { 'kubernetes.io/service-name': service } },
  addressType,
  endpoints: ips.map((ip, at) => ({ addresses: [ip], hostname: `${service}-${at}` })),
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
});
const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadata(name),
  spec: { ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ...spec },
});
const store = storeOf([
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  service('web', { clusterIP: '10.96.1.1', clusterIPs: ['10.96.1.1'] }),
  service('dual', { clusterIP: '10.96.1.2', clusterIPs: ['10.96.1.2', 'fd00:10:96::2'] }),
  service('members', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice('members', ['10.244.1.1', '10.244.1.2', '10.244.2.1']),
  service('big', { clusterIP: 'None', clusterIPs: ['None'] }),
  slice(
    'big',
    Array.from({ length: 40 }, (_, at) => `10.244.9.${at + 1}`),
  ),
  service('outside', { type: 'ExternalName', externalName: 'www.example.com' }),
  service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
]);
const COREFILE = `.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    hosts {
        192.0.2.80 www.example.com
        2001:db8::80 www.example.com
        fallthrough
    }
    cache 30
    loadbalance
}`;
const SEARCH = 'search shop.svc.cluster.local svc.cluster.local cluster.local';
const CONF = `nameserver 127.0.0.1\n${SEARCH}\noptions ndots:5 timeout:1\n`;
const FROM = parseIp('10.244.1.9');

/** A CoreDNS that is asked as a name server, in octets. */
function serving(): Exchange {
  const server = new CoreDns({ corefile: COREFILE, store, now: () => 1_700_000_000 });
  return (_, query, { transport }) => {
    let message: Uint8Array | undefined;
    server.query(query, { client: FROM, server: parseIp('127.0.0.1'), transport }, (bytes) => {
      message = bytes;
    });
    return message === undefined ? undefined : { message };
  };
}

const reason = whyNoNamespace();
if (reason !== undefined) console.log(`real getaddrinfo on the cluster's DNS: skipped, ${reason}`);

describe.skipIf(reason !== undefined || whyNoGlibc() !== undefined)('the real glibc finds with our CoreDNS', () => {
  compareAll('glibc');
});
describe.skipIf(reason !== undefined || muslProgram() === undefined)('the real musl finds with our CoreDNS', () => {
  compareAll('musl');
});

function compareAll(libc: Libc): void {
  let namespace: DnsNamespace;
  beforeAll(() => {
    namespace = new DnsNamespace();
  });
  afterAll(() => namespace?.close());

  test.each([
    ['a service by its short name', 'web', 1],
    ['a service of both families', 'dual', 2],
    ['a service by its full name', 'web.shop.svc.cluster.local.', 1],
    ['a service by name and namespace', 'web.shop', 1],
    ['the pods of a headless service', 'members', 3],
    ['one pod of it', 'members-1.members', 1],
    ['a pod by its address', '10-244-1-1.shop.pod', 1],
    ['a name outside, after the search list', 'www.example.com', 2],
    ['an alias to a name outside', 'outside', 2],
    ['an alias to a service', 'alias', 1],
    // The musl of these days reads what fits and does not ask again over TCP.
    ['more addresses than a datagram holds', 'big', libc === 'glibc' ? 40 : undefined],
    ['nothing for a name that is not there', 'nobody', 0],
    ['nothing for a service of another namespace', 'web.other', 0],
  ])('%s: what our resolver finds', async (_, name, count) => {
    const real = await namespace.run(lookupCommand(libc, name), { resolvConf: CONF }, serving());
    const clock = testClock();
    const hosts = '127.0.0.1 localhost\n';
    const made = runLookup(new Resolver({ libc, resolvConf: CONF, hosts, clock }).lookup(name), serving(), clock);
    const addresses = printedAddresses(real.stdout);
    expect([...made.addresses].sort()).toEqual(addresses.sort());
    if (count !== undefined) expect(addresses).toHaveLength(count);
    expect(made.queries.map(({ transport }) => transport).sort()).toEqual(
      real.queries.map(({ transport }) => transport).sort(),
    );
  });
}

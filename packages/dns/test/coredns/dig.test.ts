import { execFile, execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { CoreDns, queryMessage } from '@netsim/dns';
import type { AnyObject } from '@netsim/manifest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordText } from './record-text.ts';
import { source, storeOf } from './support.ts';

const run = promisify(execFile);

const OBJECTS: readonly AnyObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      clusterIP: '10.96.1.1',
      clusterIPs: ['10.96.1.1', 'fd00:10:96::1'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'big', namespace: 'shop' },
    spec: { clusterIP: 'None', ports: [{ name: 'http', protocol: 'TCP', port: 80 }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'big-a', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'big' } },
    addressType: 'IPv4',
    endpoints: Array.from({ length: 100 }, (_, index) => ({ addresses: [`10.244.9.${index + 1}`] })),
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
  },
];
const COREFILE = '. {\n transfer {\n  to *\n }\n chaos v1\n kubernetes cluster.local in-addr.arpa\n}';

function whyNot(): string | undefined {
  try {
    execFileSync('dig', ['-v'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'dig is not installed';
  }
}
const missing = whyNot();
if (missing !== undefined) console.log(`dig against CoreDNS: skipped, ${missing}`);

describe.skipIf(missing !== undefined)('the real dig, over a loopback socket, reads what the server says', () => {
  const server = new CoreDns({ corefile: COREFILE, store: storeOf(OBJECTS), now: () => 1_700_000_000 });
  const udp = createSocket('udp4');
  const tcp = createServer((connection) => {
    let pending = Buffer.alloc(0);
    connection.on('error', () => {});
    connection.on('data', (data) => {
      pending = Buffer.concat([pending, data]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const length = pending.readUInt16BE(0);
        server.query(pending.subarray(2, 2 + length), source(53, 'tcp'), (reply) => {
          if (reply === undefined) return;
          const head = Buffer.alloc(2);
          head.writeUInt16BE(reply.length);
          connection.write(Buffer.concat([head, reply]));
        });
        pending = pending.subarray(2 + length);
      }
    });
  });
  let port = 0;

  beforeAll(async () => {
    udp.on('message', (bytes, remote) => {
      server.query(bytes, source(53, 'udp'), (reply) => {
        if (reply !== undefined) udp.send(reply, remote.port, remote.address);
      });
    });
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    ({ port } = udp.address());
    await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve));
  });
  afterAll(() => {
    udp.close();
    tcp.close();
  });

  async function dig(...args: string[]): Promise<string> {
    const options = ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=2', '+noidnin', ...args];
    return (await run('dig', options)).stdout;
  }

  test.each([
    ['web.shop.svc.cluster.local', 'A'],
    ['web.shop.svc.cluster.local', 'AAAA'],
    ['_http._tcp.web.shop.svc.cluster.local', 'SRV'],
    ['1.1.96.10.in-addr.arpa', 'PTR'],
    ['dns-version.cluster.local', 'TXT'],
    ['cluster.local', 'SOA'],
    ['big.shop.svc.cluster.local', 'A'],
    ['big.shop.svc.cluster.local', 'SRV'],
    ['cluster.local', 'AXFR'],
  ])('%s %s', async (name, type) => {
    const text = await dig(name, type, '+noall', '+answer');
    const got = text
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).join(' '));
    const reply = server.askNow(queryMessage(name, type), source(53, 'tcp'));
    expect(got.sort()).toEqual((reply?.answers ?? []).map(recordText).sort());
  });

  test('finds no mistake in truncated, negative and refused replies', async () => {
    const truncated = await dig('big.shop.svc.cluster.local', 'A', '+ignore', '+noedns');
    expect(truncated).toContain('flags: qr aa tc rd');
    expect(truncated).not.toContain('malformed');
    const missingName = await dig('nope.shop.svc.cluster.local');
    expect(missingName).toContain('status: NXDOMAIN');
    expect(missingName).toContain('EDNS: version: 0');
    expect(await dig('version.bind', 'TXT', 'CH', '+short')).toBe('"v1"\n');
  });
});

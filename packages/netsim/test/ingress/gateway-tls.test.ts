import type { Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';
import { tlsSecret } from './certificates.ts';
import { curl, gatewayOf, ingress, METALLB, web } from './support.ts';

const route = (
  kind: string,
  name: string,
  section: string,
  hostnames: string,
  service: string,
  port: number,
): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: web, sectionName: ${section} }]
  ${hostnames === '' ? '' : `hostnames: [${hostnames}]`}
  rules:
  - backendRefs: [{ name: ${service}, port: ${port} }]
---
`;

/** A Service that speaks TLS: the controller of an Ingress, seen from its own namespace. */
const tlsServer = `
apiVersion: v1
kind: Service
metadata: { name: secure }
spec:
  ports: [{ name: https, port: 443, targetPort: 443 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: secure-1, labels: { kubernetes.io/service-name: secure } }
addressType: IPv4
endpoints: [{ addresses: [CONTROLLER] }]
ports: [{ name: https, port: 443 }]
---
`;

describe('listeners of a Gateway', () => {
  let cluster: Cluster;
  const at = (name: string, port: number): string[] => ['--resolve', `${name}:${port}:${address}`];
  let address = '';

  beforeAll(async () => {
    const tls = ingress({ '/': 'kubia' }).replace(
      '  rules:',
      '  tls: [{ hosts: [kubia.example.com], secretName: kubia-tls }]\n  rules:',
    );
    cluster = await Cluster.load({
      yaml:
        web('kubia', 1) +
        web('bar', 1) +
        gatewayOf(
          'name: tcp, port: 9000, protocol: TCP',
          'name: https, port: 443, protocol: HTTPS, hostname: bar.example.com, tls: { certificateRefs: [{ name: kubia-tls }] }',
          'name: tls, port: 443, protocol: TLS, hostname: kubia.example.com, tls: { mode: Passthrough }',
        ) +
        route('TCPRoute', 'tcp', 'tcp', '', 'bar', 80) +
        route('HTTPRoute', 'https', 'https', 'bar.example.com', 'bar', 80) +
        route('TLSRoute', 'tls', 'tls', 'kubia.example.com', 'secure', 443) +
        tls +
        tlsSecret('kubia-tls', ['kubia.example.com', 'bar.example.com']) +
        METALLB,
    });
    const controller = cluster.store.list<{ status?: { podIP?: string } } & Pod>('Pod', 'ingress-nginx')[0]!;
    cluster.apply(tlsServer.replace('CONTROLLER', controller.status!.podIP!));
    const { status } = cluster.store.get<Pod & { status: { addresses: { value: string }[] } }>(
      'Gateway',
      'default',
      'web',
    )!;
    address = status.addresses[0]!.value;
  });

  test('TCP: bytes go to the Service of the TCPRoute', async () => {
    expect(await curl(cluster, `http://${address}:9000/`)).toContain("You've hit bar-");
  });

  test('HTTPS: TLS ends at the Gateway with the certificate of its Secret', async () => {
    expect(await curl(cluster, '-k', ...at('bar.example.com', 443), 'https://bar.example.com/')).toContain(
      "You've hit bar-",
    );
    const { stderr } = await cluster.exec('host/external', [
      'curl',
      '-skv',
      ...at('bar.example.com', 443),
      'https://bar.example.com/',
    ]);
    expect(stderr).toContain('subject: CN=kubia.example.com');
  });

  test('TLS: passed on by its server name to who has the certificate', async () => {
    const { stdout, stderr } = await cluster.exec('host/external', [
      'curl',
      '-skv',
      ...at('kubia.example.com', 443),
      'https://kubia.example.com/',
    ]);
    expect(stdout).toContain("You've hit kubia-");
    expect(stderr).toContain('subject: CN=kubia.example.com');
    expect(stderr, 'ingress-nginx answers').toContain('Strict-Transport-Security');
  });

  test('a server name of nobody is closed before any certificate', async () => {
    expect(await curl(cluster, '-k', ...at('no.example.com', 443), 'https://no.example.com/')).toMatch(/curl: \(35\)/);
  });

  test('traces follow them', () => {
    const end = (to: string): string => cluster.trace({ from: 'external', to }).paths[0]!.disposition;
    expect(end(`http://${address}:9000/`)).toBe('DELIVERED');
  });
});

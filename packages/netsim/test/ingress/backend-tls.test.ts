import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { certificatePem, tlsSecret } from './certificates.ts';
import { curl, gatewayOf, METALLB, podOf } from './support.ts';

/** A pod that speaks TLS with the Secret `server`, or with a certificate of its own where it mounts none. */
function backend(mounts: boolean, port = '{ name: https, containerPort: 8443 }'): string {
  const mounted = mounts ? ', volumeMounts: [{ name: certs, mountPath: /certs }]' : '';
  const volumes = mounts ? ', volumes: [{ name: certs, secret: { secretName: server } }]' : '';
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: example.com/shop, ports: [${port}]${mounted} }]${volumes} }
---
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: https, port: 443, targetPort: 8443 }] }
---
`;
}

const gateway = `${gatewayOf('name: http, port: 80, protocol: HTTP')}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop }
spec: { parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: shop, port: 443 }] }] }
---
`;

const NAME = 'shop.internal';
const indented = (text: string): string => text.trimEnd().replaceAll('\n', '\n    ');

function policy(hostname: string, trusted: string): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: authority }
data:
  ca.crt: |
    ${indented(trusted)}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: shop }
spec:
  targetRefs: [{ group: '', kind: Service, name: shop }]
  validation: { hostname: ${hostname}, caCertificateRefs: [{ group: '', kind: ConfigMap, name: authority }] }
---
`;
}

const right = certificatePem([NAME]);
const other = certificatePem(['other.internal']);

interface Case {
  readonly name: string;
  readonly yaml: string;
  readonly status: string;
  readonly reason?: RegExp;
}

const cases: readonly Case[] = [
  { name: 'the certificate fits', yaml: backend(true) + policy(NAME, right), status: '200' },
  {
    name: 'the policy asks for another name',
    yaml: backend(true) + policy('wrong.internal', right),
    status: '502',
    reason: /of Secret "server"\) is for "shop\.internal", not for "wrong\.internal": the controller answers 502$/,
  },
  {
    name: 'another authority is trusted',
    yaml: backend(true) + policy(NAME, other),
    status: '502',
    reason: /is not trusted: self-signed certificate: the controller answers 502$/,
  },
  {
    name: 'the pod mounts no certificate',
    yaml: backend(false) + policy(NAME, right),
    status: '502',
    reason: /which no mounted Secret gives it, so it is its own\) is not trusted/,
  },
  {
    name: 'the pod speaks plain HTTP',
    yaml: backend(true, '{ name: http, containerPort: 8443 }') + policy(NAME, right),
    status: '502',
    reason: /^TLS to the backend fails: pod "shop-[^"]+" speaks no TLS on port 8443: the controller answers 502$/,
  },
  { name: 'no policy, and the pod wants TLS', yaml: backend(true), status: '400' },
];

describe('TLS from a Gateway to a backend', () => {
  test.each(cases)('$name: $status', async ({ yaml, status, reason }) => {
    const cluster = await Cluster.load({ yaml: METALLB + gateway + tlsSecret('server', [NAME]) + yaml });
    expect(await curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', 'http://192.168.1.11/')).toBe(status);
    const [path] = cluster.trace({ from: 'external', to: 'http://192.168.1.11/' }).paths;
    expect(path?.disposition).toBe('DELIVERED');
    if (reason === undefined) expect(path?.http?.status).toBeUndefined();
    else expect([path?.http?.status, path?.reason]).toEqual([502, expect.stringMatching(reason)]);
  });

  test('connections that wait for their next request stay inside TLS', async () => {
    const cluster = await Cluster.load({
      yaml: METALLB + gateway + tlsSecret('server', [NAME]) + backend(true) + policy(NAME, right),
    });
    for (let n = 0; n < 3; n++) {
      expect(await (await cluster.fetch('http://192.168.1.11/')).text()).toContain("You've hit shop-");
    }
  });
});

test('a pod that mounts a TLS Secret speaks TLS to other pods too', async () => {
  const cluster = await Cluster.load({ yaml: tlsSecret('server', [NAME]) + backend(true) });
  const pod = podOf(cluster, 'shop');
  const { stderr, code } = await pod.exec(
    'curl',
    '-sv',
    '--resolve',
    `${NAME}:8443:${pod.ip}`,
    `https://${NAME}:8443/`,
  );
  expect([code, stderr.includes('self-signed certificate')]).toEqual([60, true]);
  const { stdout } = await pod.exec('curl', '-sk', `https://${pod.ip}:8443/`);
  expect(stdout).toContain("You've hit shop-");
});

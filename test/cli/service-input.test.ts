import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

/**
 * Services that a cluster refuses, with the words of its API server and the line, and those that it takes though they do
 * not do what their author meant.
 */
let folder: string;
const before = process.cwd();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netsim-service-input-'));
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

const pod = (name: string, port = 'http') => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec: { containers: [{ name: c, image: nginx, ports: [{ name: ${port}, containerPort: 80 }] }] }
---
`;
const pool = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: pool, namespace: metallb-system }
spec: { addresses: [192.168.1.11-192.168.1.19] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: l2, namespace: metallb-system }
---
`;
const service = (fields: string, name = 'web') => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: web }
${fields.replace(/^/gm, '  ')}
---
`;
const ports = 'ports: [{ port: 80 }]';

/** What is written, and what is said of it, line for line. */
type Row = readonly [what: string, manifest: string, says: readonly string[]];

async function lint(manifest: string): Promise<{ code: number; lines: string[] }> {
  writeFileSync('a.yaml', manifest);
  const { code, stdout } = await netsim(['-f', 'a.yaml', 'lint']);
  return { code, lines: stdout.split('\n').filter((line) => line !== '') };
}

const refused: readonly Row[] = [
  [
    'a port without a name, and a node port that two others both ask for: all at once',
    service('ports: [{ port: 80 }, { name: b, port: 81 }]') +
      service('type: NodePort\nports:\n- port: 80\n  nodePort: 30080', 'web2') +
      service('type: NodePort\nports:\n- port: 80\n  nodePort: 30080', 'web3'),
    [
      'error: a.yaml:11:11: service "default/web": spec.ports[0].name: Required value',
      'error: a.yaml:31:5: service "default/web3": spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated; service "default/web2" has it',
    ],
  ],
  [
    'a node port below the range',
    service('type: NodePort\nports:\n- port: 80\n  nodePort: 8080'),
    [
      'error: a.yaml:14:5: service "default/web": spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid range. The range of valid ports is 30000-32767',
    ],
  ],
  [
    'a node port that another service has',
    service('type: NodePort\nports:\n- port: 80\n  nodePort: 30080') +
      service('type: NodePort\nports:\n- port: 80\n  nodePort: 30080', 'web2'),
    [
      'error: a.yaml:24:5: service "default/web2": spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated; service "default/web" has it',
    ],
  ],
  [
    'a node port of another protocol that another service has: the allocator knows numbers only',
    service('type: NodePort\nports:\n- port: 80\n  nodePort: 30080') +
      service('type: NodePort\nports:\n- port: 80\n  targetPort: http\n  protocol: TCP\n  nodePort: 30080', 'web2'),
    [
      'error: a.yaml:26:5: service "default/web2": spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated; service "default/web" has it',
    ],
  ],
  [
    'a node port twice in one service',
    service(
      'type: NodePort\nports:\n- { name: a, port: 80, nodePort: 30080 }\n- { name: b, port: 81, targetPort: 80, nodePort: 30080 }',
    ),
    ['error: a.yaml:14:42: service "default/web": spec.ports[1].nodePort: Duplicate value: 30080'],
  ],
  [
    'a health check port that is a node port of the service itself',
    pool +
      service(
        'type: LoadBalancer\nexternalTrafficPolicy: Local\nhealthCheckNodePort: 30080\nports: [{ port: 80, nodePort: 30080 }]',
      ),
    [
      'error: a.yaml:22:3: service "default/web": spec.healthCheckNodePort: failed to allocate requested HealthCheck NodePort 30080: provided port is already allocated; a port of the service itself has it',
    ],
  ],
  [
    'a health check port without policy Local',
    service(`type: LoadBalancer\nhealthCheckNodePort: 30080\n${ports}`),
    [
      "error: a.yaml:12:3: service \"default/web\": spec.healthCheckNodePort: Invalid value: 30080: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
  ],
  [
    'a cluster IP outside the service CIDR',
    service(`clusterIP: 192.168.7.7\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.clusterIPs: Invalid value: ["192.168.7.7"]: failed to allocate IP 192.168.7.7: the provided IP (192.168.7.7) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
    ],
  ],
  [
    'a cluster IP that another service has',
    service(`clusterIP: 10.96.0.50\n${ports}`) + service(`clusterIP: 10.96.0.50\n${ports}`, 'web2'),
    [
      'error: a.yaml:19:3: service "default/web2": spec.clusterIPs: Invalid value: ["10.96.0.50"]: failed to allocate IP 10.96.0.50: provided IP is already allocated; service "default/web" has it (leave clusterIP out, and a free one is allocated)',
    ],
  ],
  [
    'the cluster IP of the API server',
    service(`clusterIP: 10.96.0.1\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated; service "default/kubernetes" has it (leave clusterIP out, and a free one is allocated)',
    ],
  ],
  [
    'an unknown ipFamilyPolicy',
    service(`ipFamilyPolicy: DualStack\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.ipFamilyPolicy: Unsupported value: "DualStack": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ],
  ],
  [
    'a family that the cluster lacks',
    service(`ipFamilies: [IPv6]\n${ports}`),
    [
      'error: a.yaml:11:16: service "default/web": spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ],
  ],
  [
    'an address of a family that the cluster lacks',
    service(`clusterIP: fd00:10:96::50\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.clusterIPs[0]: Invalid value: ["fd00:10:96::50"]: IPv6 is not configured on this cluster',
    ],
  ],
  [
    'both families required of a cluster with one',
    service(`ipFamilyPolicy: RequireDualStack\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
  ],
  [
    'externalTrafficPolicy on a service of the cluster only',
    service(`externalTrafficPolicy: Local\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
  ],
  [
    'source ranges that do not parse, each',
    service(`type: LoadBalancer\nloadBalancerSourceRanges:\n- 10.0.0.0/8\n- 10.0.0.0/33\n- office\n${ports}`),
    [
      'error: a.yaml:14:5: service "default/web": spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'error: a.yaml:15:5: service "default/web": spec.LoadBalancerSourceRanges[2]: Invalid value: "office": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  [
    'source ranges without a load balancer',
    service(`loadBalancerSourceRanges: [10.0.0.0/8]\n${ports}`),
    [
      'error: a.yaml:11:3: service "default/web": spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is \'LoadBalancer\'',
    ],
  ],
  [
    'several ports, and one without a name',
    service('ports:\n- { name: http, port: 80 }\n- { port: 443, targetPort: 80 }'),
    ['error: a.yaml:13:5: service "default/web": spec.ports[1].name: Required value'],
  ],
  [
    'a headless service with a node port',
    service(`type: NodePort\nclusterIP: None\n${ports}`),
    [
      'error: a.yaml:12:3: service "default/web": spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
  ],
  [
    'a node port on a service of the cluster only',
    service('ports:\n- port: 80\n  nodePort: 30080'),
    [
      'error: a.yaml:13:5: service "default/web": spec.ports[0].nodePort: Forbidden: may not be used when `type` is \'ClusterIP\'',
    ],
  ],
];

describe('refused', () => {
  test.each(refused)('%s', async (_, manifest, says) => {
    const { code, lines } = await lint(pod('a') + manifest);
    expect(lines).toEqual(says);
    expect(code).toBe(2);
    const traced = await netsim(['-f', 'a.yaml', 'trace', 'a', 'svc/web']);
    expect([traced.code, traced.stdout]).toEqual([2, '']);
  });

  test.each([
    [
      'what no cluster would take',
      [`ipFamilyPolicy: DualStack\n${ports}`, `externalTrafficPolicy: Local\n${ports}`, `type: Nodeport\n${ports}`],
    ],
    [
      'what this cluster cannot give',
      [
        'type: NodePort\nports: [{ port: 80, nodePort: 8080 }]',
        `clusterIP: 192.168.7.7\n${ports}`,
        `ipFamilies: [IPv6]\n${ports}`,
      ],
    ],
  ])('all mistakes of a file at once: %s', async (_, specs) => {
    const { code, lines } = await lint(pod('a') + specs.map((spec, i) => service(spec, `s${i}`)).join(''));
    expect(code).toBe(2);
    expect(lines.map((line) => /service "default\/(s\d)"/.exec(line)?.[1])).toEqual(['s0', 's1', 's2']);
  });
});

const taken: readonly Row[] = [
  [
    'one node port for two protocols of a service',
    service(
      'type: NodePort\nports:\n- { name: a, port: 80, nodePort: 30080 }\n- { name: b, port: 80, protocol: UDP, nodePort: 30080 }',
    ),
    [
      'warning: a.yaml:14:5: service "default/web": targetPort 80/UDP: nothing listens there in any pod that the service selects (its listener is for TCP)',
    ],
  ],
  [
    'a targetPort that some pods only name',
    `${pod('b', 'web')}${service('ports:\n- port: 80\n  targetPort: http')}`,
    [
      'warning: a.yaml:18:5: service "default/web": 1 of the 2 pods that it selects has no TCP container port named "http": b',
    ],
  ],
  [
    'a source range of another family, which leaves the service open',
    `${pool}${service(`type: LoadBalancer\nloadBalancerSourceRanges: ['fd00::/64']\n${ports}`)}`,
    [
      'warning: a.yaml:21:30: service "default/web": fd00::/64 is IPv6, and the service has no IPv6 address: kube-proxy leaves it out; no range of IPv4 is given, so anyone may enter',
    ],
  ],
  [
    'an external IP of another family',
    service(`externalIPs: ['2001:db8::1']\n${ports}`),
    [
      'warning: a.yaml:11:3: service "default/web": spec.externalIPs is deprecated and may no longer be implemented in some clusters',
      'warning: a.yaml:11:17: service "default/web": 2001:db8::1 is IPv6, and the service has no IPv6 address: kube-proxy leaves it out',
    ],
  ],
  [
    'affinity without a virtual address',
    service(`clusterIP: None\nsessionAffinity: ClientIP\n${ports}`),
    ['warning: a.yaml:12:3: service "default/web": spec.SessionAffinity is ignored for headless services'],
  ],
  [
    'a name for another type of service',
    service(`externalName: example.com\n${ports}`),
    ['warning: a.yaml:11:3: service "default/web": spec.externalName is ignored when spec.type is not "ExternalName"'],
  ],
];

describe('taken with a warning', () => {
  test.each(taken)('%s', async (_, manifest, says) => {
    const { code, lines } = await lint(pod('a') + manifest);
    expect(lines).toEqual(says);
    expect(code).toBe(1);
  });

  test('a targetPort that some pods only name leads to the others', async () => {
    writeFileSync('a.yaml', pod('a') + pod('b', 'web') + service('ports: [{ port: 80, targetPort: http }]'));
    const { code, stdout } = await netsim(['-f', 'a.yaml', 'trace', 'b', 'svc/web', '--count', '20', '-o', 'json']);
    expect(code).toBe(0);
    expect(stdout).toContain('"name": "a"');
    expect(stdout).not.toMatch(/"backend": \{[^}]*"name": "b"/);
  });

  test('anyone enters a load balancer whose ranges are of another family', async () => {
    const spec = `type: LoadBalancer\nloadBalancerSourceRanges: ['fd00::/64']\n${ports}`;
    writeFileSync('a.yaml', pod('a') + pool + service(spec));
    expect((await netsim(['-f', 'a.yaml', 'trace', 'external', '192.168.1.11:80'])).code).toBe(0);
    writeFileSync('a.yaml', pod('a') + pool + service(spec.replace('fd00::/64', '203.0.113.0/24')));
    expect((await netsim(['-f', 'a.yaml', 'trace', 'external', '192.168.1.11:80'])).code).toBe(1);
  });
});

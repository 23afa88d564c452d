import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const configuration = (more: string) => `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
${more}
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: main, image: curlimages/curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: server, labels: { app: server } }
spec: { nodeName: w2-k8s, containers: [{ name: main, image: nginx, ports: [{ containerPort: 53, protocol: UDP }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: server }
spec: { selector: { app: server }, ports: [{ name: dns, port: 53, protocol: UDP }] }
`;

describe('a KubeProxyConfiguration that kube-proxy would not start with', () => {
  const findings = async (more: string) => {
    const { findings: all } = await Cluster.load({ yaml: configuration(more) });
    return all
      .filter(({ code }) => code === 'proxy-config')
      .map(
        ({ severity, line, column, message, suggestion }) =>
          `${severity} ${line}:${column} ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`,
      );
  };

  test.each([
    [
      'mode: userspace',
      /^error 4:1 .*mode: "userspace" is no mode of kube-proxy any more since Kubernetes 1.26; iptables .* nftables/,
    ],
    ['mode: iptable', /^error 4:1 .*mode: "iptable" is none of iptables, nftables, ipvs$/],
    ['iptables: { masqueradeBit: 40 }', /^error 4:13 .*iptables.masqueradeBit: must be within the range \[0, 31\]$/],
    ['conntrack: { min: -4 }', /^error 4:14 .*conntrack.min: must be greater than or equal to 0$/],
    ['nodePortAddresses: [10.0.0.0/8, 10.0.0.0]', /^error 4:33 .*nodePortAddresses\[1\]: "10.0.0.0" is not a CIDR/],
    ['nodePortAddresses: [primary, 10.0.0.0/8]', /^error 4:21 .*"primary" stands alone, without CIDRs beside it$/],
    [
      'mode: ipvs\nipvs: { excludeCIDRs: [10.0.0.0] }',
      /^error 5:24 .*ipvs.excludeCIDRs\[0\]: "10.0.0.0" is not a CIDR/,
    ],
    [
      'mode: ipvs\nipvs: { scheduler: lblc }',
      /^warning 5:9 .*"lblc" is none of those modelled.*\(kube-proxy's default is used in its place\)$/,
    ],
    [
      'nodePortAdresses: [10.0.0.0/8]',
      /^warning 4:1 .*unknown field "nodePortAdresses", which kube-proxy passes over \(did you mean "nodePortAddresses"\?\)$/,
    ],
    ['conntrack: { maxPercore: 4 }', /^warning 4:14 .*"conntrack.maxPercore".*\(did you mean "maxPerCore"\?\)$/],
  ])('%s', async (more, expected) => {
    const told = await findings(more);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(expected);
  });

  test('all that is wrong is told at once', async () => {
    expect(await findings('mode: iptable\nconntrack: { min: -4, tcpTimeout: 1s }')).toHaveLength(3);
  });

  test('a whole configuration, as kubeadm writes it, is taken without a word', async () => {
    const whole =
      'bindAddress: 0.0.0.0\nclientConnection: { kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0 }\nconntrack: { maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null }\nmetricsBindAddress: ""\nnodePortAddresses: null\nwinkernel: { enableDSR: false }\nlogging: { verbosity: 0 }';
    expect(await findings(whole)).toEqual([]);
  });
});

describe('the section conntrack of a KubeProxyConfiguration', () => {
  const remaining = async (more: string) => {
    const cluster = await Cluster.load({ yaml: configuration(more) });
    cluster.trace({ from: 'client', to: 'svc/server:dns' });
    const { stdout } = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'udp']);
    return stdout
      .split('\n')
      .find((line) => line.includes('dport=53 '))!
      .split(/ +/)[2];
  };

  test.each([
    ['Linux says how long a UDP connection is remembered', '', '30'],
    ['udpTimeout does', 'conntrack: { udpTimeout: 7s, udpStreamTimeout: 7s }', '7'],
  ])('%s', async (_, more, seconds) => {
    expect(await remaining(more)).toBe(seconds);
  });

  test('kube-proxy says how long an established connection is remembered, and how many', async () => {
    const settings = async (more: string) => {
      const plan = (await Cluster.load({ yaml: configuration(more) })).plan();
      const sysctls = plan.netns.find(({ name }) => name === 'w1-k8s')!.sysctls!;
      return ['tcp_timeout_established', 'max', 'tcp_be_liberal'].map(
        (name) => sysctls[`net.netfilter.nf_conntrack_${name}`],
      );
    };
    expect(await settings('')).toEqual([86_400, 131_072, undefined]);
    const own = 'conntrack: { tcpEstablishedTimeout: 1m0s, maxPerCore: 0, tcpBeLiberal: true }';
    expect(await settings(own)).toEqual([60, undefined, 1]);
  });
});

describe('the health port of kube-proxy', () => {
  const taint = `
---
apiVersion: v1
kind: Node
metadata: { name: w1-k8s }
spec: { podCIDR: 10.244.1.0/24, taints: [{ key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule }] }
status: { addresses: [{ type: InternalIP, address: 192.168.1.101 }] }
`;
  test.each([
    ['', '/healthz', 200, { nodeEligible: true, healthy: true }],
    ['', '/livez', 200, { healthy: true }],
    [taint, '/healthz', 503, { nodeEligible: false, healthy: false }],
    [taint, '/livez', 200, { healthy: true }],
  ])('with "%s" at %s: %i', async (nodes, path, status, said) => {
    const client =
      'apiVersion: v1\nkind: Pod\nmetadata: { name: c }\nspec: { containers: [{ name: c, image: nginx }] }\n';
    const cluster = await Cluster.load({ yaml: client + nodes });
    const { stdout } = await cluster.exec('host/external', ['curl', '-si', `http://192.168.1.101:10256${path}`]);
    const [head, body] = stdout.split('\r\n\r\n');
    expect(head).toContain(`HTTP/1.1 ${status} `);
    const { lastUpdated, currentTime, ...rest } = JSON.parse(body!) as Record<string, unknown>;
    expect([lastUpdated, currentTime].every((time) => !Number.isNaN(Date.parse(String(time))))).toBe(true);
    expect(rest).toEqual(said);
  });

  test('another path is not there', async () => {
    const { stdout } = await (await Cluster.load({ demo: 'kubia' })).exec('host/external', [
      'curl',
      '-s',
      'http://192.168.1.101:10256/',
    ]);
    expect(stdout).toBe('404 page not found\n');
  });
});

import { printIpvsSave, World } from '@netsim/kernel';
import type { Service } from '@netsim/manifest';
import { assertTraceInvariants } from '@netsim/trace';
import { IpProto } from '@netsim/wire';
import { Cluster, type TraceOptions } from 'netsim';
import { beforeEach, describe, expect, test } from 'vitest';

const pod = (name: string, node: string, labels: string, more = '') => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { ${labels} } }
spec: { nodeName: ${node}, ${more}containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }, { containerPort: 53, protocol: UDP }] }] }
`;
const service = (name: string, spec: string) => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ${spec} }
`;
const ports = 'ports: [{ name: http, port: 80 }, { name: dns, port: 53, protocol: UDP }]';
const pool = `
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: pool, namespace: metallb-system }
spec: { addresses: [192.168.1.220-192.168.1.230] }
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: pool, namespace: metallb-system }
`;
const configuration = (more = '') => `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
${more}
`;
const objects =
  pod('client', 'w1-k8s', 'app: client') +
  pod('near', 'w1-k8s', 'app: near, tier: web') +
  pod('far', 'w2-k8s', 'app: far, tier: web') +
  pod('third', 'w3-k8s', 'app: third, tier: web') +
  pod('host-net', 'w2-k8s', 'app: host-net', 'hostNetwork: true, ') +
  service('web', `clusterIP: 10.96.0.20, selector: { tier: web }, ${ports}`) +
  service('near', `clusterIP: 10.96.0.21, selector: { app: near }, ${ports}`) +
  service('far', `clusterIP: 10.96.0.22, selector: { app: far }, ${ports}`) +
  service('self', `clusterIP: 10.96.0.23, selector: { app: client }, ${ports}`) +
  service('nobody', `clusterIP: 10.96.0.24, selector: { app: nobody }, ${ports}`) +
  service('sticky', `clusterIP: 10.96.0.25, sessionAffinity: ClientIP, selector: { tier: web }, ${ports}`) +
  service('host-net', `clusterIP: 10.96.0.26, selector: { app: host-net }, ${ports}`) +
  service(
    'open',
    'clusterIP: 10.96.0.30, type: NodePort, selector: { app: far }, ports: [{ port: 80, nodePort: 30080 }]',
  ) +
  service(
    'local',
    'clusterIP: 10.96.0.31, type: NodePort, externalTrafficPolicy: Local, selector: { app: far }, ports: [{ port: 80, nodePort: 30081 }]',
  ) +
  service('balanced', 'clusterIP: 10.96.0.32, type: LoadBalancer, selector: { app: far }, ports: [{ port: 80 }]') +
  pool;

let cluster: Cluster;
beforeEach(async () => {
  cluster = await Cluster.load({ yaml: configuration() + objects });
});

describe('a packet to a service in IPVS mode', () => {
  test.each<[string, TraceOptions, string | RegExp, string]>([
    ['pod to a cluster IP, endpoint on the same node', { from: 'client', to: 'svc/near:80' }, 'near', '10.244.1.2'],
    ['pod to a cluster IP, endpoint on another node', { from: 'client', to: 'svc/far:80' }, 'far', '10.244.1.2'],
    ['pod to a cluster IP over UDP', { from: 'client', to: 'svc/far:dns' }, 'far', '10.244.1.2'],
    ['pod to itself by its service', { from: 'client', to: 'svc/self:80' }, 'client', '10.244.1.1'],
    [
      'node to a cluster IP, endpoint on the same node',
      { from: 'node/w1-k8s', to: 'svc/near:80' },
      'near',
      '10.244.1.1',
    ],
    ['node to a cluster IP, endpoint on another node', { from: 'node/w1-k8s', to: 'svc/far:80' }, 'far', '10.244.1.0'],
    ['pod to a pod in the node network', { from: 'client', to: 'svc/host-net:80' }, /host-net/, '192.168.1.101'],
    ['node to itself by a service', { from: 'node/w2-k8s', to: 'svc/host-net:80' }, /host-net/, '192.168.1.102'],
    ['outside to a node port, policy Cluster', { from: 'external', to: 'node/w1-k8s:30080' }, 'far', '10.244.1.0'],
    ['outside to a node port, policy Local', { from: 'external', to: 'node/w2-k8s:30081' }, 'far', '192.168.1.200'],
    ['pod to a node port', { from: 'client', to: 'node/w3-k8s:30080' }, 'far', '10.244.3.0'],
    ['outside to a load balancer', { from: 'external', to: 'svc/balanced:80' }, 'far', ''],
  ])('%s', (_, options, backend, seen) => {
    const trace = cluster.trace(options);
    assertTraceInvariants(trace);
    const [path] = trace.paths;
    expect(path!.reason).toMatch(/took it/);
    expect(path!.backend?.name).toMatch(backend);
    if (seen !== '') expect(path!.sourceSeen).toBe(seen);
    expect(path!.reply!.hops.at(-1)!.steps.at(-1)).toMatchObject({ kind: 'socket' });
  });
});

describe('what IPVS refuses', () => {
  test.each([
    ['203.0.113.0/24', 'DROPPED', /-s (\S+)\/32 -m ipvs --vproto 6 --vaddr \1 --vport 80 -j DROP/],
    ['192.168.1.0/24', 'DELIVERED', /^$/],
  ])('a load balancer for %s only: a node that sends to its address is %s', async (range, disposition, rule) => {
    const guarded = service(
      'guarded',
      `clusterIP: 10.96.0.33, type: LoadBalancer, loadBalancerSourceRanges: [${range}], selector: { app: far }, ports: [{ port: 80 }]`,
    );
    const own = await Cluster.load({ yaml: configuration() + objects + guarded });
    const [ip] = own.store.get<Service>('Service', 'default', 'guarded')!.status!.loadBalancer!.ingress!;
    const [path] = own.trace({ from: 'node/w1-k8s', to: `${ip!.ip}:80` }).paths;
    expect(path!.disposition).toBe(disposition);
    const refused = path!.request.hops.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'rule' && step.chain === 'KUBE-IPVS-OUT-FILTER' ? [step.text] : [])),
    );
    expect(refused.join()).toMatch(rule);
  });

  test('a service without endpoints answers with port-unreachable, from a pod and from the node', () => {
    for (const from of ['client', 'node/w1-k8s']) {
      const [path] = cluster.trace({ from, to: 'svc/nobody:80' }).paths;
      expect(path!.disposition).toBe('NO_ENDPOINTS');
      expect(path!.cause?.name).toBe('nobody');
      const steps = path!.request.hops.flatMap((hop) => hop.steps);
      expect(steps).toContainEqual(
        expect.objectContaining({ kind: 'rule', table: 'ipvs', action: 'REJECT', text: '-A -t 10.96.0.24:80 -s rr' }),
      );
      expect(steps).toContainEqual(expect.objectContaining({ kind: 'icmp', code: 'port-unreachable' }));
    }
  });

  test('a port that the service does not have is refused, for the address is the node’s own', () => {
    const [path] = cluster.trace({ from: 'client', to: 'svc/near:81' }).paths;
    expect(path!.disposition).toBe('REJECTED');
    expect(path!.reason).toContain('tcp 81 is no port of service "near"');
  });

  test('ping of a cluster IP is refused too', () => {
    const [path] = cluster.trace({ from: 'client', to: 'svc/near', protocol: 'icmp' }).paths;
    expect(path!.disposition).toBe('REJECTED');
  });
});

describe('which server is chosen', () => {
  const backends = async (more: string, options: TraceOptions) => {
    const other = more === '' ? cluster : await Cluster.load({ yaml: configuration(more) + objects });
    const { paths } = other.trace(options);
    return Object.fromEntries(paths.map((path) => [path.backend!.name, path.probability]));
  };

  test.each(['rr', 'wrr', 'lc', 'wlc'])('%s spreads connections evenly over equal servers', async (name) => {
    const spread = await backends(`ipvs: { scheduler: ${name} }`, { from: 'client', to: 'svc/web:80', count: 300 });
    expect(Object.keys(spread).sort()).toEqual(['far', 'near', 'third']);
    for (const share of Object.values(spread)) expect(share).toBeCloseTo(1 / 3, 1);
  });

  test.each(['sh', 'dh'])('%s keeps a client or a destination with one server', async (name) => {
    const spread = await backends(`ipvs: { scheduler: ${name} }`, { from: 'client', to: 'svc/web:80', count: 30 });
    expect(Object.values(spread)).toEqual([1]);
  });

  test('mh spreads the ports of one client', async () => {
    const spread = await backends('ipvs: { scheduler: mh }', { from: 'client', to: 'svc/web:80', count: 60 });
    expect(Object.keys(spread)).toHaveLength(3);
  });

  test('all paths are every server, each as likely, also where one of them was taken before', async () => {
    cluster.trace({ from: 'client', to: 'svc/sticky:80' });
    for (const to of ['svc/web:80', 'svc/sticky:80']) {
      const spread = await backends('', { from: 'client', to, allPaths: true });
      expect(spread).toEqual({ near: 1 / 3, far: 1 / 3, third: 1 / 3 });
    }
  });

  test('session affinity keeps a client with its server until the timeout has passed without a connection', () => {
    const once = () => cluster.trace({ from: 'client', to: 'svc/sticky:80' }).paths[0]!.backend!.name;
    const first = once();
    for (let i = 0; i < 5; i++) expect(once()).toBe(first);
    cluster.clock.advance('10799s');
    expect(once()).toBe(first);
    cluster.clock.advance('10801s');
    expect(once()).not.toBe(first);
  });

  test('a scheduler that the kernel does not have is a warning', async () => {
    const other = await Cluster.load({ yaml: configuration('ipvs: { scheduler: lucky }') + objects });
    expect(other.findings.map(({ message }) => message).join()).toContain('"lucky" is none of those modelled');
  });
});

describe('tools on a node in IPVS mode', () => {
  const run = async (command: string) => (await cluster.exec('node/w1-k8s', command.split(' '))).stdout;

  test('ipvsadm shows virtual services and their connections', async () => {
    const { stdout } = await cluster.exec('pod/client', ['curl', '-s', 'http://near']);
    expect(stdout).not.toBe('');
    expect(await run('ipvsadm -Sn')).toContain(
      '-A -t 10.96.0.21:80 -s rr\n-a -t 10.96.0.21:80 -r 10.244.1.3:80 -m -w 1\n',
    );
    expect(await run('ipvsadm -Sn')).toContain('-A -t 10.96.0.25:80 -s rr -p 10800\n');
    expect(await run('ipvsadm -Ln')).toMatch(
      /TCP {2}10\.96\.0\.21:80 rr\n {2}-> 10\.244\.1\.3:80 +Masq {4}1 +0 +1 +\n/,
    );
    expect(await run('ipvsadm -Lnc')).toMatch(
      /TCP 0\d:\d\d {2}(FIN_WAIT|TIME_WAIT) +10\.244\.1\.2:\d+ +10\.96\.0\.21:80 +10\.244\.1\.3:80/,
    );
    cluster.clock.advance('3m');
    expect(await run('ipvsadm -Lnc')).not.toContain('10.96.0.21:80');
    expect(await run('ipvsadm -Ln')).toMatch(/-> 10\.244\.1\.3:80 +Masq {4}1 +0 +0 /);
  });

  test('node ports are virtual services on every address of the node', async () => {
    const text = await run('ipvsadm -Sn');
    for (const ip of ['192.168.1.101', '10.244.1.1', '10.244.1.0']) expect(text).toContain(`-A -t ${ip}:30080 -s rr\n`);
    expect(text).not.toContain('127.0.0.1');
    expect(text).not.toContain('10.96.0.20:30080');
  });

  test('ipset holds what the rules ask for', async () => {
    expect(await run('ipset list KUBE-NODE-PORT-LOCAL-TCP')).toBe(
      'Name: KUBE-NODE-PORT-LOCAL-TCP\nType: bitmap:port\nRevision: 3\nHeader: range 0-65535\nSize in memory: 8264\n' +
        'References: 1\nNumber of entries: 1\nMembers:\n30081\n',
    );
    expect(await run('ipset list -t KUBE-IPVS-IPS')).toMatch(
      /^Name: KUBE-IPVS-IPS\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x[0-9a-f]{8}\nSize in memory: \d+\nReferences: 1\nNumber of entries: 13\n$/,
    );
    expect(await run('ipset -n list')).toMatch(/^KUBE-LOOP-BACK\nKUBE-CLUSTER-IP\n/);
    const { stderr, code } = await cluster.exec('node/w1-k8s', ['ipset', 'list', 'nope']);
    expect([stderr, code]).toEqual(['ipset v7.17: The set with the given name does not exist\n', 1]);
    expect(await run('ipset save KUBE-CLUSTER-IP')).toContain('add KUBE-CLUSTER-IP 10.96.0.20,udp:53\n');
  });

  test('conntrack shows the server in the reply, and the masquerading', async () => {
    cluster.trace({ from: 'external', to: 'node/w1-k8s:30080' });
    const text = await run('conntrack -L -p tcp --dport 30080');
    expect(text).toMatch(/dst=192\.168\.1\.101 sport=\d+ dport=30080 src=10\.244\.2\.\d+ dst=10\.244\.1\.0 sport=80/);
  });

  test('the dummy device has the addresses of services', async () => {
    expect(await run('ip addr show kube-ipvs0')).toContain('inet 10.96.0.20/32');
  });
});

describe('change', () => {
  test.each([
    ['10.96.0.20/30', true],
    ['10.96.1.0/24', false],
  ])('excludeCIDRs %s: the virtual server of a deleted service stays: %s', async (block, stays) => {
    const own = await Cluster.load({ yaml: configuration(`ipvs: { excludeCIDRs: [${block}] }`) + objects });
    own.trace({ from: 'client', to: 'svc/near:80' });
    own.delete('svc/near');
    own.trace({ from: 'client', to: 'svc/far:80' });
    const { stdout } = await own.exec('node/w1-k8s', ['ipvsadm', '-Sn']);
    expect(stdout.includes('-A -t 10.96.0.21:80 -s rr\n')).toBe(stays);
    expect((await own.exec('node/w1-k8s', ['ip', 'addr', 'show', 'kube-ipvs0'])).stdout).not.toContain('10.96.0.21/');
  });

  const servers = async (address: string) => {
    const { stdout } = await cluster.exec('node/w1-k8s', ['ipvsadm', '-Sn']);
    return stdout.split('\n').filter((line) => line.startsWith(`-a -t ${address}:80`));
  };

  test('a pod that is not ready any more takes no new connection, and gets weight 0 until its connections have ended', async () => {
    cluster.trace({ from: 'client', to: 'svc/web:80', count: 3 });
    cluster.setReady('near', false);
    expect(await servers('10.96.0.20')).toHaveLength(3);
    expect((await servers('10.96.0.20')).filter((line) => line.endsWith('-w 0'))).toHaveLength(1);
    const { paths } = cluster.trace({ from: 'client', to: 'svc/web:80', count: 20 });
    expect(paths.map((path) => path.backend!.name).sort()).toEqual(['far', 'third']);
    cluster.clock.advance('16m');
    expect(await servers('10.96.0.20')).toHaveLength(2);
  });

  test('a service that is deleted leaves nothing behind', async () => {
    await servers('10.96.0.22');
    cluster.delete('service/far');
    expect(await servers('10.96.0.22')).toEqual([]);
    const { stdout } = await cluster.exec('node/w1-k8s', ['ipset', 'save']);
    expect(stdout).not.toContain('10.96.0.22');
    const address = await cluster.exec('node/w1-k8s', ['ip', 'addr', 'show', 'kube-ipvs0']);
    expect(address.stdout).not.toContain('10.96.0.22');
  });

  test('the rules stay the same object while only endpoints change', async () => {
    await servers('10.96.0.20');
    const before = cluster.netnsOfMachine('w1-k8s').netfilter!.ruleset(4);
    cluster.setReady('far', false);
    await servers('10.96.0.20');
    expect(cluster.netnsOfMachine('w1-k8s').netfilter!.ruleset(4)).toBe(before);
  });
});

describe('both families', () => {
  test.each(['client', 'node/kind-worker'])('%s reaches a dual-stack service by either address', async (from) => {
    const kind = `
apiVersion: kind.x-k8s.io/v1alpha4
kind: Cluster
networking: { ipFamily: dual, kubeProxyMode: ipvs }
nodes: [{ role: control-plane }, { role: worker }, { role: worker }]
`;
    const both = await Cluster.load({
      yaml:
        kind +
        pod('client', 'kind-worker', 'app: client') +
        pod('server', 'kind-worker2', 'app: server') +
        service(
          's',
          'clusterIP: 10.96.0.20, clusterIPs: [10.96.0.20, "fd00:10:96::20"], ipFamilyPolicy: RequireDualStack, selector: { app: server }, ports: [{ port: 80 }]',
        ),
    });
    for (const to of ['10.96.0.20:80', '[fd00:10:96::20]:80']) {
      const [path] = both.trace({ from, to }).paths;
      expect(path!.disposition).toBe('DELIVERED');
      expect(path!.backend?.name).toBe('server');
    }
    const { stdout } = await both.exec('node/kind-worker', ['ipvsadm', '-Sn']);
    expect(stdout).toContain('-A -t [fd00:10:96::20]:80 -s rr\n');
  });
});

describe('timeouts of the configuration', () => {
  const timeouts = 'ipvs: { tcpTimeout: 5m0s, udpTimeout: 30s }';

  test('are those of the kernel where the configuration says nothing', async () => {
    const show = async (more: string) =>
      (
        await (
          await Cluster.load({ yaml: configuration(more) + objects })
        ).exec('node/w1-k8s', ['ipvsadm', '-L', '--timeout'])
      ).stdout;
    expect(await show('')).toBe('Timeout (tcp tcpfin udp): 900 120 300\n');
    expect(await show(timeouts)).toBe('Timeout (tcp tcpfin udp): 300 120 30\n');
  });

  test('a silent connection is forgotten after them', async () => {
    const other = await Cluster.load({ yaml: configuration(timeouts) + objects });
    const left = () => other.netnsOfMachine('w1-k8s').ipvs!.connections().length;
    const flow = other.flow({ from: 'client', to: 'svc/far:dns' });
    flow.send();
    other.clock.advance('29s');
    expect(left()).toBe(1);
    other.clock.advance('2s');
    expect(left()).toBe(0);
  });

  test('a duration that cannot be read is told', async () => {
    const { findings } = await Cluster.load({ yaml: configuration('ipvs: { udpTimeout: soon }') + objects });
    expect(findings.map(({ message }) => message).join()).toContain('"soon" is no duration such as 900s or 15m0s');
  });
});

describe('a plan as plain data', () => {
  test('holds the device, the sets and the virtual services, and makes a world that balances alike', async () => {
    const plan = cluster.plan();
    const world = new World();
    world.load(plan);
    const client = world.requireNetns('w1-k8s/default/client');
    const { stdout } = await cluster.exec('node/w1-k8s', ['ipvsadm', '-Sn']);
    expect(printIpvsSave(world.requireNetns('w1-k8s').ipvs!.services())).toBe(stdout);
    const [service] = plan
      .virtualServices!.find(({ netns }) => netns === 'w1-k8s')!
      .services.filter(
        ({ port, protocol, realServers }) => port === 80 && protocol === IpProto.TCP && realServers.length > 0,
      );
    const connection = client.sockets.tcp.connect({ dst: service!.address, dport: 80 });
    world.run();
    expect(connection).toMatchObject({ established: true });
  });
});

describe('a flow of packets', () => {
  test.each([
    ['a pod over UDP', 'client', 'svc/far:dns'],
    ['a pod over TCP', 'client', 'svc/far:80'],
    ['a node over UDP', 'node/w1-k8s', 'svc/far:dns'],
    ['a node over TCP', 'node/w1-k8s', 'svc/far:80'],
  ])('from %s goes the way of its one connection', (_, from, to) => {
    const flow = cluster.flow({ from, to });
    for (let i = 0; i < 40; i++) expect(flow.send()).toBe('DELIVERED');
    expect(cluster.netnsOfMachine('w1-k8s').ipvs!.connections()).toHaveLength(1);
  });
});

describe('load balancers in layer 2', () => {
  const owners = async (strict: boolean) => {
    const other = await Cluster.load({ yaml: configuration(`ipvs: { strictARP: ${strict} }`) + objects });
    for (const node of ['w1-k8s', 'w2-k8s', 'w3-k8s']) other.netnsOfMachine(node);
    const [path] = other.trace({ from: 'external', to: 'svc/balanced:80' }).paths;
    expect(path!.disposition).toBe('DELIVERED');
    return other.netnsOfMachine('w1-k8s').sysctl('net.ipv4.conf.all.arp_ignore');
  };

  test('strictARP leaves the answer to ARP to the node that MetalLB chose', async () => {
    expect(await owners(true)).toBe(1);
    expect(await owners(false)).toBe(0);
  });
});

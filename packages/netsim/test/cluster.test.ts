import { ManifestError, type Pod, type Service } from '@netsim/manifest';
import { formatIp } from '@netsim/wire';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { METALLB } from './ingress/support.ts';

const kubia = (): Promise<Cluster> => Cluster.load({ demo: 'kubia' });
const ready = (cluster: Cluster): string[] =>
  cluster
    .trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true })
    .paths.flatMap((path) => (path.disposition === 'DELIVERED' ? [path.backend!.name] : []))
    .sort();
const kubiaPods = (cluster: Cluster): string[] =>
  cluster.store
    .list('Pod', 'default')
    .map((pod) => pod.metadata.name)
    .filter((name) => name.startsWith('kubia-'))
    .sort();

describe('objects change, the world follows', () => {
  test('the three pods of the demo are drawn with a probability of one third each', async () => {
    const { paths } = (await kubia()).trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true });
    expect(paths.map((path) => path.disposition)).toEqual(['DELIVERED', 'DELIVERED', 'DELIVERED']);
    for (const { probability } of paths) expect(probability).toBeCloseTo(1 / 3, 8);
  });

  test('scale up: the new pods are reached; scale down: they are not', async () => {
    const cluster = await kubia();
    cluster.trace({ from: 'pod-a', to: 'svc/kubia' });
    cluster.scale('deploy/kubia', 5);
    expect(ready(cluster)).toEqual(kubiaPods(cluster));
    expect(ready(cluster)).toHaveLength(5);
    cluster.scale('deploy/kubia', 1);
    expect(ready(cluster)).toEqual(kubiaPods(cluster));
    expect(ready(cluster)).toHaveLength(1);
  });

  test('a deleted pod is replaced by one with another name and address', async () => {
    const cluster = await kubia();
    const [first] = kubiaPods(cluster);
    const { ip } = cluster.pod(first!);
    cluster.trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true });
    cluster.delete(`pod/${first}`);
    expect(kubiaPods(cluster)).toHaveLength(3);
    expect(kubiaPods(cluster)).not.toContain(first);
    expect(ready(cluster)).toEqual(kubiaPods(cluster));
    expect(cluster.trace({ from: 'pod-a', to: `${ip}:8080` }).paths[0]!.disposition).not.toBe('DELIVERED');
  });

  test('a deleted service leaves no rule behind', async () => {
    const cluster = await kubia();
    cluster.trace({ from: 'pod-a', to: 'svc/kubia' });
    cluster.delete('svc/kubia');
    expect(cluster.trace({ from: 'pod-a', to: '10.106.139.160:80' }).paths[0]!.disposition).toBe('EXITS_CLUSTER');
    const saved = await cluster.exec('node/w1-k8s', ['iptables-save']);
    expect(saved.stdout).not.toContain('default/kubia');
  });

  test('a new node is there when a pod is put on it', async () => {
    const cluster = await kubia();
    cluster.trace({ from: 'pod-a', to: 'svc/kubia' });
    cluster.apply(
      'apiVersion: v1\nkind: Node\nmetadata: { name: w4 }\nstatus: { addresses: [{ type: InternalIP, address: 192.168.1.104 }] }',
    );
    cluster.apply(
      'apiVersion: v1\nkind: Pod\nmetadata: { name: late }\nspec: { nodeName: w4, containers: [{ name: web, image: nginx }] }',
    );
    expect(cluster.trace({ from: 'pod-a', to: 'pod/late:80' }).paths[0]!.disposition).toBe('DELIVERED');
  });

  test('what the API server would refuse is not applied, not even in part', async () => {
    const cluster = await kubia();
    const apply = (): void =>
      cluster.apply(
        'apiVersion: v1\nkind: Namespace\nmetadata: { name: fine }\n---\napiVersion: v1\nkind: Service\nmetadata: { name: bad }\nspec: { ports: [{ port: 0 }] }',
      );
    expect(apply).toThrow(ManifestError);
    expect(cluster.store.get('Namespace', undefined, 'fine')).toBeUndefined();
  });
});

describe('programs', () => {
  test('fetch goes through service and overlay to one of the pods', async () => {
    const cluster = await kubia();
    const answer = await cluster.pod('pod-a').fetch('http://kubia');
    expect(answer.status).toBe(200);
    expect(kubiaPods(cluster).map((name) => `You've hit ${name}\n`)).toContain(await answer.text());
  });

  test('a handler given to listen sees the request and may be asynchronous', async () => {
    const cluster = await kubia();
    cluster.pod('pod-a').listen(9000, async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return Response.json({ path: new URL(request.url).pathname, body: await request.text() }, { status: 201 });
    });
    const [first] = kubiaPods(cluster);
    const { ip } = cluster.pod('pod-a');
    const answer = await cluster
      .pod(first!)
      .fetch(`http://${ip}:9000/hello`, { method: 'POST', body: 'x'.repeat(5000) });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toEqual({ path: '/hello', body: 'x'.repeat(5000) });
  });

  test.each([
    ['a name that does not exist', 'http://nobody.default.svc.cluster.local.', /ENOTFOUND nobody/],
    ['a name that nobody in the world has', 'http://nobody', /ENOTFOUND nobody/],
    ['a name that only the outside could know', 'http://www.example.com', /EAI_AGAIN www/],
    ['a closed port', 'http://10.244.1.2:81', /ECONNREFUSED/],
    ['an address that nobody has', 'http://10.244.1.99', /EHOSTUNREACH/],
    ['an address outside, after five virtual minutes at most', 'http://11.11.11.11', /ETIMEDOUT/],
  ])('fetch rejects: %s', async (_, url, message) => {
    const cluster = await kubia();
    await expect(cluster.pod('pod-a').fetch(url)).rejects.toSatisfy((error: Error) =>
      message.test(`${error.message} ${(error.cause as Error).message}`),
    );
  });
});

describe('time and chance', () => {
  test('the same seed gives the same trace, another seed another', async () => {
    const trace = async (seed: number): Promise<string> =>
      JSON.stringify(
        (await Cluster.load({ demo: 'kubia', seed })).trace({ from: 'pod-a', to: 'svc/kubia', count: 20 }),
      );
    expect(await trace(1)).toBe(await trace(1));
    expect(await trace(1)).not.toBe(await trace(2));
  });

  test('a thousand connections are spread about evenly', async () => {
    const { paths } = (await kubia()).trace({ from: 'pod-a', to: 'svc/kubia', count: 1000 });
    expect(paths).toHaveLength(3);
    // Five standard deviations of a binomial share: a fair draw misses this once in a million runs, and the seed is fixed.
    for (const { probability } of paths) expect(Math.abs(probability - 1 / 3)).toBeLessThan(0.075);
  });

  test('a flow delivers packet after packet to one backend', async () => {
    const cluster = await kubia();
    const flow = cluster.flow({ from: 'pod-a', to: 'svc/kubia' });
    expect(Array.from({ length: 100 }, () => flow.send())).toEqual(Array(100).fill('DELIVERED'));
    flow.close();
  });

  test('a flow to a service without endpoints is rejected', async () => {
    const cluster = await kubia();
    cluster.scale('deploy/kubia', 0);
    expect(cluster.flow({ from: 'pod-a', to: 'svc/kubia' }).send()).toBe('REJECTED');
  });
});

test('a capture of a trace holds the frames of every device it passed', async () => {
  const { trace, pcapng } = (await kubia()).traceWithCapture({ from: 'pod-a', to: 'svc/kubia' });
  expect(trace.paths[0]!.disposition).toBe('DELIVERED');
  const text = new TextDecoder('latin1').decode(pcapng);
  for (const device of ['w1-k8s/default/pod-a/eth0', 'w1-k8s/flannel.1', 'w1-k8s/eth0']) expect(text).toContain(device);
});

describe('nodes and load balancers', () => {
  const metallb = `${METALLB}
apiVersion: v1
kind: Service
metadata: { name: lb }
spec: { type: LoadBalancer, externalTrafficPolicy: Local, selector: { app: kubia }, ports: [{ port: 80, targetPort: 8080 }] }
`;
  const entry = (cluster: Cluster): string | undefined =>
    cluster.trace({ from: 'external', to: 'svc/lb' }).paths[0]!.request.hops[1]?.node;

  test('when the node that announces an address goes down, another answers for it', async () => {
    const cluster = await kubia();
    cluster.apply(metallb);
    const first = entry(cluster)!;
    expect(first).toMatch(/^w[123]-k8s$/);
    cluster.node(first).stop();
    const second = entry(cluster)!;
    expect(second).toMatch(/^w[123]-k8s$/);
    expect(second).not.toBe(first);
    cluster.node(first).start();
    expect(cluster.trace({ from: 'external', to: 'svc/lb' }).paths[0]!.disposition).toBe('DELIVERED');
  });

  test.each([
    ['Cluster', true],
    ['Local', false],
  ])('a silent kubelet moves no address of itself: policy %s keeps the node, %s', async (policy, stays) => {
    const cluster = await kubia();
    cluster.apply(metallb.replace('externalTrafficPolicy: Local', `externalTrafficPolicy: ${policy}`));
    const first = entry(cluster)!;
    cluster.node(first).stop('kubelet');
    // Its pods are no endpoints any more, and with policy Local a node needs one of these.
    cluster.clock.advance('2m');
    expect(cluster.node(first).ready).toBe(false);
    expect(entry(cluster) === first).toBe(stays);
    cluster.node(first).start();
    cluster.clock.advance('2m');
    expect(entry(cluster)).toBe(first);
  });

  test('the health check port says on which nodes the service has ready pods', async () => {
    const cluster = await kubia();
    cluster.apply(metallb);
    const port = cluster.store.get<Service>('Service', 'default', 'lb')!.spec.healthCheckNodePort;
    const status = async (node: string): Promise<string> =>
      (
        await cluster.exec('host/external', [
          'curl',
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          `http://${node}:${port}`,
        ])
      ).stdout;
    expect(await status('192.168.1.101')).toBe('200');
    cluster.setReady(`pod/${kubiaPods(cluster).find((name) => cluster.pod(name).node === 'w1-k8s')}`, false);
    expect(await status('192.168.1.101')).toBe('503');
    expect(await status('192.168.1.10')).toBe('503');
  });

  test('a node that falls silent loses its endpoints after 50 seconds and its pods five minutes later', async () => {
    const cluster = await kubia();
    const onW2 = kubiaPods(cluster).filter((name) => cluster.pod(name).node === 'w2-k8s');
    expect(onW2).toHaveLength(1);
    cluster.node('w2-k8s').stop();
    const outcomes = (): string[] =>
      cluster
        .trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true })
        .paths.map((path) => path.disposition)
        .sort();
    expect(outcomes()).toEqual(['DELIVERED', 'DELIVERED', 'NEIGHBOR_UNREACHABLE']);
    cluster.clock.advance('60s');
    expect(outcomes()).toEqual(['DELIVERED', 'DELIVERED']);
    cluster.clock.advance('6m');
    expect(kubiaPods(cluster).filter((name) => cluster.pod(name).node !== 'w2-k8s')).toHaveLength(3);
    expect(outcomes()).toEqual(['DELIVERED', 'DELIVERED', 'DELIVERED']);
  });

  test('a UDP flow moves to another endpoint when its own is gone, a TCP connection does not', async () => {
    const cluster = await Cluster.load({
      yaml: `
apiVersion: apps/v1
kind: Deployment
metadata: { name: dns }
spec:
  replicas: 2
  selector: { matchLabels: { app: dns } }
  template:
    metadata: { labels: { app: dns } }
    spec: { containers: [{ name: dns, image: example/dns, ports: [{ containerPort: 53, protocol: UDP }, { containerPort: 53 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: dns }
spec: { selector: { app: dns }, ports: [{ name: udp, port: 53, protocol: UDP }, { name: tcp, port: 53 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w3-k8s, containers: [{ name: shell, image: curlimages/curl }] }
`,
    });
    const udp = cluster.flow({ from: 'client', to: 'svc/dns:udp' });
    const tcp = cluster.flow({ from: 'client', to: 'svc/dns:tcp' });
    expect([udp.send(), tcp.send()]).toEqual(['DELIVERED', 'DELIVERED']);
    const connections = cluster.world.netns('w3-k8s')!.netfilter!.connections();
    const endpoint = (protocol: number): string =>
      formatIp(
        connections.find((each) => each.original.protocol === protocol && each.original.dport === 53)!.reply.src,
      );
    const gone = cluster.store.list<Pod>('Pod').find((pod) => pod.status?.podIP === endpoint(17))!;
    cluster.setReady(`pod/${gone.metadata.name}`, false);
    expect(udp.send()).toBe('DELIVERED');
    const now = cluster.world
      .netns('w3-k8s')!
      .netfilter!.connections()
      .find((each) => each.original.protocol === 17 && each.original.dport === 53)!;
    expect(formatIp(now.reply.src)).not.toBe(gone.status!.podIP);
    expect(tcp.send()).toBe('DELIVERED');
  });
});

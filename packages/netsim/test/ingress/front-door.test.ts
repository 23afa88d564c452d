import type { Node, Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { curl, ingress, METALLB, podOf, web } from './support.ts';

const simple = web('kubia') + ingress({ '/': 'kubia' }) + METALLB;

/** An ingress-nginx of the manifests' own. */
function door(policy: 'Local' | 'Cluster'): string {
  return `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
${web('door', 1)
  .replace('luksa/kubia', 'k8s.gcr.io/ingress-nginx/controller:v1.0.0@sha256:00')
  .replace(
    '  selector: { app: door }\n  ports',
    `  type: LoadBalancer\n  externalTrafficPolicy: ${policy}\n  selector: { app: door }\n  ports`,
  )}`;
}

describe('an Ingress without a controller in the manifests', () => {
  test('gets ingress-nginx behind a load balancer, and the user is told', async () => {
    const cluster = await Cluster.load({ yaml: simple });
    expect(cluster.notes).toEqual([
      'the manifests have an Ingress and no ingress controller: ingress-nginx is added (Deployment and LoadBalancer Service ingress-nginx/ingress-nginx-controller, IngressClass nginx)',
    ]);
    expect(cluster.store.get<Pod & { status: unknown }>('Ingress', 'default', 'kubia')?.status).toEqual({
      loadBalancer: { ingress: [{ ip: '192.168.1.11' }] },
    });
  });

  test('changes no address of what the manifests have', async () => {
    const without = await Cluster.load({ yaml: web('kubia') + METALLB });
    const cluster = await Cluster.load({ yaml: simple });
    const addresses = (of: Cluster): unknown[] => [
      ...of.store.list<Pod>('Pod', 'default').map(({ metadata, status }) => [metadata.name, status?.podIP]),
      ...of.store
        .list('Service', 'default')
        .map((service) => (service as Pod & { spec: { clusterIP?: string } }).spec.clusterIP),
    ];
    expect(addresses(cluster)).toEqual(addresses(without));
  });

  test('on bare metal it is a NodePort, and the status names the node that it runs on', async () => {
    const cluster = await Cluster.load({ yaml: web('kubia') + ingress({ '/': 'kubia' }) });
    expect(cluster.notes[0]).toContain('NodePort Service');
    const controller = cluster.store.list<Pod>('Pod', 'ingress-nginx')[0]!;
    const node = cluster.store.get<Node>('Node', undefined, controller.spec.nodeName!);
    expect(cluster.store.get<Pod>('Ingress', 'default', 'kubia')?.status).toEqual({
      loadBalancer: { ingress: [{ ip: node?.status?.addresses?.[0]?.address }] },
    });
  });

  test('annotation netsim.dev/controller: none leaves the cluster without one', async () => {
    const cluster = await Cluster.load({
      yaml: web('kubia') + ingress({ '/': 'kubia' }, { 'netsim.dev/controller': 'none' }) + METALLB,
    });
    expect(cluster.notes).toEqual([]);
    expect(cluster.store.list('Pod', 'ingress-nginx')).toEqual([]);
  });

  test('one that the manifests bring is taken for what its image says', async () => {
    const cluster = await Cluster.load({ yaml: door('Local') + web('kubia') + ingress({ '/': 'kubia' }) + METALLB });
    expect(cluster.notes).toEqual([]);
    const response = await podOf(cluster, 'kubia').fetch(`http://${podOf(cluster, 'door').ip}:8080/`);
    // `fetch` sends the host of its URL, which no rule has: the controller answers itself.
    expect(response.status).toBe(404);
  });
});

describe('requests from outside', () => {
  test('each goes straight to a pod, in turn, over the controller’s own connections', async () => {
    const cluster = await Cluster.load({ yaml: simple });
    const hits = new Map<string, number>();
    for (let n = 0; n < 9; n++) {
      const answer = await curl(cluster, 'http://kubia.example.com/');
      hits.set(answer, (hits.get(answer) ?? 0) + 1);
    }
    expect([...hits.values()]).toEqual([3, 3, 3]);
    const door = cluster.store.list<Pod>('Pod', 'ingress-nginx')[0]!;
    const open = cluster
      .netnsOfPod(door)
      .sockets.tcp.list()
      .filter((socket) => socket.state() === 'ESTAB')
      .map(({ remotePort }) => remotePort);
    expect(open, 'one connection to each pod waits for the next request').toEqual([8080, 8080, 8080]);
  });

  test('the backend is told of the client, whose address externalTrafficPolicy Local keeps', async () => {
    const cluster = await Cluster.load({ yaml: web('kubia', 1) + ingress({ '/': 'kubia' }) + METALLB });
    const pod = cluster.pod(cluster.store.list<Pod>('Pod', 'default')[0]!.metadata.name);
    let seen = new Headers();
    pod.listen(8080, (request) => {
      seen = request.headers;
      return new Response('ok');
    });
    await curl(cluster, '-H', 'X-Forwarded-For: 1.2.3.4', '-H', 'a_b: c', 'http://kubia.example.com/x');
    expect(seen.get('host')).toBe('kubia.example.com');
    expect(seen.get('x-real-ip')).toBe('192.168.1.200');
    expect(seen.get('x-forwarded-for')).toBe('192.168.1.200');
    expect(seen.get('x-original-forwarded-for')).toBe('1.2.3.4');
    expect(seen.get('x-forwarded-proto')).toBe('http');
    expect(seen.get('x-forwarded-port')).toBe('80');
    expect(seen.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(seen.get('a_b'), 'nginx drops fields with an underscore').toBeNull();
  });

  test('with externalTrafficPolicy Cluster the controller sees a node in the place of the client', async () => {
    const cluster = await Cluster.load({
      yaml: door('Cluster') + web('kubia', 1) + ingress({ '/': 'kubia' }) + METALLB,
    });
    let seen = new Headers();
    podOf(cluster, 'kubia').listen(8080, (request) => {
      seen = request.headers;
      return new Response('ok');
    });
    await curl(cluster, 'http://kubia.example.com/x');
    expect(seen.get('x-real-ip')).toMatch(/^10\.244\./);
  });

  test('503 where no endpoint is ready, and the way back is found as soon as one is', async () => {
    const cluster = await Cluster.load({ yaml: web('kubia', 1) + ingress({ '/': 'kubia' }) + METALLB });
    const pod = `pod/${cluster.store.list<Pod>('Pod', 'default')[0]!.metadata.name}`;
    const status = (): Promise<string> =>
      curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', 'http://kubia.example.com/');
    expect(await status()).toBe('200');
    cluster.setReady(pod, false);
    expect(await status()).toBe('503');
    cluster.setReady(pod, true);
    expect(await status()).toBe('200');
  });

  test('502 where the pod refuses the connection', async () => {
    const cluster = await Cluster.load({
      yaml: web('kubia', 1).replace('targetPort: 8080', 'targetPort: 9090') + ingress({ '/': 'kubia' }) + METALLB,
    });
    expect(await curl(cluster, 'http://kubia.example.com/')).toBe(
      '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n',
    );
  });

  test('a pod that refuses is passed over for the next one', async () => {
    const cluster = await Cluster.load({ yaml: web('kubia', 2) + ingress({ '/': 'kubia' }) + METALLB });
    const [deaf] = cluster.store.list<Pod>('Pod', 'default');
    cluster.programs.stopPod(deaf!);
    for (let n = 0; n < 4; n++) expect(await curl(cluster, 'http://kubia.example.com/')).toContain("You've hit kubia");
  });

  test('traefik/whoami shows the request as it got it', async () => {
    const yaml = web('kubia', 1).replace('image: luksa/kubia', 'image: traefik/whoami');
    const cluster = await Cluster.load({ yaml: yaml + ingress({ '/': 'kubia' }) + METALLB });
    const lines = (await curl(cluster, 'http://kubia.example.com/who?x=1')).split('\n');
    expect(lines.slice(4, 8)).toEqual([
      expect.stringMatching(/^RemoteAddr: 10\.244\.\d+\.\d+:\d+$/),
      'GET /who?x=1 HTTP/1.1',
      'Host: kubia.example.com',
      'Accept: */*',
    ]);
    expect(lines).toContain('X-Forwarded-For: 192.168.1.200');
  });

  test('504 where the pod takes the request and never answers', async () => {
    const cluster = await Cluster.load({
      yaml: web('kubia', 1).replace('image: luksa/kubia', 'image: redis') + ingress({ '/': 'kubia' }) + METALLB,
    });
    const before = cluster.clock.now;
    const answer = await curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', 'http://kubia.example.com/');
    expect(answer).toBe('504');
    expect(cluster.clock.now - before, 'three tries of proxy-read-timeout').toBe(180_000);
  });
});

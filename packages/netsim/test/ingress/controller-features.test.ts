import type { Pod } from '@netsim/manifest';
import { Cluster, type PodHandle } from 'netsim';
import { describe, expect, test } from 'vitest';
import { tlsSecret } from './certificates.ts';
import { curl, ingress, METALLB, podOf, web } from './support.ts';

const URL = 'http://kubia.example.com/';
const HOST = 'kubia.example.com';
/** Longer than the controller keeps a connection that nobody uses. */
const NO_KEEPALIVE = '61s';

function annotated(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
  );
}

function load(annotations: Readonly<Record<string, string>>, more = '', replicas = 1): Promise<Cluster> {
  return Cluster.load({
    yaml: web('kubia', replicas) + more + ingress({ '/': 'kubia' }, annotated(annotations)) + METALLB,
  });
}

/** The ConfigMap that the controller reads which netsim adds. */
function options(data: Readonly<Record<string, string>>): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: ingress-nginx-controller, namespace: ingress-nginx }
data: ${JSON.stringify(data)}
---
`;
}

const pods = (cluster: Cluster): PodHandle[] =>
  cluster.store
    .list<Pod>('Pod', 'default')
    .flatMap(({ metadata }) => (metadata.labels?.app === 'kubia' ? [cluster.pod(metadata.name)] : []));

/** Each request that a pod gets, with its body. */
function record(pod: PodHandle, answer: (request: Request) => Response): { request: Request; body: string }[] {
  const seen: { request: Request; body: string }[] = [];
  pod.listen(8080, async (request) => {
    seen.push({ request, body: await request.text() });
    return answer(request);
  });
  return seen;
}

const status = (cluster: Cluster, ...args: string[]): Promise<string> =>
  curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', ...args);

describe('auth-url', () => {
  const url = 'http://auth.default.svc.cluster.local:80/check?from=$host';
  const rows: [answer: number, client: string, asked: number][] = [
    [200, '200', 1],
    [202, '200', 1],
    [401, '401', 0],
    [403, '403', 0],
    [302, '500', 0],
    [500, '500', 0],
  ];
  test.each(rows)('its %i is a %s for the client', async (answer, wanted, asked) => {
    const cluster = await load({ 'auth-url': url }, web('auth', 1));
    const headers = { 'www-authenticate': 'Basic realm="x"', ...(answer === 302 && { location: 'http://x/' }) };
    record(podOf(cluster, 'auth'), () => new Response(null, { status: answer, headers }));
    const seen = record(podOf(cluster, 'kubia'), () => new Response('ok'));
    expect(await status(cluster, URL)).toBe(wanted);
    expect(seen.length).toBe(asked);
    if (answer === 401) expect(await curl(cluster, '-i', URL)).toContain('Basic realm="x"');
  });

  test('it is asked with the header fields of the client, without the body, and told where that one wants to go', async () => {
    const cluster = await load({ 'auth-url': url, 'auth-method': 'POST' }, web('auth', 1));
    const seen = record(podOf(cluster, 'auth'), () => new Response(null, { status: 204 }));
    await curl(cluster, '-d', 'a=1', '-H', 'X-Mine: 7', '-H', 'X-Request-ID: given', `${URL}shop?b=2`);
    const { request, body } = seen[0]!;
    expect([request.method, body]).toEqual(['POST', '']);
    expect(Object.fromEntries(request.headers)).toMatchObject({
      host: 'auth.default.svc.cluster.local',
      'x-original-url': `${URL}shop?b=2`,
      'x-original-method': 'POST',
      'x-original-uri': '/shop?b=2',
      'x-scheme': 'http',
      'x-sent-from': 'nginx-ingress-controller',
      'x-real-ip': '192.168.1.200',
      'x-forwarded-for': '192.168.1.200',
      'x-auth-request-redirect': '/shop?b=2',
      'x-request-id': 'given',
      'x-mine': '7',
      'content-type': 'application/x-www-form-urlencoded',
    });
  });

  test('auth-response-headers come in the place of what the client says', async () => {
    const cluster = await load({ 'auth-url': url, 'auth-response-headers': 'X-User, X-Group' }, web('auth', 1));
    record(podOf(cluster, 'auth'), () => new Response(null, { headers: { 'x-user': 'ann' } }));
    const seen = record(podOf(cluster, 'kubia'), () => new Response('ok'));
    await curl(cluster, '-H', 'X-User: root', '-H', 'X-Group: admins', URL);
    expect(seen[0]?.request.headers.get('x-user')).toBe('ann');
    expect(seen[0]?.request.headers.has('x-group')).toBe(false);
  });

  test('its cookie goes to the client with success, and with errors where auth-always-set-cookie says so', async () => {
    for (const [always, kept] of [
      ['false', false],
      ['true', true],
    ] as const) {
      const cluster = await load({ 'auth-url': url, 'auth-always-set-cookie': always }, web('auth', 1));
      record(podOf(cluster, 'auth'), () => new Response(null, { headers: { 'set-cookie': 'alma=armud' } }));
      record(
        podOf(cluster, 'kubia'),
        (request) => new Response('', { status: request.url.includes('error') ? 503 : 200 }),
      );
      expect(await curl(cluster, '-i', URL)).toContain('alma=armud');
      expect((await curl(cluster, '-i', `${URL}error`)).includes('alma=armud')).toBe(kept);
    }
  });

  test('auth-signin sends who is not known to the page, and back', async () => {
    const cluster = await load({ 'auth-url': url, 'auth-signin': 'http://login.example/start' }, web('auth', 1));
    record(podOf(cluster, 'auth'), () => new Response(null, { status: 401 }));
    const response = await cluster.fetch(`${URL}?a=b`, { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      'http://login.example/start?rd=http://kubia.example.com%2F%3Fa%3Db',
    ]);
  });

  test('with auth-cache-key it is asked once, until the time is over', async () => {
    const cluster = await load(
      { 'auth-url': url, 'auth-cache-key': '$http_authorization', 'auth-cache-duration': '200 10s' },
      web('auth', 1),
    );
    const seen = record(podOf(cluster, 'auth'), () => new Response());
    await curl(cluster, URL);
    await curl(cluster, URL);
    expect(seen.length).toBe(1);
    await curl(cluster, '-H', 'Authorization: other', URL);
    expect(seen.length).toBe(2);
    cluster.clock.advance('11s');
    await curl(cluster, URL);
    expect(seen.length).toBe(3);
  });

  test('without endpoints of the backend it is not asked: 503', async () => {
    const cluster = await load({ 'auth-url': url }, web('auth', 1));
    const seen = record(podOf(cluster, 'auth'), () => new Response());
    cluster.setReady(`pod/${podOf(cluster, 'kubia').name}`, false);
    expect([await status(cluster, URL), seen.length]).toEqual(['503', 0]);
  });

  test('a trace tells who is asked', async () => {
    const cluster = await load({ 'auth-url': url }, web('auth', 1));
    const { paths } = cluster.trace({ from: 'external', to: URL });
    const texts = paths[0]!.request.hops
      .flatMap(({ steps }) => steps)
      .flatMap((step) => (step.kind === 'http' ? [step.text] : []));
    expect(texts).toContain(`asks ${url.replace('$host', HOST)} first whether the request may pass`);
  });
});

describe('mirror-target', () => {
  const target = 'http://copy.default.svc.cluster.local$request_uri';

  test('gets a copy with its body; what it answers is nothing to the client', async () => {
    const cluster = await load({ 'mirror-target': target }, web('copy', 1));
    const seen = record(podOf(cluster, 'copy'), () => new Response('copy', { status: 500 }));
    expect(await curl(cluster, '-d', 'a=1', `${URL}x?y=1`)).toContain("You've hit kubia");
    const [{ request, body }] = seen as [(typeof seen)[0]];
    expect([request.method, new globalThis.URL(request.url).pathname, body]).toEqual(['POST', '/x', 'a=1']);
    expect(request.headers.get('host')).toBe('copy.default.svc.cluster.local');
  });

  test('gets nothing where the request is refused', async () => {
    const cluster = await load({ 'mirror-target': target, 'auth-url': 'http://copy.default.svc/no' }, web('copy', 1));
    let answer = 403;
    const seen = record(
      podOf(cluster, 'copy'),
      (request) => new Response(null, { status: request.url.includes('/no') ? answer : 200 }),
    );
    await curl(cluster, URL);
    expect(seen.map(({ request }) => new globalThis.URL(request.url).pathname)).toEqual(['/no']);
    answer = 200;
    await curl(cluster, URL);
    expect(seen.map(({ request }) => new globalThis.URL(request.url).pathname)).toEqual(['/no', '/no', '/']);
  });

  test('mirror-request-body off: a copy tells its length and has no body, and waits as from the real nginx', async () => {
    const cluster = await load({ 'mirror-target': target, 'mirror-request-body': 'off' }, web('copy', 1));
    const seen = record(podOf(cluster, 'copy'), () => new Response());
    expect(await curl(cluster, '-d', 'a=1', URL)).toContain("You've hit kubia");
    expect(seen).toEqual([]);
    await curl(cluster, URL);
    expect(seen.map(({ request }) => request.method)).toEqual(['GET']);
  });

  test('a target without a path gets that of nginx’s own location', async () => {
    const cluster = await load({ 'mirror-target': 'http://copy.default.svc.cluster.local' }, web('copy', 1));
    const seen = record(podOf(cluster, 'copy'), () => new Response());
    await curl(cluster, `${URL}x?y=1`);
    const { pathname, search } = new globalThis.URL(seen[0]!.request.url);
    expect([pathname.slice(0, 9), search]).toEqual(['/_mirror-', '?y=1']);
  });
});

describe('custom-http-errors and default-backend', () => {
  const both = { 'custom-http-errors': '404,503', 'default-backend': 'sorry' };

  test('an answer with such a code is replaced by what the other Service says to it', async () => {
    const cluster = await load(both, web('sorry', 1));
    record(podOf(cluster, 'kubia'), () => new Response('raw', { status: 404 }));
    const seen = record(podOf(cluster, 'sorry'), () => new Response('sorry', { status: 418 }));
    const response = await cluster.fetch(`${URL}shop?x=1`, { headers: { accept: 'text/html' } });
    expect([response.status, await response.text()]).toEqual([418, 'sorry']);
    const { request } = seen[0]!;
    expect(new globalThis.URL(request.url).pathname + new globalThis.URL(request.url).search).toBe('/?x=1');
    expect(Object.fromEntries(request.headers)).toMatchObject({
      'x-code': '404',
      'x-format': 'text/html',
      'x-original-uri': '/shop?x=1',
      'x-namespace': 'default',
      'x-ingress-name': 'kubia',
      'x-service-name': 'kubia',
      'x-service-port': '80',
    });
  });

  test('disable-proxy-intercept-errors leaves the backend’s own answers alone', async () => {
    const cluster = await load({ ...both, 'disable-proxy-intercept-errors': 'true' }, web('sorry', 1));
    record(podOf(cluster, 'kubia'), () => new Response('raw', { status: 404 }));
    expect(await curl(cluster, URL)).toBe('raw');
  });

  test('nginx’s own 502 is one too', async () => {
    const cluster = await load({ 'custom-http-errors': '502', 'default-backend': 'sorry' }, web('sorry', 1));
    cluster.programs.stopPod(
      cluster.store.list<Pod>('Pod', 'default').find(({ metadata }) => metadata.labels?.app === 'kubia')!,
    );
    expect(await curl(cluster, URL)).toContain("You've hit sorry");
  });

  test('default-backend answers for a Service without endpoints, whatever is asked', async () => {
    const cluster = await load({ 'default-backend': 'sorry' }, web('sorry', 1));
    cluster.setReady(`pod/${podOf(cluster, 'kubia').name}`, false);
    const seen = record(podOf(cluster, 'sorry'), () => new Response('sorry'));
    expect(await curl(cluster, `${URL}alma/armud`)).toBe('sorry');
    expect(seen[0]?.request.headers.get('x-code')).toBe('503');
    expect(new globalThis.URL(seen[0]!.request.url).pathname).toBe('/alma/armud');
  });
});

describe('cookies of affinity', () => {
  const cookieOf = async (cluster: Cluster): Promise<string> =>
    (await cluster.fetch(URL)).headers.get('set-cookie') ?? '';

  test('session-cookie-expires is a time from now on, Max-Age beside it', async () => {
    const cluster = await load({
      affinity: 'cookie',
      'session-cookie-name': 'ExpiresCookie',
      'session-cookie-expires': '172800',
      'session-cookie-max-age': '259200',
    });
    cluster.clock.advance('1h');
    expect(await cookieOf(cluster)).toMatch(
      /^ExpiresCookie=[\d.]+\|[0-9a-f]{32}; Expires=Sat, 03-Jan-26 01:0\d:\d\d GMT; Max-Age=259200; Path=\/; HttpOnly$/,
    );
  });

  test.each(['balanced', 'persistent'])(
    'mode %s: the client comes back to its pod, and gets no other cookie',
    async (mode) => {
      const cluster = await load({ affinity: 'cookie', 'affinity-mode': mode }, '', 3);
      const first = await cluster.fetch(URL);
      const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
      const pod = await first.text();
      for (let n = 0; n < 5; n++) {
        const response = await cluster.fetch(URL, { headers: { cookie } });
        expect([await response.text(), response.headers.get('set-cookie')]).toEqual([pod, null]);
      }
    },
  );

  test('persistent: nobody moves when pods come; balanced: some do', async () => {
    for (const mode of ['balanced', 'persistent']) {
      const cluster = await load({ affinity: 'cookie', 'affinity-mode': mode }, '', 2);
      const clients: [string, string][] = [];
      for (let n = 0; n < 12; n++) {
        const response = await cluster.fetch(URL);
        clients.push([response.headers.get('set-cookie')!.split(';')[0]!, await response.text()]);
      }
      cluster.scale('deploy/kubia', 5);
      let moved = 0;
      for (const [cookie, pod] of clients)
        if ((await (await cluster.fetch(URL, { headers: { cookie } })).text()) !== pod) moved++;
      expect(moved > 0).toBe(mode === 'balanced');
    }
  });

  test('a pod that is gone: a new cookie in mode persistent', async () => {
    const cluster = await load({ affinity: 'cookie', 'affinity-mode': 'persistent' }, '', 2);
    const first = await cluster.fetch(URL);
    const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
    const name = /hit (\S+)/.exec(await first.text())![1]!;
    cluster.setReady(`pod/${name}`, false);
    const second = await cluster.fetch(URL, { headers: { cookie } });
    expect(second.headers.get('set-cookie')).not.toBeNull();
    expect(await second.text()).not.toContain(name);
  });

  test.each([
    ['false', '502'],
    ['true', '200'],
  ])('a pod that refuses, session-cookie-change-on-failure %s: %s', async (change, wanted) => {
    const cluster = await load({ affinity: 'cookie', 'session-cookie-change-on-failure': change }, '', 2);
    const first = await cluster.fetch(URL);
    const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
    const name = /hit (\S+)/.exec(await first.text())![1]!;
    cluster.clock.advance(NO_KEEPALIVE);
    cluster.programs.stopPod(cluster.store.get<Pod>('Pod', 'default', name)!);
    expect(await status(cluster, '-H', `Cookie: ${cookie}`, URL)).toBe(wanted);
  });
});

describe('limits', () => {
  const burst = async (cluster: Cluster, times: number, ...args: string[]): Promise<string[]> => {
    const all: string[] = [];
    for (let n = 0; n < times; n++) all.push(await status(cluster, ...args, URL));
    return all;
  };

  test('limit-rps 1: six at once, then 503, until time has passed', async () => {
    const cluster = await load({ 'limit-rps': '1' });
    expect(await burst(cluster, 8)).toEqual([...Array(6).fill('200'), '503', '503']);
    cluster.clock.advance('2s');
    expect(await burst(cluster, 3)).toEqual(['200', '200', '503']);
  });

  test('limit-req-status-code in the ConfigMap of the controller', async () => {
    const cluster = await load(
      { 'limit-rpm': '1', 'limit-burst-multiplier': '1' },
      options({ 'limit-req-status-code': '429' }),
    );
    expect(await burst(cluster, 3)).toEqual(['200', '200', '429']);
  });

  test('limit-whitelist', async () => {
    const cluster = await load({ 'limit-rps': '1', 'limit-whitelist': '192.168.1.0/24' });
    expect(await burst(cluster, 8)).toEqual(Array(8).fill('200'));
  });

  test('limit-connections counts what is under way', async () => {
    const cluster = await load({ 'limit-connections': '1' });
    expect(await burst(cluster, 3)).toEqual(['200', '200', '200']);
    cluster.clock.advance(NO_KEEPALIVE);
    let inner: Promise<string> | undefined;
    podOf(cluster, 'kubia').listen(8080, () => {
      inner ??= status(cluster, URL);
      return inner.then((text) => new Response(text));
    });
    expect(await curl(cluster, URL)).toBe('503');
  });
});

describe('which endpoint', () => {
  const podFor = async (cluster: Cluster, path: string): Promise<string> => (await cluster.fetch(URL + path)).text();

  test('upstream-hash-by: the same text, the same pod', async () => {
    const cluster = await load({ 'upstream-hash-by': '$request_uri' }, '', 3);
    const first = await podFor(cluster, 'a');
    for (let n = 0; n < 4; n++) expect(await podFor(cluster, 'a')).toBe(first);
    const all = new Set<string>();
    for (let n = 0; n < 12; n++) all.add(await podFor(cluster, `p${n}`));
    expect(all.size).toBe(3);
  });

  test('upstream-hash-by-subset: one of a few', async () => {
    const cluster = await load(
      { 'upstream-hash-by': '$host', 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '2' },
      '',
      4,
    );
    const all = new Set<string>();
    for (let n = 0; n < 16; n++) all.add(await podFor(cluster, ''));
    expect(all.size).toBe(2);
  });

  test('load-balance ewma asks both of two', async () => {
    const cluster = await load({ 'load-balance': 'ewma' }, '', 2);
    const all = new Set<string>();
    for (let n = 0; n < 12; n++) all.add(await podFor(cluster, ''));
    expect(all.size).toBe(2);
  });

  test('service-upstream: to the address of the Service, where kube-proxy chooses', async () => {
    const cluster = await load({ 'service-upstream': 'true' }, '', 3);
    const all = new Set<string>();
    for (let n = 0; n < 12; n++) all.add(await podFor(cluster, ''));
    expect([...all].every((text) => text.startsWith("You've hit kubia"))).toBe(true);
    const { paths } = cluster.trace({ from: 'external', to: URL });
    const translated = paths[0]!.request.hops.flatMap(({ steps }) => steps).filter(({ kind }) => kind === 'nat');
    expect(translated.length, 'at the door, and behind it').toBeGreaterThanOrEqual(2);
  });
});

describe('proxy-next-upstream', () => {
  const twoPods = async (annotations: Record<string, string>): Promise<{ cluster: Cluster; asked: () => number }> => {
    const cluster = await load(annotations, '', 2);
    let asked = 0;
    for (const pod of pods(cluster)) {
      pod.listen(8080, () => {
        asked++;
        return new Response('', { status: asked === 1 ? 503 : 200 });
      });
    }
    return { cluster, asked: () => asked };
  };
  const rows: [what: string, annotations: Record<string, string>, method: string, status: string, asked: number][] = [
    ['an answer of 503 is handed on', {}, 'GET', '503', 1],
    ['http_503 asks another', { 'proxy-next-upstream': 'error http_503' }, 'GET', '200', 2],
    ['one try is one try', { 'proxy-next-upstream': 'http_503', 'proxy-next-upstream-tries': '1' }, 'GET', '503', 1],
    ['a POST is not sent again', { 'proxy-next-upstream': 'http_503' }, 'POST', '503', 1],
    ['but with non_idempotent it is', { 'proxy-next-upstream': 'http_503 non_idempotent' }, 'POST', '200', 2],
  ];
  test.each(rows)('%s', async (_what, annotations, method, wanted, times) => {
    const { cluster, asked } = await twoPods(annotations);
    expect(await status(cluster, '-X', method, URL)).toBe(wanted);
    expect(asked()).toBe(times);
  });

  test('off: the first refusal is a 502', async () => {
    const cluster = await load({ 'proxy-next-upstream': 'off' }, '', 2);
    cluster.programs.stopPod(cluster.store.list<Pod>('Pod', 'default')[0]!);
    const all = [await status(cluster, URL), await status(cluster, URL)];
    expect(all.sort()).toEqual(['200', '502']);
  });

  test('proxy-next-upstream-timeout ends the tries', async () => {
    const yaml = web('kubia', 1).replace('image: luksa/kubia', 'image: redis');
    const next = annotated({ 'proxy-read-timeout': '10', 'proxy-next-upstream-timeout': '15' });
    const cluster = await Cluster.load({ yaml: yaml + ingress({ '/': 'kubia' }, next) + METALLB });
    const before = cluster.clock.now;
    expect(await status(cluster, URL)).toBe('504');
    expect(cluster.clock.now - before, 'two tries').toBe(20_000);
  });
});

describe('the controller itself', () => {
  test('/healthz of the address alone', async () => {
    const cluster = await load({});
    expect(await status(cluster, 'http://192.168.1.11/healthz')).toBe('200');
    expect(await status(cluster, 'http://192.168.1.11/nginx_status')).toBe('403');
    expect(await status(cluster, 'http://192.168.1.11/other')).toBe('404');
  });

  test('CORS and HSTS are on its own 502 too', async () => {
    const tls = ingress({ '/': 'kubia' }, annotated({ 'enable-cors': 'true' })).replace(
      '  rules:',
      '  tls: [{ hosts: [kubia.example.com], secretName: kubia-tls }]\n  rules:',
    );
    const wrong = web('kubia', 1).replace('targetPort: 8080', 'targetPort: 9090');
    const cluster = await Cluster.load({ yaml: wrong + tls + tlsSecret('kubia-tls', [HOST]) + METALLB });
    const answer = await curl(cluster, '-ki', `https://${HOST}/`);
    expect(answer).toContain('HTTP/1.1 502 Bad Gateway');
    expect(answer).toContain('Access-Control-Allow-Origin: *');
    expect(answer).toContain('Strict-Transport-Security: max-age=31536000; includeSubDomains');
  });

  test('use-forwarded-headers: the backend is told what the proxy in front says', async () => {
    const cluster = await load({}, options({ 'use-forwarded-headers': 'true' }));
    const seen = record(podOf(cluster, 'kubia'), () => new Response('ok'));
    await curl(
      cluster,
      '-H',
      'X-Forwarded-For: 203.0.113.7',
      '-H',
      'X-Forwarded-Proto: https',
      '-H',
      'X-Forwarded-Port: 8443',
      '-H',
      'X-Forwarded-Host: outer.example',
      URL,
    );
    expect(Object.fromEntries(seen[0]!.request.headers)).toMatchObject({
      'x-real-ip': '203.0.113.7',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '8443',
      'x-forwarded-host': 'outer.example',
      'x-scheme': 'https',
    });
  });

  test('enable-underscores-in-headers', async () => {
    const cluster = await load({}, options({ 'enable-underscores-in-headers': 'true' }));
    const seen = record(podOf(cluster, 'kubia'), () => new Response('ok'));
    await curl(cluster, '-H', 'a_b: c', URL);
    expect(seen[0]?.request.headers.get('a_b')).toBe('c');
  });

  test('a changed ConfigMap holds for the next request', async () => {
    const cluster = await load({}, options({}));
    expect(await status(cluster, URL)).toBe('200');
    cluster.apply(options({ 'force-ssl-redirect': 'true' }));
    expect(await status(cluster, URL)).toBe('308');
  });
});

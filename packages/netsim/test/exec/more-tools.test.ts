import type { KubeObject } from '@netsim/manifest';
import { beforeEach, describe, expect, test } from 'vitest';
import { Cluster, type ExecResult } from '../../src/index.ts';

// What is expected here was printed by GNU Wget 1.21.3, BusyBox 1.35 and traceroute 2.1.2 in network namespaces of Linux.
const pod = (name: string, image: string, node: string, ports = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  nodeName: ${node}
  containers: [{ name: main, image: ${image}${ports} }]
---`;
const manifests = [
  pod('full', 'debian', 'w1-k8s'),
  pod('small', 'busybox', 'w1-k8s'),
  pod('web', 'nginx', 'w2-k8s', ', ports: [{ containerPort: 80 }]'),
].join('');

let cluster: Cluster;
let ip: string;
const run = (target: string, line: string): Promise<ExecResult> => cluster.exec(target, line.split(' '));

beforeEach(async () => {
  cluster = await Cluster.load({ yaml: manifests });
  ip = cluster.pod('web').ip!;
});

describe('wget', () => {
  test('of GNU prints the page with -qO-', async () => {
    expect(await run('full', `wget -qO- http://${ip}/`)).toEqual({ stdout: "You've hit web\n", stderr: '', code: 0 });
  });

  test('of GNU tells each step', async () => {
    const { stderr, code } = await run('full', `wget -O- ${ip}`);
    expect(code).toBe(0);
    expect(stderr.replace(/[0-9]{4}-[0-9-]+ [0-9:]{8}/g, 'NOW').split('\n')).toEqual([
      `--NOW--  http://${ip}/`,
      `Connecting to ${ip}:80... connected.`,
      'HTTP request sent, awaiting response... 200 OK',
      expect.stringMatching(/^Length: 15 \[text\/plain]$/),
      'Saving to: ‘STDOUT’',
      '',
      expect.stringMatching(/^ {5}0K {55}100% /),
      '',
      expect.stringMatching(/^NOW \(.*\) - written to stdout \[15\/15]$/),
      '',
      '',
    ]);
  });

  test('of BusyBox tells less', async () => {
    const { stdout, stderr, code } = await run('small', `wget -O- http://${ip}/`);
    expect([stdout, code]).toEqual(["You've hit web\n", 0]);
    expect(stderr).toBe(
      `Connecting to ${ip} (${ip}:80)\nwriting to stdout\n-                    100% |********************************|    15  0:00:00 ETA\nwritten to stdout\n`,
    );
  });

  test('saves the page in a file, which BusyBox does not overwrite', async () => {
    await run('small', `wget -q http://${ip}/page`);
    expect((await run('small', 'cat page')).stdout).toBe("You've hit web\n");
    expect(await run('small', `wget -q http://${ip}/page`)).toEqual({
      stdout: '',
      stderr: "wget: can't open 'page': File exists\n",
      code: 1,
    });
  });

  test.each([
    ['full', 'refused', 'wget -qO- http://IP:81/', '', 4],
    ['small', 'refused', 'wget -qO- http://IP:81/', "wget: can't connect to remote host (IP): Connection refused\n", 1],
    ['full', 'no such name', 'wget -qO- http://nope/', '', 4],
    ['small', 'no such name', 'wget -qO- http://nope/', "wget: bad address 'nope'\n", 1],
    [
      'full',
      'no URL',
      'wget',
      "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n",
      1,
    ],
  ])('%s: %s', async (target, _, line, stderr, code) => {
    const fill = (text: string) => text.replaceAll('IP', ip);
    expect(await run(target, fill(line))).toEqual({ stdout: '', stderr: fill(stderr), code });
  });

  test.each([
    ['full', '', 8],
    ['small', 'wget: server returned error: HTTP/1.1 404 Not Found\n', 1],
  ])('%s: a page that is not there', async (target, stderr, code) => {
    cluster.pod('web').listen(8080, () => new Response('no', { status: 404 }));
    expect(await run(target, `wget -qO- http://${ip}:8080/`)).toEqual({ stdout: '', stderr, code });
  });

  test('follows a redirect, sends headers and data', async () => {
    const seen: string[] = [];
    cluster.pod('web').listen(8080, async (request) => {
      const { pathname } = new URL(request.url);
      seen.push(`${request.method} ${pathname} ${request.headers.get('x-a')} ${await request.text()}`);
      return pathname === '/a' ? new Response(null, { status: 302, headers: { location: '/b' } }) : new Response('end');
    });
    const { stdout } = await run('full', `wget -qO- --header X-A:1 --post-data d=1 http://${ip}:8080/a`);
    expect(stdout).toBe('end');
    expect(seen[0]).toBe('POST /a 1 d=1');
  });
});

describe('wget, where the server fails', () => {
  const times = /[0-9]{4}-[0-9-]+ [0-9:]{8}/g;
  const listen = (port: number, act: 'close' | 'reset' | 'silent' | 'foreign'): void => {
    const { sockets } = cluster.netnsOfPod(cluster.pod('web').object);
    sockets.tcp.listen({
      port,
      program: 'server',
      onConnection: (connection) => {
        connection.handlers.onEnd = () => connection.close();
        connection.handlers.onData = () => {
          if (act === 'close') connection.close();
          if (act === 'reset') connection.abort();
          if (act === 'foreign') connection.send(new TextEncoder().encode('220 hello\r\n'));
        };
      },
    });
  };

  test('GNU tries again, with a longer pause each time', async () => {
    listen(8081, 'close');
    const before = cluster.now;
    const { stderr, code } = await run('full', `wget -O- -t 3 http://${ip}:8081/`);
    const once = `Connecting to ${ip}:8081... connected.\nHTTP request sent, awaiting response... No data received.\n`;
    expect([stderr.replace(times, 'NOW'), code]).toEqual([
      `--NOW--  http://${ip}:8081/\n${once}Retrying.\n\n--NOW--  (try: 2)  http://${ip}:8081/\n${once}Retrying.\n\n--NOW--  (try: 3)  http://${ip}:8081/\n${once}Giving up.\n\n`,
      4,
    ]);
    expect(cluster.now - before).toBe(3000);
  });

  test.each([
    [
      'full',
      'reset',
      'wget -O- -t 1 http://IP:8082/',
      'HTTP request sent, awaiting response... Read error (Connection reset by peer) in headers.\nGiving up.\n\n',
      4,
    ],
    ['small', 'reset', 'wget -qO- http://IP:8082/', 'wget: error getting response: Connection reset by peer\n', 1],
    ['small', 'close', 'wget -qO- http://IP:8082/', 'wget: error getting response\n', 1],
    [
      'full',
      'silent',
      'wget -O- -T 1 -t 1 http://IP:8082/',
      'HTTP request sent, awaiting response... Read error (Connection timed out) in headers.\nGiving up.\n\n',
      4,
    ],
    [
      'full',
      'foreign',
      'wget -O- https://IP:8082/',
      'connected.\nGnuTLS: An unexpected TLS packet was received.\nUnable to establish SSL connection.\n',
      4,
    ],
    [
      'full',
      'close',
      'wget -O- https://IP:8082/',
      'connected.\nGnuTLS: The TLS connection was non-properly terminated.\nUnable to establish SSL connection.\n',
      4,
    ],
    [
      'full',
      'reset',
      'wget -O- https://IP:8082/',
      'connected.\nGnuTLS: Error in the pull function.\nUnable to establish SSL connection.\n',
      4,
    ],
    ['full', 'close', 'wget foo://IP/', 'foo://IP/: Unsupported scheme ‘foo’.\n', 1],
    ['small', 'close', 'wget foo://IP/', 'wget: not an http or ftp url: foo://IP/\n', 1],
  ] as const)('%s, %s: %s', async (target, act, line, end, code) => {
    listen(8082, act);
    const fill = (text: string) => text.replaceAll('IP', ip);
    const result = await run(target, fill(line));
    expect(result.stderr.endsWith(fill(end)) ? fill(end) : result.stderr).toBe(fill(end));
    expect(result.code).toBe(code);
  });
});

describe('wget over TLS', () => {
  const examples = new URL('../../../../examples/', import.meta.url).pathname;
  const load = async (): Promise<Cluster> => {
    const files = [
      'd3-tls/apps.yaml',
      'd3-tls/secret.yaml',
      'd1-ingress/metallb.yaml',
      'd1-ingress/ingress-nginx.yaml',
    ];
    return Cluster.load({ files: files.map((file) => examples + file), yaml: manifests });
  };
  const url = 'https://kubia.example.com/';

  test('of GNU takes no certificate of an unknown authority', async () => {
    const { stderr, stdout, code } = await (await load()).exec('full', ['wget', '-O-', url]);
    expect([stdout, code]).toEqual(['', 5]);
    expect(stderr).toContain(
      "connected.\nERROR: The certificate of ‘kubia.example.com’ is not trusted.\nERROR: The certificate of ‘kubia.example.com’ doesn't have a known issuer.\n",
    );
  });

  test('of GNU takes it with --no-check-certificate, and warns', async () => {
    const { stderr, stdout, code } = await (await load()).exec('full', ['wget', '-O-', '--no-check-certificate', url]);
    expect([stdout.startsWith("You've hit kubia-"), code]).toEqual([true, 0]);
    expect(stderr).toContain('WARNING: The certificate of ‘kubia.example.com’ is not trusted.\n');
    expect(stderr).toContain('HTTP request sent, awaiting response... 200 OK\n');
  });

  test('of GNU and curl trust the authority that is given', async () => {
    const cluster = await load();
    const secret = cluster.store.list<KubeObject & { data?: Record<string, string> }>('Secret', 'default');
    const pem = secret
      .flatMap(({ data }) => data?.['tls.crt'] ?? [])
      .map((text) => Buffer.from(text, 'base64').toString())[0]!;
    cluster.containers
      .view(cluster.pod('full').object, cluster.pod('full').object.spec.containers[0]!)
      .files.write('/tmp/ca.pem', pem);
    const wget = await cluster.exec('full', ['wget', '-qO-', '--ca-certificate=/tmp/ca.pem', url]);
    const curl = await cluster.exec('full', ['curl', '-sS', '--cacert', '/tmp/ca.pem', url]);
    expect([wget.code, curl.code, wget.stderr + curl.stderr]).toEqual([0, 0, '']);
  });

  test('of BusyBox checks nothing, and says so', async () => {
    const { stdout, stderr, code } = await (await load()).exec('small', ['wget', '-O-', url]);
    expect([stdout.startsWith("You've hit kubia-"), code]).toEqual([true, 0]);
    expect(stderr).toContain('wget: note: TLS certificate validation not implemented\n');
  });
});

describe('traceroute', () => {
  const lines = (text: string) => text.trimEnd().split('\n');

  test.each([
    ['full', 'UDP', 'traceroute -n IP', 60],
    ['full', 'echo requests', 'traceroute -n -I IP', 60],
    ['small', 'UDP', 'traceroute -n IP', 46],
  ])('%s, %s: the nodes on the way, then the pod', async (target, _, line, size) => {
    const { stdout, code } = await run(target, line.replace('IP', ip));
    const [title, ...hops] = lines(stdout);
    expect([title, code]).toEqual([`traceroute to ${ip} (${ip}), 30 hops max, ${size} byte packets`, 0]);
    expect(hops[0]).toMatch(/^ 1 {2}10\.244\.1\.1( {2}[0-9.]+ ms){3}$/);
    expect(hops.at(-1)).toMatch(new RegExp(`^ ${hops.length}  ${ip.replaceAll('.', '\\.')}(  [0-9.]+ ms){3}$`));
  });

  test.each([
    ['full', ' 4  * *'],
    ['small', ' 4  *  *'],
  ])('%s: stars where nobody answers', async (target, last) => {
    const { stdout } = await run(target, 'traceroute -n -q 2 -m 4 -w 1 10.244.99.9');
    expect(lines(stdout).at(-1)).toBe(last);
  });

  test.each([
    ['full', 2, 'nope: Name or service not known\nCannot handle "host" cmdline arg `nope\' on position 1 (argc 1)\n'],
    ['small', 1, "traceroute: bad address 'nope'\n"],
  ])('%s: no such name', async (target, code, stderr) => {
    expect(await run(target, 'traceroute nope')).toEqual({ stdout: '', stderr, code });
  });
});

describe('ping of BusyBox', () => {
  test('counts from nought', async () => {
    const { stdout, code } = await run('small', `ping -c 2 ${ip}`);
    expect(code).toBe(0);
    expect(stdout).toBe(
      `PING ${ip} (${ip}): 56 data bytes
64 bytes from ${ip}: seq=0 ttl=62 time=0.000 ms
64 bytes from ${ip}: seq=1 ttl=62 time=0.000 ms

--- ${ip} ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.000/0.000/0.000 ms
`,
    );
  });

  test.each([
    ['ping -c 1 nope', '', "ping: bad address 'nope'\n"],
    ['ping -c x 1.1.1.1', '', "ping: invalid number 'x'\n"],
    [
      'ping -c 1 -W 1 10.244.2.99',
      'PING 10.244.2.99 (10.244.2.99): 56 data bytes\n\n--- 10.244.2.99 ping statistics ---\n1 packets transmitted, 0 packets received, 100% packet loss\n',
      '',
    ],
  ])('%s', async (line, stdout, stderr) => {
    expect(await run('small', line)).toEqual({ stdout, stderr, code: 1 });
  });
});

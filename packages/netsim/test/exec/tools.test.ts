import { beforeEach, describe, expect, test } from 'vitest';
import { Cluster, type ExecResult } from '../../src/index.ts';

let cluster: Cluster;
const run = (target: string, line: string): Promise<ExecResult> => cluster.exec(target, line.split(' '));

const manifests = `
apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  nodeName: w1-k8s
  containers: [{ name: shell, image: curlimages/curl }]
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  nodeName: w2-k8s
  containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }]
---
apiVersion: v1
kind: Pod
metadata: { name: db, annotations: { netsim.dev/listen: "6379, 53/udp" } }
spec:
  nodeName: w1-k8s
  containers: [{ name: db, image: redis }]
---
apiVersion: v1
kind: Pod
metadata: { name: cache }
spec:
  nodeName: w2-k8s
  containers: [{ name: cache, image: memcached }]
---
apiVersion: v1
kind: Pod
metadata: { name: full }
spec:
  nodeName: w1-k8s
  containers: [{ name: shell, image: nicolaka/netshoot }]
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  clusterIP: 10.100.0.1
  selector: { app: web }
  ports: [{ port: 80 }]
---
apiVersion: v1
kind: Service
metadata: { name: empty }
spec:
  clusterIP: 10.100.0.2
  selector: { app: nothing }
  ports: [{ port: 80 }]
`;

beforeEach(async () => {
  cluster = await Cluster.load({ yaml: manifests });
});

const ipOf = (pod: string) => cluster.pod(pod).object.status!.podIP!;

describe('curl', () => {
  test('gets a page through a service', async () => {
    expect(await run('client', 'curl http://web')).toEqual({ stdout: "You've hit web\n", stderr: '', code: 0 });
  });

  test('shows the exchange with -v, as the real one does on a terminal', async () => {
    const { stderr } = await run('client', 'curl -v http://web/path?q=1');
    const head =
      '*   Trying 10.100.0.1:80...\n* Connected to web (10.100.0.1) port 80 (#0)\n> GET /path?q=1 HTTP/1.1\n> Host: web\n';
    expect(stderr.slice(0, head.length)).toBe(head);
    expect(stderr).toContain('> User-Agent: curl/7.88.1\n> Accept: */*\n> \n< HTTP/1.1 200 OK\n');
    expect(stderr.endsWith('< \n* Connection #0 to host web left intact\n')).toBe(true);
  });

  test('writes out figures of the transfer', async () => {
    const { stdout } = await cluster.exec('client', [
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %{remote_ip}:%{remote_port} %{size_download}\\n',
      'web',
    ]);
    expect(stdout).toBe('200 10.100.0.1:80 15\n');
  });

  test('asks for the head only with -I', async () => {
    const { stdout } = await run('client', 'curl -sI http://web');
    expect(stdout.startsWith('HTTP/1.1 200 OK\r\n')).toBe(true);
    expect(stdout.endsWith('\r\n\r\n')).toBe(true);
  });

  test('is refused where the service has no endpoints', async () => {
    const refused = "curl: (7) Failed to connect to empty port 80 after 0 ms: Couldn't connect to server\n";
    expect(await run('client', 'curl http://empty')).toEqual({ stdout: '', stderr: refused, code: 7 });
  });

  test('says nothing of it with -s, and the message again with -sS', async () => {
    expect(await run('client', 'curl -s http://empty')).toEqual({ stdout: '', stderr: '', code: 7 });
    expect((await run('client', 'curl -sS http://empty')).stderr).toContain('curl: (7)');
  });

  test('does not know a name that is none', async () => {
    expect(await run('client', 'curl http://wbe')).toEqual({
      stdout: '',
      stderr: 'curl: (6) Could not resolve host: wbe\n',
      code: 6,
    });
  });

  test('times out where the virtual address has no such port', async () => {
    const { stderr, code } = await run('client', 'curl -m 2 http://10.244.77.77:81');
    expect(code).toBe(28);
    expect(stderr).toBe('curl: (28) Connection timed out after 2001 milliseconds\n');
    const connecting = await run('client', 'curl --connect-timeout 1 http://10.244.77.77:81');
    expect(connecting.stderr).toBe(
      'curl: (28) Failed to connect to 10.244.77.77 port 81 after 1001 ms: Timeout was reached\n',
    );
  });

  test('ends where a server accepts and never answers', async () => {
    const { object } = cluster.pod('cache');
    const { name: netns } = cluster.netnsOfPod(object);
    cluster.world.addListener({ netns, protocol: 'tcp', port: 9999, program: 'silent' });
    const url = `http://${ipOf('cache')}:9999`;
    const { stderr, code } = await run('client', `curl ${url}`);
    expect(code).toBe(28);
    expect(stderr).toContain('never answers');
    const limited = await run('client', `curl -m 3 ${url}`);
    expect(limited.stderr).toBe('curl: (28) Operation timed out after 3001 milliseconds with 0 bytes received\n');
  });

  test('takes an address from --resolve', async () => {
    const { stdout, code } = await run('client', `curl --resolve shop.example:80:${ipOf('web')} http://shop.example`);
    expect({ stdout, code }).toEqual({ stdout: "You've hit web\n", code: 0 });
  });

  test('waits for a handler that answers later, and sends it method, headers and body', async () => {
    cluster.pod('web').listen(8080, async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const { method, headers } = request;
      return new Response(`${method} ${headers.get('x-test')} ${headers.get('host')} ${await request.text()}`, {
        status: 404,
      });
    });
    const argv = [
      'curl',
      '-s',
      '-i',
      '-X',
      'PUT',
      '-H',
      'X-Test: yes',
      '-H',
      'Host: other',
      '-d',
      'a=b',
      `http://${ipOf('web')}:8080/x`,
    ];
    const { stdout, code } = await cluster.exec('client', argv);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(stdout.endsWith('PUT yes other a=b')).toBe(true);
    const failing = await cluster.exec('client', ['curl', '-f', `http://${ipOf('web')}:8080/x`]);
    expect(failing).toEqual({ stdout: '', stderr: 'curl: (22) The requested URL returned error: 404\n', code: 22 });
  });

  test('writes bodies into files of the container', async () => {
    const first = await run('client', 'curl -s -o /tmp/page http://web http://web');
    expect(first).toEqual({ stdout: "You've hit web\n", stderr: '', code: 0 });
    expect((await run('client', 'cat /tmp/page')).stdout).toBe("You've hit web\n");
    await run('client', 'curl -s --create-dirs --output-dir /tmp/a/b -O http://web/name?q=1');
    expect((await run('client', 'cat /tmp/a/b/name')).stdout).toBe("You've hit web\n");
    await run('client', 'curl -sI -o /tmp/head http://web');
    expect((await run('client', 'cat /tmp/head')).stdout).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Type: /);
    await run('client', 'curl -s -d @/tmp/page -o /dev/null http://web');
  });

  test('keeps cookies in a jar, and sends them back where they belong', async () => {
    const seen: (string | null)[] = [];
    cluster.pod('web').listen(8080, ({ headers }) => {
      seen.push(headers.get('cookie'));
      return new Response('', { headers: { 'set-cookie': 'route=7; Path=/shop; Max-Age=60' } });
    });
    const url = `http://${ipOf('web')}:8080`;
    await run('client', `curl -c /tmp/jar ${url}/shop`);
    for (const path of ['/shop', '/shop/cart', '/shopping', '/']) await run('client', `curl -b /tmp/jar ${url}${path}`);
    cluster.clock.advance('61s');
    await run('client', `curl -b /tmp/jar ${url}/shop`);
    expect(seen).toEqual([null, 'route=7', 'route=7', null, null, null]);
  });

  test('leaves credentials behind on the way to another host, unless they are trusted to it', async () => {
    cluster
      .pod('web')
      .listen(8080, () => new Response(null, { status: 302, headers: { location: `http://${ipOf('web')}:8081/` } }));
    cluster.pod('web').listen(8081, ({ headers }) => new Response(`${headers.get('authorization')}`));
    const url = `http://${ipOf('web')}:8080/`;
    expect((await run('client', `curl -sL -u me:pw ${url}`)).stdout).toBe('null');
    expect((await run('client', `curl -s --location-trusted -u me:pw ${url}`)).stdout).toBe('Basic bWU6cHc=');
  });

  test.each([
    ['curl -x proxy:3128 http://web', 'netsim: curl -x is not emulated: no HTTP proxy is part of the model'],
    ['curl --proxy proxy:3128 http://web', 'netsim: curl --proxy is not emulated: no HTTP proxy is part of the model'],
    ['curl -sT file http://web', 'netsim: curl -T is not emulated: nothing is uploaded'],
    ['curl --http3 http://web', 'netsim: curl --http3 is not emulated: only HTTP/1.1 is spoken'],
    ['curl --netrc http://web', 'netsim: curl --netrc is not emulated\n'],
  ])('%s is refused with a reason', async (line, stderr) => {
    const result = await run('client', line);
    expect([result.code, result.stderr.startsWith(stderr)]).toEqual([2, true]);
  });

  test('follows redirects with -L only', async () => {
    cluster
      .pod('web')
      .listen(8080, ({ url }) =>
        new URL(url).pathname === '/end'
          ? new Response('there\n')
          : new Response(null, { status: 302, headers: { location: '/end' } }),
      );
    const url = `http://${ipOf('web')}:8080/start`;
    expect((await run('client', `curl -s ${url}`)).stdout).toBe('');
    expect((await run('client', `curl -sL ${url}`)).stdout).toBe('there\n');
  });

  test.each([
    ['curl', 2, "curl: try 'curl --help' or 'curl --manual' for more information\n"],
    ['curl --foo http://x', 2, 'curl: option --foo: is unknown\n'],
    ['curl gopher://x', 1, 'curl: (1) Protocol "gopher" not supported or disabled in libcurl\n'],
    ['curl http://[', 3, 'curl: (3) bad range specification in URL position 9:\nhttp://[\n        ^\n'],
    ['curl http://x:99999', 3, 'curl: (3) URL using bad/illegal format or missing URL\n'],
  ])('%s ends with %i', async (line, code, stderr) => {
    const result = await run('client', line);
    expect(result.code).toBe(code);
    expect(result.stderr.startsWith(stderr)).toBe(true);
  });
});

describe('ping', () => {
  test('counts hops down from 64 across two nodes', async () => {
    const { stdout, code } = await run('full', `ping -c 2 ${ipOf('web')}`);
    const ip = ipOf('web');
    expect(code).toBe(0);
    expect(stdout).toBe(
      `PING ${ip} (${ip}) 56(84) bytes of data.\n` +
        `64 bytes from ${ip}: icmp_seq=1 ttl=62 time=0.000 ms\n` +
        `64 bytes from ${ip}: icmp_seq=2 ttl=62 time=0.000 ms\n\n` +
        `--- ${ip} ping statistics ---\n` +
        '2 packets transmitted, 2 received, 0% packet loss, time 1000ms\n' +
        'rtt min/avg/max/mdev = 0.000/0.000/0.000/0.000 ms\n',
    );
  });

  test('gets no answer from the virtual address of a service', async () => {
    const { stdout, code } = await run('full', 'ping -c 3 -W 1 web');
    expect(code).toBe(1);
    expect(stdout).toContain('3 packets transmitted, 0 received, 100% packet loss, time 2000ms\n');
  });

  test("hears from its own node that an address is nobody's", async () => {
    const { stdout, code } = await run('full', 'ping -c 3 10.244.1.99');
    expect(code).toBe(1);
    expect(stdout).toContain('From 10.244.1.4 icmp_seq=1 Destination Host Unreachable\n');
    expect(stdout).toContain('3 packets transmitted, 0 received, +3 errors, 100% packet loss');
    expect(stdout.endsWith('pipe 3\n')).toBe(true);
  });

  test('ends by itself without -c, and says so', async () => {
    const { stdout, stderr } = await run('full', `ping ${ipOf('web')}`);
    expect(stdout).toContain('4 packets transmitted, 4 received');
    expect(stderr).toBe('netsim: ping without -c ends after 4 requests\n');
  });

  test.each([
    ['ping', 1, 'ping: usage error: Destination address required\n'],
    ['ping -c 0 web', 1, "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n"],
    ['ping -c x web', 1, "ping: invalid argument: 'x'\n"],
    ['ping nosuch', 2, 'ping: nosuch: Name or service not known\n'],
  ])('%s ends with %i', async (line, code, stderr) => {
    expect(await run('full', line)).toEqual({ stdout: '', stderr, code });
  });
});

describe('nc', () => {
  test.each([
    ['nc -zv web 80', 0, 'Connection to web (10.100.0.1) 80 port [tcp/http] succeeded!\n'],
    ['nc -z web 80', 0, ''],
    ['nc -zv empty 80', 1, 'nc: connect to empty (10.100.0.2) port 80 (tcp) failed: Connection refused\n'],
    [
      'nc -zv -w 1 10.244.77.77 81',
      1,
      'nc: connect to 10.244.77.77 port 81 (tcp) timed out: Operation now in progress\n',
    ],
    ['nc -zv nosuch 80', 1, 'nc: getaddrinfo for host "nosuch" port 80: Name or service not known\n'],
    ['nc -zv web', 1, 'nc: missing port number\n'],
    ['nc -zv web x', 1, 'nc: port number invalid: x\n'],
  ])('%s', async (line, code, stderr) => {
    expect(await run('client', line)).toEqual({ stdout: '', stderr, code });
  });

  test('takes silence for success over UDP, and an ICMP error for none', async () => {
    const ip = ipOf('db');
    expect((await run('client', `nc -zvu ${ip} 53`)).stderr).toBe(
      `Connection to ${ip} 53 port [udp/domain] succeeded!\n`,
    );
    expect(await run('client', `nc -zvu ${ip} 54`)).toEqual({ stdout: '', stderr: '', code: 1 });
  });

  test('tries a range of ports', async () => {
    const { stderr } = await run('client', `nc -zv ${ipOf('web')} 79-80`);
    expect(stderr).toBe(
      `nc: connect to ${ipOf('web')} port 79 (tcp) failed: Connection refused\nConnection to ${ipOf('web')} 80 port [tcp/http] succeeded!\n`,
    );
  });
});

describe('ss', () => {
  test('lists what listens, in columns as wide as their cells', async () => {
    const { stdout } = await run('db', 'ss -tln');
    expect(stdout).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
        'LISTEN 0      4096               *:6379            *:*          \n',
    );
  });

  test('names the protocol where both are asked for, and the program with -p', async () => {
    const { stdout } = await run('db', 'ss -tulnp');
    expect(stdout).toMatch(/^Netid State {2}Recv-Q Send-Q/);
    expect(stdout).toMatch(/^udp {3}UNCONN 0 .*\*:53 .*users:\(\("db",pid=1,fd=3\)\)/m);
    expect(stdout).toMatch(/^tcp {3}LISTEN 0 .*\*:6379/m);
  });
});

describe('netstat', () => {
  test('lists what listens, with the program', async () => {
    expect((await run('full', 'netstat -tlnp')).stdout).toBe(
      'Active Internet connections (only servers)\n' +
        'Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    \n',
    );
    const { stdout } = await run('db', 'netstat -tulnp');
    expect(stdout.split('\n').slice(2)).toEqual([
      'tcp6       0      0 :::6379                 :::*                    LISTEN      1/db                ',
      'udp6       0      0 :::53                   :::*                                1/db                ',
      '',
    ]);
  });

  test('is refused what is not emulated, with a reason', async () => {
    expect(await run('full', 'netstat -s')).toMatchObject({
      code: 1,
      stderr: 'netsim: netstat -s is not emulated: see ip -s link, ss\n',
    });
    expect((await run('full', 'netstat -Z')).code).toBe(4);
  });
});

describe('on nodes', () => {
  test('iptables-save prints what kube-proxy wrote, iptables -S one chain of it', async () => {
    const { stdout } = await run('node/w1-k8s', 'iptables-save -t nat');
    expect(stdout).toMatch(/^\*nat\n:PREROUTING ACCEPT \[0:0\]\n/);
    expect(stdout).toContain('-A KUBE-SERVICES -d 10.100.0.1/32 -p tcp -m comment --comment "default/web cluster IP"');
    expect(stdout.endsWith('COMMIT\n')).toBe(true);
    const chain = await run('node/w1-k8s', 'iptables -t nat -S KUBE-MARK-MASQ');
    expect(chain.stdout).toBe('-N KUBE-MARK-MASQ\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n');
    expect((await run('node/w1-k8s', 'iptables-save -t nope')).code).toBe(1);
    expect((await run('node/w1-k8s', 'iptables -S NOPE')).stderr).toBe(
      'iptables: No chain/target/match by that name.\n',
    );
  });

  test('conntrack -L shows a translated connection with both of its tuples', async () => {
    await run('client', 'curl http://web');
    const { stdout, stderr } = await run('node/w1-k8s', 'conntrack -L -p tcp --dport 80');
    expect(stdout).toMatch(
      new RegExp(
        `^tcp {6}6 \\d+ [A-Z_]+ src=10.244.1.2 dst=10.100.0.1 sport=\\d+ dport=80 src=${ipOf('web')} dst=10.244.1.2 sport=80 dport=\\d+ \\[ASSURED\\] mark=0 use=1\\n$`,
      ),
    );
    expect(stderr).toBe('conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n');
    // The overlay's own packets are connections of the node too.
    expect((await run('node/w1-k8s', 'conntrack -L -p udp')).stdout).toMatch(
      /^udp {6}17 .* dport=8472 \[UNREPLIED\] /m,
    );
    expect((await run('node/w1-k8s', 'conntrack -L -p icmp')).stdout).toBe('');
    expect((await run('node/w1-k8s', 'conntrack -F')).code).toBe(0);
    expect((await run('node/w1-k8s', 'conntrack -C')).stdout).toBe('0\n');
  });

  test('a pod has not got the tools of nodes', async () => {
    const { stderr, code } = await run('client', 'iptables-save');
    expect(code).toBe(127);
    expect(stderr).toMatch(/^OCI runtime exec failed: .*it is a tool of the nodes/);
  });
});

describe('the rest', () => {
  test.each([
    ['hostname', 'client\n'],
    ['hostname -i', '10.244.1.2\n'],
    ['cat /etc/hostname', 'client\n'],
    ['/usr/bin/hostname', 'client\n'],
    ['hostname -f', 'client\n'],
    ['hostname -s', 'client\n'],
    ['hostname -d', '\n'],
  ])('%s', async (line, stdout) => {
    expect(await run('client', line)).toEqual({ stdout, stderr: '', code: 0 });
  });

  test('a tool that is not emulated is not found, as a container runtime says', async () => {
    const { stderr, code } = await run('client', 'vim x');
    expect(code).toBe(127);
    expect(stderr).toMatch(
      /exec: "vim": executable file not found in \$PATH: unknown .*\ncommand terminated with exit code 127\n$/,
    );
  });

  test('a shell is refused with the reason', async () => {
    const { stderr, code } = await cluster.exec('client', ['sh', '-c', 'curl web | head']);
    expect(code).toBe(2);
    expect(stderr).toContain('there is no shell here');
  });

  test.each([['curl web | head'], ['cat /etc/hosts > /tmp/x'], ['curl -s web 2>/dev/null']])(
    'words of a shell are refused: %s',
    async (line) => {
      expect((await run('client', line)).code).toBe(2);
    },
  );

  test('a file that is not there', async () => {
    const stderr = "cat: can't open '/etc/nope': No such file or directory\n";
    expect(await run('client', 'cat /etc/nope')).toEqual({ stdout: '', stderr, code: 1 });
  });
});

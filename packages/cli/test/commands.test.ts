import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Trace } from '@netsim/trace';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { netsim } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'netsim-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const shop = file(
  'shop.yaml',
  `apiVersion: v1
kind: Pod
metadata: { name: a, namespace: shop, labels: { app: a } }
spec: { containers: [{ name: a, image: nginx }] }
---
apiVersion: v1
kind: Service
metadata: { name: none, namespace: shop }
spec: { selector: { app: nothing }, ports: [{ port: 80 }] }
`,
);
const NOTICE = 'no -f given: using the built-in demo cluster "kubia" (netsim demo prints its manifests)\n';

describe('trace', () => {
  test('shows the way to the demo service, and says on stderr that it is the demo', async () => {
    const { code, stdout, stderr } = await netsim(['trace', 'pod-a', 'svc/kubia']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pod\/pod-a {2}-> {2}svc\/kubia:80 .* DELIVERED/);
    expect(stderr).toBe(NOTICE);
  });

  test('prints a document of the schema with -o json', async () => {
    const { stdout } = await netsim(['trace', 'pod-a', 'svc/kubia', '-o', 'json']);
    const trace = JSON.parse(stdout) as Trace;
    expect([trace.schemaVersion, trace.kind]).toEqual(['netsim.dev/v1', 'Trace']);
    expect(trace.paths[0]!.disposition).toBe('DELIVERED');
  });

  test('knows every path and its share', async () => {
    const { stdout } = await netsim(['trace', 'pod-a', 'svc/kubia', '--all-paths', '-o', 'json']);
    const { paths } = JSON.parse(stdout) as Trace;
    expect(paths).toHaveLength(3);
    expect(paths.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
  });

  test('spreads many requests over the endpoints', async () => {
    const { stdout, code } = await netsim(['trace', 'pod-a', 'svc/kubia', '--count', '60']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^BACKEND +ADDRESS +RESULT +REQUESTS +PERCENT\n/);
    const requests = stdout
      .split('\n')
      .slice(1, -1)
      .map((line) => Number(line.split(/ {2,}/)[3]));
    expect(requests.reduce((a, b) => a + b, 0)).toBe(60);
  });

  test('ends with 1 where the packet does not arrive', async () => {
    const { code, stdout, stderr } = await netsim(['trace', 'a', 'svc/none', '-f', shop, '-n', 'shop']);
    expect(code).toBe(1);
    expect(stdout).toContain('NO_ENDPOINTS');
    expect(stderr).not.toContain(NOTICE);
  });

  test('takes global flags before and after the command', async () => {
    const before = await netsim(['-n', 'shop', '-f', shop, 'trace', 'a', 'svc/none', '--detail', 'minimal']);
    const after = await netsim(['trace', 'a', 'svc/none', '--detail', 'minimal', '-f', shop, '-n', 'shop']);
    expect(before).toEqual(after);
  });

  test('is the same twice with one seed', async () => {
    const argv = ['trace', 'pod-a', 'svc/kubia', '--seed', '7', '-o', 'json'];
    expect(await netsim(argv)).toEqual(await netsim(argv));
  });

  test('reads manifests from stdin', async () => {
    const { code } = await netsim(['trace', 'a', 'svc/none', '-f', '-', '-n', 'shop'], {
      stdin: readFileSync(shop, 'utf8'),
    });
    expect(code).toBe(1);
  });

  test.each([
    ['a service from a pod', 'pod-a', 'svc/kubia', ''],
    ['a pod without a name', 'pod-a', 'deploy/kubia', /^note: pod "kubia-\S+" has no DNS name /],
    ['a service from a node', 'node/w1-k8s', 'svc/kubia', /^note: only pods ask the cluster's DNS: /],
    ['an address', 'pod-a', '10.96.0.1:443', /^note: 10\.96\.0\.1:443 is no name: no server is asked\n$/],
  ])('with --dns says where there is no name to look up: %s', async (_, from, to, note) => {
    const demo = join(import.meta.dirname, '../../../examples/kubia/kubia.yaml');
    const { code, stderr } = await netsim(['trace', from, to, '--dns', '-f', demo, '-o', 'json']);
    expect(code).toBe(0);
    if (note === '') expect(stderr).toBe('');
    else expect(stderr).toMatch(note);
  });

  test('writes a capture to stdout with --pcap -, and the trace to stderr then', async () => {
    const { bytes, stdout, stderr, code } = await netsim(['trace', 'pod-a', 'svc/kubia', '--pcap', '-']);
    expect(code).toBe(0);
    expect(Buffer.from(bytes.subarray(0, 4)).toString('hex')).toBe('0a0d0d0a');
    expect(stdout).toBe('');
    expect(stderr).toContain('DELIVERED');
  });

  test('writes a capture to a file', async () => {
    const path = join(folder, 'out.pcapng');
    await netsim(['trace', 'pod-a', 'svc/kubia', '--pcap', path]);
    expect(readFileSync(path).subarray(0, 4).toString('hex')).toBe('0a0d0d0a');
    const { code, stderr } = await netsim(['trace', 'pod-a', 'svc/kubia', '--pcap', join(folder, 'no/such/folder')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: --pcap \S+: no such file or directory\n$/);
  });
});

describe('mistakes', () => {
  test.each<[string, string[], RegExp]>([
    ['an unknown command', ['trce'], /^error: unknown command 'trce'\n\(Did you mean trace\?\)\nsee netsim --help\n$/],
    [
      'an unknown flag',
      ['trace', 'a', 'b', '--all-path'],
      /^error: unknown option '--all-path'\n\(Did you mean --all-paths\?\)\nsee netsim trace --help\n$/,
    ],
    [
      'a missing argument',
      ['trace', 'a'],
      /^error: missing required argument 'destination'\nsee netsim trace --help\n$/,
    ],
    ['one argument too many', ['demo', 'x'], /^error: too many arguments for 'demo'/],
    [
      'a pod that is not there',
      ['trace', 'pod-b', 'svc/kubia'],
      /error: pod "pod-b" not found in namespace "default"; did you mean "pod-a"\?\n$/,
    ],
    ['a service that is not there', ['trace', 'pod-a', 'svc/kubla'], /did you mean "kubia"\?\n$/],
    [
      'an output format that is none',
      ['trace', 'pod-a', 'svc/kubia', '-o', 'xml'],
      /^error: unknown output format "xml", known: text, wide, json, yaml\n$/,
    ],
    [
      'a protocol that is none',
      ['trace', 'pod-a', 'svc/kubia', '--protocol', 'quic'],
      /Allowed choices are tcp, udp, sctp, icmp/,
    ],
    ['a count that is none', ['trace', 'pod-a', 'svc/kubia', '--count', '0'], /Expected a whole number from 1 on/],
    [
      'flags that exclude each other',
      ['trace', 'pod-a', 'svc/kubia', '--count', '3', '--all-paths'],
      /^error: --all-paths and --count exclude each other\n$/,
    ],
    [
      'a kind that is none',
      ['get', 'podz'],
      /error: the server doesn't have a resource type "podz"; did you mean "pods?"\?\n$/,
    ],
    ['a selector that cannot be read', ['get', 'pods', '-l', 'a=('], /^error: -l "a=\("/],
    [
      'a shell that is none',
      ['completion', 'bsh'],
      /^error: unknown shell "bsh", known: bash, zsh, fish; did you mean "bash"\?\n$/,
    ],
    [
      'a code that is none',
      ['explain', 'NO_ENDPOINT'],
      /^error: nothing is known of "NO_ENDPOINT"; did you mean "NO_ENDPOINTS"\?\n$/,
    ],
    ['a file that is not there', ['get', 'pods', '-f', '/no/such/file.yaml'], /^error: \/no\/such\/file\.yaml: /],
    [
      'a container that is not there',
      ['exec', 'pod-a', '-c', 'x', '--', 'hostname'],
      /container x is not valid for pod pod-a/,
    ],
  ])('%s ends with 2 and says what is meant', async (_name, argv, stderr) => {
    const ran = await netsim(argv);
    expect(ran.stderr).toMatch(stderr);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe('');
  });

  test('every mistake in the manifests is told at once, with its place', async () => {
    const path = file(
      'broken.yaml',
      'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec: { ports: [{ port: 70000 }, { prot: 1 }] }\n',
    );
    const { code, stderr } = await netsim(['get', 'svc', '-f', path]);
    expect(code).toBe(2);
    expect(stderr.split('\n').filter((line) => line.startsWith('error: ')).length).toBeGreaterThan(1);
  });

  test('a terminal is shown the line in question, a pipe is not', async () => {
    const path = file(
      'typo.yaml',
      'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec:\n  selectr: { a: b }\n',
    );
    const piped = await netsim(['get', 'svc', '-f', path]);
    expect(piped.stderr).toMatch(/^error: .*typo\.yaml:5:3: .*unknown field "spec\.selectr".*\n$/m);
    const shown = await netsim(['get', 'svc', '-f', path], { isTTY: true, env: { NO_COLOR: '1' } });
    expect(shown.stderr).toMatch(/\n +5 \| {3}selectr: \{ a: b \}\n +\| +\^+\n/);
  });

  test('-k without kubectl says what to do', async () => {
    const { code, stderr } = await netsim(['get', 'pods', '-k', folder], { env: { PATH: folder } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: -k needs kubectl, which is not in PATH/);
  });
});

test('the name of a pod is no DNS name, and the advice says how it is written', async () => {
  const { code, stdout } = await netsim(['trace', 'deploy/kubia', 'pod-a:80']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^advice: .*write pod\/pod-a for the object/m);
});

describe('get and describe', () => {
  test('an object that is not there is exit status 1, in the words of kubectl', async () => {
    const { code, stderr } = await netsim(['get', 'pod', 'nope', '-f', shop]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^warning: .*\nError from server \(NotFound\): pods "nope" not found\n$/);
  });

  test('an empty list is exit status 0', async () => {
    const { code, stderr } = await netsim(['get', 'deploy', '-f', shop]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: .*\nNo resources found in default namespace\.\n$/);
  });

  test('takes KIND/NAME, namespaces, selectors and the usual flags', async () => {
    expect((await netsim(['get', 'pod/a', '-n', 'shop', '-f', shop, '-o', 'name'])).stdout).toBe('pod/a\n');
    const all = await netsim(['get', 'pods', '-A', '-l', 'app=a', '--no-headers', '--show-labels', '-f', shop]);
    expect(all.stdout).toMatch(/^shop +a +1\/1 +Running +0 +0s +app=a\n$/);
  });

  test('describes a service with its endpoints', async () => {
    const { stdout, code } = await netsim(['describe', 'svc', 'kubia']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Name: +kubia\nNamespace: +default\n/);
    expect(stdout).toMatch(/^Endpoints: +10\.244\.\d\.\d:8080,/m);
  });
});

describe('exec', () => {
  test('gives the output and the exit status of the tool', async () => {
    const { code, stdout } = await netsim(['exec', 'pod-a', '--', 'curl', '-s', 'http://kubia']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^You've hit kubia-/) });
    expect((await netsim(['exec', 'pod-a', '--', 'curl', 'http://nothing'])).code).toBe(6);
    expect((await netsim(['exec', 'node/w1-k8s', '--', 'hostname'])).stdout).toBe('w1-k8s\n');
  });

  test('takes -it as kubectl does', async () => {
    expect(await netsim(['exec', '-it', 'pod-a', '--', 'hostname'])).toMatchObject({ code: 0, stdout: 'pod-a\n' });
  });

  test('leaves the flags of the tool alone', async () => {
    const { stdout } = await netsim([
      'exec',
      'pod-a',
      '-n',
      'default',
      '--',
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'kubia',
    ]);
    expect(stdout).toBe('200');
  });
});

describe('lint', () => {
  test('a clean cluster is 0, findings are 1, an unreadable file is 2', async () => {
    expect((await netsim(['lint'])).code).toBe(0);
    const found = await netsim(['lint', '-f', shop]);
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(/^warning: .*shop\.yaml:\d+:\d+: /);
    expect((await netsim(['lint', '-f', '/no/such/file'])).code).toBe(2);
  });

  test('a Corefile is refused with all its mistakes, each at its line of the manifest: 2', async () => {
    const path = file(
      'corefile.yaml',
      `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: c, image: debian }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: coredns, namespace: kube-system }
data:
  Corefile: |
    .:53 {
        kubernets cluster.local
        cache 0
        forward . 192.0.2.53 {
            polcy random
        }
    }
`,
    );
    const { code, stdout } = await netsim(['lint', '-f', path]);
    expect(code).toBe(2);
    const head = 'configmap "kube-system/coredns": ';
    const corefile = '/etc/coredns/Corefile';
    expect(stdout.trimEnd().split('\n')).toEqual([
      `error: ${path}:12:9: ${head}${corefile}:2 - Error during parsing: Unknown directive 'kubernets' (did you mean "kubernetes"?)`,
      `error: ${path}:13:9: ${head}plugin/cache: ${corefile}:3 - Error during parsing: cache TTL can not be zero or negative: 0`,
      `error: ${path}:15:13: ${head}plugin/forward: ${corefile}:5 - Error during parsing: unknown property 'polcy' (did you mean "policy"?)`,
    ]);
    const dns = await netsim(['dns', 'client', 'kubernetes', '-f', path]);
    expect(dns.code).toBe(2);
    expect(dns.stderr).toBe(stdout);
  });

  test('findings are data: on stdout, also as JSON', async () => {
    const { stdout } = await netsim(['lint', '-f', shop, '-o', 'json']);
    const { kind, findings } = JSON.parse(stdout) as { kind: string; findings: { severity: string }[] };
    expect(kind).toBe('Findings');
    expect(findings[0]!.severity).toBe('warning');
  });
});

describe('test', () => {
  const expectations = (name: string, ends: string) =>
    file(
      `${name}.yaml`,
      `apiVersion: netsim.dev/v1
kind: Expectations
expectations:
- { name: "${name} <&>", from: pod-a, to: svc/kubia, expect: ${ends} }
`,
    );
  const met = expectations('met', 'delivered');
  const unmet = expectations('unmet', 'dropped');

  test('is 0 where all are met, 1 where one is not, 2 where a file cannot be used', async () => {
    expect(await netsim(['test', met])).toMatchObject({ code: 0, stdout: 'ok   met <&>\n1 passed, 0 failed\n' });
    const { code, stdout } = await netsim(['test', met, unmet]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^ok {3}met.*\nFAIL unmet .*unmet\.yaml:4\)\n {5}expected DROPPED, got DELIVERED\n {5}pod\/pod-a /,
    );
    expect(stdout).toMatch(/\n1 passed, 1 failed\n$/);
    expect((await netsim(['test', '/no/such/file'])).code).toBe(2);
    expect((await netsim(['test', expectations('slip', 'delivred')])).stderr).toMatch(/did you mean "delivered"\?/);
  });

  test('finds the expectations in a directory that has the manifests too', async () => {
    const both = mkdtempSync(join(folder, 'both-'));
    writeFileSync(join(both, 'kubia.yaml'), (await netsim(['demo'])).stdout);
    expect(await netsim(['test', both])).toMatchObject({
      code: 2,
      stderr: `error: no object of kind Expectations in ${both}\n`,
    });
    writeFileSync(join(both, 'expectations.yaml'), readFileSync(met, 'utf8'));
    expect(await netsim(['-f', both, 'test', both])).toMatchObject({ code: 0, stderr: '' });
    const named = await netsim(['test', join(both, 'kubia.yaml')]);
    expect([named.code, named.stderr]).toEqual([2, expect.stringMatching(/Pod of v1: expected kind Expectations/)]);
  });

  test('reads the expectations or the manifests from stdin, but not both', async () => {
    const stdin = readFileSync(met, 'utf8');
    expect(await netsim(['test', '-'], { stdin })).toMatchObject({ code: 0 });
    expect(await netsim(['-f', '-', 'test', '-'], { stdin })).toMatchObject({ code: 2 });
  });

  test('as JSON, JUnit and TAP', async () => {
    const { stdout } = await netsim(['test', met, unmet, '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'TestReport',
      passed: 1,
      failed: 1,
      results: [{ ok: true }, { ok: false, line: 4, problems: ['expected DROPPED, got DELIVERED'] }],
    });
    const junit = (await netsim(['test', met, unmet, '-o', 'junit'])).stdout;
    expect(junit).toMatch(/<testsuites name="netsim" tests="2" failures="1">/);
    expect(junit).toMatch(/<testcase name="met &lt;&amp;&gt;" [^\n]*\/>/);
    expect(junit).toMatch(/<failure message="expected DROPPED, got DELIVERED[^"]*">/);
    const tap = (await netsim(['test', met, unmet, '-o', 'tap'])).stdout;
    expect(tap).toMatch(/^TAP version 13\n1\.\.2\nok 1 - met <&>\nnot ok 2 - unmet <&>\n# /);
  });
});

describe('the small ones', () => {
  test('demo prints manifests that can be read back', async () => {
    const { stdout } = await netsim(['demo']);
    const back = await netsim(['get', 'svc', 'kubia', '-o', 'name', '-f', '-'], { stdin: stdout });
    expect(back).toMatchObject({ code: 0, stdout: 'service/kubia\n' });
  });

  test('version, in three forms', async () => {
    expect((await netsim(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await netsim(['version'])).stdout).toMatch(/^netsim \d+\.\d+\.\d+ \(node v/);
    expect(JSON.parse((await netsim(['version', '-o', 'json'])).stdout)).toMatchObject({ kind: 'Version' });
  });

  test('help is data, and shows the flags of the command and those of all', async () => {
    const { code, stdout } = await netsim(['trace', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--all-paths');
    expect(stdout).toMatch(/\nOutput formats \(-o\): text, wide, json, yaml\n/);
    expect(stdout).toContain('--filename');
  });

  test('help of a command, also of one in another; one that is none is said', async () => {
    expect((await netsim(['help', 'lab', 'verify'])).stdout).toBe((await netsim(['lab', 'verify', '--help'])).stdout);
    const { code, stderr } = await netsim(['help', 'nope']);
    expect([code, stderr]).toEqual([2, "error: unknown command 'nope'\nsee netsim --help\n"]);
  });

  test.each([
    ['dns', 'Lookup', ['dns', 'pod-a', 'kubia']],
    ['diagnose', 'Diagnosis', ['diagnose', 'svc/kubia']],
    ['lint', 'Findings', ['lint']],
    ['routes', 'Routes', ['routes']],
    ['explain', 'Explanations', ['explain']],
    ['version', 'Version', ['version']],
    ['trace', 'Trace', ['trace', 'pod-a', 'svc/kubia']],
  ])('%s prints one document of its kind as JSON, and the same as YAML', async (_, kind, argv) => {
    const { stdout } = await netsim([...argv, '-o', 'json']);
    const document: unknown = JSON.parse(stdout);
    expect(document).toMatchObject({ schemaVersion: 'netsim.dev/v1', kind });
    expect(parse((await netsim([...argv, '-o', 'yaml'])).stdout)).toEqual(document);
  });

  test.each([
    ['demo', ['demo'], 'yaml'],
    ['exec', ['exec', 'pod-a', '--', 'true'], 'text'],
    ['completion', ['completion', 'bash'], 'text'],
  ])('%s has one format only, and says so', async (_, argv, known) => {
    const { code, stderr } = await netsim(['-o', 'json', ...argv]);
    expect([code, stderr]).toEqual([2, `error: unknown output format "json", known: ${known}\n`]);
  });

  test('-n says where names are looked up; the demo stays where it is', async () => {
    const { stdout } = await netsim(['get', 'pods', '-n', 'kube-system', '-o', 'name']);
    expect(stdout).toMatch(/^(pod\/coredns-\S+\n)+$/);
  });

  test('a command that is to come says so, and what to use until then', async () => {
    const { code, stderr } = await netsim(['matrix', '--by', 'pod', '-o', 'csv']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: netsim matrix is not there yet; netsim trace /)]);
    expect((await netsim(['--help'])).stdout).not.toContain('matrix');
  });

  test('without a command the help goes to stderr, and the status is 2', async () => {
    const { code, stdout, stderr } = await netsim([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: netsim');
  });

  test('--log-level debug writes JSON lines to stderr', async () => {
    const { stderr } = await netsim(['trace', 'pod-a', 'svc/kubia', '--log-level', 'debug']);
    const line = stderr.split('\n').find((text) => text.startsWith('{'))!;
    expect(JSON.parse(line)).toMatchObject({ name: 'netsim', msg: 'cluster loaded' });
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { netsim, type Ran } from './netsim.ts';

/**
 * What people give that cannot work: each ends in bounded time, with status 2, says what is wrong and where, and does nothing of
 * what was asked.
 */
const BOUND = 10_000;
const root = join(import.meta.dirname, '../..');
const binary = join(root, 'packages/cli/bin/netsim.js');
const built = existsSync(join(root, 'packages/cli/bundle/netsim.cjs'));

let folder: string;
const before = process.cwd();
// What the commands import is read before the first of them is timed.
beforeAll(async () => {
  await netsim(['trace', 'pod-a', 'svc/kubia']);
}, 60_000);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netsim-bad-input-'));
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

function put(name: string, content: string | Uint8Array): string {
  mkdirSync(dirname(name), { recursive: true });
  writeFileSync(name, content);
  return name;
}

const pod = (name: string, more = '') => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec: { containers: [{ name: c, image: nginx, ports: [{ name: http, containerPort: 80 }] }] }
${more}`;
const service = (spec: string) => `apiVersion: v1
kind: Service
metadata: { name: web }
spec: ${spec}
`;
const deepYaml = `a: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`;
const deepJson = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
const bomb = [
  'l0: &l0 [x, x, x, x, x, x, x, x, x]',
  ...Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`),
].join('\n');

/** What the commands all say of one input: every command must refuse it alike. */
interface Row {
  readonly what: string;
  readonly make: () => string;
  readonly says: RegExp;
  /** Flags beside `-f FILE`. */
  readonly flags?: readonly string[];
}

const refused: readonly Row[] = [
  { what: 'a missing file', make: () => 'none.yaml', says: /^error: none\.yaml: no such file or directory$/m },
  {
    what: 'a path through a file',
    make: () => `${put('file.yaml', pod('a'))}/x.yaml`,
    says: /^error: file\.yaml\/x\.yaml: no such file or directory$/m,
  },
  {
    what: 'a URL',
    make: () => 'https://example.com/a.yaml',
    says: /^error: https:\/\/example\.com\/a\.yaml: URLs are not read, .*curl -sL URL \| netsim -f - \.\.\.$/m,
  },
  {
    what: 'a file with nothing but comments',
    make: () => put('comments.yaml', '# a\n---\n# b\n'),
    says: /^warning: comments\.yaml: no object in this file\nerror: no objects in what was given$/m,
  },
  {
    what: 'a template of Helm',
    make: () => put('template.yaml', `{{- if .Values.on }}\n${pod('{{ .Release.Name }}')}{{- end }}\n`),
    says: /^error: template\.yaml:1:1: a template, not yet a manifest \(render it first, as with helm template CHART \| netsim -f - \.\.\.\)$/m,
  },
  {
    what: 'a kustomization that is not built',
    make: () =>
      put('kustomization.yaml', 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n'),
    says: /^error: kustomization\.yaml:2:1: .*no cluster has this kind \(to build it, give its directory with -k/m,
  },
  { what: 'an empty file', make: () => put('empty.yaml', ''), says: /^error: empty\.yaml: the file is empty$/m },
  {
    what: 'a file of blanks',
    make: () => put('blank.yaml', ' \n\n'),
    says: /^error: blank\.yaml: the file is empty$/m,
  },
  {
    what: 'a binary file',
    make: () => put('elf', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff])),
    says: /^error: elf: not a text in UTF-8/m,
  },
  {
    what: 'UTF-16 without a byte order mark',
    make: () => put('utf16le.yaml', Buffer.from(pod('a'), 'utf16le')),
    says: /^error: utf16le\.yaml: not a text in UTF-8/m,
  },
  {
    what: 'ten megabytes of garbage',
    make: () =>
      put(
        'garbage.bin',
        Uint8Array.from({ length: 10_000_000 }, (_, i) => (i * 2_654_435_761) >>> 13),
      ),
    says: /^error: garbage\.bin: not a text in UTF-8/m,
  },
  {
    what: 'ten megabytes of letters, of which only the first are shown',
    make: () => put('letters.yaml', 'abcdefgh'.repeat(1_250_000)),
    says: /^error: letters\.yaml:1:1: expected an object with apiVersion and kind, got "abcdefgh.{0,60}…$/m,
  },
  {
    what: 'a name of a million letters, of which only the first are shown',
    make: () => put('name.yaml', pod('x'.repeat(1_000_000))),
    says: /^error: name\.yaml:3:13: pod "default\/x{100}.{0,2000}$/m,
  },
  {
    what: 'a device that never ends',
    make: () => '/dev/zero',
    says: /^error: \/dev\/zero: a device, not a file$/m,
  },
  {
    what: 'a directory without manifests',
    make: () => dirname(put('docs/readme.md', 'hello')),
    says: /^error: docs: no \.yaml, \.yml or \.json file in this directory \(its subdirectories are read with -R\)$/m,
  },
  {
    what: 'a directory without manifests, with -R',
    make: () => dirname(put('docs2/readme.md', 'hello')),
    flags: ['-R'],
    says: /^error: docs2: no \.yaml, \.yml or \.json file in this directory$/m,
  },
  {
    what: 'a symbolic link to itself',
    make: () => {
      symlinkSync('self.yaml', 'self.yaml');
      return 'self.yaml';
    },
    says: /^error: self\.yaml: too many levels of symbolic links$/m,
  },
  {
    what: 'a symbolic link to nothing in a directory',
    make: () => {
      put('links/good.yaml', pod('a'));
      symlinkSync('gone.yaml', 'links/broken.yaml');
      return 'links';
    },
    says: /^error: links\/broken\.yaml: no such file or directory$/m,
  },
  {
    what: 'YAML with a list that is not closed',
    make: () => put('open.yaml', `${pod('a')}x: [1, 2\n`),
    says: /^error: open\.yaml:6:1: a list that begins with "\[" is not closed/m,
  },
  {
    what: 'YAML indented with a tab',
    make: () => put('tab.yaml', 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n'),
    says: /^error: tab\.yaml:4:1: a tab indents this line/m,
  },
  {
    what: 'an alias bomb',
    make: () => put('bomb.yaml', bomb),
    says: /^error: bomb\.yaml:\d+:\d+: document contains excessive aliasing$/m,
  },
  {
    what: '100,000 levels of YAML',
    make: () => put('deep.yaml', deepYaml),
    says: /^error: deep\.yaml:1:303: nested more than 300 levels deep$/m,
  },
  {
    what: '100,000 levels of JSON',
    make: () => put('deep.json', deepJson),
    says: /^error: deep\.json:1:1: nested more than 300 levels deep$/m,
  },
  {
    what: '100,000 braces that are never closed',
    make: () => put('braces.json', '{"a":'.repeat(100_000)),
    says: /^error: braces\.json:1:\d+: nested more than 300 levels deep$/m,
  },
  {
    what: 'lists in lists',
    make: () => put('lists.json', '{"kind":"List","apiVersion":"v1","items":[{"kind":"List","items":[]}]}'),
    says: /^error: lists\.json:1:\d+: a list inside a list$/m,
  },
  {
    what: 'thousands of unknown fields, of which the first are told',
    make: () => put('unknown.yaml', `${pod('a')}${Array.from({ length: 10_000 }, (_, i) => `f${i}: 1\n`).join('')}`),
    says: /^error: unknown\.yaml:1:1: pod "default\/a": and 9900 more fields that are unknown or of a wrong type$/m,
  },
  {
    what: '__proto__ as a label',
    make: () => put('label.yaml', pod('a').replace('app: web', '__proto__: web')),
    says: /^error: label\.yaml:3:\d+: pod "default\/a": metadata\.labels: Invalid value: "__proto__"/m,
  },
  {
    what: '__proto__ and constructor as fields',
    make: () => put('proto.yaml', `${pod('a')}__proto__: { polluted: yes }\nconstructor: { prototype: {} }\n`),
    says: /^error: proto\.yaml:5:1: pod "default\/a": unknown field "__proto__"\nerror: proto\.yaml:6:1: pod "default\/a": unknown field "constructor"$/m,
  },
  {
    what: 'a cluster IP that is no address',
    make: () => put('ip.yaml', service('{ clusterIP: 10.96.0.999, ports: [{ port: 80 }] }')),
    says: /^error: ip\.yaml:4:9: service "default\/web": spec\.clusterIPs\[0\]: Invalid value: "10\.96\.0\.999": must be a valid IP/m,
  },
  {
    what: 'a cluster IP outside the service network',
    make: () => put('range.yaml', service('{ clusterIP: 192.168.7.7, ports: [{ port: 80 }] }')),
    says: /^error: range\.yaml:4:9: service "default\/web": .*192\.168\.7\.7/m,
  },
  {
    what: 'a port out of range',
    make: () => put('port.yaml', service('{ ports: [{ port: 70000 }] }')),
    says: /^error: port\.yaml:4:19: service "default\/web": spec\.ports\[0\]\.port: Invalid value: 70000: must be between 1 and 65535/m,
  },
  {
    what: 'two pods with one IP',
    make: () =>
      put(
        'two.yaml',
        ['a', 'b'].map((name) => pod(name, 'status: { podIP: 10.244.1.5, phase: Running }\n')).join('---\n'),
      ),
    says: /^error: two\.yaml:11:11: pod "default\/b": its address 10\.244\.1\.5 is that of pod "default\/a" too/m,
  },
  {
    what: 'a pod CIDR that is too small for its pods',
    make: () =>
      put(
        'small.yaml',
        `apiVersion: v1
kind: Node
metadata: { name: n1 }
spec: { podCIDR: 10.244.1.0/30 }
---
${pod('a')}---
${pod('b')}---
${pod('c')}`,
      ),
    says: /^error: small\.yaml:4:9: node "n1": pod CIDR 10\.244\.1\.0\/30 has no address left for 4 of its pods: b, c, coredns-/m,
  },
  {
    what: 'control characters and terminal escapes in names',
    make: () => put('escape.yaml', 'apiVersion: v1\nkind: "Po\\e[31md"\nmetadata: { name: "a\\e]0;owned\\a" }\n'),
    says: /^error: escape\.yaml:2:1: .*no kind "Po\ufffd\[31md" in version "v1"$/m,
  },
];

/** Commands that would need the cluster. */
const commands: readonly [string, ...string[]][] = [
  ['trace', 'a', 'svc/web'],
  ['exec', 'a', '--', 'hostname'],
  ['lint'],
] as const;

function expectRefusal({ code, stdout, stderr, milliseconds }: Ran, says: RegExp, isLint: boolean): void {
  expect((isLint ? stdout : stderr).replaceAll(folder, '')).toMatch(says);
  expect(code).toBe(2);
  // Nothing is done by halves: no trace of what could be read.
  if (isLint) expect(stderr).toBe('');
  else expect(stdout).toBe('');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may reach a terminal
  expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  expect(stderr).not.toContain('internal error');
  expect(milliseconds).toBeLessThan(BOUND);
}

describe.each(refused)('$what', ({ make, says, flags = [] }) => {
  let path: string;
  beforeAll(() => {
    path = make();
  });

  test.each(commands)('is refused by %s', async (...command) => {
    const ran = await netsim([...flags, '-f', path, ...command]);
    expectRefusal(ran, says, command[0] === 'lint');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('what is wrong with a file that others can use', () => {
  test('one broken file among good ones: all is told, nothing is done', async () => {
    put('some/a.yaml', pod('a'));
    put('some/b.yaml', 'kind: Pod\napiVersion: v1\nmetadata: { nmae: b }\n');
    const { code, stdout, stderr } = await netsim(['-f', 'some', '-f', 'none.yaml', 'get', 'pods']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(
      'error: some/b.yaml:3:13: pod without a name: unknown field "metadata.nmae" (did you mean "name"?)',
    );
    expect(stderr).toContain('error: none.yaml: no such file or directory');
  });

  test('a file that may not be read', async () => {
    chmodSync(put('secret.yaml', pod('a')), 0);
    await netsim(['-f', 'secret.yaml', 'get', 'pods']);
    chmodSync('.', 0o755);
    // Root may read everything: for a moment this is somebody else.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65534);
    const { code, stderr } = await netsim(['-f', 'secret.yaml', 'get', 'pods']).finally(() => {
      if (root) process.seteuid?.(0);
    });
    expect([code, stderr]).toEqual([2, 'error: secret.yaml: permission denied\n']);
  });

  test('links that lead round in a circle are not followed', async () => {
    put('circle/deep/a.yaml', pod('a'));
    symlinkSync('..', 'circle/deep/up');
    const { code, stdout, stderr } = await netsim(['-R', '-f', 'circle', 'get', 'pods', '-o', 'name']);
    expect([code, stdout, stderr]).toEqual([0, 'pod/a\n', '']);
  });

  test('duplicate keys are a warning, and the last one counts, as for kubectl', async () => {
    const file = put('twice.yaml', `${pod('a')}`.replace('image: nginx', 'image: nginx, image: redis'));
    const { code, stdout, stderr } = await netsim(['-f', file, 'get', 'pod', 'a', '-o', 'yaml']);
    expect(code).toBe(0);
    expect(stderr).toBe('warning: twice.yaml:4:47: key "image" is given twice; the last one counts\n');
    expect(stdout).toContain('image: redis');
    expect((await netsim(['-f', file, 'lint'])).code).toBe(1);
  });

  test('the same object twice is a warning that says where the first is', async () => {
    const file = put('again.yaml', `${pod('a')}---\n${pod('a')}`);
    const { code, stderr } = await netsim(['-f', file, 'get', 'pods']);
    expect(code).toBe(0);
    expect(stderr).toBe(
      'warning: again.yaml:8:13: pod "default/a": given twice (first at again.yaml:3); the last one counts\n',
    );
  });
});

describe('what the API server would take, but cannot work', () => {
  test('a selector that selects nothing: the nearest label is named, and the trace says why', async () => {
    const file = put(
      'selector.yaml',
      `${pod('a')}---\n${service('{ selector: { app: wep }, ports: [{ port: 80 }] }')}`,
    );
    const { code, stdout, stderr } = await netsim(['-f', file, 'trace', 'a', 'svc/web']);
    expect(stderr).toMatch(
      /^warning: selector\.yaml:9:\d+: .*selector "app=wep" matches no pod.*\(did you mean "app: web"\?\)$/m,
    );
    expect(stdout).toMatch(/^pod\/a {2}-> .* NO_ENDPOINTS$/m);
    expect(stdout).toMatch(/^because: selector\.yaml:9 service\/web: selector app=wep$/m);
    expect(code).toBe(1);
    expect((await netsim(['-f', file, 'lint'])).code).toBe(1);
  });

  test('a target port by a name that no pod has', async () => {
    const file = put(
      'named.yaml',
      `${pod('a')}---\n${service('{ selector: { app: web }, ports: [{ port: 80, targetPort: htpp }] }')}`,
    );
    const { code, stdout, stderr } = await netsim(['-f', file, 'trace', 'a', 'svc/web']);
    expect(stderr).toMatch(/^warning: named\.yaml:9:\d+: .*port named "htpp".*\(did you mean "http"\?\)$/m);
    expect(stdout).toMatch(/^pod\/a {2}-> .* NO_ENDPOINTS$/m);
    expect(code).toBe(1);
  });
});

describe('names that do not exist', () => {
  test.each<[string, readonly string[], RegExp]>([
    [
      'a source',
      ['trace', 'pod-b', 'svc/kubia'],
      /^error: pod "pod-b" not found in namespace "default"; did you mean "pod-a"\?$/m,
    ],
    ['a service', ['trace', 'pod-a', 'svc/kubai'], /^error: service "kubai" not found .*did you mean "kubia"\?$/m],
    ['a node', ['trace', 'node/w9-k8s', 'svc/kubia'], /^error: node "w9-k8s" not found; did you mean "w1-k8s"\?$/m],
    [
      'a node, written as a host outside',
      ['exec', 'host/w9-k8s', '--', 'ls'],
      /^error: there is no node "w9-k8s"; did you mean "node\/w1-k8s"\?$/m,
    ],
    [
      'a kind',
      ['trace', 'pod-a', 'svx/kubia'],
      /^error: "svx" is no kind of source or destination; did you mean "svc"\?$/m,
    ],
    [
      'a port name',
      ['trace', 'pod-a', 'svc/kubia:htpp'],
      /^error: service "kubia" has no port named "htpp"; its ports: 80$/m,
    ],
    ['an endpoint', ['trace', 'pod-a', 'svc/kubia', '--endpoint', 'pod-b'], /^error: .*pod-b/m],
    ['a pod to run in', ['exec', 'pod-b', '--', 'ls'], /^error: pod "pod-b" not found .*did you mean "pod-a"\?$/m],
    [
      'a command',
      ['trce', 'pod-a', 'svc/kubia'],
      /^error: unknown command 'trce'\n\(Did you mean trace\?\)\nsee netsim --help$/m,
    ],
    [
      'an option',
      ['trace', 'pod-a', 'svc/kubia', '--all-path'],
      /^error: unknown option '--all-path'\n\(Did you mean --all-paths\?\)\nsee netsim trace --help$/m,
    ],
    [
      'no destination',
      ['trace', 'pod-a'],
      /^error: missing required argument 'destination'\nsee netsim trace --help$/m,
    ],
    [
      'a code',
      ['explain', 'NO_ENDPONTS'],
      /^error: nothing is known of "NO_ENDPONTS"; did you mean "NO_ENDPOINTS"\?$/m,
    ],
    [
      'a kind of object',
      ['get', 'pdos'],
      /^error: the server doesn't have a resource type "pdos"; did you mean "pods"\?$/m,
    ],
  ])('%s: the nearest right one is named', async (_what, argv, says) => {
    const { code, stdout, stderr } = await netsim(argv);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });

  test.each([
    ['a name', 'kubai:80'],
    ['a URL', 'http://kubai/'],
  ])('%s that does not resolve: the answer is no, and the nearest service is named', async (_what, destination) => {
    const { code, stdout } = await netsim(['trace', 'pod-a', destination]);
    expect(stdout).toContain('NAME_NOT_FOUND');
    expect(stdout).toContain('did you mean "kubia"?');
    expect(code).toBe(1);
  });

  test.each([
    ['trace', '\u001b[31mred', 'svc/kubia'],
    ['trace', 'pod-a', 'svc/\u009b31m'],
    ['get', '\u001b[31m'],
    ['get', 'pod', '\u001b[31m'],
    ['describe', 'pod', '\u001b[31m'],
    ['explain', '\u001b[31m'],
    ['-o', '\u001b[31m', 'get', 'pods'],
    ['\u001b[31m'],
    ['trace', 'pod-a', 'svc/kubia', '--detail', '\u001b[31m'],
    ['-f', '\u001b[31m', 'lint'],
  ])('a name with a terminal escape is not sent to the terminal: %j %j', async (...argv) => {
    const { code, stdout, stderr } = await netsim(argv);
    expect(code).toBeGreaterThan(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may reach a terminal
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    expect(stdout + stderr).toContain('\ufffd');
  });
});

test('escapes in annotations, images and commands are shown, not obeyed', async () => {
  const file = put(
    'obeyed.yaml',
    `apiVersion: v1
kind: Pod
metadata: { name: a, annotations: { note: "\\e[2Jgone\\r" } }
spec: { containers: [{ name: c, image: "ng\\e[31minx", command: ["\\e[31m"] }] }
`,
  );
  for (const argv of [
    ['describe', 'pod', 'a'],
    ['get', 'pods', '-o', 'wide'],
    ['get', 'pod', 'a', '-o', 'yaml'],
    ['get', 'pod', 'a', '-o', 'json'],
    ['trace', 'a', 'pod/a:80', '--detail', 'full'],
  ]) {
    const { stdout, stderr } = await netsim(['-f', file, ...argv]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may reach a terminal
    expect(stdout + stderr, argv.join(' ')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  }
  expect((await netsim(['-f', file, 'describe', 'pod', 'a'])).stdout).toContain('^[[2Jgone\\r');
});

describe('ways to give manifests', () => {
  const names = ['get', 'pods', '-o', 'name'];
  test('standard input', async () => {
    expect((await netsim(['-f', '-', ...names], { stdin: pod('a') })).stdout).toBe('pod/a\n');
  });
  test('an empty standard input is an error', async () => {
    const { code, stderr } = await netsim(['-f', '-', ...names]);
    expect([code, stderr]).toEqual([2, 'error: -: nothing came on standard input\n']);
  });
  test('standard input with a mistake says its line', async () => {
    const { stderr } = await netsim(['-f', '-', ...names], { stdin: pod('a').replace('spec', 'spce') });
    expect(stderr).toMatch(/^error: -:4:1: pod "default\/a": unknown field "spce" \(did you mean "spec"\?\)$/m);
  });
  test('several -f, and a directory', async () => {
    put('many/b.yaml', pod('b'));
    put(
      'many/c.json',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'c' },
        spec: { containers: [{ name: 'c', image: 'nginx' }] },
      }),
    );
    const { stdout } = await netsim(['-f', put('one.yaml', pod('a')), '-f', 'many', ...names]);
    expect(stdout).toBe('pod/a\npod/b\npod/c\n');
  });
  test.each([
    ['CRLF', pod('a').replaceAll('\n', '\r\n')],
    ['UTF-8 with a byte order mark', `\ufeff${pod('a')}`],
    ['UTF-16 with a byte order mark', Buffer.from(`\ufeff${pod('a')}`, 'utf16le')],
    ['a line of three megabytes', `# ${'x'.repeat(3_000_000)}\n${pod('a')}`],
  ])('%s', async (_what, text) => {
    const { stdout, stderr, milliseconds } = await netsim(['-f', put('way.yaml', text), ...names]);
    expect([stdout, stderr]).toEqual(['pod/a\n', '']);
    expect(milliseconds).toBeLessThan(BOUND);
  });
  test('the place in a file with CRLF is right', async () => {
    const { stderr } = await netsim([
      '-f',
      put('crlf.yaml', pod('a').replace('spec', 'spce').replaceAll('\n', '\r\n')),
      ...names,
    ]);
    expect(stderr).toContain('crlf.yaml:4:1:');
  });
});

describe.skipIf(!built)('the real program', () => {
  test('refuses a missing file with status 2, and prints nothing on stdout', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [binary, '-f', 'none.yaml', 'trace', 'a', 'svc/b'], {
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([2, '', 'error: none.yaml: no such file or directory\n']);
  });
  test('reads a pipe', () => {
    const stdout = execFileSync(process.execPath, [binary, '-f', '-', 'get', 'pods', '-o', 'name'], {
      input: pod('a'),
      encoding: 'utf8',
    });
    expect(stdout).toBe('pod/a\n');
  });
  test('is quiet when its reader goes away', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${binary}" demo | head -n 1 >/dev/null`],
      { encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
  });
});

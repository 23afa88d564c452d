import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cluster } from '../../src/index.ts';

const images = { gnu: 'debian:12', busybox: 'busybox:1.35' } as const;
type Userland = keyof typeof images;

const load = (userland: Userland): Promise<Cluster> =>
  Cluster.load({
    objects: [
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'box' },
        spec: { containers: [{ name: 'box', image: images[userland], command: ['sleep', 'infinity'] }] },
      },
    ],
  });

/** Runs lines in a new empty directory by the real tools, and says what each printed and its exit status. */
function really(userland: Userland, lines: readonly (readonly string[])[]): object[] {
  const cwd = mkdtempSync(join(tmpdir(), 'netsim-files-'));
  try {
    return lines.map((line) => {
      const [command = '', ...args] = userland === 'busybox' ? ['busybox', ...line] : line;
      const done = spawnSync(command, args, {
        cwd,
        encoding: 'utf8',
        env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
      });
      return { stdout: done.stdout, stderr: done.stderr, code: done.status };
    });
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

async function emulated(userland: Userland, lines: readonly (readonly string[])[]): Promise<object[]> {
  const cluster = await load(userland);
  const results: object[] = [];
  for (const line of lines) results.push(await cluster.exec('box', line));
  return results;
}

const hasBusybox = spawnSync('busybox', ['true']).status === 0;

describe.each(['gnu', 'busybox'] as const)('files, with %s', (userland) => {
  const lines = [
    ['cat', 'nope'],
    ['ls', 'nope'],
    ['touch', 'no/x'],
    ['mkdir', 'work'],
    ['mkdir', 'work'],
    ['mkdir', 'no/x'],
    ['mkdir', '-p', 'work/a/b', 'work/c'],
    ['touch', 'work/y', 'work/.hidden', 'work/x'],
    ['ls', 'work'],
    ['ls', '-a', 'work'],
    ['ls', '-A', 'work'],
    ['ls', '-d', 'work'],
    ['ls', 'work/x', 'work/a', 'work/c', 'nope'],
    ['cat', 'work'],
    ['cat', 'work/x', 'nope', 'work/y'],
    ['cat', 'work/x/z'],
    ['touch', 'work/x/z'],
    ['touch', '-c', 'work/new'],
    ['ls', 'work/new'],
    ['test', '-f', 'work/x'],
    ['test', '-f', 'work'],
    ['test', '-d', 'work'],
    ['test', '-e', 'nope'],
    ['test', '!', '-e', 'nope'],
    ['test', '-s', 'work/x'],
    ['[', '-f', 'work/x', ']'],
    ['[', 'a', '=', 'b', ']'],
    ['rm', 'nope'],
    ['rm', '-f', 'nope'],
    ['rm', 'work'],
    ['rm', 'work/x'],
    ['ls', 'work/x'],
    ['rm', '-r', 'work'],
    ['ls', 'work'],
    ['true'],
    ['false'],
    ['echo', 'a', 'b'],
    ['echo', '-n', 'a'],
    ['env', '-i', 'A=1', 'env'],
    ['env', '-i', 'A=1', 'B=2'],
    ['sleep', 'x'],
  ];

  test.skipIf(userland === 'busybox' && !hasBusybox)('as the real tools', async () => {
    const real = really(userland, lines);
    const ours = await emulated(userland, lines);
    const of = (results: readonly object[]) => lines.map((line, i) => ({ line: line.join(' '), ...results[i] }));
    expect(of(ours)).toEqual(of(real));
  });

  test.skipIf(process.getuid?.() !== 0 || (userland === 'busybox' && !hasBusybox))(
    'whoami, as the real one says it to root (root)',
    async () => {
      expect(await emulated(userland, [['whoami']])).toEqual(really(userland, [['whoami']]));
    },
  );

  const name = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'b/a/c', './a', 'a/../b', 'a//b');
  const line = fc.oneof(
    fc.tuple(fc.constantFrom('touch', 'ls', 'cat', 'rm', 'mkdir'), name).map((words) => [...words]),
    fc.tuple(fc.constantFrom('-f', '-d', '-e'), name).map(([flag, path]) => ['test', flag, path]),
    name.map((path) => ['mkdir', '-p', path]),
    name.map((path) => ['rm', '-rf', path]),
  );

  test.skipIf(userland === 'busybox' && !hasBusybox)(
    'any sequence leaves the files that the real tools leave',
    async () => {
      const codes = (results: object[]) => results.map((each) => ('code' in each ? each.code : undefined));
      const sequence = fc.array(line, { minLength: 5, maxLength: 15 });
      for (const some of fc.sample(sequence, { numRuns: 10, seed: 7 })) {
        const shown = some.map((words) => words.join(' ')).join('; ');
        expect([shown, codes(await emulated(userland, some))]).toEqual([shown, codes(really(userland, some))]);
      }
    },
  );
});

describe('what a container finds', () => {
  const manifests = `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { mode: fast, app.conf: "port = 80\\n" }
---
apiVersion: v1
kind: Secret
metadata: { name: keys }
data: { token: c2VjcmV0 }
---
apiVersion: v1
kind: Pod
metadata:
  name: box
  labels: { app: box }
  annotations: { netsim.dev/files: "/tmp/healthy, side=/srv/x" }
spec:
  volumes:
  - { name: conf, configMap: { name: settings } }
  - { name: keys, secret: { secretName: keys, items: [{ key: token, path: deep/token }] } }
  - { name: shared, emptyDir: {} }
  - { name: facts, downwardAPI: { items: [{ path: labels, fieldRef: { fieldPath: metadata.labels } }] } }
  containers:
  - name: main
    image: debian
    volumeMounts:
    - { name: conf, mountPath: /etc/conf }
    - { name: conf, mountPath: /etc/one.conf, subPath: app.conf }
    - { name: keys, mountPath: /keys }
    - { name: shared, mountPath: /data }
    - { name: facts, mountPath: /facts }
  - name: side
    image: busybox
    volumeMounts:
    - { name: shared, mountPath: /elsewhere, subPath: sub }
`;
  const run = async (cluster: Cluster, line: string, container = 'main') => {
    const { stdout, stderr, code } = await cluster.exec('box', line.split(' '), { container });
    return code === 0 ? stdout : `${code} ${stderr}`;
  };

  test('ConfigMaps, Secrets and the downward API as files', async () => {
    const cluster = await Cluster.load({ yaml: manifests });
    expect(await run(cluster, 'ls /etc/conf')).toBe('app.conf\nmode\n');
    expect(await run(cluster, 'cat /etc/conf/app.conf')).toBe('port = 80\n');
    expect(await run(cluster, 'cat /etc/one.conf')).toBe('port = 80\n');
    expect(await run(cluster, 'cat /keys/deep/token')).toBe('secret');
    expect(await run(cluster, 'cat /facts/labels')).toBe('app="box"');
    expect(await run(cluster, 'touch /etc/conf/x')).toBe(
      "1 touch: cannot touch '/etc/conf/x': Read-only file system\n",
    );
  });

  test('an emptyDir is one for all containers and outlives a restart; what else was written is gone', async () => {
    const cluster = await Cluster.load({ yaml: manifests });
    await run(cluster, 'mkdir /data/sub');
    await run(cluster, 'touch /data/sub/note /tmp/note');
    expect(await run(cluster, 'ls /elsewhere', 'side')).toBe('note\n');
    expect(await run(cluster, 'ls /tmp')).toBe('healthy\nnote\n');
    cluster.pod('box').restart('main');
    expect(await run(cluster, 'ls /tmp')).toBe('healthy\n');
    expect(await run(cluster, 'ls /data/sub')).toBe('note\n');
    expect(await run(cluster, 'ls /srv', 'side')).toBe('x\n');
  });

  test('the files of its names', async () => {
    const cluster = await Cluster.load({ yaml: manifests });
    expect(await run(cluster, 'cat /etc/hostname')).toBe('box\n');
    expect(await run(cluster, 'cat /etc/resolv.conf')).toContain('options ndots:5\n');
    expect(await run(cluster, 'ls /')).toContain('etc\nfacts\n');
  });
});

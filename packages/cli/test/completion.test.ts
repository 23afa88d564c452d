import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { netsim } from './harness.ts';

/** Candidates for the last of the words, without descriptions; then the directive. */
async function complete(...words: string[]): Promise<string[]> {
  const { stdout, stderr, code } = await netsim(['__complete', ...words]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t')[0]!);
}

describe('completion knows', () => {
  test('commands', async () => {
    expect(await complete('tr')).toEqual(['trace', ':4']);
    expect(await complete('mat')).toEqual([':4']);
    expect(await complete('lab', 'v')).toEqual(['verify', ':4']);
  });
  test('flags of the command and those of all', async () => {
    expect(await complete('trace', '--al')).toEqual(['--all-paths', ':4']);
    expect(await complete('trace', '--names')).toEqual(['--namespace', ':4']);
  });
  test('values of flags', async () => {
    expect(await complete('trace', '--protocol', 't')).toEqual(['tcp', ':4']);
    expect(await complete('get', '-o', 'w')).toEqual(['wide', ':4']);
    expect(await complete('test', '-o', 'j')).toEqual(['junit', 'json', ':4']);
    expect(await complete('-o', 'ta')).toEqual(['tap', ':4']);
    expect(await complete('get', '-n', 'kube-s')).toEqual(['kube-system', ':4']);
  });
  test('that a file may follow -f', async () => {
    expect(await complete('get', '-f', '')).toEqual([':0']);
  });
  test('names of objects in the manifests', async () => {
    expect(await complete('trace', 'pod-')).toEqual(['pod-a', ':4']);
    expect(await complete('trace', 'pod-a', 'svc/kubia')).toEqual(['svc/kubia', ':4']);
    expect(await complete('trace', 'pod-a', 'svc/kubia:')).toEqual(['svc/kubia:80', ':4']);
    expect(await complete('exec', 'node/w1')).toEqual(['node/w1-k8s', ':4']);
    expect(await complete('get', 'svc', 'kub')).toEqual(['kubernetes', 'kubia', ':4']);
    expect(await complete('get', 'deploy/')).toEqual(['deploy/kubia', ':4']);
  });
  test('kinds, tools, codes and shells', async () => {
    expect(await complete('get', 'endpoints')).toEqual(['endpoints', 'endpointslices', ':4']);
    expect(await complete('exec', 'pod-a', '--', 'cu')).toEqual(['curl', ':4']);
    expect(await complete('exec', 'pod-a', '--', 'iptables-s')).toEqual([':4']);
    expect(await complete('exec', 'node/w1-k8s', '--', 'iptables-s')).toEqual(['iptables-save', ':4']);
    expect(await complete('diagnose', 'svc/kubia')).toEqual(['svc/kubia', ':4']);
    expect(await complete('diagnose', 'svc/kubia', '--from', 'pod/p')).toEqual(['pod/pod-a', ':4']);
    expect(await complete('explain', 'NO_E')).toEqual(['NO_ENDPOINTS', ':4']);
    expect(await complete('completion', 'f')).toEqual(['fish', ':4']);
  });
  test('nothing, quietly, where the files cannot be read', async () => {
    expect(await complete('trace', '-f', '/no/such/file', '')).toEqual(['external', 'host/external', ':4']);
  });
});

test.each(['bash', 'zsh', 'fish'])('the script for %s asks netsim itself', async (shell) => {
  const { stdout, code } = await netsim(['completion', shell]);
  expect(code).toBe(0);
  expect(stdout).toContain('netsim __complete');
});

test('bash completes a word with a colon in it', async () => {
  const { stdout } = await netsim(['completion', 'bash']);
  const script = `${stdout}
netsim() { printf 'svc/kubia:80\\n:4\\n'; }
COMP_LINE='netsim trace pod-a svc/kubia:'; COMP_POINT=\${#COMP_LINE}
_netsim; printf '%s\\n' "\${COMPREPLY[@]}"`;
  expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('80\n');
});

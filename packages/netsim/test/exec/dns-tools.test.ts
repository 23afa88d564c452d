import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';

const yaml = ['debian', 'busybox']
  .map(
    (image) => `apiVersion: v1
kind: Pod
metadata: { name: ${image} }
spec: { containers: [{ name: c, image: ${image}, command: [sleep, inf] }] }
---
`,
  )
  .join('');
let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.load({ yaml });
});
const run = (pod: string, command: string) => cluster.pod(pod).exec(...command.split(' '));

describe('the tools that ask name servers', () => {
  test('nslookup of bind walks the search list', async () => {
    const { stdout, code } = await run('debian', 'nslookup kubernetes');
    expect(stdout).toContain('Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n');
    expect(stdout).toContain('Name:\tkubernetes.default.svc.cluster.local\nAddress: 10.96.0.1\n');
    expect(code).toBe(0);
  });

  test('nslookup of BusyBox takes a name with a dot as it is', async () => {
    const { stdout, code } = await run('busybox', 'nslookup kubernetes.default.svc.cluster.local');
    expect(stdout).toContain('Address:\t10.96.0.10:53\n');
    expect(stdout).toContain('Address: 10.96.0.1\n');
    expect(code).toBe(0);
  });

  test('nslookup fails for a name that is not there, with the status of the real one', async () => {
    const { stdout, code } = await run('debian', 'nslookup nobody.default.svc.cluster.local.');
    expect(stdout).toContain("** server can't find nobody.default.svc.cluster.local: NXDOMAIN");
    expect(code).toBe(1);
  });

  test('dig +short prints the data, dig the whole message', async () => {
    expect(await run('debian', 'dig +short kubernetes.default.svc.cluster.local')).toEqual({
      stdout: '10.96.0.1\n',
      stderr: '',
      code: 0,
    });
    const { stdout } = await run('debian', 'dig kubernetes.default.svc.cluster.local');
    expect(stdout).toContain('status: NOERROR');
    expect(stdout).toContain(';; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)');
  });

  test('dig does not use the search list unless told to', async () => {
    expect((await run('debian', 'dig +search +short kubernetes')).stdout).toBe('10.96.0.1\n');
    expect((await run('debian', 'dig +tcp +short kubernetes.default.svc.cluster.local')).stdout).toBe('10.96.0.1\n');
  });

  test('dig says when no server replies', async () => {
    const { stdout, code } = await run('debian', 'dig @10.96.0.99 kubernetes');
    expect(stdout).toContain(';; no servers could be reached');
    expect(code).toBe(9);
  });

  test('dig -x finds the name of a service by its address', async () => {
    expect((await run('debian', 'dig +short -x 10.96.0.1')).stdout).toBe('kubernetes.default.svc.cluster.local.\n');
  });

  test('host and getent find the service', async () => {
    expect((await run('debian', 'host -t A kubernetes')).stdout).toBe(
      'kubernetes.default.svc.cluster.local has address 10.96.0.1\n',
    );
    expect((await run('debian', 'getent hosts kubernetes')).stdout).toBe(
      '10.96.0.1       kubernetes.default.svc.cluster.local\n',
    );
    expect((await run('debian', 'getent ahosts kubernetes')).stdout).toMatch(/^10\.96\.0\.1 {7}STREAM /);
    expect((await run('debian', 'getent hosts nobody.default.svc.cluster.local.')).code).toBe(2);
  });

  test.each([
    ['a label of 64 octets', `${'a'.repeat(64)}.example`, 'label too long'],
    ['an empty label', 'a..b', 'empty label'],
    ['more than 255 octets', `${'abcdefg.'.repeat(32)}x`, 'ran out of space'],
  ])('a name with %s is refused as the real tools refuse it', async (_, name, why) => {
    for (const [tool, code] of [
      ['dig', 10],
      ['nslookup', 10],
      ['host', 1],
    ] as const) {
      const result = await run('debian', `${tool} ${name}`);
      expect(result).toMatchObject({ stdout: '', code });
      expect(result.stderr.trim()).toBe(`${tool}: '${name}' is not a legal name (${why})`);
    }
    expect(await run('busybox', `nslookup ${name}`)).toMatchObject({
      stderr: "nslookup: write to '10.96.0.10': Message too long\n",
      code: 1,
    });
  });

  test('entries of the search list that make a name too long are passed over', async () => {
    const long = `${`${'a'.repeat(60)}.`.repeat(4)}x`;
    expect((await run('debian', `nslookup ${long}`)).stdout).toContain(`** server can't find ${long}: NXDOMAIN`);
    expect((await run('debian', `host ${long}`)).code).toBe(1);
    expect(cluster.lookup({ from: 'pod/debian', name: long, type: 'A' }).queries.map(({ name }) => name)).toEqual([
      `${long}.`,
    ]);
  });

  test('what is not emulated is said', async () => {
    expect((await run('debian', 'dig +dnssec kubernetes')).stderr).toMatch(/^netsim: dig \+dnssec is not emulated/);
  });

  test('on a node they ask the resolver of the node, which does not know the cluster', async () => {
    const { stdout } = await cluster.exec('node/w1-k8s', ['dig', 'kubernetes']);
    expect(stdout).toContain('status: NXDOMAIN');
    expect(stdout).toContain(';; SERVER: 8.8.8.8#53(8.8.8.8) (UDP)');
  });
});

import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { METALLB, web } from './ingress/support.ts';

const load = (more = ''): Promise<Cluster> =>
  Cluster.load({ yaml: web('kubia', 1).replace('ports: [{ port: 80', 'type: NodePort\n  ports: [{ port: 80') + more });

async function addressOf(cluster: Cluster, host: string): Promise<string> {
  const { stdout } = await cluster.exec(host, ['ip', '-4', '-br', 'addr', 'show', 'dev', 'eth0']);
  return stdout.trim().split(/\s+/)[2]!;
}

describe('a machine outside the cluster, by a name of the user’s own', () => {
  test('has an address of its own, the next one that is free', async () => {
    const cluster = await load();
    expect(await addressOf(cluster, 'host/external')).toBe('192.168.1.200/24');
    expect(await addressOf(cluster, 'host/laptop')).toBe('192.168.1.201/24');
    expect(await addressOf(cluster, 'host/phone')).toBe('192.168.1.202/24');
    expect(await addressOf(cluster, 'host/laptop'), 'the same name is the same machine').toBe('192.168.1.201/24');
  });

  test('takes no address of a pool of load balancers', async () => {
    const cluster = await load(METALLB.replace('192.168.1.11-192.168.1.29', '192.168.1.201-192.168.1.240'));
    expect(await addressOf(cluster, 'host/laptop')).toBe('192.168.1.241/24');
  });

  test('reaches a node port, and is seen by its own address', async () => {
    const cluster = await load();
    const [path] = cluster.trace({ from: 'host/laptop', to: 'svc/kubia' }).paths;
    expect(path?.disposition).toBe('DELIVERED');
    expect(path?.request.hops[0]?.steps.find(({ kind }) => kind === 'send')).toMatchObject({
      packet: { src: '192.168.1.201' },
    });
    const { code, stdout } = await cluster.exec('host/laptop', ['hostname']);
    expect([code, stdout]).toEqual([0, 'laptop\n']);
  });

  test('is reached from a node and from another machine', async () => {
    const cluster = await load();
    await cluster.exec('host/laptop', ['hostname']);
    for (const from of ['node/w1-k8s', 'host/phone', 'external']) {
      const [path] = cluster.trace({ from, to: '192.168.1.201', protocol: 'icmp' }).paths;
      expect(path?.disposition, from).toBe('DELIVERED');
    }
  });

  test('stays where it is when nodes change', async () => {
    const cluster = await load();
    const before = await addressOf(cluster, 'host/laptop');
    cluster.apply('apiVersion: v1\nkind: Node\nmetadata: { name: late }\nspec: {}\n');
    expect(await addressOf(cluster, 'host/laptop')).toBe(before);
    const [path] = cluster.trace({ from: 'external', to: before.replace('/24', ''), protocol: 'icmp' }).paths;
    expect(path?.disposition).toBe('DELIVERED');
  });

  test.each([
    ['host/w1-k8s', 'write node/w1-k8s'],
    ['host/w1-k9s', 'did you mean "node/w1-k8s"?'],
    ['host/extrenal', 'did you mean "external"?'],
    ['host/My_Laptop', 'write small letters'],
    ['host/', 'write small letters'],
  ])('%s is refused: %s', async (source, hint) => {
    const cluster = await load();
    const said = await cluster.exec(source, ['hostname']).catch((error: { suggestion?: string }) => error.suggestion);
    expect(said).toContain(hint);
  });
});

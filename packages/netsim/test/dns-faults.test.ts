import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { coreDnsPods } from './coredns-of.ts';
import { MANY_ADDRESSES } from './many-addresses.ts';

const NAME = 'kubia.default.svc.cluster.local.';
/** A pod whose programs have glibc; `pod-a` has musl. Both are on the same node. */
const CLIENT = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: w1-k8s, containers: [{ name: c, image: debian, command: [sleep, inf] }] }
`;
const kubia = (): Promise<Cluster> => Cluster.load({ demo: 'kubia', yaml: CLIENT });
const lookup = (cluster: Cluster, pod = 'client') => cluster.pod(pod).lookup(NAME);
const netfilter = (cluster: Cluster, node: string) => cluster.netnsOfMachine(node).netfilter;
/** Puts a rule in front of those that are there. */
function rule(cluster: Cluster, node: string, text: string): void {
  netfilter(cluster, node)!.restore(`*filter\n-I ${text}\nCOMMIT\n`, 4, { noflush: true });
}

describe('a look-up over a network that is broken', () => {
  test('answers over the network that is not', async () => {
    expect(lookup(await kubia()).addresses).toHaveLength(1);
  });

  test('waits for its time where a rule drops the queries', async () => {
    const cluster = await kubia();
    rule(cluster, 'w1-k8s', 'FORWARD -p udp --dport 53 -j DROP');
    const { error, elapsedMs, queries } = lookup(cluster);
    // glibc: two tries of five seconds.
    expect([error, elapsedMs]).toEqual(['EAI_AGAIN', 10_000]);
    expect(queries).toHaveLength(4);
    expect(queries.every(({ rcode }) => rcode === undefined)).toBe(true);
    // musl: all tries within five seconds.
    expect(lookup(cluster, 'pod-a')).toMatchObject({ error: 'EAI_AGAIN', elapsedMs: 5_000 });
  });

  test('waits for its time where a rule drops the replies', async () => {
    const cluster = await kubia();
    rule(cluster, 'w1-k8s', 'FORWARD -p udp --sport 53 -j DROP');
    expect(lookup(cluster)).toMatchObject({ error: 'EAI_AGAIN', elapsedMs: 10_000 });
  });

  test('ends at once where a rule rejects them', async () => {
    const cluster = await kubia();
    rule(cluster, 'w1-k8s', 'FORWARD -p udp --dport 53 -j REJECT');
    const { error, elapsedMs, queries } = lookup(cluster);
    expect([error, elapsedMs]).toEqual(['EAI_AGAIN', 0]);
    expect(queries[0]!.error).toBe('ECONNREFUSED');
    // The sockets of musl are not connected, and so do not hear of it.
    expect(lookup(cluster, 'pod-a')).toMatchObject({ error: 'EAI_AGAIN', elapsedMs: 5_000 });
  });

  test('ends at once where no CoreDNS is ready: kube-proxy rejects', async () => {
    const cluster = await kubia();
    const pods = coreDnsPods(cluster).map(({ object: { metadata } }) => `kube-system/${metadata.name}`);
    for (const pod of pods) cluster.setReady(pod, false);
    const { error, elapsedMs, queries } = lookup(cluster);
    expect([error, elapsedMs, queries[0]!.error]).toEqual(['EAI_AGAIN', 0, 'ECONNREFUSED']);
    for (const pod of pods) cluster.setReady(pod, true);
    expect(lookup(cluster).addresses).toHaveLength(1);
  });

  test('waits where the machine of the CoreDNS pods is off, until the pods are elsewhere', async () => {
    const cluster = await kubia();
    const nodes = new Set(coreDnsPods(cluster).map((pod) => pod.node!));
    for (const node of nodes) cluster.node(node).stop();
    const { error, elapsedMs } = lookup(cluster);
    expect(error).toBe('EAI_AGAIN');
    expect(elapsedMs).toBeGreaterThanOrEqual(10_000);
    cluster.clock.advance('10m');
    expect(lookup(cluster).addresses).toHaveLength(1);
  });

  test('waits where the connection tracking table of its node is full', async () => {
    const cluster = await kubia();
    expect(lookup(cluster).addresses).toHaveLength(1);
    const netns = cluster.netnsOfMachine('w1-k8s');
    netns.setSysctl('net.netfilter.nf_conntrack_max', 1);
    expect(lookup(cluster)).toMatchObject({ error: 'EAI_AGAIN', elapsedMs: 10_000 });
    netns.setSysctl('net.netfilter.nf_conntrack_max', 262_144);
    expect(lookup(cluster).addresses).toHaveLength(1);
  });

  test('a reply that was cut cannot be had where TCP to port 53 is dropped', async () => {
    const cluster = await Cluster.load({
      demo: 'kubia',
      yaml: `${MANY_ADDRESSES}---
${CLIENT}`,
    });
    expect(cluster.pod('client').lookup('many').addresses).toHaveLength(60);
    rule(cluster, 'w1-k8s', 'FORWARD -p tcp --dport 53 -j DROP');
    const { addresses, queries } = cluster.pod('client').lookup('many');
    expect(addresses).toEqual([]);
    expect(queries.filter(({ transport }) => transport === 'tcp').every(({ rcode }) => rcode === undefined)).toBe(true);
  });
});

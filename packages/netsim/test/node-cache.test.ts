import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const examples = join(import.meta.dirname, '../../../examples');
const files = [join(examples, 'kubia/kubia.yaml'), join(examples, 'node-local-dns/node-local-dns.yaml')];
const load = (): Promise<Cluster> => Cluster.load({ files });
const answersOf = (cluster: Cluster, name: string): readonly string[] =>
  cluster.lookup({ from: 'pod-a', name }).answers;

describe('NodeLocal DNSCache', () => {
  test('answers on the node of the pod, at the address of kube-dns', async () => {
    const cluster = await load();
    const { resolution } = cluster.trace({ from: 'pod-a', to: 'kubia:80', dns: true });
    for (const { path, answers } of resolution!.queries.slice(0, 1)) {
      expect(answers).toHaveLength(1);
      expect(path!.disposition).toBe('DELIVERED');
      expect(new Set(path!.request.hops.map(({ node }) => node))).toEqual(new Set(['w1-k8s']));
      expect(path!.request.hops.flatMap(({ steps }) => steps).filter(({ kind }) => kind === 'nat')).toEqual([]);
      expect(path!.reply!.hops[0]!.steps[0]).toMatchObject({ packet: { src: '10.96.0.10', sport: 53 } });
    }
  });

  test('its queries are not tracked, those to its upstream are, over TCP', async () => {
    const cluster = await load();
    expect(answersOf(cluster, 'kubia')).toHaveLength(1);
    const udp = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'udp']);
    expect(udp.stdout).not.toContain('src=10.244.1.2');
    const tcp = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'tcp', '--dport', '53']);
    const upstream = cluster.store.get<Service>('Service', 'kube-system', 'kube-dns-upstream')!;
    expect(tcp.stdout).toContain(`dst=${upstream.spec.clusterIP}`);
  });

  test('answers from its cache where CoreDNS is gone, and not what it has never heard', async () => {
    const cluster = await load();
    expect(answersOf(cluster, 'kubia')).toHaveLength(1);
    cluster.scale('deploy/coredns.kube-system', 0);
    expect(answersOf(cluster, 'kubia')).toHaveLength(1);
    expect(answersOf(cluster, 'kubernetes')).toEqual([]);
  });

  test('asks the resolver of the node for names outside', async () => {
    const cluster = await load();
    cluster.apply(`apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: world }
spec: { endpoints: [{ dnsName: www.example.com, recordType: A, targets: [203.0.113.7] }] }`);
    expect(answersOf(cluster, 'www.example.com.')).toEqual(['203.0.113.7']);
  });

  test('clusterDNS of the KubeletConfiguration sends pods to the link-local address', async () => {
    const cluster = await Cluster.load({ files: [...files, join(examples, 'node-local-dns/kubelet.yaml')] });
    const { queries, answers } = cluster.lookup({ from: 'pod-a', name: 'kubia' });
    expect([queries[0]!.server, answers.length]).toEqual(['169.254.20.10', 1]);
  });

  test('with -setupinterface=false and -setupiptables=false it leaves the node as it is', async () => {
    const yaml = readFileSync(files[1]!, 'utf8').replace(
      '-upstreamsvc, kube-dns-upstream]',
      '-upstreamsvc, kube-dns-upstream, -setupinterface=false, -setupiptables=false]',
    );
    const cluster = await Cluster.load({ files: files.slice(0, 1), yaml });
    expect((await cluster.exec('node/w1-k8s', ['ip', 'addr'])).stdout).not.toContain('nodelocaldns');
    expect((await cluster.exec('node/w1-k8s', ['iptables-save', '-t', 'raw'])).stdout).not.toContain('notrack');
    expect(answersOf(cluster, 'kubia')).toHaveLength(1);
  });
});

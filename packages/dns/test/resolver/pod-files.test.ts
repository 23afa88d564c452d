import type { Pod, PodSpec } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import {
  containerLibc,
  hostnameOf,
  hostsFile,
  imageLibc,
  type KubeletDns,
  resolvConf,
} from '../../src/resolver/index.ts';

const kubelet: KubeletDns = { clusterDNS: ['10.96.0.10'], clusterDomain: 'cluster.local' };

function pod(spec: Partial<PodSpec> = {}, annotations: Record<string, string> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'shop', annotations },
    spec: { containers: [{ name: 'main' }], nodeName: 'w1', ...spec },
    status: { podIP: '10.244.1.5', podIPs: [{ ip: '10.244.1.5' }, { ip: 'fd00:10::5' }] },
  };
}

describe('/etc/resolv.conf', () => {
  test.each<[string, Partial<PodSpec>, Partial<KubeletDns>, string]>([
    [
      'ClusterFirst asks the cluster, with three search domains and ndots:5',
      {},
      {},
      'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    ],
    [
      'the search list of the node follows, once',
      {},
      { nodeResolvConf: 'nameserver 1.1.1.1\nsearch corp.example. cluster.local\noptions rotate\n' },
      'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\noptions ndots:5\n',
    ],
    [
      'ClusterFirst on the host network is the file of the node',
      { hostNetwork: true },
      {
        nodeResolvConf:
          '# x\nnameserver 1.1.1.1\nnameserver 8.8.8.8\nsearch a.\nsearch b c.\noptions x\noptions edns0\n',
      },
      'search b c\nnameserver 1.1.1.1\nnameserver 8.8.8.8\noptions edns0\n',
    ],
    [
      'ClusterFirstWithHostNet keeps the cluster',
      { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
      {},
      'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    ],
    [
      'Default without a file of the node asks the machine itself',
      { dnsPolicy: 'Default' },
      { nodeIPs: ['192.168.1.10', 'fd00::10'] },
      'search .\nnameserver 127.0.0.1\nnameserver ::1\n',
    ],
    [
      'None is exactly what dnsConfig says',
      {
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['192.0.2.1'],
          searches: ['ns1.svc.cluster-domain.example', 'my.dns.search.suffix'],
          options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
        },
      },
      {},
      'search ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.0.2.1\noptions ndots:2 edns0\n',
    ],
    [
      'dnsConfig is added to ClusterFirst, its options win, nothing stands twice',
      {
        dnsConfig: {
          nameservers: ['10.96.0.10', '8.8.8.8'],
          searches: ['cluster.local', 'x.example'],
          options: [{ name: 'ndots', value: '2' }, { name: 'single-request-reopen' }],
        },
      },
      {},
      'search shop.svc.cluster.local svc.cluster.local cluster.local x.example\nnameserver 10.96.0.10\nnameserver 8.8.8.8\noptions ndots:2 single-request-reopen\n',
    ],
  ])('%s', (_, spec, config, text) => {
    const made = resolvConf(pod(spec), { ...kubelet, ...config });
    expect(made.text).toBe(text);
    expect(made.findings).toEqual([]);
  });

  test('without cluster DNS a pod falls back to the file of the node, and this is said', () => {
    const made = resolvConf(pod(), { ...kubelet, clusterDNS: [], nodeResolvConf: 'nameserver 9.9.9.9\n' });
    expect(made.text).toBe('nameserver 9.9.9.9\n');
    expect(made.findings.map(({ code }) => code)).toEqual(['missing-cluster-dns']);
  });

  test('a fourth nameserver, a 33rd domain, too long a domain and too long a list are left out, and this is said', () => {
    const nameservers = ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'];
    const many = resolvConf(
      pod({ dnsPolicy: 'None', dnsConfig: { nameservers, searches: Array.from({ length: 33 }, (_, i) => `d${i}`) } }),
      kubelet,
    );
    expect(many.nameservers).toEqual(nameservers.slice(0, 3));
    expect(many.searches).toHaveLength(32);
    expect(many.findings.map(({ message }) => message)).toEqual([
      'pod "shop/web-0": Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3',
      `pod "shop/web-0": Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${many.searches.join(' ')}`,
    ]);
    const domain = (length: number, first: string) => first + 'x'.repeat(length - 1);
    const long = resolvConf(
      pod({
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['1.1.1.1'],
          searches: [domain(254, 'a'), ...'bcdefghij'.split('').map((c) => domain(250, c))],
        },
      }),
      kubelet,
    );
    expect(long.searches.map((each) => each[0]).join('')).toBe('bcdefghi');
    expect(long.findings).toHaveLength(1);
  });
});

describe('/etc/hosts', () => {
  const head =
    '# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n';
  test('names the pod at each of its addresses', () => {
    expect(hostsFile(pod(), kubelet)).toBe(`${head}10.244.1.5\tweb-0\nfd00:10::5\tweb-0\n`);
  });
  test('gives the full name first where there is a subdomain', () => {
    expect(hostsFile(pod({ hostname: 'a-0', subdomain: 'foo' }), kubelet)).toBe(
      `${head}10.244.1.5\ta-0.foo.shop.svc.cluster.local\ta-0\nfd00:10::5\ta-0.foo.shop.svc.cluster.local\ta-0\n`,
    );
  });
  test('adds hostAliases at the end, one line for each address', () => {
    const hostAliases = [{ ip: '1.2.3.4', hostnames: ['foo.local', 'bar.local'] }, { ip: '10.1.2.3' }];
    expect(hostsFile(pod({ hostAliases }), kubelet)).toBe(
      `${head}10.244.1.5\tweb-0\nfd00:10::5\tweb-0\n\n# Entries added by HostAliases.\n1.2.3.4\tfoo.local\tbar.local\n10.1.2.3\t\n`,
    );
  });
  test('is the file of the node on the host network', () => {
    expect(hostsFile(pod({ hostNetwork: true }), { ...kubelet, nodeHosts: '127.0.0.1 localhost\n' })).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n',
    );
  });
});

describe('the hostname', () => {
  const of = (spec: Partial<PodSpec>, name = 'web-0') =>
    hostnameOf({ ...pod(spec), metadata: { name, namespace: 'shop' } }, kubelet);
  test('is the name of the pod, spec.hostname, or the name of the node', () => {
    expect(of({}).kernelHostname).toBe('web-0');
    expect(of({ hostname: 'db' }).kernelHostname).toBe('db');
    expect(of({ hostNetwork: true }).kernelHostname).toBe('w1');
  });
  test('is cut to 63 characters and does not end in a dash or dot', () => {
    expect(of({}, `${'a'.repeat(61)}-.b`).kernelHostname).toBe('a'.repeat(61));
  });
  test('is the full name only where setHostnameAsFQDN and a subdomain ask for it', () => {
    expect(of({ subdomain: 'foo' }).kernelHostname).toBe('web-0');
    expect(of({ setHostnameAsFQDN: true }).kernelHostname).toBe('web-0');
    expect(of({ setHostnameAsFQDN: true, subdomain: 'foo' }).kernelHostname).toBe('web-0.foo.shop.svc.cluster.local');
  });
  test('over 64 characters is an error with the words of the kubelet', () => {
    const { findings } = of({ setHostnameAsFQDN: true, subdomain: 's'.repeat(40) });
    expect(findings[0]?.message).toMatch(
      /FQDN web-0\.s+\.shop\.svc\.cluster\.local is too long \(64 characters is the max, \d+ characters requested\)/,
    );
  });
});

describe('the C library of a container', () => {
  test.each([
    ['alpine', 'musl'],
    ['alpine:3.20', 'musl'],
    ['docker.io/library/busybox:1.36', 'musl'],
    ['busybox:1.36-glibc', 'glibc'],
    ['curlimages/curl', 'musl'],
    ['nginx', 'glibc'],
    ['nginx:1.27-alpine', 'musl'],
    ['localhost:5000/nginx:alpine@sha256:00', 'musl'],
    ['registry.example:5000/debian', 'glibc'],
    ['gcr.io/kubernetes-e2e-test-images/jessie-dnsutils:1.0', 'glibc'],
    ['example.com/own/app', undefined],
  ])('of %s is %s', (image, libc) => {
    expect(imageLibc(image)).toBe(libc);
  });
  test('is what the annotation says, that of the container before that of the pod', () => {
    const each = pod(
      { containers: [{ name: 'a', image: 'nginx' }, { name: 'b' }] },
      { 'netsim.dev/libc': 'musl, b=glibc' },
    );
    expect(containerLibc(each)).toEqual({ libc: 'musl', from: 'annotation' });
    expect(containerLibc(each, each.spec.containers[1])).toEqual({ libc: 'glibc', from: 'annotation' });
    expect(containerLibc(pod())).toEqual({ libc: 'glibc', from: 'default' });
  });
});

import type { AnyObject, Node } from '@netsim/manifest';
import { formatIp, formatPrefix, parsePrefix } from '@netsim/wire';
import { expect, test } from 'vitest';
import {
  conntrackSysctls,
  ipvsConfigOf,
  ipvsSysctls,
  kindProxyMode,
  ProxyConfigError,
  proxyConfigOf,
  proxySysctls,
} from '../src/index.ts';

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'w1', labels: { 'topology.kubernetes.io/zone': 'a' } },
  spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'] },
  status: {
    addresses: [
      { type: 'Hostname', address: 'w1' },
      { type: 'InternalIP', address: '192.168.1.101' },
    ],
  },
};
const configuration = (fields: object): AnyObject => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  metadata: { name: '' },
  ...fields,
});

test('without a configuration kube-proxy masquerades what comes from outside the pod network', () => {
  const config = proxyConfigOf(undefined, node, 4, [parsePrefix('10.244.0.0/16')]);
  expect(config).toMatchObject({ nodeName: 'w1', zone: 'a', masqueradeBit: 14, localhostNodePorts: true });
  expect(formatIp(config.nodeIP!)).toBe('192.168.1.101');
  expect(config.detectLocal).toEqual({ kind: 'cidr', prefix: parsePrefix('10.244.0.0/16') });
  expect(proxySysctls(config)).toEqual({ 'net.ipv4.conf.all.route_localnet': 1 });
});

test('options that change rules are read', () => {
  const config = proxyConfigOf(
    configuration({
      clusterCIDR: '10.1.0.0/16,fd00::/48',
      iptables: { masqueradeAll: true, masqueradeBit: 9, localhostNodePorts: false },
      conntrack: { tcpBeLiberal: true },
      nodePortAddresses: ['192.168.1.0/24'],
    }),
    node,
    6,
  );
  expect(config).toMatchObject({ masqueradeAll: true, masqueradeBit: 9, conntrackTCPLiberal: true });
  expect(config.localhostNodePorts).toBe(false);
  expect(config.nodePortAddresses.map(formatPrefix)).toEqual(['192.168.1.0/24']);
  expect(config.detectLocal).toEqual({ kind: 'cidr', prefix: parsePrefix('fd00::/48') });
});

const conntrack = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`net.netfilter.nf_conntrack_${name}`, value]));
const defaultTimeouts = { tcp_timeout_established: 86_400, tcp_timeout_close_wait: 3600 };

test.each<[string, object, string | undefined, Record<string, number>]>([
  ['nothing said', {}, undefined, { max: 131_072, ...defaultTimeouts }],
  ['a node of four cores', {}, '4', { max: 131_072, ...defaultTimeouts }],
  ['a node of eight cores', {}, '8', { max: 262_144, ...defaultTimeouts }],
  ['a node that offers 7.9 of its cores', {}, '7900m', { max: 262_144, ...defaultTimeouts }],
  ['own limits', { maxPerCore: 1000, min: 1500 }, '2', { max: 2000, ...defaultTimeouts }],
  ['a floor above', { maxPerCore: 100, min: 1500 }, '2', { max: 1500, ...defaultTimeouts }],
  ['more cores than are counted', {}, '64', { max: 1_048_576, ...defaultTimeouts }],
  [
    'more cores than are counted, with a higher floor',
    { min: 2_000_000 },
    '33',
    { max: 1_048_576, ...defaultTimeouts },
  ],
  ['a floor above what is counted', { min: 2_000_000 }, '8', { max: 2_000_000, ...defaultTimeouts }],
  ['the limit left alone', { maxPerCore: 0 }, '64', defaultTimeouts],
  ['timeouts left alone', { tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s', maxPerCore: 0 }, '1', {}],
  [
    'all timeouts',
    {
      maxPerCore: 0,
      tcpEstablishedTimeout: '1h30m0s',
      tcpCloseWaitTimeout: '90s',
      udpTimeout: '10s',
      udpStreamTimeout: '2m0s',
      tcpBeLiberal: true,
    },
    '1',
    {
      tcp_timeout_established: 5400,
      tcp_timeout_close_wait: 90,
      tcp_be_liberal: 1,
      udp_timeout: 10,
      udp_timeout_stream: 120,
    },
  ],
])('conntrack, %s', (_, section, cpu, expected) => {
  const sized = cpu === undefined ? node : { ...node, status: { ...node.status, capacity: { cpu } } };
  expect(conntrackSysctls(configuration({ conntrack: section }), sized)).toEqual(conntrack(expected));
});

test.each([
  [{ maxPerCore: -1 }, 'conntrack.maxPerCore: must be greater than or equal to 0'],
  [{ min: 'many' }, 'conntrack.min: is not a whole number'],
  [{ tcpEstablishedTimeout: 'long' }, 'conntrack.tcpEstablishedTimeout: "long" is no duration such as 900s or 15m0s'],
])('conntrack %o is refused', (section, message) => {
  expect(() => conntrackSysctls(configuration({ conntrack: section }), node)).toThrow(message);
});

test.each([
  ['NodeCIDR', {}, { kind: 'cidr', prefix: parsePrefix('10.244.1.0/24') }],
  ['BridgeInterface', { bridgeInterface: 'cni0' }, { kind: 'interface', name: 'cni0' }],
  ['InterfaceNamePrefix', { interfaceNamePrefix: 'veth' }, { kind: 'interface', name: 'veth+' }],
])('detectLocalMode %s is understood', (detectLocalMode, detectLocal, expected) => {
  expect(proxyConfigOf(configuration({ detectLocalMode, detectLocal }), node, 4).detectLocal).toEqual(expected);
});

test('NodePorts are not on localhost where nodePortAddresses leaves it out', () => {
  const config = proxyConfigOf(configuration({ nodePortAddresses: ['192.168.1.0/24'] }), node, 4);
  expect(config.localhostNodePorts).toBe(false);
  expect(proxySysctls(config)).toEqual({});
});

const everyMode = { modes: ['iptables', 'nftables', 'ipvs'] } as const;

test('nftables mode has its own section, and NodePorts on the primary addresses only', () => {
  const fields = {
    mode: 'nftables',
    nftables: { masqueradeBit: 3, masqueradeAll: true },
    iptables: { masqueradeBit: 5 },
  };
  const config = proxyConfigOf(configuration(fields), node, 4, [], {
    ...everyMode,
    kubernetesVersion: '1.35',
    serviceCIDRs: [parsePrefix('10.96.0.0/12')],
  });
  expect(config).toMatchObject({
    mode: 'nftables',
    kubernetesVersion: '1.35',
    masqueradeBit: 3,
    masqueradeAll: true,
    localhostNodePorts: false,
  });
  expect(config.nodePortAddresses.map(formatPrefix)).toEqual(['192.168.1.101/32']);
  expect(config.serviceCIDRs.map(formatPrefix)).toEqual(['10.96.0.0/12']);
  expect(proxySysctls(config)).toEqual({});
});

test('primary addresses can be asked for in every mode', () => {
  const config = proxyConfigOf(configuration({ nodePortAddresses: ['primary'] }), node, 4);
  expect(config.nodePortAddresses.map(formatPrefix)).toEqual(['192.168.1.101/32']);
  expect(config.localhostNodePorts).toBe(false);
});

test('a mode that the caller does not have is refused, not taken for another', () => {
  expect(() => proxyConfigOf(configuration({ mode: 'ipvs' }), node, 4)).toThrow('"ipvs" is not modelled; iptables is');
  expect(proxyConfigOf(configuration({ mode: 'ipvs' }), node, 4, [], everyMode).mode).toBe('ipvs');
});

test('the options of IPVS mode are read', () => {
  const ipvs = {
    scheduler: 'lc',
    strictARP: true,
    excludeCIDRs: ['10.9.0.0/16'],
    tcpTimeout: '1h2m3s',
    udpTimeout: '0s',
  };
  const options = ipvsConfigOf(configuration({ mode: 'ipvs', ipvs }));
  expect(options).toEqual({
    scheduler: 'lc',
    strictARP: true,
    excludeCIDRs: [parsePrefix('10.9.0.0/16')],
    timeouts: { tcp: 3723, tcpFin: 0, udp: 0 },
  });
  expect(ipvsConfigOf(undefined)).toEqual({
    scheduler: 'rr',
    strictARP: false,
    excludeCIDRs: [],
    timeouts: { tcp: 0, tcpFin: 0, udp: 0 },
  });
  expect(ipvsSysctls(options)).toMatchObject({ 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.vs.conntrack': 1 });
  expect(ipvsSysctls({ strictARP: false })).not.toHaveProperty('net.ipv4.conf.all.arp_ignore');
  expect(() => ipvsConfigOf(configuration({ ipvs: { excludeCIDRs: ['all'] } }))).toThrow('ipvs.excludeCIDRs');
});

test("kind's kubeProxyMode stands in where kube-proxy's own configuration has none", () => {
  const cluster = (kubeProxyMode?: string): AnyObject => ({
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    kind: 'Cluster',
    metadata: { name: '' },
    networking: { kubeProxyMode },
  });
  expect(kindProxyMode(cluster())).toBeUndefined();
  expect(kindProxyMode(cluster('none'))).toBe('none');
  const mode = kindProxyMode(cluster('nftables'));
  expect(mode).toBe('nftables');
  expect(proxyConfigOf(undefined, node, 4, [], { ...everyMode, mode: 'nftables' }).mode).toBe('nftables');
  expect(proxyConfigOf(configuration({ mode: 'iptables' }), node, 4, [], { ...everyMode, mode: 'nftables' }).mode).toBe(
    'iptables',
  );
  expect(() => kindProxyMode(cluster('userspace'))).toThrow(
    'Cluster: networking.kubeProxyMode: "userspace" is no mode of kube-proxy any more since Kubernetes 1.26',
  );
});

test.each([
  ['mode', { mode: 'userspace' }],
  ['mode', { mode: 'ebpf' }],
  ['clusterCIDR', { clusterCIDR: '10.1.0.0/99' }],
  ['detectLocalMode', { detectLocalMode: 'Guess' }],
  ['detectLocal.bridgeInterface', { detectLocalMode: 'BridgeInterface' }],
  ['iptables.masqueradeBit', { iptables: { masqueradeBit: 32 } }],
  ['iptables.masqueradeAll', { iptables: { masqueradeAll: 'yes' } }],
  ['nodePortAddresses', { nodePortAddresses: 'all' }],
  ['iptables', { iptables: 'none' }],
])('a wrong %s is refused by name', (path, fields) => {
  let error: unknown;
  try {
    proxyConfigOf(configuration(fields), node, 4);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(ProxyConfigError);
  expect((error as ProxyConfigError).path.join('.')).toBe(path);
});

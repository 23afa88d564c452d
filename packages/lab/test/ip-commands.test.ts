import { describe, expect, it } from 'vitest';
import { cableLines, fdbLines, netnsLines, sysctlPath } from '../src/ip-commands.ts';
import { twoNodes } from './support/two-nodes.ts';

const node = twoNodes.netns[0]!;

describe('a netns config as ip commands', () => {
  it('ties veth pairs and segment ports between namespaces', () => {
    const lines = cableLines(
      [node],
      (name) => `real-${name.replace('/', '-')}`,
      () => ({ netns: 'switch', port: 'port0' }),
    );
    expect(lines).toEqual([
      'link add name eth0 address 02:00:00:00:00:01 netns real-w1 type veth peer name port0 netns switch',
      'link add name veth0 mtu 1450 netns real-w1 type veth peer name eth0 mtu 1450 address 0a:58:0a:f4:01:02 netns real-w1-a0',
      'link add name veth1 mtu 1450 netns real-w1 type veth peer name eth0 mtu 1450 address 0a:58:0a:f4:01:03 netns real-w1-a1',
    ]);
  });

  it('makes devices, puts them up, then addresses, routes and neighbours', () => {
    expect(netnsLines(node, [])).toEqual([
      'link set dev lo up',
      'link add name cni0 mtu 1450 address 0a:58:0a:f4:01:01 type bridge',
      'link add name flannel.1 mtu 1450 address 02:00:00:00:ff:01 type vxlan id 1 dstport 8472 local 192.168.1.101 dev eth0 nolearning',
      'link set dev veth0 master cni0',
      'link set dev veth0 type bridge_slave hairpin on',
      'link set dev veth1 master cni0',
      'link set dev veth1 type bridge_slave hairpin on',
      'link set dev eth0 up',
      'link set dev cni0 up',
      'link set dev flannel.1 up',
      'link set dev veth0 up',
      'link set dev veth1 up',
      'addr replace 192.168.1.101/24 dev eth0',
      'addr replace 10.244.1.1/24 dev cni0',
      'addr replace 10.244.1.0/32 dev flannel.1',
      'route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
      'neigh replace 10.244.2.0 lladdr 02:00:00:00:ff:02 dev flannel.1 nud permanent',
    ]);
    expect(fdbLines(node)).toEqual(['fdb append 02:00:00:00:ff:02 dev flannel.1 dst 192.168.1.102 self permanent']);
  });

  it.each([
    ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
    ['net.ipv4.conf.all.rp_filter', '/proc/sys/net/ipv4/conf/all/rp_filter'],
    ['net.ipv4.conf.flannel.1.rp_filter', '/proc/sys/net/ipv4/conf/flannel.1/rp_filter'],
    ['net.ipv4.conf.flannel/1.rp_filter', '/proc/sys/net/ipv4/conf/flannel.1/rp_filter'],
    ['net.bridge.bridge-nf-call-iptables', '/proc/sys/net/bridge/bridge-nf-call-iptables'],
  ])('knows where the sysctl %s stands', (name, path) => {
    expect(sysctlPath(name)).toBe(path);
  });
});

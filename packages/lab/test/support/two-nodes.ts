import type { NetnsConfig, WorldPlan } from '@netsim/kernel';
import { type Ip, parseIp, parsePrefix } from '@netsim/wire';

const ip = (text: string): Ip => parseIp(text);

/** A node as flannel's VXLAN mode makes it, with its pods: enough of a cluster to test the lab itself. */
function node(number: number, other: number, pods: readonly string[]): NetnsConfig[] {
  const name = `w${number}`;
  const host: NetnsConfig = {
    name,
    machine: name,
    label: 'host',
    sysctls: { 'net.ipv4.ip_forward': 1, 'net.ipv4.conf.flannel.1.rp_filter': 2 },
    links: [
      { kind: 'physical', name: 'eth0', segment: 'nodes', mac: `02:00:00:00:00:0${number}` },
      { kind: 'bridge', name: 'cni0', mtu: 1450, mac: `0a:58:0a:f4:0${number}:01` },
      {
        kind: 'vxlan',
        name: 'flannel.1',
        vni: 1,
        local: ip(`192.168.1.10${number}`),
        dev: 'eth0',
        port: 8472,
        learning: false,
        mtu: 1450,
        mac: `02:00:00:00:ff:0${number}`,
      },
      ...pods.map((pod, i) => ({
        kind: 'veth' as const,
        name: `veth${i}`,
        mtu: 1450,
        master: 'cni0',
        hairpin: true,
        peer: { netns: `${name}/${pod}`, name: 'eth0', mtu: 1450, mac: `0a:58:0a:f4:0${number}:0${i + 2}` },
      })),
    ],
    addresses: [
      { dev: 'eth0', address: ip(`192.168.1.10${number}`), prefixLength: 24 },
      { dev: 'cni0', address: ip(`10.244.${number}.1`), prefixLength: 24 },
      { dev: 'flannel.1', address: ip(`10.244.${number}.0`), prefixLength: 32 },
    ],
    routes: [
      {
        destination: parsePrefix(`10.244.${other}.0/24`),
        via: ip(`10.244.${other}.0`),
        dev: 'flannel.1',
        onlink: true,
      },
    ],
    neighbours: [
      { dev: 'flannel.1', ip: ip(`10.244.${other}.0`), mac: `02:00:00:00:ff:0${other}`, state: 'permanent' },
    ],
    fdb: [{ dev: 'flannel.1', mac: `02:00:00:00:ff:0${other}`, dst: ip(`192.168.1.10${other}`) }],
  };
  return [
    host,
    ...pods.map(
      (pod, i): NetnsConfig => ({
        name: `${name}/${pod}`,
        machine: name,
        label: `default/${pod}`,
        links: [],
        addresses: [{ dev: 'eth0', address: ip(`10.244.${number}.${i + 2}`), prefixLength: 24 }],
        routes: [{ via: ip(`10.244.${number}.1`), dev: 'eth0' }],
      }),
    ),
  ];
}

/** Two nodes, two pods each; `b0` on the second serves 8080 over tcp and udp. */
export const twoNodes: WorldPlan = {
  netns: [...node(1, 2, ['a0', 'a1']), ...node(2, 1, ['b0', 'b1'])],
  rulesets: [],
  listeners: [
    { netns: 'w2/b0', protocol: 'tcp', port: 8080, program: 'b0' },
    { netns: 'w2/b0', protocol: 'udp', port: 8080, program: 'b0' },
  ],
};

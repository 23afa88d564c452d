import { type Ip, parseIp, parsePrefix } from '@netsim/wire';
import type { NetnsConfig } from '../../src/index.ts';
import { World, type WorldOptions } from '../../src/index.ts';

export const ip = (text: string): Ip => parseIp(text);

/** A pod of a node: name `w1/a`, the IP's last number, and the rest from the node. */
export interface PodPlan {
  readonly name: string;
  readonly ip: string;
}

const overlayMac = (index: number): string => `0e:00:00:00:0f:0${index}`;

/** Nodes `w1`, `w2`, ... on one segment with flannel's vxlan between them, and their pods. */
export function flannelConfigs(pods: readonly (readonly PodPlan[])[]): NetnsConfig[] {
  const configs: NetnsConfig[] = [];
  pods.forEach((ofNode, at) => {
    const index = at + 1;
    const node = `w${index}`;
    const others = pods.map((_, other) => other + 1).filter((other) => other !== index);
    configs.push({
      name: node,
      machine: node,
      label: 'host',
      sysctls: { 'net.ipv4.ip_forward': 1 },
      links: [
        { kind: 'physical', name: 'eth0', mac: `52:54:00:00:00:0${index}`, segment: 'nodes' },
        { kind: 'bridge', name: 'cni0', mac: `0a:58:0a:f4:0${index}:01`, mtu: 1450 },
        {
          kind: 'vxlan',
          name: 'flannel.1',
          mac: overlayMac(index),
          mtu: 1450,
          vni: 1,
          local: ip(`192.168.1.10${index}`),
          dev: 'eth0',
          learning: false,
        },
        ...ofNode.map((pod) => ({
          kind: 'veth' as const,
          name: `veth-${pod.name}`,
          master: 'cni0',
          hairpin: true,
          mtu: 1450,
          peer: { netns: pod.name, name: 'eth0', mtu: 1450 },
        })),
      ],
      addresses: [
        { dev: 'eth0', address: ip(`192.168.1.10${index}`), prefixLength: 24 },
        { dev: 'cni0', address: ip(`10.244.${index}.1`), prefixLength: 24 },
        { dev: 'flannel.1', address: ip(`10.244.${index}.0`), prefixLength: 32 },
      ],
      routes: others.map((other) => ({
        destination: parsePrefix(`10.244.${other}.0/24`),
        via: ip(`10.244.${other}.0`),
        dev: 'flannel.1',
        onlink: true,
      })),
      neighbours: others.map((other) => ({ dev: 'flannel.1', ip: ip(`10.244.${other}.0`), mac: overlayMac(other) })),
      fdb: others.map((other) => ({ dev: 'flannel.1', mac: overlayMac(other), dst: ip(`192.168.1.10${other}`) })),
    });
    for (const pod of ofNode) {
      configs.push({
        name: pod.name,
        machine: node,
        label: `default/${pod.name}`,
        links: [],
        addresses: [{ dev: 'eth0', address: ip(pod.ip), prefixLength: 24 }],
        routes: [{ via: ip(`10.244.${index}.1`) }],
      });
    }
  });
  return configs;
}

/** Two nodes; pods `a` and `b` on the first, `c` on the second. */
export function twoNodes(options: WorldOptions = {}): World {
  const world = new World(options);
  world.loadNetns(
    flannelConfigs([
      [
        { name: 'a', ip: '10.244.1.2' },
        { name: 'b', ip: '10.244.1.3' },
      ],
      [{ name: 'c', ip: '10.244.2.2' }],
    ]),
  );
  return world;
}

import { formatIp, IpProto, parseIp, TcpFlag } from '@netsim/wire';
import { describe, expect, test } from 'vitest';
import { Hook, Verdict } from '../../src/hook.ts';
import { Skb } from '../../src/skb.ts';
import { World } from '../../src/world.ts';

const client = parseIp('10.0.0.9');
const virtual = parseIp('10.96.0.1');
const real = parseIp('10.1.0.5');

function router() {
  const netns = new World({ seed: 1 }).createNetns({
    name: 'r',
    machine: 'r',
    label: 'host',
    sysctls: { 'net.ipv4.ip_forward': 1, 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 1 },
    links: [
      { kind: 'dummy', name: 'kube-ipvs0' },
      { kind: 'dummy', name: 'out' },
    ],
    addresses: [],
    routes: [],
  });
  netns.configure({
    name: 'r',
    machine: 'r',
    label: 'host',
    links: [],
    addresses: [
      { dev: 'kube-ipvs0', address: virtual, prefixLength: 32 },
      { dev: 'out', address: parseIp('10.1.0.1'), prefixLength: 16 },
    ],
    routes: [],
  });
  const config = {
    protocol: IpProto.TCP,
    address: virtual,
    port: 80,
    scheduler: 'rr' as const,
    persistentSeconds: 0,
    realServers: [{ address: real, port: 8080, weight: 1 }],
  };
  netns.useIpvs().setService(config);
  return { netns, ipvs: netns.useIpvs(), config };
}

function tcp(src: number | bigint, sport: number, dst: number | bigint, dport: number, flags: number): Skb {
  return Object.assign(new Skb(), { etherType: 0x0800, src, sport, dst, dport, flags, protocol: IpProto.TCP });
}

describe('ICMP errors', () => {
  test('about an answer of the real server, from the client, go to the server and speak of it', () => {
    const { ipvs } = router();
    ipvs.hook(Hook.INPUT, tcp(client, 4000, virtual, 80, TcpFlag.SYN));
    const error = Object.assign(new Skb(), {
      src: client,
      dst: virtual,
      protocol: IpProto.ICMP,
      icmpType: 3,
      icmpCode: 3,
    });
    error.inner = tcp(virtual, 80, client, 4000, TcpFlag.ACK);
    expect(ipvs.hook(Hook.INPUT, error)).toBe(Verdict.SENT);
    expect([error.dst, error.inner.src].map(formatIp)).toEqual(['10.1.0.5', '10.1.0.5']);
    expect(error.inner.sport).toBe(8080);
  });

  test('about a request, from the way to the server, come from the virtual address and speak of it', () => {
    const { ipvs } = router();
    ipvs.hook(Hook.INPUT, tcp(client, 4000, virtual, 80, TcpFlag.SYN));
    const error = Object.assign(new Skb(), {
      src: real,
      dst: client,
      protocol: IpProto.ICMP,
      icmpType: 3,
      icmpCode: 3,
    });
    error.inner = tcp(client, 4000, real, 8080, TcpFlag.SYN);
    expect(ipvs.hook(Hook.FORWARD, error)).toBe(Verdict.ACCEPT);
    expect([error.src, error.inner.dst].map(formatIp)).toEqual(['10.96.0.1', '10.96.0.1']);
    expect(error.inner.dport).toBe(80);
  });
});

describe('connections', () => {
  test('a packet that begins none is not scheduled', () => {
    const { ipvs } = router();
    expect(ipvs.hook(Hook.INPUT, tcp(client, 4000, virtual, 80, TcpFlag.ACK))).toBe(Verdict.ACCEPT);
    expect(ipvs.connections()).toEqual([]);
  });

  test('one with a server that is gone ends with its next packet', () => {
    const { ipvs, config } = router();
    ipvs.hook(Hook.INPUT, tcp(client, 4000, virtual, 80, TcpFlag.SYN));
    ipvs.setService({ ...config, realServers: [] });
    expect(ipvs.hook(Hook.INPUT, tcp(client, 4000, virtual, 80, TcpFlag.ACK))).toBe(Verdict.ACCEPT);
    expect(ipvs.connections()).toEqual([]);
  });

  test('a TTL of 1 does not reach the real server', () => {
    const { ipvs } = router();
    const skb = tcp(client, 4000, virtual, 80, TcpFlag.SYN);
    skb.ttl = 1;
    expect(ipvs.hook(Hook.INPUT, skb)).toBe(Verdict.DROP);
    expect(skb.dropReason).toBe('TTL_EXPIRED');
  });

  test('a netns without virtual services has no stage for IPVS', () => {
    const netns = new World({ seed: 1 }).createNetns({
      name: 'n',
      machine: 'n',
      label: 'host',
      links: [],
      addresses: [],
      routes: [],
    });
    expect(netns.ipvs).toBeNull();
    expect(netns.netfilter).toBeNull();
  });
});

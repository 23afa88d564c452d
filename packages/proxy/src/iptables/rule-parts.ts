import type { Match, Rule, Target } from '@netsim/kernel';
import type { Ip, Prefix } from '@netsim/wire';
import { IpProto } from '@netsim/wire';
import type { LocalDetector } from '../config.ts';
import type { ServicePort } from '../service-map.ts';

/** Pieces that kube-proxy's rules are put together from. */

export const MARK_MASQ_CHAIN = 'KUBE-MARK-MASQ';

const protocolNumbers = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

export function protocolNumber(protocol: ServicePort['protocol']): number {
  return protocolNumbers[protocol];
}

/** A single address, where kube-proxy writes no length behind it. */
export class HostPrefix implements Prefix {
  readonly address: Ip;
  readonly length: number;
  constructor(ip: Ip) {
    this.address = ip;
    this.length = typeof ip === 'number' ? 32 : 128;
  }
}

export function host(ip: Ip): Prefix {
  return new HostPrefix(ip);
}

export function comment(text: string): Match {
  return { kind: 'comment', text };
}

export function jump(chain: string): Target {
  return { kind: 'jump', chain };
}

export function dport(protocol: ServicePort['protocol'], port: number): Match {
  return { kind: protocol, dport: { value: { from: port, to: port } } };
}

/** `-m comment --comment TEXT -m PROTO -p PROTO -d IP --dport PORT -j TARGET` */
export function toAddress(port: ServicePort, text: string, destination: Prefix, target: Target, origin: string): Rule {
  return {
    destination: { value: destination },
    protocol: { value: protocolNumber(port.protocol) },
    matches: [comment(text), dport(port.protocol, port.port)],
    target,
    origin,
  };
}

/** The part of a rule that says "from a pod of this node", or the opposite. */
export function fromLocal(detector: LocalDetector, not: boolean): Pick<Rule, 'source' | 'inInterface'> {
  switch (detector.kind) {
    case 'none':
      return {};
    case 'cidr':
      return { source: not ? { value: detector.prefix, not } : { value: detector.prefix } };
    case 'interface':
      return { inInterface: not ? { value: detector.name, not } : { value: detector.name } };
  }
}

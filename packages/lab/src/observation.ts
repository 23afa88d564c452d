import type { Family } from '@netsim/wire';

/** One question to the network: a connection, a datagram or an echo from a netns to an address. */
export interface Probe {
  /** Netns that it leaves from. */
  readonly from: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly destination: string;
  /** 0 for icmp. */
  readonly port: number;
  /** Source port, or identifier of the echo. Fixed, so that both sides can be compared. */
  readonly sourcePort: number;
  /** TTL that the client sets; default Linux's 64. */
  readonly ttl?: number;
  /** Follows the probe before it with conntrack and session affinity as that left them. Default: all forgotten. */
  readonly keepState?: boolean;
}

/** What a rule did not decide is not here: rules that did not match leave no line, in the kernel's trace neither. */
export interface MatchedRule {
  readonly table: string;
  readonly chain: string;
  readonly index: number;
  readonly text: string;
}

/** One packet's walk through the rules of one netns. */
export interface Passage {
  readonly netns: string;
  /** See `packetKey`: as it was when it came in. */
  readonly packet: string;
  readonly rules: readonly MatchedRule[];
}

/** A packet that arrived at a device it was addressed to. */
export interface Arrival {
  readonly netns: string;
  readonly device: string;
  readonly packet: string;
  readonly ttl: number;
}

export interface Connection {
  readonly netns: string;
  /** `tcp 10.244.1.2:client > 10.96.0.1:80`. */
  readonly original: string;
  readonly reply: string;
}

/** What a probe met: the same shape from the real kernel and from the emulated one. */
export interface Observation {
  /** `answered`, `timeout`, or the errno that the client got (`ECONNREFUSED`, ...). */
  readonly outcome: string;
  /** Program that answered, as it called itself. */
  readonly answer: string;
  /** ICMP error behind the outcome, `type/code`; only where a client can see one (udp, icmp). */
  readonly icmp?: string;
  /** Where the request arrived, and the source it seemed to come from. */
  readonly server?: { readonly netns: string; readonly program: string; readonly peer: string };
  /** Some of what happened got lost on its way to the observer: this proves nothing, and must be asked again. */
  readonly incomplete?: boolean;
  readonly passages: readonly Passage[];
  readonly arrivals: readonly Arrival[];
  readonly connections: readonly Connection[];
}

export function describeProbe(probe: Probe): string {
  const { from, protocol, destination, port, sourcePort, ttl, keepState } = probe;
  const target =
    protocol === 'icmp'
      ? destination
      : destination.includes(':')
        ? `[${destination}]:${port}`
        : `${destination}:${port}`;
  const extras = [`from port ${sourcePort}`];
  if (ttl !== undefined) extras.push(`ttl ${ttl}`);
  if (keepState === true) extras.push('right after the one before');
  return `${protocol} ${from} -> ${target} (${extras.join(', ')})`;
}

export function familyOfProbe(probe: Probe): Family {
  return probe.destination.includes(':') ? 6 : 4;
}

/**
 * The model of what happened to a packet: Trace > Path > Hop > Step.
 * It is also the JSON of `netsim trace -o json` (`schemaVersion: netsim.dev/v1`); fields may be added within v1, never changed.
 */

export const SCHEMA_VERSION = 'netsim.dev/v1';

/** How a path ended. The exact condition of each is in FIDELITY.md. */
export type Disposition =
  | 'DELIVERED'
  | 'REJECTED'
  | 'DROPPED'
  | 'NO_ROUTE'
  | 'NEIGHBOR_UNREACHABLE'
  | 'TTL_EXPIRED'
  | 'NO_LISTENER'
  | 'MTU_EXCEEDED'
  | 'NO_ENDPOINTS'
  | 'NAME_NOT_FOUND'
  | 'EXITS_CLUSTER'
  | 'INSUFFICIENT_INFO';

export interface Trace {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly kind: 'Trace';
  readonly source: TraceSource;
  readonly destination: TraceDestination;
  readonly resolution?: Resolution;
  /** With `--count`: how many connections were made. Each path then stands for those that ended alike. */
  readonly count?: number;
  readonly paths: readonly Path[];
}

export interface TraceSource {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly ip: string;
}

export interface TraceDestination {
  /** As the user wrote it. */
  readonly text: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly ip?: string;
  readonly port?: number;
  readonly protocol: string;
}

export interface Resolution {
  readonly name: string;
  readonly queries: readonly {
    server: string;
    name: string;
    type: string;
    rcode: string;
    answers: readonly string[];
    /** With `--dns`: `udp` or `tcp`, and the way of the query and its reply (of a TCP connection: of its first segment). */
    transport?: string;
    path?: Path;
    /** With `--dns`: what the name server asked others for it, and these others, one after the other. */
    forwards?: readonly ForwardedQuery[];
  }[];
  readonly address?: string;
}

/** A query that a name server in the cluster sends to another one, to answer its client. */
export interface ForwardedQuery {
  /** Who asks: as in a {@link Hop}. */
  readonly node: string;
  readonly netns: string;
  readonly server: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** The other server answered (over TCP: took the connection). */
  readonly answered: boolean;
  readonly path: Path;
}

export interface Path {
  /** Probability of this path among all; the paths of `--all-paths` sum to 1. */
  readonly probability: number;
  /** With `--count`: how many connections ended so; `probability` is their share. */
  readonly requests?: number;
  readonly disposition: Disposition;
  /** One line of plain English: why it ended so. */
  readonly reason: string;
  /** Source `ip` that the receiver saw, for a delivered path. */
  readonly sourceSeen?: string;
  readonly backend?: { kind: string; namespace?: string; name: string; ip: string; port: number };
  readonly cause?: Cause;
  /** What to change, for a path that failed. */
  readonly advice?: string;
  /** For a URL that leads through a controller: what was asked there, and what it decided. */
  readonly http?: HttpExchange;
  readonly request: Leg;
  readonly reply?: Leg;
}

/** One HTTP request, as the controller of an Ingress or a Gateway sees it. */
export interface HttpExchange {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** What the controller answers itself; absent where a backend answers; 0: none, the connection is closed. */
  readonly status?: number;
  /** The rule that decided. */
  readonly rule?: HttpRule;
  /** The service whose endpoint gets the request. */
  readonly service?: { readonly namespace: string; readonly name: string; readonly port: number | string };
  /** The client's address as the backend is told by `X-Forwarded-For`. */
  readonly forwardedFor?: string;
}

/** A rule of an Ingress or a route, and the line of its manifest. */
export interface HttpRule {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly host: string;
  readonly path: string;
  readonly pathType: string;
  readonly file?: string;
  readonly line?: number;
}

/** The object, and the line of its manifest, that decided. */
export interface Cause {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  readonly text: string;
}

export interface Leg {
  readonly hops: readonly Hop[];
}

/** What one network namespace of one node did with the packet. */
export interface Hop {
  /** Machine: a node's name, or an outside host's. */
  readonly node: string;
  /** Network namespace: a pod (`default/pod-a`), or `host` for the node's own. */
  readonly netns: string;
  /** Device it came in on, or left by for the first hop. */
  readonly device?: string;
  readonly steps: readonly Step[];
}

/** Header fields of a packet at a step. Addresses as text; ports where the protocol has them. */
export interface PacketSummary {
  readonly src: string;
  readonly dst: string;
  readonly protocol: string;
  readonly sport?: number;
  readonly dport?: number;
  /** TCP flags as tcpdump names them (`SYN`, `SYN,ACK`), or the ICMP type (`echo-request`, `port-unreachable`). */
  readonly info?: string;
  readonly ttl: number;
  readonly length: number;
}

/** A rule as iptables-save or nft prints it, and where it stands. `index` counts from 1, as `iptables -L --line-numbers`. */
export interface RuleRef {
  readonly hook: string;
  readonly table: string;
  readonly chain: string;
  readonly index: number;
  readonly text: string;
}

export type Step =
  | { readonly kind: 'send'; readonly action: 'sent'; readonly device?: string; readonly packet: PacketSummary }
  | { readonly kind: 'receive'; readonly action: 'received'; readonly device: string; readonly packet: PacketSummary }
  | ({
      readonly kind: 'rule';
      /** Verdict: `ACCEPT`, `DROP`, `REJECT`, `RETURN`, `CONTINUE` (no verdict, such as MARK), `jump CHAIN`, `goto CHAIN`, `DNAT`, ... */
      readonly action: string;
      /** Provenance given by whoever wrote the rule (`Service/default/kubia`). */
      readonly origin?: string;
      /** For a rule with a random match: the probability that it is taken at this point. */
      readonly probability?: number;
      /** For a rule that is one of several to choose from (the endpoints of a service): the how-manieth it is, of how many. */
      readonly choice?: { readonly number: number; readonly of: number };
    } & RuleRef)
  | {
      readonly kind: 'policy';
      readonly action: string;
      readonly hook: string;
      readonly table: string;
      readonly chain: string;
    }
  | {
      readonly kind: 'nat';
      readonly action: string;
      readonly direction: 'dst' | 'src';
      readonly from: string;
      readonly to: string;
      readonly reply?: boolean;
    }
  | {
      readonly kind: 'conntrack';
      readonly action: string;
      readonly state: string;
      readonly original: string;
      readonly reply: string;
    }
  | {
      readonly kind: 'route';
      readonly action: 'forward' | 'local' | 'unreachable' | 'output';
      readonly destination: string;
      readonly route?: string;
      readonly device?: string;
      readonly via?: string;
      readonly src?: string;
    }
  | {
      readonly kind: 'neighbor';
      readonly action: 'resolved' | 'failed' | 'solicited';
      readonly device: string;
      readonly ip: string;
      readonly mac?: string;
    }
  | {
      readonly kind: 'bridge';
      readonly action: 'forward' | 'flood' | 'local' | 'drop';
      readonly bridge: string;
      readonly from: string;
      readonly to?: string;
      readonly mac: string;
    }
  | {
      readonly kind: 'encap';
      readonly action: 'encapsulated';
      readonly type: 'vxlan' | 'ipip' | 'geneve';
      readonly device: string;
      readonly outerSrc: string;
      readonly outerDst: string;
      readonly vni?: number;
    }
  | {
      readonly kind: 'decap';
      readonly action: 'decapsulated';
      readonly type: 'vxlan' | 'ipip' | 'geneve';
      readonly device: string;
      readonly outerSrc: string;
      readonly outerDst: string;
      readonly vni?: number;
    }
  | {
      readonly kind: 'socket';
      readonly action: 'delivered' | 'no-listener' | 'reset' | 'accepted';
      readonly socket?: string;
      readonly program?: string;
    }
  | {
      readonly kind: 'icmp';
      readonly action: 'sent';
      readonly type: string;
      readonly code: string;
      readonly to: string;
    }
  | { readonly kind: 'drop'; readonly action: 'dropped'; readonly reason: string; readonly detail?: string }
  | {
      readonly kind: 'dns';
      readonly action: string;
      readonly name: string;
      readonly type: string;
      readonly rcode: string;
    }
  | {
      readonly kind: 'http';
      /** `tls`, `request`, `rule`, `lost` (a rule that did not get the request), `change`, `forward`, `redirect`, `respond`. */
      readonly action: string;
      readonly text: string;
      readonly rule?: HttpRule;
      readonly status?: number;
    };

export type StepKind = Step['kind'];

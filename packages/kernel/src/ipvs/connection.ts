import { type Ip, IpProto, TcpFlag } from '@netsim/wire';
import type { RealServer, VirtualService } from './service.ts';

/** States of a connection, in Linux's order (IP_VS_TCP_S_*). UDP and SCTP use NONE and ESTABLISHED. */
export const tcpStates = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
] as const;
export type IpvsState = (typeof tcpStates)[number];

/** Seconds that `ipvsadm --set` changes: of an established TCP connection, of one that ends, of UDP. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export const defaultTimeouts: IpvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 };

/** Seconds without a packet after which a connection in a state is forgotten. */
const tcpTimeouts: Readonly<Record<Exclude<IpvsState, 'ESTABLISHED' | 'FIN_WAIT'>, number>> = {
  NONE: 2,
  SYN_SENT: 120,
  SYN_RECV: 60,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
};
const SCTP_TIMEOUT = 900;
/** Seconds for which a binding outlives the last of its connections, where its own time was over before. */
const AFTER_LAST = 60;

const activeStates = new Set<IpvsState>(['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'SYNACK']);

type Row = Readonly<Record<IpvsState, IpvsState>>;

function row(text: string): Row {
  const short: Readonly<Record<string, IpvsState>> = {
    NO: 'NONE',
    ES: 'ESTABLISHED',
    SS: 'SYN_SENT',
    SR: 'SYN_RECV',
    FW: 'FIN_WAIT',
    TW: 'TIME_WAIT',
    CL: 'CLOSE',
    CW: 'CLOSE_WAIT',
    LA: 'LAST_ACK',
    LI: 'LISTEN',
    SA: 'SYNACK',
  };
  const next = text.split(' ');
  return Object.fromEntries(tcpStates.map((state, index) => [state, short[next[index]!]!])) as Row;
}

/** What a packet of a kind, towards the server or from it, makes of a state: in the order of {@link tcpStates}. */
const transitions: Readonly<Record<'in' | 'out', Readonly<Record<'syn' | 'fin' | 'ack' | 'rst', Row>>>> = {
  in: {
    syn: row('SR ES ES SR SR SR SR SR SR SR SR'),
    fin: row('CL CW SS TW TW TW CL CW LA LI TW'),
    ack: row('ES ES SS ES FW TW CL CW CL LI ES'),
    rst: row('CL CL CL SR CL CL CL CL LA LI SR'),
  },
  out: {
    syn: row('SS ES SS SR SS SS SS SS SS LI SR'),
    fin: row('TW FW SS TW FW TW CL TW LA LI TW'),
    ack: row('ES ES SS ES FW TW CL CW LA ES ES'),
    rst: row('CL CL SS CL CL TW CL CL CL CL CL'),
  },
};

/** A client's address is bound to a server for the time of a persistent service (Linux: a connection template). */
export class Persistence {
  readonly server: RealServer;
  /** Virtual time in ms at which it ends, unless a connection of it is still alive. */
  expires: number;
  /** Connections that it holds. */
  connections = 0;

  constructor(server: RealServer, expires: number) {
    this.server = server;
    this.expires = expires;
  }
}

/** A connection to a virtual service, with the server that it went to (Linux: struct ip_vs_conn). */
export class IpvsConn {
  readonly service: VirtualService;
  readonly server: RealServer;
  readonly protocol: number;
  readonly clientAddress: Ip;
  readonly clientPort: number;
  state: IpvsState = 'NONE';
  /** Virtual time in ms at which it is forgotten. */
  expires = 0;
  /** Conntrack knows of it (Linux: IP_VS_CONN_F_NFCT). */
  readonly tracked: boolean;
  readonly persistence: Persistence | null;
  #active = false;

  constructor(
    service: VirtualService,
    server: RealServer,
    client: { readonly address: Ip; readonly port: number },
    tracked: boolean,
    persistence: Persistence | null,
  ) {
    this.service = service;
    this.server = server;
    this.protocol = service.protocol;
    this.clientAddress = client.address;
    this.clientPort = client.port;
    this.tracked = tracked;
    this.persistence = persistence;
    server.inactive++;
    if (persistence !== null) persistence.connections++;
  }

  /** Moves the state on, and the timeout with it (Linux: ip_vs_set_state). */
  advance(direction: 'in' | 'out', flags: number, now: number, timeouts: IpvsTimeouts): void {
    if (this.protocol !== IpProto.TCP) {
      this.state = 'ESTABLISHED';
      this.expires = now + (this.protocol === IpProto.UDP ? timeouts.udp : SCTP_TIMEOUT) * 1000;
      return;
    }
    const kind = kindOf(flags);
    if (kind !== undefined) this.state = transitions[direction][kind][this.state];
    const active = activeStates.has(this.state);
    if (active !== this.#active) {
      this.#active = active;
      this.server.active += active ? 1 : -1;
      this.server.inactive += active ? -1 : 1;
    }
    const { state } = this;
    const seconds =
      state === 'ESTABLISHED' ? timeouts.tcp : state === 'FIN_WAIT' ? timeouts.tcpFin : tcpTimeouts[state];
    this.expires = now + seconds * 1000;
  }

  /** Gives its place in the counts back. */
  end(now: number): void {
    if (this.#active) this.server.active--;
    else this.server.inactive--;
    const { persistence } = this;
    if (persistence === null) return;
    persistence.connections--;
    const at = Math.min(now, this.expires);
    if (persistence.connections === 0 && persistence.expires <= at) persistence.expires = at + AFTER_LAST * 1000;
  }
}

function kindOf(flags: number): 'syn' | 'fin' | 'ack' | 'rst' | undefined {
  if ((flags & TcpFlag.RST) !== 0) return 'rst';
  if ((flags & TcpFlag.SYN) !== 0) return 'syn';
  if ((flags & TcpFlag.FIN) !== 0) return 'fin';
  if ((flags & TcpFlag.ACK) !== 0) return 'ack';
  return undefined;
}

function key(protocol: number, client: Ip, clientPort: number, other: Ip, otherPort: number): string {
  return `${protocol} ${client} ${clientPort} ${other} ${otherPort}`;
}

/** The connections of one netns, found by the virtual address and by the real one. */
export class IpvsConnTable {
  readonly #byVirtual = new Map<string, IpvsConn>();
  readonly #byReal = new Map<string, IpvsConn>();
  #swept = -1;

  /** The connection of a packet from a client to a virtual service. */
  towards(protocol: number, client: Ip, clientPort: number, address: Ip, port: number, now: number): IpvsConn | null {
    return this.#alive(this.#byVirtual.get(key(protocol, client, clientPort, address, port)), now);
  }

  /** The connection of a packet from a real server to a client. */
  from(protocol: number, address: Ip, port: number, client: Ip, clientPort: number, now: number): IpvsConn | null {
    return this.#alive(this.#byReal.get(key(protocol, client, clientPort, address, port)), now);
  }

  #alive(conn: IpvsConn | undefined, now: number): IpvsConn | null {
    if (conn === undefined) return null;
    if (conn.expires > now) return conn;
    this.remove(conn, now);
    return null;
  }

  add(conn: IpvsConn): void {
    const { protocol, clientAddress, clientPort, service, server } = conn;
    this.#byVirtual.set(key(protocol, clientAddress, clientPort, service.address, service.port), conn);
    this.#byReal.set(key(protocol, clientAddress, clientPort, server.address, server.port), conn);
  }

  remove(conn: IpvsConn, now: number): void {
    const { protocol, clientAddress, clientPort, service, server } = conn;
    const virtual = key(protocol, clientAddress, clientPort, service.address, service.port);
    const real = key(protocol, clientAddress, clientPort, server.address, server.port);
    if (this.#byVirtual.get(virtual) !== conn) return;
    this.#byVirtual.delete(virtual);
    if (this.#byReal.get(real) === conn) this.#byReal.delete(real);
    conn.end(now);
  }

  /** Forgets what has expired; not where that was done less than `every` ms before. */
  sweep(now: number, every = 0): void {
    if (this.#swept === now || now < this.#swept + every) return;
    this.#swept = now;
    for (const conn of this.#byVirtual.values()) if (conn.expires <= now) this.remove(conn, now);
  }

  list(): IpvsConn[] {
    return [...this.#byVirtual.values()];
  }

  clear(now: number): void {
    for (const conn of this.list()) this.remove(conn, now);
  }
}

import { formatEndpoint, IpProto } from '@netsim/wire';
import type { IpvsConn, IpvsTimeouts } from './connection.ts';
import { addLine, addServerLine, type RealServer, type VirtualService } from './service.ts';

/** Real servers by address and port, as `ipvsadm` sorts them. */
function sorted({ servers }: VirtualService): RealServer[] {
  const rank = ({ address }: RealServer): bigint => (typeof address === 'number' ? BigInt(address >>> 0) : address);
  return [...servers].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x < y ? -1 : x > y ? 1 : a.port - b.port;
  });
}

/** As `ipvsadm -Sn` prints virtual services with their servers. */
export function printIpvsSave(services: Iterable<VirtualService>): string {
  let text = '';
  for (const service of services) {
    text += `${addLine(service)}\n`;
    for (const server of sorted(service)) text += `${addServerLine(service, server)}\n`;
  }
  return text;
}

function protocolText(protocol: number): string {
  return protocol === IpProto.TCP ? 'TCP' : protocol === IpProto.UDP ? 'UDP' : 'SCTP';
}

/** As `ipvsadm -Ln` prints them. */
export function printIpvsList(services: Iterable<VirtualService>): string {
  let text =
    'IP Virtual Server version 1.2.1 (size=4096)\n' +
    'Prot LocalAddress:Port Scheduler Flags\n' +
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n';
  for (const service of services) {
    const { protocol, address, port, scheduler, persistentSeconds } = service;
    text += `${protocolText(protocol).padEnd(4)} ${formatEndpoint(address, port)} ${scheduler}`;
    if (persistentSeconds > 0) text += ` persistent ${persistentSeconds}`;
    text += `${scheduler === 'mh' ? ' (mh-port)' : ''}\n`;
    for (const server of sorted(service)) {
      const { weight, active, inactive } = server;
      const name = formatEndpoint(server.address, server.port).padEnd(28);
      text += `  -> ${name} Masq    ${String(weight).padEnd(6)} ${String(active).padEnd(10)} ${String(inactive).padEnd(10)}\n`;
    }
  }
  return text;
}

/** As `ipvsadm -L --timeout` prints them. */
export function printIpvsTimeouts({ tcp, tcpFin, udp }: IpvsTimeouts): string {
  return `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}\n`;
}

/** As `ipvsadm -Lnc` prints connections. `now` in ms. */
export function printIpvsConnections(conns: Iterable<IpvsConn>, now: number): string {
  let text = 'IPVS connection entries\npro expire state       source             virtual            destination\n';
  for (const { protocol, expires, state, clientAddress, clientPort, service, server } of conns) {
    const left = Math.max(0, Math.floor((expires - now) / 1000));
    const time = `${String(Math.floor(left / 60)).padStart(2, '0')}:${String(left % 60).padStart(2, '0')}`;
    const shown = protocol === IpProto.TCP ? state : protocol === IpProto.UDP ? 'UDP' : state;
    const client = formatEndpoint(clientAddress, clientPort).padEnd(18);
    const virtual = formatEndpoint(service.address, service.port).padEnd(18);
    text += `${protocolText(protocol).padEnd(3)} ${time}  ${shown.padEnd(11)} ${client} ${virtual} ${formatEndpoint(server.address, server.port)}\n`;
  }
  return text;
}

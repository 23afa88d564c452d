export { defaultTimeouts, IpvsConn, type IpvsState, type IpvsTimeouts } from './connection.ts';
export { Ipvs } from './ipvs.ts';
export { printIpvsConnections, printIpvsList, printIpvsSave, printIpvsTimeouts } from './print.ts';
export {
  type RealServer,
  type RealServerConfig,
  type SchedulerName,
  schedulerNames,
  type VirtualService,
  type VirtualServiceConfig,
} from './service.ts';

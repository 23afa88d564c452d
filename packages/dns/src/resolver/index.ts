export { type ContainerLibc, containerLibc, imageLibc, LIBC_ANNOTATION } from './container-libc.ts';
export {
  type Conversation,
  EAI,
  type EaiError,
  type Family,
  type LookupResult,
  type Query,
  type ResolverClock,
  type ResolverEvent,
  type ResolverHost,
  type SocketError,
  type Talk,
  type Transport,
} from './io.ts';
export { hostnameOf, type PodHostname } from './pod-hostname.ts';
export { hostsFile } from './pod-hosts.ts';
export { type KubeletDns, type PodResolvConf, resolvConf } from './pod-resolv-conf.ts';
export { type Libc, parseResolvConf, type ResolvConf } from './resolv-conf.ts';
export { Resolver, type ResolverOptions } from './resolver.ts';
export { type Exchange, type ExchangeResult, type MovableClock, runLookup } from './run-lookup.ts';
export { type SourceAddress, sortAddresses } from './sort.ts';
export { type DigRun, type DigShow, formatDig } from './tools/dig.ts';
export { addrconfigFamily, formatGetentAhosts, formatGetentHosts, type HostEntry } from './tools/getent.ts';
export { formatHost, type HostRun } from './tools/host.ts';
export { illegalName } from './tools/legal-name.ts';
export {
  type BusyboxNslookupRun,
  bindCandidates,
  busyboxCandidates,
  formatBusyboxNslookup,
  formatNslookup,
  type NslookupRun,
} from './tools/nslookup.ts';
export { recordText, type ToolFailure, type ToolOutput, type ToolReply } from './tools/reply.ts';

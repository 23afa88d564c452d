export type { ExchangeFunction } from './drive.ts';
export { encodeMessage } from './encode.ts';
export { ClusterIndexes } from './kubernetes/cluster-indexes.ts';
export type { HttpListener, Listener } from './listeners.ts';
export * from './message.ts';
export type {
  Exchange as UpstreamExchange,
  ExchangeResult as UpstreamResult,
  QuerySource,
  UpstreamServer,
} from './plugin.ts';
export { CoreDns, type CoreDnsOptions, type LoopProbe } from './server.ts';
export { encodeCompressed, fitReply } from './truncate.ts';
export { decodeMessage, WireError } from './wire.ts';

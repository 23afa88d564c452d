export * from './clock.ts';
export * from './config.ts';
export * from './drop-reason.ts';
export { frameBytes, l3Length } from './frame.ts';
export * from './hook.ts';
export * from './ipvs/index.ts';
export { Bridge, type BridgeFdbEntry, type BridgePort } from './net/bridge.ts';
export { Device, type DeviceKind, type InterfaceAddress } from './net/device.ts';
export { Dst, DstKind } from './net/dst.ts';
export {
  Fib,
  type FibRule,
  FibTable,
  formatRoute,
  formatRouteOf,
  type Route,
  RouteTable,
  type RouteType,
} from './net/fib.ts';
export { icmpName, isIcmpError } from './net/icmp.ts';
export { KernelError } from './net/kernel-error.ts';
export { type Neighbour, Nud, nudName } from './net/neighbour.ts';
export { Netns } from './net/netns.ts';
export { Physical } from './net/physical.ts';
export { type LazyPort, Segment } from './net/segment.ts';
export { packetSummary } from './net/steps.ts';
export { Veth } from './net/veth.ts';
export { Vxlan, type VxlanFdbEntry, type VxlanOptions } from './net/vxlan.ts';
export * from './netfilter/index.ts';
export * from './random.ts';
export * from './scripted-random.ts';
export * from './skb.ts';
export type { Errno } from './socket/errno.ts';
export { Flow, type FlowOptions, type FlowOutcome } from './socket/flow.ts';
export type { EchoAnswer, PingOptions } from './socket/ping.ts';
export { PingSocket } from './socket/ping.ts';
export type { PacketFate, ProbeOptions, ProbeResult } from './socket/probe.ts';
export { SctpAssociation, type SctpListenOptions, SctpSocket } from './socket/sctp.ts';
export { Socket, type SocketProtocol } from './socket/socket.ts';
export { TcpConnection, type TcpHandlers, type TcpState } from './socket/tcp.ts';
export { type TcpConnectOptions, TcpListener, type TcpListenOptions } from './socket/tcp-sockets.ts';
export { type Datagram, type UdpOptions, type UdpSendOptions, UdpSocket } from './socket/udp.ts';
export * from './world.ts';

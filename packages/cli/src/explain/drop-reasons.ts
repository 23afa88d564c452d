import type { DropReason } from '@netsim/kernel';
import type { Explanation } from './explanation.ts';

const bound = 'Look for a loop in the trace. If the cluster is as it should be, please report it as a bug of netsim.';

/** Why the kernel drops a packet: Linux's names, and NETSIM_ for bounds of the emulator. */
export const dropReasons: Readonly<Record<DropReason, Explanation>> = {
  NOT_SPECIFIED: {
    meaning: 'Dropped by the kernel, which gives no reason.',
    mend: 'The steps before it in --detail full show where.',
  },
  NO_SOCKET: {
    meaning: 'No socket listens on the destination port and address.',
    mend: 'Check the port that the process listens on, and that it listens on 0.0.0.0 or the pod IP and not on 127.0.0.1.',
  },
  NETFILTER_DROP: {
    meaning: 'An iptables rule or the policy of a chain dropped it.',
    mend: "The rule step before it has the rule's text: change or remove what made it.",
  },
  OTHERHOST: {
    meaning: 'The frame was for another MAC address than the device that received it.',
    mend: 'A stale neighbour or forwarding entry: compare ip neigh and bridge fdb with the real MAC addresses.',
  },
  IP_CSUM: { meaning: 'The checksum of the IPv4 header is wrong.', mend: 'The packet was damaged or badly made.' },
  IP_INHDR: { meaning: 'The IP header is malformed.', mend: 'The packet was damaged or badly made.' },
  IP_RPFILTER: {
    meaning:
      'Reverse path filter: a reply to this source would leave by another device, so the source is taken as forged.',
    mend: 'Routes there and back differ. Mend the route, or set net.ipv4.conf.*.rp_filter to 2 (loose) or 0 on the node.',
  },
  IP_INADDRERRORS: {
    meaning: 'The destination address is not valid for this machine.',
    mend: 'Check the destination address and the addresses of the device.',
  },
  IP_INNOROUTES: {
    meaning: 'A machine on the way has no route to the destination.',
    mend: 'Look at netsim exec node/NAME -- ip route: the pod network of another node, or the default route, is missing.',
  },
  IP_OUTNOROUTES: {
    meaning: 'The sender itself has no route to the destination.',
    mend: "Look at ip route in the sender's network namespace.",
  },
  IP_NOPROTO: {
    meaning: 'The machine does not speak the transport protocol of the packet.',
    mend: 'Check the protocol: TCP, UDP, SCTP or ICMP.',
  },
  IP_INVALID_SOURCE: {
    meaning:
      "The source address can be no source here: loopback, multicast, broadcast, or one of the machine's own (a martian).",
    mend: 'Often an address that exists twice, or traffic from 127.0.0.1 that was sent out of the machine.',
  },
  IP_INVALID_DEST: {
    meaning: 'The destination address can be no destination here (a martian).',
    mend: 'Check the address and the routes of type blackhole, unreachable and prohibit.',
  },
  IP_LOCALNET: {
    meaning: 'A packet from or to 127.0.0.0/8 came over a real device.',
    mend: 'net.ipv4.conf.*.route_localnet=1 allows it; kube-proxy sets it for node ports on localhost.',
  },
  PKT_TOO_BIG: {
    meaning: 'The packet is larger than the MTU of the next device and must not be fragmented.',
    mend: 'Lower the MTU of the pods by the overlay header: 50 bytes for VXLAN over IPv4, 70 over IPv6.',
  },
  TTL_EXPIRED: {
    meaning: 'The time to live came to 0 on a router.',
    mend: 'A routing loop: the trace shows who sends it to whom.',
  },
  NEIGH_FAILED: {
    meaning: 'Nobody answered ARP or neighbour discovery for the next hop.',
    mend: 'No running pod or machine has the address: compare netsim get endpoints with netsim get pods -o wide.',
  },
  NEIGH_QUEUEFULL: {
    meaning: 'Too many packets wait for the MAC address of one next hop.',
    mend: 'The next hop does not answer: see NEIGH_FAILED.',
  },
  DEV_READY: { meaning: 'The device is down.', mend: 'Set it up, or start the node: ip link shows the state.' },
  UNHANDLED_PROTO: {
    meaning: 'Nobody takes frames of this type.',
    mend: 'Check that IPv6 or the wanted protocol is enabled on both sides.',
  },
  TCP_INVALID_SEQUENCE: {
    meaning: 'The TCP sequence number is outside the window.',
    mend: 'A segment of an old connection, or one that came twice.',
  },
  TCP_FLAGS: {
    meaning: 'The TCP flags make no sense in this state of the connection.',
    mend: 'A segment of an old or unknown connection.',
  },
  TCP_CLOSE: { meaning: 'The TCP connection is closed already.', mend: 'The other side sent after the end.' },
  TCP_LISTEN_OVERFLOW: {
    meaning: "The listener's queue of new connections is full.",
    mend: 'The process accepts too slowly, or its backlog is too small.',
  },
  ICMP_CSUM: { meaning: 'The checksum of the ICMP message is wrong.', mend: 'The packet was damaged or badly made.' },
  BRIDGE_INGRESS_STP_STATE: { meaning: 'The bridge port is not in forwarding state.', mend: 'Set the port up.' },
  BRIDGE_NO_EGRESS_PORT: {
    meaning: 'The bridge has no port to send the frame to: the only one is that which it came by, and hairpin is off.',
    mend: 'A pod that reaches itself through its service needs hairpin on its bridge port (hairpinMode of the CNI plugin).',
  },
  VXLAN_VNI_NOT_FOUND: {
    meaning: 'A VXLAN packet came in for a network identifier that no device has.',
    mend: "The VNI differs between the nodes: compare the Backend of flannel's net-conf.json.",
  },
  VXLAN_NO_REMOTE: {
    meaning: 'The VXLAN device does not know which node has the destination MAC address.',
    mend: 'The forwarding entry is missing: bridge fdb show dev flannel.1. The node may not be registered, or has no podCIDR.',
  },
  VXLAN_INVALID_HDR: { meaning: 'The VXLAN header is malformed.', mend: 'Something else sends to the VXLAN port.' },
  FORWARDING_DISABLED: {
    meaning: 'The packet is for another machine, and this one does not forward.',
    mend: 'On a node net.ipv4.ip_forward (net.ipv6.conf.all.forwarding) must be 1.',
  },
  CONNTRACK_TABLE_FULL: {
    meaning: 'The connection tracking table is full (nf_conntrack_max).',
    mend: 'Raise net.netfilter.nf_conntrack_max, or let connections end sooner. netsim exec node/NAME -- conntrack -L shows them.',
  },
  NAT_NO_PORT: {
    meaning: 'No free source port is left for the translated connection.',
    mend: 'Too many connections from one address to one endpoint.',
  },
  LOCAL_OUT_OF_CLUSTER: {
    meaning: 'The packet is for a machine outside, of which netsim knows nothing.',
    mend: 'See EXITS_CLUSTER.',
  },
  NETSIM_HOP_BUDGET: {
    meaning: 'The packet passed more devices than netsim allows: a loop of bridges or tunnels.',
    mend: bound,
  },
  NETSIM_QUEUE_BUDGET: { meaning: 'More packets were waiting than netsim allows: a storm.', mend: bound },
  NETSIM_RULE_BUDGET: { meaning: 'The packet met more rules than netsim allows.', mend: bound },
};

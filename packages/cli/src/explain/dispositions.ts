import type { Disposition } from '@netsim/trace';
import type { Explanation } from './explanation.ts';

/** How a path can end. */
export const dispositions: Readonly<Record<Disposition, Explanation>> = {
  DELIVERED: {
    meaning: 'A socket took the packet, and its answer came back to the sender.',
    mend: 'Nothing is wrong. The last lines of the trace say which pod answered and which source address it saw.',
  },
  REJECTED: {
    meaning:
      'A firewall rule refused the packet and said so, by an ICMP error or a TCP reset. The caller sees "connection refused" or "unreachable" at once.',
    mend: 'The trace names the rule and the object that it was made for: change that object.',
  },
  DROPPED: {
    meaning:
      "The packet vanished without an answer: a DROP rule, a policy of a chain, or one of the kernel's own checks. The caller waits until its timeout.",
    mend: 'The last step names the rule or the drop reason. For a drop reason: netsim explain REASON.',
  },
  NO_ROUTE: {
    meaning:
      'A network namespace on the way has no route to the destination address. The caller sees "network unreachable" or "no route to host".',
    mend: 'Look at the routes of the namespace named: netsim exec node/NAME -- ip route. Often a podCIDR that no node has, or an address outside the cluster with no default route.',
  },
  NEIGHBOR_UNREACHABLE: {
    meaning:
      'There is a route, but nobody answered for the address on the last link (ARP or neighbour discovery failed). After three tries the sender sees "no route to host".',
    mend: 'The address belongs to no running pod or machine: a pod that is gone, an endpoint written by hand, a wrong IP.',
  },
  TTL_EXPIRED: {
    meaning: 'The packet went through so many routers that its time to live ended: as good as always a routing loop.',
    mend: 'The trace shows the machines that pass it around: their routes contradict each other.',
  },
  NO_LISTENER: {
    meaning:
      'The packet reached the right network namespace, but no process listens on that port and address. TCP answers with a reset: "connection refused".',
    mend: 'Compare targetPort with the port that the container listens on; a process bound to 127.0.0.1 is not reachable from outside its pod. What netsim cannot know is said with the annotation netsim.dev/listen.',
  },
  MTU_EXCEEDED: {
    meaning: 'The packet is larger than the MTU of a link on the way and must not be fragmented.',
    mend: "Pod devices need an MTU smaller than the nodes' by the size of the overlay header: 50 bytes for VXLAN over IPv4.",
  },
  NO_ENDPOINTS: {
    meaning:
      'The service exists but has no ready endpoint for this port. kube-proxy then rejects its address: "connection refused".',
    mend: 'See netsim get endpoints NAME. A selector that matches no pod, pods that are not ready, or a targetPort name that no container has.',
  },
  NAME_NOT_FOUND: {
    meaning: 'The name was looked up and does not exist.',
    mend: 'A service of another namespace needs its namespace in the name: NAME.NAMESPACE.',
  },
  EXITS_CLUSTER: {
    meaning:
      'The packet left the cluster for the network outside. netsim does not know what is there, so the trace ends here.',
    mend: "Nothing is wrong inside the cluster. If it should have stayed inside, the address is no pod's and no service's.",
  },
  INSUFFICIENT_INFO: {
    meaning: 'The manifests do not say enough to decide. netsim does not guess.',
    mend: 'The reason names what is missing, and how to tell netsim: mostly the annotation netsim.dev/listen with the ports that a container listens on.',
  },
};

import type { Path, Pod } from '@netsim/manifest';

/** Host ports in use per node, with the rule of nodeports.go: 0.0.0.0 clashes with every address of the same port. */
export class HostPorts {
  /** Node name to `protocol/port` to the addresses and how many pods hold each. */
  readonly #nodes = new Map<string, Map<string, Map<string, number>>>();

  add(node: string, pod: Pod): void {
    for (const { key, address } of hostPortsOf(pod)) {
      let ports = this.#nodes.get(node);
      if (ports === undefined) {
        ports = new Map();
        this.#nodes.set(node, ports);
      }
      let addresses = ports.get(key);
      if (addresses === undefined) {
        addresses = new Map();
        ports.set(key, addresses);
      }
      addresses.set(address, (addresses.get(address) ?? 0) + 1);
    }
  }

  remove(node: string, pod: Pod): void {
    for (const { key, address } of hostPortsOf(pod)) {
      const addresses = this.#nodes.get(node)?.get(key);
      const left = (addresses?.get(address) ?? 0) - 1;
      if (left > 0) addresses?.set(address, left);
      else addresses?.delete(address);
    }
  }

  taken(node: string, pod: Pod): boolean {
    const ports = this.#nodes.get(node);
    if (ports === undefined) return false;
    return hostPortsOf(pod).some(({ key, address }) => {
      const addresses = ports.get(key);
      if (addresses === undefined || addresses.size === 0) return false;
      return address === anyAddress || addresses.has(address) || addresses.has(anyAddress);
    });
  }
}

const anyAddress = '0.0.0.0';

/** Whether two pods cannot have one port at these addresses of a node. */
export function addressesClash(a: string, b: string): boolean {
  return a === b || a === anyAddress || b === anyAddress;
}

/** A host port that a pod wants, with the place of the field. */
interface HostPort {
  /** `protocol/port`. */
  readonly key: string;
  readonly address: string;
  readonly path: Path;
}

export function hostPortsOf(pod: Pod): HostPort[] {
  const found: HostPort[] = [];
  for (const [i, container] of pod.spec.containers.entries()) {
    for (const [j, { hostPort, containerPort, hostIP, protocol }] of (container.ports ?? []).entries()) {
      // With hostNetwork every declared port is a host port (the API server's defaulting says so too).
      const port = hostPort ?? (pod.spec.hostNetwork === true ? containerPort : 0);
      if (port === 0) continue;
      const path = ['spec', 'containers', i, 'ports', j, hostPort === undefined ? 'containerPort' : 'hostPort'];
      found.push({ key: `${protocol ?? 'TCP'}/${port}`, address: hostIP || anyAddress, path });
    }
  }
  return found;
}

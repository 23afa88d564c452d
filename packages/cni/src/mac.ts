import type { Ip, Mac } from '@netsim/wire';
import { formatIp } from '@netsim/wire';

/**
 * The MAC address of a device that has an IP address: `0a:58` and the four bytes of an IPv4 address, as the CNI bridge
 * plugin did up to 0.7 (`ip.SetHWAddrByIP`). Newer plugins leave it to the kernel, which draws one at random; this form is
 * kept because it is deterministic and shows the address. For IPv6 the four bytes are a hash of the address.
 */
export function macOfIp(ip: Ip): Mac {
  return `0a:58:${hexPairs(typeof ip === 'number' ? ip >>> 0 : fnv1a(formatIp(ip), 0), 4)}`;
}

/**
 * A locally administered unicast MAC that is always the same for a name: stands for what the kernel would draw at random
 * (node interfaces, veth host ends, VTEPs).
 */
export function macOfName(name: string): Mac {
  const first = (fnv1a(name, 0x5bd1e995) & 0xff & 0xfc) | 0x02;
  const second = (fnv1a(name, 0x5bd1e995) >>> 8) & 0xff;
  return `${hexPairs(first, 1)}:${hexPairs(second, 1)}:${hexPairs(fnv1a(name, 0), 4)}`;
}

/** Name of a pod's veth end on the node: `veth` and eight hexadecimal digits, as the bridge plugin draws them. */
export function vethName(name: string, salt = 0): string {
  return `veth${fnv1a(name, salt).toString(16).padStart(8, '0')}`;
}

/** FNV-1a, 32 bits, with a final mix so that names differing in the last letter differ everywhere. */
function fnv1a(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hexPairs(value: number, bytes: number): string {
  const digits = value.toString(16).padStart(bytes * 2, '0');
  return digits.match(/../g)!.join(':');
}

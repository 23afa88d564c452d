import type { NftDataType } from './datatype.ts';
import type { NftCtKey, NftExpression, NftMetaKey, NftPayloadField } from './ruleset.ts';

const payloadTypes: Readonly<Record<NftPayloadField, NftDataType>> = {
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip protocol': 'inet_proto',
  'ip ttl': 'integer',
  'ip dscp': 'dscp',
  'ip length': 'integer',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'ip6 nexthdr': 'inet_proto',
  'ip6 hoplimit': 'integer',
  'ip6 dscp': 'dscp',
  'th sport': 'inet_service',
  'th dport': 'inet_service',
  'tcp sport': 'inet_service',
  'tcp dport': 'inet_service',
  'tcp flags': 'tcp_flag',
  'udp sport': 'inet_service',
  'udp dport': 'inet_service',
  'sctp sport': 'inet_service',
  'sctp dport': 'inet_service',
  'icmp type': 'icmp_type',
  'icmp code': 'icmp_code',
  'icmpv6 type': 'icmpv6_type',
  'icmpv6 code': 'icmpv6_code',
};

const metaTypes: Readonly<Record<NftMetaKey, NftDataType>> = {
  l4proto: 'inet_proto',
  nfproto: 'nf_proto',
  protocol: 'ether_type',
  mark: 'mark',
  length: 'integer',
  iif: 'iface_index',
  oif: 'iface_index',
  iifname: 'ifname',
  oifname: 'ifname',
  pkttype: 'pkt_type',
};

const ctTypes: Readonly<Record<NftCtKey, NftDataType>> = {
  state: 'ct_state',
  status: 'ct_status',
  mark: 'mark',
  direction: 'ct_dir',
  protocol: 'inet_proto',
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'proto-src': 'inet_service',
  'proto-dst': 'inet_service',
};

export const payloadFields = Object.keys(payloadTypes) as readonly NftPayloadField[];
export const metaKeys = Object.keys(metaTypes) as readonly NftMetaKey[];
export const ctKeys = Object.keys(ctTypes) as readonly NftCtKey[];

/** Keys of `meta` that may stand without it. */
export const bareMetaKeys: readonly NftMetaKey[] = ['mark', 'iif', 'oif', 'iifname', 'oifname'];

/** `meta mark` is listed with the word, interface names without it. */
export function printsBare(key: NftMetaKey): boolean {
  return key !== 'mark' && bareMetaKeys.includes(key);
}

export function isPayloadField(text: string): text is NftPayloadField {
  return Object.hasOwn(payloadTypes, text);
}
export function isMetaKey(text: string): text is NftMetaKey {
  return Object.hasOwn(metaTypes, text);
}
export function isCtKey(text: string): text is NftCtKey {
  return Object.hasOwn(ctTypes, text);
}

/** Type of what an expression yields, for each concatenated part. Of a map by name it is not known here: empty. */
export function typeOf(expression: NftExpression): readonly NftDataType[] {
  switch (expression.kind) {
    case 'value':
      return ['integer'];
    case 'payload':
      return [payloadTypes[expression.field]];
    case 'meta':
      return [metaTypes[expression.key]];
    case 'ct':
      return [ctTypes[expression.key]];
    case 'fib':
      return [expression.result === 'type' ? 'fib_addrtype' : expression.result === 'oif' ? 'iface_index' : 'ifname'];
    case 'numgen':
      return ['integer'];
    case 'concat':
      return expression.parts.flatMap(typeOf);
    case 'binary':
      return typeOf(expression.left);
    case 'map':
      return [];
  }
}

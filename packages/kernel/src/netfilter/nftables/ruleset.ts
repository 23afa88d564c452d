import type { Prefix } from '@netsim/wire';
import type { NftDataType } from './datatype.ts';
import type { NftElements } from './elements.ts';

/**
 * nftables rules as data: what `nft list ruleset` prints, parsed. Values throughout: a change makes a new table that
 * shares all that did not change with the old one, and what was compiled of the shared parts stays valid.
 *
 * Rules are held in the form in which nft lists them, not always the one in which they were written
 * (`mark and 0x1 != 0` is `meta mark & 0x00000001 != 0x00000000`).
 */
export interface NftRuleset {
  /** In the order of their making, which is that of printing. */
  readonly tables: readonly NftTable[];
}

/** Families that are modelled. An inet table sees packets of both. */
export type NftFamily = 'ip' | 'ip6' | 'inet';

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly comment?: string;
  /** Sets and maps in the order of their making, then chains in theirs: the order of printing. */
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, NftChain>;
  /** Names of the base chains, where the maker of the table knows them: spares a search through all chains at each change. */
  readonly baseChainNames?: readonly string[];
}

export type NftHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** What makes a chain a base chain: the place where packets enter it. */
export interface NftBase {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: NftHook;
  /** Lower comes first; among equals, the older chain. */
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

export interface NftChain {
  readonly name: string;
  /** Absent for a chain that is only jumped to. */
  readonly base?: NftBase;
  readonly comment?: string;
  readonly rules: readonly NftRule[];
}

export interface NftRule {
  readonly statements: readonly NftStatement[];
  readonly comment?: string;
  /** Who wrote the rule, for a trace to point at: `Service/default/kubia`. Not part of the text. */
  readonly origin?: string;
}

export type NftSetFlag = 'constant' | 'interval' | 'dynamic' | 'timeout';

/** A set, or with `data` a map (`data: 'verdict'`: a verdict map). */
export interface NftSet {
  readonly name: string;
  /** Type of the key; several are a concatenation. */
  readonly type: readonly NftDataType[];
  readonly data?: readonly NftDataType[] | 'verdict';
  readonly flags: readonly NftSetFlag[];
  /** How many elements it may hold. A set that rules fill has one: 65535 where none was written. */
  readonly size?: number;
  /** Default lifetime of an element, in milliseconds. */
  readonly timeout?: number;
  readonly gcInterval?: number;
  readonly counter?: boolean;
  readonly comment?: string;
  /** Elements that commands put there; those that rules add as packets pass belong to a netns, not to this value. */
  readonly elements: NftElements;
}

/** An address as Ip, an interface name as text (a trailing `*` is a wildcard), all else as an unsigned number. */
export type NftScalar = number | bigint | string;
export interface NftRange {
  readonly from: NftScalar;
  readonly to: NftScalar;
}
export type NftValue = NftScalar | Prefix | NftRange;

export interface NftElement {
  /** One value for each concatenated part of the type. */
  readonly key: readonly NftValue[];
  /** For a map: the data, one value for each concatenated part, or a verdict. */
  readonly data?: readonly NftValue[] | NftVerdict;
  readonly comment?: string;
  /** Own lifetime in milliseconds. */
  readonly timeout?: number;
}

export type NftVerdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export type NftPayloadField =
  | 'ip saddr'
  | 'ip daddr'
  | 'ip protocol'
  | 'ip ttl'
  | 'ip dscp'
  | 'ip length'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 nexthdr'
  | 'ip6 hoplimit'
  | 'ip6 dscp'
  | 'th sport'
  | 'th dport'
  | 'tcp sport'
  | 'tcp dport'
  | 'tcp flags'
  | 'udp sport'
  | 'udp dport'
  | 'sctp sport'
  | 'sctp dport'
  | 'icmp type'
  | 'icmp code'
  | 'icmpv6 type'
  | 'icmpv6 code';

export type NftMetaKey =
  | 'l4proto'
  | 'nfproto'
  | 'protocol'
  | 'mark'
  | 'length'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'pkttype';

export type NftCtKey =
  | 'state'
  | 'status'
  | 'mark'
  | 'direction'
  | 'protocol'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'proto-src'
  | 'proto-dst';

/** What a rule can read, a constant, or something reckoned from these. */
export type NftExpression =
  | { readonly kind: 'value'; readonly value: NftScalar }
  | { readonly kind: 'payload'; readonly field: NftPayloadField }
  | { readonly kind: 'meta'; readonly key: NftMetaKey }
  | { readonly kind: 'ct'; readonly key: NftCtKey; readonly direction?: 'original' | 'reply' }
  | {
      readonly kind: 'fib';
      readonly selectors: readonly ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif')[];
      readonly result: 'type' | 'oif' | 'oifname';
    }
  | { readonly kind: 'numgen'; readonly mode: 'random' | 'inc'; readonly mod: number; readonly offset?: number }
  | { readonly kind: 'concat'; readonly parts: readonly NftExpression[] }
  | {
      readonly kind: 'binary';
      readonly operator: '&' | '|' | '^' | '<<' | '>>';
      readonly left: NftExpression;
      readonly right: NftExpression;
    }
  /** `tcp dport map @ports`: the data of the element that the key finds; a rule in which it finds none does not match. */
  | { readonly kind: 'map'; readonly key: NftExpression; readonly map: NftSetOperand };

/** A set of the same table by name, or one written into the rule. */
export type NftSetOperand =
  | { readonly kind: 'set'; readonly name: string }
  | { readonly kind: 'elements'; readonly elements: NftElements };

/** `any`: at least one of the bits, how a comparison of a flag type without an operator is meant (`ct state new`). */
export type NftOperator = '==' | '!=' | '<' | '>' | '<=' | '>=' | 'any';

export interface NftNatRange {
  readonly from: NftExpression;
  readonly to?: NftExpression;
}

export type NftStatement =
  | {
      readonly kind: 'match';
      readonly left: NftExpression;
      /** With a set on the right only `==` (is in it) and `!=` (is not). */
      readonly operator: NftOperator;
      readonly right: NftSetOperand | { readonly kind: 'value'; readonly value: readonly NftValue[] };
    }
  | { readonly kind: 'vmap'; readonly key: NftExpression; readonly map: NftSetOperand }
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  | { readonly kind: 'counter' }
  | { readonly kind: 'notrack' }
  | { readonly kind: 'log'; readonly prefix?: string; readonly level?: string; readonly group?: number }
  | {
      readonly kind: 'limit';
      readonly rate: number;
      readonly unit: 'second' | 'minute' | 'hour' | 'day' | 'week';
      readonly burst: number;
      readonly over?: boolean;
    }
  /** `type` and `code` as nft names them; absent type: the default of the family (port-unreachable). */
  | {
      readonly kind: 'reject';
      readonly with?: 'tcp reset' | { readonly type: 'icmp' | 'icmpv6' | 'icmpx'; readonly code: string };
    }
  | { readonly kind: 'set mark'; readonly target: 'meta' | 'ct'; readonly value: NftExpression }
  | {
      readonly kind: 'set update';
      readonly operation: 'add' | 'update' | 'delete';
      readonly set: string;
      readonly key: NftExpression;
      readonly timeout?: number;
    }
  | {
      readonly kind: 'snat' | 'dnat';
      /** Written out as `dnat ip to`: always in an inet table, and with an address and port from one map. */
      readonly family?: 'ip' | 'ip6';
      /** An address, or with `addressAndPort` an address and a port from one map. */
      readonly address?: NftNatRange;
      readonly addressAndPort?: NftExpression;
      readonly port?: NftNatRange;
      readonly flags?: readonly NftNatFlag[];
    }
  | { readonly kind: 'masquerade' | 'redirect'; readonly port?: NftNatRange; readonly flags?: readonly NftNatFlag[] };

export type NftNatFlag = 'random' | 'fully-random' | 'persistent';

export const emptyNftRuleset: NftRuleset = { tables: [] };

/** The table, or undefined. */
export function findNftTable(ruleset: NftRuleset, family: NftFamily, name: string): NftTable | undefined {
  return ruleset.tables.find((table) => table.family === family && table.name === name);
}

/** A ruleset in which this table stands for the one of its family and name, or comes last if there is none. */
export function withNftTable(ruleset: NftRuleset, table: NftTable): NftRuleset {
  const at = ruleset.tables.findIndex(({ family, name }) => family === table.family && name === table.name);
  if (at < 0) return { tables: [...ruleset.tables, table] };
  return { tables: ruleset.tables.with(at, table) };
}

// @ts-expect-error

// @ts-expect-error
export type { NftDataType } from '../../../kernel/src/netfilter/nftables/datatype.ts';
// @ts-expect-error
export { NftElements } from '../../../kernel/src/netfilter/nftables/elements.ts';
export * from '../../../kernel/src/netfilter/nftables/ruleset.ts';

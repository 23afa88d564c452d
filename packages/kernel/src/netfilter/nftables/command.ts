import type { NftBase, NftChain, NftElement, NftFamily, NftRule, NftSet, NftTable } from './ruleset.ts';

/** Where a command applies, and the line it stood on. */
interface Place {
  readonly family: NftFamily;
  readonly table: string;
  readonly line: number;
}

/** One nft command, read. `create` fails where there is such a thing already, `destroy` does not where there is none. */
export type NftCommand =
  | { readonly verb: 'flush ruleset'; readonly family?: NftFamily; readonly line: number }
  | (Place & { readonly verb: 'add table'; readonly create: boolean; readonly comment?: NftTable['comment'] })
  | (Place & { readonly verb: 'delete table'; readonly destroy: boolean })
  | (Place & { readonly verb: 'flush table' })
  | (Place & {
      readonly verb: 'add chain';
      readonly create: boolean;
      readonly name: string;
      readonly base?: NftBase;
      /** The policy as written; absent it stays, or is accept for a new chain. */
      readonly policy?: NftBase['policy'];
      readonly comment?: NftChain['comment'];
    })
  | (Place & { readonly verb: 'delete chain'; readonly destroy: boolean; readonly name: string })
  | (Place & { readonly verb: 'flush chain'; readonly name: string })
  | (Place & {
      readonly verb: 'add rule';
      readonly chain: string;
      readonly rule: NftRule;
      /** `insert` puts it first; an index (from 0) beside the rule there. */
      readonly insert: boolean;
      readonly index?: number;
    })
  | (Place & { readonly verb: 'add set'; readonly create: boolean; readonly set: NftSet })
  | (Place & {
      readonly verb: 'delete set';
      readonly destroy: boolean;
      readonly what: 'set' | 'map';
      readonly name: string;
    })
  | (Place & { readonly verb: 'flush set'; readonly what: 'set' | 'map'; readonly name: string })
  | (Place & {
      readonly verb: 'add element';
      readonly create: boolean;
      readonly set: string;
      readonly elements: readonly NftElement[];
    })
  | (Place & {
      readonly verb: 'delete element';
      readonly destroy: boolean;
      readonly set: string;
      readonly elements: readonly NftElement[];
    });

import type { CharSet } from './char-set.ts';

/** A pattern in its parts. */
export type Node =
  | { readonly kind: 'empty' }
  /** One byte of the set. */
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly options: readonly Node[] }
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: 'group'; readonly body: Node; readonly index: number }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'look'; readonly body: Node; readonly behind: boolean; readonly negative: boolean }
  /** Once it has matched, it is not tried in another way. */
  | { readonly kind: 'atomic'; readonly body: Node }
  | { readonly kind: 'back-reference'; readonly group: number | string; readonly caseless: boolean };

export type Assertion =
  | 'start'
  | 'end'
  | 'end-or-last-newline'
  | 'line-start'
  | 'line-end'
  | 'word-boundary'
  | 'no-word-boundary';

export interface Pattern {
  readonly root: Node;
  /** How many groups capture. */
  readonly groups: number;
  /** Numbers of the groups with a name. */
  readonly names: ReadonlyMap<string, number>;
}

/** A pattern that does not compile. */
export class RegexError extends Error {
  override readonly name = 'RegexError';
  /** Where in the pattern, from 0. */
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

import type { CharSet } from './char-set.ts';
import { fixedLength } from './parse.ts';
import { type Assertion, type Node, type Pattern, RegexError } from './syntax.ts';

/** Instructions of the matcher; `x` and `y` are their operands. */
export const Op = {
  /** The next byte is in set x. */
  SET: 0,
  /** First x, and y where that fails. */
  SPLIT: 1,
  JUMP: 2,
  /** Slot x is here. */
  SAVE: 3,
  /** Assertion x holds. */
  ASSERT: 4,
  /** The body behind this instruction matches from here (negative: does not), then go on at x. */
  LOOK: 5,
  LOOK_NOT: 6,
  /** The body behind this instruction ends here when it starts y bytes before, then go on at x. */
  BEHIND: 7,
  BEHIND_NOT: 8,
  /** The body behind this instruction, in one way only, then go on at x. */
  ATOMIC: 9,
  /** The text of group x again; y: in any case. */
  AGAIN: 10,
  /** Nothing was consumed since slot x was saved: go on at y, for a loop over nothing never ends. */
  STALLED: 11,
  MATCH: 12,
} as const;

export const ASSERTIONS: readonly Assertion[] = [
  'start',
  'end',
  'end-or-last-newline',
  'line-start',
  'line-end',
  'word-boundary',
  'no-word-boundary',
];

export interface Program {
  readonly op: Uint8Array;
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly sets: readonly CharSet[];
  /** Two for each group (the whole match is group 0), then those of the loops. */
  readonly slots: number;
  readonly groups: number;
  readonly names: ReadonlyMap<string, number>;
  /** It can only match at the start of the text. */
  readonly anchored: boolean;
  /** What is left to match at a place depends on more than the place. */
  readonly backReferences: boolean;
}

/** About what PCRE's 64 KiB of compiled pattern hold. */
const MAX_INSTRUCTIONS = 20_000;

/** Throws a RegexError where the pattern, its repeats written out, is too large. */
export function compilePattern(pattern: Pattern): Program {
  return new Compiler(pattern).compile();
}

class Compiler {
  readonly #pattern: Pattern;
  readonly #op: number[] = [];
  readonly #x: number[] = [];
  readonly #y: number[] = [];
  readonly #sets: CharSet[] = [];
  #slots: number;
  #backReferences = false;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
    this.#slots = 2 * (pattern.groups + 1);
  }

  compile(): Program {
    const { root, groups, names } = this.#pattern;
    this.#node(root);
    this.#emit(Op.MATCH);
    return {
      op: Uint8Array.from(this.#op),
      x: Int32Array.from(this.#x),
      y: Int32Array.from(this.#y),
      sets: this.#sets,
      slots: this.#slots,
      groups,
      names,
      anchored: startsAnchored(root),
      backReferences: this.#backReferences,
    };
  }

  #emit(op: number, x = 0, y = 0): number {
    if (this.#op.length >= MAX_INSTRUCTIONS) throw new RegexError('regular expression is too large', 0);
    this.#op.push(op);
    this.#x.push(x);
    this.#y.push(y);
    return this.#op.length - 1;
  }

  #here(): number {
    return this.#op.length;
  }

  #node(node: Node): void {
    switch (node.kind) {
      case 'empty':
        return;
      case 'set':
        this.#emit(Op.SET, this.#set(node.set));
        return;
      case 'sequence':
        for (const part of node.parts) this.#node(part);
        return;
      case 'choice':
        this.#choice(node.options);
        return;
      case 'repeat':
        this.#repeat(node);
        return;
      case 'group':
        this.#emit(Op.SAVE, 2 * node.index);
        this.#node(node.body);
        this.#emit(Op.SAVE, 2 * node.index + 1);
        return;
      case 'assert':
        this.#emit(Op.ASSERT, ASSERTIONS.indexOf(node.what));
        return;
      case 'look':
        this.#look(node);
        return;
      case 'atomic':
        this.#within(Op.ATOMIC, node.body);
        return;
      case 'back-reference': {
        const index = typeof node.group === 'string' ? this.#pattern.names.get(node.group)! : node.group;
        this.#backReferences = true;
        this.#emit(Op.AGAIN, index, node.caseless ? 1 : 0);
        return;
      }
    }
  }

  #set(set: CharSet): number {
    const known = this.#sets.findIndex((other) => other.every((member, i) => member === set[i]));
    if (known !== -1) return known;
    this.#sets.push(set);
    return this.#sets.length - 1;
  }

  #choice(options: readonly Node[]): void {
    const ends: number[] = [];
    options.forEach((option, i) => {
      if (i === options.length - 1) {
        this.#node(option);
        return;
      }
      const split = this.#emit(Op.SPLIT, this.#here() + 1);
      this.#node(option);
      ends.push(this.#emit(Op.JUMP));
      this.#y[split] = this.#here();
    });
    for (const end of ends) this.#x[end] = this.#here();
  }

  #repeat({ body, min, max, lazy }: Node & { readonly kind: 'repeat' }): void {
    const endless = max === Number.POSITIVE_INFINITY;
    // The last of the copies that must be there can be the body of the loop.
    const copies = endless && min > 0 ? min - 1 : min;
    for (let i = 0; i < copies; i++) this.#node(body);
    if (endless) {
      this.#loop(body, min > 0, lazy);
      return;
    }
    const splits: number[] = [];
    for (let i = min; i < max; i++) {
      splits.push(this.#emit(Op.SPLIT));
      this.#node(body);
    }
    for (const split of splits) this.#branch(split, split + 1, this.#here(), lazy);
  }

  #loop(body: Node, once: boolean, lazy: boolean): void {
    const head = this.#here();
    const entry = once ? undefined : this.#emit(Op.SPLIT);
    const mark = isNullable(body) ? this.#slots++ : undefined;
    if (mark !== undefined) this.#emit(Op.SAVE, mark);
    this.#node(body);
    const stalled = mark === undefined ? undefined : this.#emit(Op.STALLED, mark);
    const back = this.#emit(once ? Op.SPLIT : Op.JUMP, head);
    const exit = this.#here();
    if (stalled !== undefined) this.#y[stalled] = exit;
    if (entry === undefined) this.#branch(back, head, exit, lazy);
    else this.#branch(entry, entry + 1, exit, lazy);
  }

  #branch(split: number, stay: number, leave: number, lazy: boolean): void {
    this.#x[split] = lazy ? leave : stay;
    this.#y[split] = lazy ? stay : leave;
  }

  #look({ body, behind, negative }: Node & { readonly kind: 'look' }): void {
    if (!behind) {
      this.#within(negative ? Op.LOOK_NOT : Op.LOOK, body);
      return;
    }
    // Each alternative has a length of its own: a choice of look-behinds, or a row of negative ones.
    const options = body.kind === 'choice' ? body.options : [body];
    if (negative) {
      for (const option of options) this.#within(Op.BEHIND_NOT, option, fixedLength(option, 0));
      return;
    }
    const ends: number[] = [];
    options.forEach((option, i) => {
      const split = i < options.length - 1 ? this.#emit(Op.SPLIT, this.#here() + 1) : undefined;
      this.#within(Op.BEHIND, option, fixedLength(option, 0));
      if (split === undefined) return;
      ends.push(this.#emit(Op.JUMP));
      this.#y[split] = this.#here();
    });
    for (const end of ends) this.#x[end] = this.#here();
  }

  #within(op: number, body: Node, y = 0): void {
    const at = this.#emit(op, 0, y);
    this.#node(body);
    this.#emit(Op.MATCH);
    this.#x[at] = this.#here();
  }
}

function isNullable(node: Node): boolean {
  switch (node.kind) {
    case 'set':
      return false;
    case 'sequence':
      return node.parts.every(isNullable);
    case 'choice':
      return node.options.some(isNullable);
    case 'repeat':
      return node.min === 0 || isNullable(node.body);
    case 'group':
    case 'atomic':
      return isNullable(node.body);
    case 'empty':
    case 'assert':
    case 'look':
    case 'back-reference':
      return true;
  }
}

function startsAnchored(node: Node): boolean {
  switch (node.kind) {
    case 'assert':
      return node.what === 'start';
    case 'sequence':
      return startsAnchored(node.parts.find((part) => part.kind !== 'empty') ?? { kind: 'empty' });
    case 'choice':
      return node.options.every(startsAnchored);
    case 'group':
    case 'atomic':
      return startsAnchored(node.body);
    default:
      return false;
  }
}

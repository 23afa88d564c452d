import { WORD } from './char-set.ts';
import { ASSERTIONS, Op, type Program } from './program.ts';

/** Steps that a plain search may take before the search that remembers where it has failed begins. */
const PLAIN_STEPS = 2_000;
/** PCRE's match limit: with it, nginx answers 500. */
const STEP_LIMIT = 10_000_000;
/** Bits of memory for where the search has failed. */
const MAX_MEMORY = 1 << 28;
const FAILED = -1;
const EXHAUSTED = -2;

/** Thrown where a match would take more steps than PCRE allows. */
export class MatchLimitError extends Error {
  override readonly name = 'MatchLimitError';
}

/**
 * Runs a program over a text of bytes by backtracking: of all matches the one that PCRE finds first. A search that goes on
 * for long starts again and remembers each branch that has failed at a place, so that its steps are bounded by the product
 * of the lengths; back references have no such memory and end at the step limit.
 */
export class Matcher {
  /** How many groups capture. */
  readonly groups: number;
  readonly #program: Program;
  /** Where each slot is; -1: unset. */
  readonly #slots: Int32Array;
  /** Branches to go back to: (place in the program, place in the text), or (-1 - slot, what it held). */
  #stack = new Int32Array(256);
  #steps = 0;
  #limit = 0;

  constructor(program: Program) {
    this.#program = program;
    this.groups = program.groups;
    this.#slots = new Int32Array(program.slots);
  }

  /** Where groups begin and end, two numbers each, valid until the next search; undefined: no match. */
  exec(text: string): Int32Array | undefined {
    this.#steps = 0;
    this.#limit = PLAIN_STEPS;
    let found = this.#search(text, undefined);
    if (found === EXHAUSTED) {
      this.#limit = STEP_LIMIT;
      found = this.#search(text, this.#memory(text));
      if (found === EXHAUSTED) throw new MatchLimitError('the match limit of PCRE is reached');
    }
    return found === FAILED ? undefined : this.#slots;
  }

  #memory(text: string): Uint8Array | undefined {
    const bits = this.#program.op.length * (text.length + 1);
    if (this.#program.backReferences || bits > MAX_MEMORY) return undefined;
    return new Uint8Array((bits >> 3) + 1);
  }

  #search(text: string, memory: Uint8Array | undefined): number {
    const last = this.#program.anchored ? 0 : text.length;
    for (let from = 0; from <= last; from++) {
      this.#slots.fill(-1);
      const end = this.#run(text, 0, from, 0, memory);
      if (end === EXHAUSTED) return EXHAUSTED;
      if (end === FAILED) continue;
      this.#slots[0] = from;
      this.#slots[1] = end;
      return end;
    }
    return FAILED;
  }

  /** Runs from a place until MATCH. Returns where the text was left, FAILED or EXHAUSTED; on FAILED the slots are as before. */
  #run(text: string, start: number, from: number, base: number, memory: Uint8Array | undefined): number {
    const { op, x, y, sets } = this.#program;
    const slots = this.#slots;
    const length = text.length;
    let stack = this.#stack;
    let top = base;
    let pc = start;
    let at = from;
    for (;;) {
      let alive = true;
      if (++this.#steps > this.#limit) return EXHAUSTED;
      if (top + 4 > stack.length) {
        stack = this.#grow();
      }
      switch (op[pc]) {
        case Op.SET:
          alive = at < length && sets[x[pc]!]![text.charCodeAt(at) & 0xff] === 1;
          at++;
          pc++;
          break;
        case Op.SPLIT:
          if (memory !== undefined) {
            const bit = pc * (length + 1) + at;
            if ((memory[bit >> 3]! & (1 << (bit & 7))) !== 0) {
              alive = false;
              break;
            }
            memory[bit >> 3]! |= 1 << (bit & 7);
          }
          stack[top++] = y[pc]!;
          stack[top++] = at;
          pc = x[pc]!;
          break;
        case Op.JUMP:
          pc = x[pc]!;
          break;
        case Op.SAVE:
          stack[top++] = -1 - x[pc]!;
          stack[top++] = slots[x[pc]!]!;
          slots[x[pc]!] = at;
          pc++;
          break;
        case Op.ASSERT:
          alive = holds(x[pc]!, text, at);
          pc++;
          break;
        case Op.LOOK:
        case Op.LOOK_NOT:
        case Op.BEHIND:
        case Op.BEHIND_NOT:
        case Op.ATOMIC: {
          const kind = op[pc];
          const behind = kind === Op.BEHIND || kind === Op.BEHIND_NOT;
          const before = slots.slice();
          // What has failed inside depends on nothing but the place, so each run may keep a memory of its own.
          const own = memory === undefined ? undefined : new Uint8Array(memory.length);
          const begin = behind ? at - y[pc]! : at;
          const end = begin < 0 ? FAILED : this.#run(text, pc + 1, begin, top, own);
          if (end === EXHAUSTED) return EXHAUSTED;
          stack = this.#stack;
          const matched = end !== FAILED;
          alive = matched !== (kind === Op.LOOK_NOT || kind === Op.BEHIND_NOT);
          if (matched && !alive) slots.set(before);
          else if (matched) {
            for (let slot = 0; slot < slots.length; slot++) {
              if (slots[slot] === before[slot]) continue;
              if (top + 4 > stack.length) stack = this.#grow();
              stack[top++] = -1 - slot;
              stack[top++] = before[slot]!;
            }
            if (kind === Op.ATOMIC) at = end;
          }
          pc = x[pc]!;
          break;
        }
        case Op.AGAIN: {
          const begin = slots[2 * x[pc]!]!;
          const end = slots[2 * x[pc]! + 1]!;
          const same = begin >= 0 && end >= begin ? text.slice(begin, end) : undefined;
          alive = same !== undefined && repeats(text, at, same, y[pc] === 1);
          at += same?.length ?? 0;
          pc++;
          break;
        }
        case Op.STALLED:
          pc = slots[x[pc]!] === at ? y[pc]! : pc + 1;
          break;
        default:
          return at;
      }
      if (alive) continue;
      for (;;) {
        if (top === base) return FAILED;
        const value = stack[--top]!;
        const place = stack[--top]!;
        if (place < 0) {
          slots[-1 - place] = value;
          continue;
        }
        pc = place;
        at = value;
        break;
      }
    }
  }

  #grow(): Int32Array<ArrayBuffer> {
    const larger = new Int32Array(this.#stack.length * 2);
    larger.set(this.#stack);
    this.#stack = larger;
    return larger;
  }
}

function repeats(text: string, at: number, same: string, caseless: boolean): boolean {
  const found = text.slice(at, at + same.length);
  return found === same || (caseless && asciiLower(found) === asciiLower(same));
}

function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

function holds(assertion: number, text: string, at: number): boolean {
  const { length } = text;
  switch (ASSERTIONS[assertion]!) {
    case 'start':
      return at === 0;
    case 'end':
      return at === length;
    case 'end-or-last-newline':
      return at === length || (at === length - 1 && text[at] === '\n');
    case 'line-start':
      return at === 0 || (text[at - 1] === '\n' && at < length);
    case 'line-end':
      return at === length || text[at] === '\n';
    case 'word-boundary':
      return isWord(text, at - 1) !== isWord(text, at);
    case 'no-word-boundary':
      return isWord(text, at - 1) === isWord(text, at);
  }
}

function isWord(text: string, at: number): boolean {
  return at >= 0 && at < text.length && WORD[text.charCodeAt(at) & 0xff] === 1;
}

import {
  ANY,
  addAll,
  type CharSet,
  charSet,
  DIGIT,
  foldCase,
  HORIZONTAL,
  NOT_NEWLINE,
  negated,
  POSIX,
  SPACE,
  VERTICAL,
  WORD,
} from './char-set.ts';
import { type Node, type Pattern, RegexError } from './syntax.ts';

interface Flags {
  readonly caseless: boolean;
  readonly dotAll: boolean;
  readonly multiline: boolean;
  readonly extended: boolean;
}

const EMPTY: Node = { kind: 'empty' };
const MAX_DEPTH = 250;
const MAX_REPEAT = 65535;
/** Letters that stand for a set of bytes after a backslash. */
const CLASSES: ReadonlyMap<string, CharSet> = new Map([
  ['d', DIGIT],
  ['D', negated(DIGIT)],
  ['w', WORD],
  ['W', negated(WORD)],
  ['s', SPACE],
  ['S', negated(SPACE)],
  ['h', HORIZONTAL],
  ['H', negated(HORIZONTAL)],
  ['v', VERTICAL],
  ['V', negated(VERTICAL)],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['e', 0x1b],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
]);

/** Reads a pattern of bytes in PCRE's syntax. Throws a RegexError where PCRE would refuse it, or where it is not modelled. */
export function parsePattern(text: string, caseless: boolean): Pattern {
  return new Parser(text).parse({ caseless, dotAll: false, multiline: false, extended: false });
}

class Parser {
  readonly #text: string;
  readonly #names = new Map<string, number>();
  readonly #references: { readonly group: number | string; readonly at: number }[] = [];
  readonly #capturing: number;
  #at = 0;
  #groups = 0;
  #depth = 0;
  #flags: Flags = { caseless: false, dotAll: false, multiline: false, extended: false };

  constructor(text: string) {
    this.#text = text;
    this.#capturing = countGroups(text);
  }

  parse(flags: Flags): Pattern {
    this.#flags = flags;
    const root = this.#choice();
    if (this.#at < this.#text.length) this.#fail('unmatched closing parenthesis');
    for (const { group, at } of this.#references) {
      const known = typeof group === 'string' ? this.#names.has(group) : group <= this.#groups;
      if (!known) throw new RegexError('reference to non-existent subpattern', at);
    }
    return { root, groups: this.#groups, names: this.#names };
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) this.#fail('parentheses are too deeply nested');
    const before = this.#flags;
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    this.#flags = before;
    this.#depth--;
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      this.#skipComments();
      const c = this.#text[this.#at];
      if (c === undefined || c === '|' || c === ')') break;
      if (this.#text.startsWith('\\Q', this.#at)) {
        parts.push(...this.#quoted());
        continue;
      }
      if (this.#text.startsWith('\\E', this.#at)) {
        this.#at += 2;
        continue;
      }
      const start = this.#at;
      const atom = this.#atom(c);
      parts.push(this.#quantified(atom, start));
    }
    return parts.length === 1 ? parts[0]! : parts.length === 0 ? EMPTY : { kind: 'sequence', parts };
  }

  /** `\Q...\E`: literals; a quantifier behind it belongs to the last one. */
  #quoted(): Node[] {
    const end = this.#text.indexOf('\\E', this.#at);
    const body = this.#text.slice(this.#at + 2, end === -1 ? undefined : end);
    this.#at = end === -1 ? this.#text.length : end + 2;
    const nodes = [...body].map((c) => this.#literal(c.charCodeAt(0)));
    const last = nodes.pop();
    return last === undefined ? [] : [...nodes, this.#quantified(last, this.#at)];
  }

  #atom(c: string): Node {
    switch (c) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', set: this.#bracket() };
      case '.':
        this.#at++;
        return { kind: 'set', set: this.#flags.dotAll ? ANY : NOT_NEWLINE };
      case '^':
        this.#at++;
        return { kind: 'assert', what: this.#flags.multiline ? 'line-start' : 'start' };
      case '$':
        this.#at++;
        return { kind: 'assert', what: this.#flags.multiline ? 'line-end' : 'end-or-last-newline' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        return this.#fail('quantifier does not follow a repeatable item');
      default:
        if (c === '{' && this.#braces() !== undefined) this.#fail('quantifier does not follow a repeatable item');
        this.#at++;
        return this.#literal(c.charCodeAt(0));
    }
  }

  #quantified(atom: Node, start: number): Node {
    let node = atom;
    for (;;) {
      this.#skipComments();
      const range = this.#quantifier();
      if (range === undefined) return node;
      const [min, max] = range;
      // A group can be repeated, whatever is in it; a bare assertion cannot, nor can flags.
      const isGroup = this.#text[start] === '(' && !/^\(\?\^?[imnsx-]*\)/.test(this.#text.slice(start, start + 24));
      if ((node.kind === 'assert' || node === EMPTY) && !isGroup)
        throw new RegexError('quantifier does not follow a repeatable item', start);
      if (max < min) this.#fail('numbers out of order in {} quantifier');
      const possessive = this.#take('+');
      const lazy = !possessive && this.#take('?');
      const body: Node = { kind: 'repeat', body: node, min, max, lazy };
      node = possessive ? { kind: 'atomic', body } : body;
      const next = this.#text[this.#at];
      if (next === '*' || next === '+' || next === '?') this.#fail('quantifier does not follow a repeatable item');
    }
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    const braces = this.#text[this.#at] === '{' ? this.#braces() : undefined;
    if (braces === undefined) return undefined;
    this.#at += braces.length;
    if (braces.min > MAX_REPEAT || (braces.max > MAX_REPEAT && braces.max !== Number.POSITIVE_INFINITY)) {
      this.#fail('number too big in {} quantifier');
    }
    return [braces.min, braces.max];
  }

  /** `{2}`, `{2,}`, `{2,4}`; undefined: the brace is an ordinary character. */
  #braces(): { min: number; max: number; length: number } | undefined {
    const found = /^\{(\d{1,9})(,(\d{1,9})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (found === null) return undefined;
    const [{ length }, from, comma, to] = found;
    const min = Number(from);
    const max = comma === undefined ? min : to === undefined ? Number.POSITIVE_INFINITY : Number(to);
    return { min, max, length };
  }

  #group(): Node {
    const start = this.#at;
    this.#at++;
    if (this.#text[this.#at] === '*') this.#fail('verbs such as (*SKIP) are not modelled');
    if (!this.#take('?')) return this.#capture(undefined);
    const look = /^(<?)([=!])/.exec(this.#text.slice(this.#at, this.#at + 2));
    if (look !== null) {
      this.#at += look[0].length;
      const behind = look[1] === '<';
      const body = this.#closed(start);
      if (behind) for (const option of body.kind === 'choice' ? body.options : [body]) fixedLength(option, start);
      return { kind: 'look', body, behind, negative: look[2] === '!' };
    }
    if (this.#take(':')) return this.#closed(start);
    if (this.#take('>')) return { kind: 'atomic', body: this.#closed(start) };
    if (this.#take('#')) {
      const end = this.#text.indexOf(')', this.#at);
      if (end === -1) this.#fail('missing ) after (?# comment');
      this.#at = end + 1;
      return EMPTY;
    }
    const name = /^(?:P?<(\w+)>|'(\w+)')/.exec(this.#text.slice(this.#at, this.#at + 64));
    if (name !== null) {
      this.#at += name[0].length;
      return this.#capture(name[1] ?? name[2]!);
    }
    const reference = /^P=(\w+)\)/.exec(this.#text.slice(this.#at, this.#at + 64));
    if (reference !== null) {
      this.#at += reference[0].length;
      return this.#reference(reference[1]!);
    }
    const flags = /^(\^?)([imsxn]*)(?:-([imsxn]*))?([:)])/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (flags === null) this.#fail('this kind of group is not modelled, or PCRE refuses it');
    const [whole, reset, on, off = '', close] = flags!;
    const before = this.#flags;
    this.#at += whole.length;
    const value = (letter: string, now: boolean): boolean =>
      off.includes(letter) ? false : on!.includes(letter) || (reset === '' && now);
    this.#flags = {
      caseless: value('i', before.caseless),
      dotAll: value('s', before.dotAll),
      multiline: value('m', before.multiline),
      extended: value('x', before.extended),
    };
    if (close === ')') return EMPTY;
    const body = this.#closed(start);
    this.#flags = before;
    return body;
  }

  #capture(name: string | undefined): Node {
    const index = ++this.#groups;
    if (name !== undefined) {
      if (this.#names.has(name)) this.#fail('two named subpatterns have the same name');
      if (/^\d/.test(name)) this.#fail('subpattern name must start with a non-digit');
      this.#names.set(name, index);
    }
    return { kind: 'group', body: this.#closed(this.#at), index };
  }

  #closed(start: number): Node {
    const body = this.#choice();
    if (!this.#take(')')) throw new RegexError('missing closing parenthesis', start);
    return body;
  }

  #reference(group: number | string): Node {
    this.#references.push({ group, at: this.#at });
    return { kind: 'back-reference', group, caseless: this.#flags.caseless };
  }

  #escape(): Node {
    const c = this.#text[++this.#at];
    if (c === undefined) return this.#fail('\\ at end of pattern');
    this.#at++;
    const set = CLASSES.get(c);
    if (set !== undefined) return { kind: 'set', set };
    switch (c) {
      case 'b':
        return { kind: 'assert', what: 'word-boundary' };
      case 'B':
        return { kind: 'assert', what: 'no-word-boundary' };
      case 'A':
      case 'G':
        return { kind: 'assert', what: 'start' };
      case 'z':
        return { kind: 'assert', what: 'end' };
      case 'Z':
        return { kind: 'assert', what: 'end-or-last-newline' };
      case 'N':
        return { kind: 'set', set: NOT_NEWLINE };
      case 'R': {
        const crlf: Node = { kind: 'sequence', parts: [this.#byte(0x0d), this.#byte(0x0a)] };
        return { kind: 'atomic', body: { kind: 'choice', options: [crlf, { kind: 'set', set: VERTICAL }] } };
      }
      case 'g':
      case 'k': {
        const found = /^(?:(-?\d+)|\{(-?\w+)\}|<(\w+)>|'(\w+)')/.exec(this.#text.slice(this.#at, this.#at + 64));
        if (found === null) return this.#fail(`a name or number must follow \\${c}`);
        this.#at += found[0].length;
        const named = found[1] ?? found[2] ?? found[3] ?? found[4]!;
        if (!/^-?\d+$/.test(named)) return this.#reference(named);
        const number = Number(named);
        return this.#reference(number < 0 ? this.#groups + 1 + number : number);
      }
      default:
    }
    if (c >= '1' && c <= '9') {
      const digits = /^\d+/.exec(this.#text.slice(this.#at - 1, this.#at + 8))![0];
      const number = Number(digits);
      if (number < 10 || number <= this.#capturing) {
        this.#at += digits.length - 1;
        return this.#reference(number);
      }
    }
    return this.#literal(this.#escapedByte(c));
  }

  /** The byte that an escape stands for; `c` is the character behind the backslash, already taken. */
  #escapedByte(c: string): number {
    const control = CONTROLS.get(c);
    if (control !== undefined) return control;
    if (c === 'x') {
      const found = /^(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{0,2}))/.exec(this.#text.slice(this.#at, this.#at + 16))!;
      this.#at += found[0].length;
      return this.#inByte(Number.parseInt(found[1] ?? (found[2] === '' ? '0' : found[2]!), 16));
    }
    if (c >= '0' && c <= '7') {
      const found = /^[0-7]{1,3}/.exec(this.#text.slice(this.#at - 1, this.#at + 2))![0];
      this.#at += found.length - 1;
      return this.#inByte(Number.parseInt(found, 8));
    }
    if (c === 'o') {
      const found = /^\{([0-7]+)\}/.exec(this.#text.slice(this.#at, this.#at + 16));
      if (found === null) this.#fail('missing opening brace after \\o');
      this.#at += found![0].length;
      return this.#inByte(Number.parseInt(found![1]!, 8));
    }
    if (c === 'c') {
      const next = this.#text.charCodeAt(this.#at++);
      if (Number.isNaN(next) || next < 0x20 || next > 0x7e) this.#fail('\\c must be followed by a printable character');
      return String.fromCharCode(next).toUpperCase().charCodeAt(0) ^ 0x40;
    }
    if (/[A-Za-z0-9]/.test(c)) this.#fail(`unrecognized character follows \\`);
    return c.charCodeAt(0);
  }

  #inByte(value: number): number {
    if (value > 0xff) this.#fail('character code point value in \\x{} or \\o{} is too large');
    return value;
  }

  #bracket(): CharSet {
    const start = this.#at++;
    const negative = this.#take('^');
    const set = new Uint8Array(256);
    let first = true;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined) throw new RegexError('missing terminating ] for character class', start);
      if (c === ']' && !first) break;
      first = false;
      const from = this.#member(set);
      if (from === undefined || this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') continue;
      if (this.#text[this.#at + 1] === undefined) continue;
      this.#at++;
      const to = this.#member(set);
      if (to === undefined) {
        // `[a-\d]`: the hyphen stands for itself.
        set[from] = 1;
        set[0x2d] = 1;
        continue;
      }
      if (to < from) this.#fail('range out of order in character class');
      set.fill(1, from, to + 1);
    }
    this.#at++;
    const folded = this.#flags.caseless ? foldCase(set) : set;
    return negative ? negated(folded) : folded;
  }

  /** One member of a bracket: the byte that it stands for, or undefined where it was a class of bytes. */
  #member(set: CharSet): number | undefined {
    const c = this.#text[this.#at]!;
    if (c === '[') {
      const posix = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 16));
      if (posix !== null) {
        const named = POSIX.get(posix[2]!);
        if (named === undefined) this.#fail('unknown POSIX class name');
        this.#at += posix[0].length;
        addAll(set, posix[1] === '^' ? negated(named!) : named!);
        return undefined;
      }
    }
    this.#at++;
    if (c !== '\\') {
      set[c.charCodeAt(0)] = 1;
      return c.charCodeAt(0);
    }
    const escaped = this.#text[this.#at];
    if (escaped === undefined) return this.#fail('\\ at end of pattern');
    this.#at++;
    const named = CLASSES.get(escaped);
    if (named !== undefined) {
      addAll(set, named);
      return undefined;
    }
    if (escaped === 'Q' || escaped === 'E') return undefined;
    if (/[BNRX]/.test(escaped)) this.#fail(`escape sequence is invalid in character class`);
    const byte = escaped === 'b' ? 0x08 : this.#escapedByte(/[89]/.test(escaped) ? '\\' : escaped);
    set[byte] = 1;
    return byte;
  }

  #literal(byte: number): Node {
    const set = charSet([byte, byte]);
    return { kind: 'set', set: this.#flags.caseless ? foldCase(set) : set };
  }

  #byte(byte: number): Node {
    return { kind: 'set', set: charSet([byte, byte]) };
  }

  /** Under `(?x)`, blanks and comments are no part of the pattern. */
  #skipComments(): void {
    if (!this.#flags.extended) return;
    const blank = /(?:\s|#[^\n]*(?:\n|$))*/y;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)![0].length;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #fail(message: string): never {
    throw new RegexError(message, this.#at);
  }
}

/** How many groups capture: `\12` is a reference where there are as many, else an octal number. */
function countGroups(text: string): number {
  let count = 0;
  let inBracket = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (inBracket) inBracket = c !== ']';
    else if (c === '[') inBracket = true;
    else if (c === '(' && (text[i + 1] !== '?' || /^\?(?:P?<\w|')/.test(text.slice(i + 1, i + 5)))) count++;
  }
  return count;
}

/** The length that an alternative of a look-behind has; PCRE refuses one that has several. */
export function fixedLength(node: Node, at: number): number {
  switch (node.kind) {
    case 'empty':
    case 'assert':
    case 'look':
      return 0;
    case 'set':
      return 1;
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + fixedLength(part, at), 0);
    case 'group':
    case 'atomic':
      return fixedLength(node.body, at);
    case 'choice': {
      const lengths = new Set(node.options.map((option) => fixedLength(option, at)));
      if (lengths.size === 1) return [...lengths][0]!;
      break;
    }
    case 'repeat':
      if (node.min === node.max) return node.min * fixedLength(node.body, at);
      break;
    case 'back-reference':
  }
  throw new RegexError('lookbehind assertion is not fixed length', at);
}

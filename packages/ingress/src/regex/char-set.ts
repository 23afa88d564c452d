/** A set of bytes: 1 at each member. */
export type CharSet = Uint8Array;

export function charSet(...ranges: readonly (readonly [from: number, to: number])[]): CharSet {
  const set = new Uint8Array(256);
  for (const [from, to] of ranges) set.fill(1, from, to + 1);
  return set;
}

export function negated(set: CharSet): CharSet {
  return set.map((member) => 1 - member);
}

export function addAll(set: CharSet, other: CharSet): void {
  for (let i = 0; i < 256; i++) if (other[i] === 1) set[i] = 1;
}

/** With the other case of each ASCII letter in it; bytes above 127 have no case, as in PCRE's C locale. */
export function foldCase(set: CharSet): CharSet {
  const folded = set.slice();
  for (let upper = 0x41; upper <= 0x5a; upper++) {
    const lower = upper + 0x20;
    if (set[upper] === 1) folded[lower] = 1;
    if (set[lower] === 1) folded[upper] = 1;
  }
  return folded;
}

export const DIGIT = charSet([0x30, 0x39]);
export const WORD = charSet([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
export const SPACE = charSet([0x09, 0x0d], [0x20, 0x20]);
export const HORIZONTAL = charSet([0x09, 0x09], [0x20, 0x20], [0xa0, 0xa0]);
export const VERTICAL = charSet([0x0a, 0x0d], [0x85, 0x85]);
export const NOT_NEWLINE = charSet([0, 0x09], [0x0b, 0xff]);
export const ANY = charSet([0, 0xff]);

/** The classes that are written `[:alpha:]` inside brackets, as in the C locale. */
export const POSIX: ReadonlyMap<string, CharSet> = new Map([
  ['alnum', charSet([0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a])],
  ['alpha', charSet([0x41, 0x5a], [0x61, 0x7a])],
  ['ascii', charSet([0, 0x7f])],
  ['blank', charSet([0x09, 0x09], [0x20, 0x20])],
  ['cntrl', charSet([0, 0x1f], [0x7f, 0x7f])],
  ['digit', DIGIT],
  ['graph', charSet([0x21, 0x7e])],
  ['lower', charSet([0x61, 0x7a])],
  ['print', charSet([0x20, 0x7e])],
  ['punct', charSet([0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e])],
  ['space', SPACE],
  ['upper', charSet([0x41, 0x5a])],
  ['word', WORD],
  ['xdigit', charSet([0x30, 0x39], [0x41, 0x46], [0x61, 0x66])],
]);

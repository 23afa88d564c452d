import type { Path } from '../objects.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Offset of the first character at or after `offset` that is not JSON white space. */
export function skipSpace(text: string, offset: number): number {
  let i = offset;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return i;
    i++;
  }
}

/** Offset after the string whose opening quote is at `offset`; the text's length where it never ends. */
function skipString(text: string, offset: number): number {
  let i = offset + 1;
  for (;;) {
    const end = text.indexOf('"', i);
    if (end === -1) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    i = end + 1;
    if (backslashes % 2 === 0) return i;
  }
}

/**
 * Offset after the JSON value that starts at `offset` (which is not white space). Only brackets and strings are looked at,
 * so text that is not JSON gives some offset, at most the text's length. No recursion, whatever the depth.
 */
export function skipValue(text: string, offset: number): number {
  let depth = 0;
  let i = offset;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = skipString(text, i);
      if (depth === 0) return i;
      continue;
    }
    if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++;
    else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      if (depth === 0) return i;
      depth--;
      if (depth === 0) return i + 1;
    } else if (depth === 0 && (c === COMMA || c === COLON || c <= 0x20)) return i;
    i++;
  }
  return text.length;
}

/** Start offsets of the elements of the array that opens at `offset`. */
export function elementOffsets(text: string, offset: number): number[] {
  const starts: number[] = [];
  let i = skipSpace(text, offset + 1);
  while (i < text.length && text.charCodeAt(i) !== CLOSE_BRACKET) {
    starts.push(i);
    i = skipSpace(text, skipValue(text, i));
    if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
    else break;
  }
  return starts;
}

export interface JsonMember {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly keyOffset: number;
  readonly valueOffset: number;
}

/** Members of the object that opens at `offset`, in order, duplicates included. */
export function* members(text: string, offset: number): Generator<JsonMember> {
  let i = skipSpace(text, offset + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const keyOffset = i;
    const keyEnd = skipString(text, i);
    const valueOffset = skipSpace(text, skipSpace(text, keyEnd) + 1);
    yield { key: JSON.parse(text.slice(keyOffset, keyEnd)) as string, keyOffset, valueOffset };
    i = skipSpace(text, skipValue(text, valueOffset));
    if (text.charCodeAt(i) !== COMMA) return;
    i = skipSpace(text, i + 1);
  }
}

/**
 * Offset of the field at `path` within the JSON value that starts at `offset`: of its key for a member, of the value for an
 * element. Where the path leads nowhere, the offset of the nearest parent that is there.
 */
export function locateJson(text: string, offset: number, path: Path): number {
  let value = offset;
  let shown = offset;
  for (const part of path) {
    const c = text.charCodeAt(value);
    if (c === OPEN_BRACE) {
      let found: JsonMember | undefined;
      for (const member of members(text, value)) if (member.key === String(part)) found = member;
      if (found === undefined) return shown;
      value = found.valueOffset;
      shown = found.keyOffset;
    } else if (c === OPEN_BRACKET && typeof part === 'number') {
      const start = elementOffsets(text, value)[part];
      if (start === undefined) return shown;
      value = start;
      shown = start;
    } else return shown;
  }
  return shown;
}

/** curl's own patterns in URLs: `{one,two}`, `[1-9]`, `[01-10]`, `[a-z]`, `[1-9:2]`. */

/** URLs that one pattern may make. */
const MOST = 10_000;

export type Globbed = { readonly urls: readonly string[] } | { readonly problem: string };

/** All URLs of a pattern, the last part changing fastest; or curl's words on a wrong one. */
export function globUrl(pattern: string): Globbed {
  let urls = [''];
  const wrong = (what: string, at: number): Globbed => ({
    problem: `${what} in URL position ${at + 1}:\n${pattern}\n${' '.repeat(at)}^`,
  });
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at]!;
    let parts: readonly string[] = [char];
    let next = at + 1;
    if (char === '\\' && /[{}[\]]/.test(pattern[at + 1] ?? '')) {
      parts = [pattern[at + 1]!];
      next = at + 2;
    } else if (char === '{') {
      const end = pattern.indexOf('}', at);
      if (end < 0) return wrong('unmatched brace', at);
      const nested = pattern.indexOf('{', at + 1);
      if (nested > 0 && nested < end) return wrong('nested brace', nested);
      if (end === at + 1) return wrong('empty string within braces', end);
      parts = pattern.slice(at + 1, end).split(',');
      next = end + 1;
    } else if (char === '}' || char === ']') {
      return wrong('unmatched close brace/bracket', at);
    } else if (char === '[') {
      const end = pattern.indexOf(']', at);
      const inside = end < 0 ? pattern.slice(at + 1) : pattern.slice(at + 1, end);
      const closed = end >= 0;
      if (closed && isAddress(inside)) parts = [pattern.slice(at, end + 1)];
      else {
        const range = closed ? readRange(inside) : undefined;
        if (range === undefined) return wrong(...badRange(inside, at + 1, closed));
        parts = range;
      }
      next = end + 1;
    }
    if (urls.length * parts.length > MOST) return { problem: `too many URLs: more than ${MOST}` };
    urls =
      parts.length === 1 ? urls.map((url) => url + parts[0]) : urls.flatMap((url) => parts.map((part) => url + part));
    at = next;
  }
  return { urls };
}

/** An IPv6 address, or nothing at all, is no range. */
function isAddress(inside: string): boolean {
  return inside === '' || /^[0-9a-f:.]*:[0-9a-f:.]*(%.*)?$/i.test(inside);
}

/** What is wrong with a range, and where curl stopped reading it. */
function badRange(inside: string, from: number, closed: boolean): [what: string, at: number] {
  if (/^[0-9]/.test(inside))
    return ['bad range', from + (/^[0-9]+-?[0-9]*(:[0-9]*)?/.exec(inside)?.[0].length ?? 0) + Number(closed)];
  if (/^[A-Za-z]/.test(inside))
    return ['bad range', /^[A-Za-z]-[A-Za-z]/.test(inside) && closed ? from + inside.length + 1 : from];
  return ['bad range specification', from];
}

function readRange(text: string): readonly string[] | undefined {
  const numbers = /^([0-9]+)-([0-9]+)(?::([0-9]+))?$/.exec(text);
  const letters = /^([A-Za-z])-([A-Za-z])(?::([0-9]+))?$/.exec(text);
  const [, from = '', to = '', by = '1'] = numbers ?? letters ?? [];
  if (from === '') return undefined;
  const code = (word: string): number => (numbers === null ? word.charCodeAt(0) : Number(word));
  const [low, high, step] = [code(from), code(to), Number(by)];
  if (high < low || step === 0 || (high - low) / step >= MOST) return undefined;
  // Zeros in front stay.
  const width = numbers !== null && from.startsWith('0') ? from.length : 0;
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => {
    const value = low + i * step;
    return numbers === null ? String.fromCharCode(value) : String(value).padStart(width, '0');
  });
}

/** Why a request is refused before any location is looked at. */
export const BAD_URI = Symbol('bad URI');

/** The path of a request as nginx compares it: bytes, decoded, slashes merged, dots resolved. */
export interface NginxUri {
  readonly uri: string;
  /** Behind the question mark, as sent; '' where there is none. */
  readonly args: string;
  /** There was a percent sign or a plus: what is captured from the URI is escaped again when it becomes an argument. */
  readonly quoted: boolean;
}

const SLASH = 0x2f;

/** `ngx_http_parse_complex_uri` with `merge_slashes on`; `target` is the path and query as sent, in bytes. */
export function normaliseUri(target: string): NginxUri | typeof BAD_URI {
  const simple = simpleUri(target);
  if (simple !== undefined) return simple;
  const out: number[] = [];
  let state: 'usual' | 'slash' | 'dot' | 'dot-dot' = 'usual';
  let quoted = false;
  let i = 0;
  let args = '';
  const length = target.length;
  for (; i < length; i++) {
    let c = target.charCodeAt(i);
    let literal = false;
    if (c === 0x25) {
      const high = hexDigit(target.charCodeAt(i + 1));
      const low = hexDigit(target.charCodeAt(i + 2));
      if (high === -1 || low === -1) return BAD_URI;
      c = high * 16 + low;
      if (c === 0) return BAD_URI;
      quoted = true;
      i += 2;
      // These three lose their meaning when they come quoted; a quoted slash or dot does not.
      literal = c === 0x25 || c === 0x23 || c === 0x3f;
    }
    if (literal) {
      state = 'usual';
      out.push(c);
      continue;
    }
    if (c === 0x2b) quoted = true;
    if (c === 0x3f || c === 0x23) {
      if (c === 0x3f) args = withoutFragment(target.slice(i + 1));
      break;
    }
    switch (state) {
      case 'usual':
        if (c === SLASH) state = 'slash';
        out.push(c);
        break;
      case 'slash':
        if (c === SLASH) break;
        state = c === 0x2e ? 'dot' : 'usual';
        out.push(c);
        break;
      case 'dot':
        if (c === SLASH) {
          state = 'slash';
          out.pop();
          break;
        }
        state = c === 0x2e ? 'dot-dot' : 'usual';
        out.push(c);
        break;
      case 'dot-dot':
        if (c === SLASH) {
          if (!leaveFolder(out)) return BAD_URI;
          state = 'slash';
          break;
        }
        state = 'usual';
        out.push(c);
        break;
    }
  }
  if (state === 'dot') out.pop();
  else if (state === 'dot-dot' && !leaveFolder(out)) return BAD_URI;
  return { uri: bytes(out), args, quoted };
}

/** The common case: nothing to decode, merge or resolve. */
function simpleUri(target: string): NginxUri | undefined {
  let before = 0;
  for (let i = 0; i < target.length; i++) {
    const c = target.charCodeAt(i);
    if (c === 0x3f) return { uri: target.slice(0, i), args: withoutFragment(target.slice(i + 1)), quoted: false };
    if (c === 0x25 || c === 0x23 || c === 0x2b || (before === SLASH && (c === SLASH || c === 0x2e))) return undefined;
    before = c;
  }
  return { uri: target, args: '', quoted: false };
}

/** Takes `/..` and the element before it off; false where there is none. */
function leaveFolder(out: number[]): boolean {
  let end = out.length - 4;
  while (end >= 0 && out[end] !== SLASH) end--;
  if (end < 0) return false;
  out.length = end + 1;
  return true;
}

function withoutFragment(text: string): string {
  const hash = text.indexOf('#');
  return hash === -1 ? text : text.slice(0, hash);
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function bytes(codes: readonly number[]): string {
  let text = '';
  for (let i = 0; i < codes.length; i += 4096) text += String.fromCharCode(...codes.slice(i, i + 4096));
  return text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that nginx escapes
const IN_URI = /[\x00-\x20"#%<>?\\^`{|}\x7f-\xff]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that nginx escapes
const IN_ARGS = /[\x00-\x20"#%&+;<>?\\^`{|}\x7f-\xff]/g;

/** NGX_ESCAPE_URI: what a URI becomes that goes to a backend, or into the Location of a redirect that nginx makes itself. */
export function escapeUri(text: string): string {
  return text.replace(IN_URI, percent);
}

/** NGX_ESCAPE_ARGS: what is put behind a question mark. */
export function escapeArgs(text: string): string {
  return text.replace(IN_ARGS, percent);
}

function percent(c: string): string {
  return `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** NGX_UNESCAPE_REDIRECT: in a URL that a rewrite makes, printable characters up to the question mark need no percent sign. */
export function unescapeRedirect(url: string): string {
  let out = '';
  for (let i = 0; i < url.length; i++) {
    const c = url[i]!;
    if (c === '?') return out + url.slice(i);
    const quoted = /^%[0-9A-Fa-f]{2}$/.test(url.slice(i, i + 3));
    const code = quoted ? Number.parseInt(url.slice(i + 1, i + 3), 16) : 0;
    if (code === 0x3f) return `${out}?${url.slice(i + 3)}`;
    if (code > 0x25 && code < 0x7f) {
      out += String.fromCharCode(code);
      i += 2;
    } else out += c;
  }
  return out;
}

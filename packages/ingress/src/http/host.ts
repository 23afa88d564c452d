/** The host that a request is for, as rules compare it: lower case, without port and trailing dot; '' where there is none. */
export function canonicalHost(host: string | undefined): string {
  if (host === undefined) return '';
  let end = host.length;
  if (host.charCodeAt(0) === 0x5b) {
    // An IPv6 literal keeps its colons.
    const closing = host.indexOf(']');
    if (closing !== -1) end = closing + 1;
  } else {
    const colon = host.indexOf(':');
    if (colon !== -1) end = colon;
  }
  if (end > 0 && host.charCodeAt(end - 1) === 0x2e) end--;
  const name = end === host.length ? host : host.slice(0, end);
  return isLowerCase(name) ? name : name.toLowerCase();
}

function isLowerCase(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code >= 0x41 && code <= 0x5a) || code > 0x7f) return false;
  }
  return true;
}

/**
 * The same texts, made anew one after another. Keys of a large map then stand together in the memory, not each beside the object
 * that it came with: a look-up touches fewer of its pages.
 */
export function together(texts: readonly string[]): string[] {
  return JSON.parse(JSON.stringify(texts)) as string[];
}

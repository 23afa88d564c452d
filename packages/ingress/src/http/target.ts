/** A request target (RFC 9112 section 3.2) in its parts. */
export interface Target {
  /** Of the absolute and the authority form. */
  readonly host: string | undefined;
  /** From the first slash to the query, raw; `*` and '' as sent. */
  readonly path: string;
  /** From the question mark on, raw; '' where there is none. */
  readonly query: string;
}

const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/;

/** Takes a request target apart; nothing is decoded. A fragment is no part of a request and is cut. */
export function splitTarget(target: string): Target {
  let host: string | undefined;
  let rest = target;
  if (target.charCodeAt(0) !== 0x2f) {
    const absolute = ABSOLUTE.exec(target);
    if (absolute !== null) {
      host = absolute[1]!.slice(absolute[1]!.lastIndexOf('@') + 1);
      rest = target.slice(absolute[0].length);
      if (!rest.startsWith('/')) rest = `/${rest}`;
    } else if (target !== '*') {
      return { host: target, path: '', query: '' };
    }
  }
  const hash = rest.indexOf('#');
  if (hash !== -1) rest = rest.slice(0, hash);
  const mark = rest.indexOf('?');
  return mark === -1 ? { host, path: rest, query: '' } : { host, path: rest.slice(0, mark), query: rest.slice(mark) };
}

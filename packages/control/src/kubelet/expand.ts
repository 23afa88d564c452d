/**
 * Replaces `$(NAME)` by the value of a variable, as the kubelet does in `env`, `command` and `args`: `$$` is one dollar sign, and a
 * reference to what is not there stays as it is written. Source: third_party/forked/golang/expansion.
 */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  let out = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '$' || at + 1 === text.length) {
      out += text[at];
      continue;
    }
    const next = text[at + 1]!;
    if (next === '$') {
      out += '$';
      at++;
      continue;
    }
    const end = next === '(' ? text.indexOf(')', at + 2) : -1;
    if (end < 0) {
      out += `$${next}`;
      at++;
      continue;
    }
    out += lookUp(text.slice(at + 2, end)) ?? text.slice(at, end + 1);
    at = end;
  }
  return out;
}

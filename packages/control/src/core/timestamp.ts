/** A moment (ms since the epoch) as the API server writes it: RFC 3339, whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The present as text, written anew only when the clock has moved: every object made carries it. */
export function timeWriter(now: () => number): () => string {
  let at = Number.NaN;
  let text = '';
  return () => {
    const ms = now();
    if (ms !== at) {
      at = ms;
      text = timestamp(ms);
    }
    return text;
  };
}

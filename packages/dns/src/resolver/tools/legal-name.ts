const MAX_LABEL = 63;
/** Octets of a name with the lengths of its labels and the root. */
const MAX_NAME = 255;

/** What the tools of bind say of a name that no message can hold; undefined for one that can be asked for. */
export function illegalName(name: string): string | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare === '') return undefined;
  let octets = 1;
  for (const label of bare.split('.')) {
    const length = new TextEncoder().encode(label).length;
    if (length === 0) return 'empty label';
    if (length > MAX_LABEL) return 'label too long';
    octets += length + 1;
    if (octets > MAX_NAME) return 'ran out of space';
  }
  return undefined;
}

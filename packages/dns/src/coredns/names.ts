/** Work on fully qualified names in text, ending in a dot; the root is `.`. Escapes are those of RFC 1035 master files. */

/** With a trailing dot. */
export function fqdn(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}

/** Labels from left to right; none for the root. An escaped dot does not separate. */
export function labelsOf(name: string): string[] {
  if (name === '.' || name === '') return [];
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare.includes('\\') ? bare.split(/(?<!\\)\./) : bare.split('.');
}

/** Whether `child` is `parent` or below it, ignoring case. */
export function isSubDomain(parent: string, child: string): boolean {
  return isSubDomainLower(parent.toLowerCase(), child.toLowerCase());
}

/** As {@link isSubDomain}, for names that are in lower case already. */
export function isSubDomainLower(parent: string, child: string): boolean {
  if (parent === '.') return true;
  if (!child.endsWith(parent)) return false;
  return child.length === parent.length || child.charCodeAt(child.length - parent.length - 1) === 46;
}

/** The longest of the zones that holds the name (both in lower case), or undefined. */
export function matchZone(zones: readonly string[], name: string): string | undefined {
  let best: string | undefined;
  for (const zone of zones) {
    if (isSubDomainLower(zone, name) && (best === undefined || zone.length > best.length)) best = zone;
  }
  return best;
}

/** The name without its zone and the dot between; empty at the apex. Undefined when it is not in the zone. */
export function trimZone(name: string, zone: string): string | undefined {
  if (zone === '.') return name === '.' ? '' : name.replace(/\.$/, '');
  if (name.length < zone.length || name.slice(name.length - zone.length).toLowerCase() !== zone.toLowerCase()) {
    return undefined;
  }
  return name.slice(0, Math.max(0, name.length - zone.length - 1));
}

/** Joins labels and names with dots into a fully qualified name; empty parts and the root count as nothing. */
export function joinNames(...parts: string[]): string {
  const text = parts
    .map((part) => part.replace(/\.$/, ''))
    .filter((part) => part !== '')
    .join('.');
  return `${text}.`;
}

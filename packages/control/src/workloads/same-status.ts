/** Whether a status says already what another would. */
export function sameStatus<T extends object>(old: T | undefined, next: T): boolean {
  if (old === undefined) return false;
  const before = new Map(Object.entries(old));
  return Object.entries(next).every(([field, value]) => before.get(field) === value);
}

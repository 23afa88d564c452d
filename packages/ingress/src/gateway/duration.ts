const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of a Gateway API duration (GEP-2257: `1h30m`, `500ms`); 0, no limit, where there is none. */
export function milliseconds(text: string | undefined): number {
  if (text === undefined) return 0;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d{1,5})(ms|h|m|s)/g)) total += Number(number) * UNITS[unit!]!;
  return total;
}

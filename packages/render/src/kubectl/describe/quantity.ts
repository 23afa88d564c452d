/** Kubernetes quantities (`100m`, `1.5`, `64Mi`) in thousandths of their unit, to add up and to compare. */
const suffixes = new Map<string, number>([
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
]);

export function parseMilli(quantity: string | number): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(String(quantity));
  const unit = match === null ? undefined : suffixes.get(match[2]!);
  return unit === undefined ? 0 : Math.round(Number(match![1]) * unit * 1000);
}

export function formatMilli(milli: number): string {
  if (milli % 1000 !== 0) return `${milli}m`;
  const value = milli / 1000;
  for (const suffix of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = suffixes.get(suffix)!;
    if (value >= unit && value % unit === 0) return `${value / unit}${suffix}`;
  }
  return String(value);
}

/** Resource quantities: `500m`, `128Mi`, `1e3`, `0.5`. */

const QUANTITY = /^([+-]?)(\d+\.?\d*|\.\d+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?\d+)?$/;
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const DECIMAL_SUFFIX = new Map(Object.entries(DECIMAL).map(([suffix, exponent]) => [exponent, suffix]));
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/**
 * The canonical text of a quantity as the API server stores it: the largest suffix that leaves no fraction.
 * Undefined where the text is no quantity. Follows apimachinery's resource package.
 */
export function canonicalQuantity(text: string): string | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const [, sign, digits = '', suffix = '', binary] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  let units = BigInt(`${whole}${fraction}` || '0');
  if (units === 0n) return '0';
  const minus = sign === '-' ? '-' : '';
  if (binary !== undefined) {
    const power = BINARY.indexOf(binary);
    const scale = 10n ** BigInt(fraction.length);
    const bytes = units * 1024n ** BigInt(power);
    if (bytes % scale === 0n) return minus + binaryText(bytes / scale);
    // A fraction of a byte: told in thousandths, rounded up.
    return minus + decimalText(ceilDivide(bytes * 1000n, scale), -3, undefined);
  }
  const scientific = /^[eE][+-]?\d/.test(suffix);
  let exponent = (scientific ? Number(suffix.slice(1)) : DECIMAL[suffix]!) - fraction.length;
  if (Math.abs(exponent) > 1000) return undefined;
  if (exponent < -9) {
    units = ceilDivide(units, 10n ** BigInt(-9 - exponent));
    exponent = -9;
  }
  return minus + decimalText(units, exponent, scientific ? 'e' : undefined);
}

/** What a quantity stands for as a number; undefined where the text is none. */
export function quantityValue(text: string): number | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const [, sign, digits = '', suffix = '', binary] = match;
  const factor =
    binary !== undefined
      ? 1024 ** BINARY.indexOf(binary)
      : 10 ** (/^[eE][+-]?\d/.test(suffix) ? Number(suffix.slice(1)) : DECIMAL[suffix]!);
  return Number(`${sign}${digits}`) * factor;
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}

function binaryText(bytes: bigint): string {
  let power = 0;
  let value = bytes;
  while (power < BINARY.length - 1 && value % 1024n === 0n) {
    value /= 1024n;
    power++;
  }
  return `${value}${BINARY[power]}`;
}

function decimalText(units: bigint, exponent: number, scientific: 'e' | undefined): string {
  let value = units;
  let power = exponent;
  while (value % 10n === 0n) {
    value /= 10n;
    power++;
  }
  while (power % 3 !== 0) {
    value *= 10n;
    power--;
  }
  if (scientific === 'e') return power === 0 ? `${value}` : `${value}e${power}`;
  while (power > 18) {
    value *= 1000n;
    power -= 3;
  }
  return `${value}${DECIMAL_SUFFIX.get(power)!}`;
}

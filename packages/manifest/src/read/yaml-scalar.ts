/**
 * Plain scalars as kubectl resolves them. It is neither YAML 1.1 nor 1.2: `on` and `y` are booleans, `0755` and `0o755` are
 * octal, `1:30` and dates are strings. Follows resolve.go of the Go YAML library (v2) and the JSON made from its values.
 */
export type YamlScalar = string | number | boolean | null;

const CONSTANTS = new Map<string, YamlScalar>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((text) => [text, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((text) => [text, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((text) => [text, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((text) => [text, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((text) => [text, Number.POSITIVE_INFINITY] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((text) => [text, Number.NEGATIVE_INFINITY] as const),
]);

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/;
const MAX_UINT64 = 2n ** 64n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** The value of a plain scalar without a tag. Infinities and NaN are returned as such; JSON has no form for them. */
export function resolvePlain(text: string): YamlScalar {
  const constant = CONSTANTS.get(text);
  if (constant !== undefined) return constant;
  const first = text.charCodeAt(0);
  if (first === 0x2e) return FLOAT.test(text) ? finite(text) : text;
  if (first !== 0x2b && first !== 0x2d && (first < 0x30 || first > 0x39)) return text;
  const digits = text.replaceAll('_', '');
  const integer = INTEGER.exec(digits);
  if (integer !== null) {
    const value = parseInteger(integer);
    if (value !== undefined) return value;
  }
  return FLOAT.test(digits) ? finite(digits, text) : text;
}

function parseInteger([, sign, hex, binary, octal, decimal]: RegExpExecArray): number | undefined {
  if (decimal !== undefined && decimal.length < 16) return sign === '-' ? 0 - Number(decimal) : Number(decimal);
  const magnitude =
    hex !== undefined
      ? BigInt(`0x${hex}`)
      : binary !== undefined
        ? BigInt(`0b${binary}`)
        : octal !== undefined
          ? BigInt(`0o${octal}`)
          : BigInt(decimal!);
  const value = sign === '-' ? -magnitude : magnitude;
  if (value < MIN_INT64 || value > MAX_UINT64 || (sign === '+' && value > 2n ** 63n - 1n)) return undefined;
  return Number(value);
}

/** A number, zero without its sign as in JSON's integers; the text itself where it is beyond a double. */
function finite(digits: string, text = digits): number | string {
  const value = Number(digits);
  return Number.isFinite(value) ? value + 0 : text;
}

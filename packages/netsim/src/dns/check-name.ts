import { UsageError } from '../errors.ts';

/** RFC 1035: a name of 255 octets on the wire is one of 253 characters, and a dot. */
const MAX_NAME = 253;
const MAX_LABEL = 63;

/** What no message can carry is a mistake of whoever typed it. */
export function checkName(name: string): void {
  if (name === '') throw new UsageError('the name is empty');
  const plain = name.replace(/\.$/, '');
  const octets = Buffer.byteLength(plain);
  if (octets > MAX_NAME) throw new UsageError(`the name has ${octets} octets`, `a DNS name has at most ${MAX_NAME}`);
  const labels = plain.split('.');
  const long = labels.find((label) => Buffer.byteLength(label) > MAX_LABEL);
  if (long !== undefined)
    throw new UsageError(
      `the label ${JSON.stringify(`${long.slice(0, 20)}...`)} has ${Buffer.byteLength(long)} octets`,
      `a label has at most ${MAX_LABEL}`,
    );
  // The root alone, ".", is a name too.
  if (plain !== '' && labels.includes('')) throw new UsageError(`${JSON.stringify(name)} has an empty label`);
}

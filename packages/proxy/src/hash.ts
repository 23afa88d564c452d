import { hash } from 'node:crypto';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** First letters of the base32 form (RFC 4648) of the SHA-256 of a text, as kube-proxy names chains. */
export function sha256Base32(text: string, letters: number): string {
  const digest = hash('sha256', text, 'binary');
  let out = '';
  let bits = 0;
  let value = 0;
  for (let i = 0; out.length < letters; i++) {
    value = ((value << 8) | digest.charCodeAt(i)) & 0xffff;
    bits += 8;
    while (bits >= 5 && out.length < letters) {
      bits -= 5;
      out += BASE32[(value >>> bits) & 31];
    }
  }
  return out;
}

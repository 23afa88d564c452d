import { createPrivateKey } from 'node:crypto';
import { certificateDer } from '../../src/http/der.ts';

export const JANUARY_2026 = Date.parse('2026-01-01T00:00:00Z');
export const YEAR = 365 * 24 * 3600_000;

/** The private key of the base point, which is the public key of all certificates that are written here: one. */
const key = createPrivateKey({
  format: 'jwk',
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.from('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex').toString('base64url'),
    y: Buffer.from('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5', 'hex').toString('base64url'),
    d: Buffer.from('1'.padStart(64, '0'), 'hex').toString('base64url'),
  },
}).export({ format: 'pem', type: 'pkcs8' });

/** A certificate for these names in PEM. It is signed by nobody, which its readers do not mind. */
export function certificatePem(
  names: readonly string[],
  validFrom = JANUARY_2026 - YEAR,
  validTo = JANUARY_2026 + YEAR,
): string {
  const subject = `CN=${names[0]}`;
  const der = certificateDer({ subject, issuer: subject, names, validFrom, validTo });
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** A Secret of type kubernetes.io/tls with such a certificate. */
export function tlsSecret(name: string, names: readonly string[], validFrom?: number, validTo?: number): string {
  return `
apiVersion: v1
kind: Secret
metadata: { name: ${name} }
type: kubernetes.io/tls
data:
  tls.crt: ${Buffer.from(certificatePem(names, validFrom, validTo)).toString('base64')}
  tls.key: ${Buffer.from(key).toString('base64')}
---
`;
}

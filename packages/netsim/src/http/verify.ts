import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

/** What a client finds wrong with a server's certificate: the words and the number of OpenSSL, or that the name does not fit. */
export type CertificateProblem =
  | { readonly kind: 'chain'; readonly code: number; readonly text: string }
  | { readonly kind: 'name'; readonly names: readonly string[] };

export interface VerifyOptions {
  readonly host: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Trusted beside the public ones. */
  readonly authorities?: readonly X509Certificate[];
  /** The public ones are not trusted. */
  readonly onlyThese?: boolean;
}

/** Checks a server's certificates (its own first) as a client does that trusts the public authorities. */
export function certificateProblem(
  chain: readonly X509Certificate[],
  { host, now, authorities = [], onlyThese = false }: VerifyOptions,
): CertificateProblem | undefined {
  const [leaf] = chain;
  if (leaf === undefined) return { kind: 'chain', code: 2, text: 'unable to get issuer certificate' };
  const untrusted = chainProblem(chain, authorities, onlyThese ? [] : rootCertificates);
  if (untrusted !== undefined) return untrusted;
  if (now < Date.parse(leaf.validFrom)) return { kind: 'chain', code: 9, text: 'certificate is not yet valid' };
  if (now > Date.parse(leaf.validTo)) return { kind: 'chain', code: 10, text: 'certificate has expired' };
  return fitsHost(leaf, host) ? undefined : { kind: 'name', names: dnsNames(leaf) };
}

/** Is the certificate for that name or address? */
export function fitsHost(leaf: X509Certificate, host: string): boolean {
  return (/^[0-9.]+$|:/.test(host) ? leaf.checkIP(host) : leaf.checkHost(host)) !== undefined;
}

export function dnsNames({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/DNS:([^,]+)/g)].map((match) => match[1]!.trim());
}

function chainProblem(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  roots: readonly string[],
): CertificateProblem | undefined {
  let at = chain[0]!;
  const trusted = (certificate: X509Certificate): boolean =>
    authorities.some((each) => each.fingerprint256 === certificate.fingerprint256 || issued(certificate, each));
  if (trusted(at)) return undefined;
  if (at.subject === at.issuer) return { kind: 'chain', code: 18, text: 'self-signed certificate' };
  for (const next of chain.slice(1)) {
    if (next.subject === next.issuer || !issued(at, next)) break;
    at = next;
    if (trusted(at)) return undefined;
  }
  for (const text of roots) if (issued(at, new X509Certificate(text))) return undefined;
  const root = chain.find(({ subject, issuer }) => subject === issuer);
  if (root !== undefined) return { kind: 'chain', code: 19, text: 'self-signed certificate in certificate chain' };
  return { kind: 'chain', code: 20, text: 'unable to get local issuer certificate' };
}

function issued(certificate: X509Certificate, by: X509Certificate): boolean {
  return certificate.checkIssued(by) && certificate.verify(by.publicKey);
}

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret } from '@netsim/manifest';
import type { ServerCertificate } from '../model.ts';

/** Why a Secret cannot end TLS, in words that go on `the Secret ...`. */
export type CertificateProblem = string;

/** Reads the certificate of a Secret of type kubernetes.io/tls, and that its key belongs to it. */
export function readCertificate({
  metadata,
  data = {},
  stringData = {},
}: Secret): ServerCertificate | CertificateProblem {
  const text = (key: string): string | undefined =>
    stringData[key] ?? (data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('latin1'));
  const certificate = text('tls.crt');
  const key = text('tls.key');
  if (certificate === undefined || certificate === '') return 'has no tls.crt';
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    return 'has a tls.crt that is not a certificate in PEM';
  }
  if (key === undefined || key === '') return 'has no tls.key';
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return 'has a tls.key that does not belong to its tls.crt';
  } catch {
    return 'has a tls.key that is not a private key in PEM';
  }
  const { namespace = 'default', name } = metadata;
  return { ...certificateFacts(parsed), secret: { namespace, name } };
}

/** What a client sees of a certificate. */
function certificateFacts({ subject, issuer, subjectAltName, validFrom, validTo }: X509Certificate): ServerCertificate {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map((match) => match[1]!);
  const common = /^CN=(.*)$/m.exec(subject)?.[1];
  return {
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    names: names.length > 0 || common === undefined ? names : [common],
    validFrom: Date.parse(validFrom),
    validTo: Date.parse(validTo),
  };
}

/** Node.js writes each part of a name on a line of its own; a certificate without one has none. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}

/** Whether a client that asked for `host` takes the certificate (RFC 6125: a star stands for one label). */
export function covers({ names }: ServerCertificate, host: string): boolean {
  const wanted = host.toLowerCase();
  const dot = wanted.indexOf('.');
  return names.some((each) => {
    const name = each.toLowerCase();
    return name === wanted || (name.startsWith('*.') && dot > 0 && name.slice(1) === wanted.slice(dot));
  });
}

/** What ingress-nginx shows where it has nothing better: made anew at each start, good for a year. */
export function fakeCertificate(now: number): ServerCertificate {
  const subject = 'O=Acme Co, CN=Kubernetes Ingress Controller Fake Certificate';
  const year = 365 * 24 * 3_600_000;
  return { subject, issuer: subject, names: ['ingress.local'], validFrom: now, validTo: now + year };
}

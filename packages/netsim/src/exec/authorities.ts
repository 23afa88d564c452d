import { X509Certificate } from 'node:crypto';
import type { ExecContext } from './tool.ts';

/** The certificates of a PEM file; undefined where it is no such file. */
export function readAuthorities(path: string, files: ExecContext['files']): readonly X509Certificate[] | undefined {
  const text = files.read(path);
  if (typeof text !== 'string') return undefined;
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    return found.length === 0 ? undefined : found.map((pem) => new X509Certificate(pem));
  } catch {
    return undefined;
  }
}

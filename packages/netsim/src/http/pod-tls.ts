import { X509Certificate } from 'node:crypto';
import type { ObjectStore, Pod, Secret } from '@netsim/manifest';
import { certificateDer } from './der.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** Milliseconds that a certificate is good for that a program has made for itself. */
const OWN_LIFE = 365 * 24 * 3_600_000;

/**
 * The certificates that a container's program shows where it speaks TLS: those of the first TLS Secret that is mounted into it, else one
 * that it has made and signed itself. Which one programs take is nowhere written: this is what most do.
 */
export function certificatesOf(
  { metadata, spec }: Pod,
  container: string,
  store: Pick<ObjectStore, 'get'>,
  now: number,
): { readonly chain: readonly Uint8Array[]; readonly secret?: string } {
  const mounts = spec.containers.find(({ name }) => name === container)?.volumeMounts ?? [];
  for (const { name } of mounts) {
    const volume = spec.volumes?.find((each) => each.name === name) as { secret?: { secretName?: string } } | undefined;
    const secretName = volume?.secret?.secretName;
    const secret = secretName === undefined ? undefined : store.get<Secret>('Secret', metadata.namespace, secretName);
    const text =
      secret?.stringData?.['tls.crt'] ?? Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString('latin1');
    const chain = (text.match(PEM) ?? []).flatMap((block) => {
      try {
        return [new X509Certificate(block).raw];
      } catch {
        return [];
      }
    });
    if (chain.length > 0 && secretName !== undefined) return { chain, secret: secretName };
  }
  const subject = `CN=${metadata.name}`;
  const own = { subject, issuer: subject, names: [metadata.name], validFrom: now - OWN_LIFE, validTo: now + OWN_LIFE };
  return { chain: [certificateDer(own)] };
}

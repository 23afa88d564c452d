import { X509Certificate } from 'node:crypto';
import type { BackendTls } from '@netsim/ingress';
import type { ConfigMap } from '@netsim/manifest';
import type { Stream } from '../http/stream.ts';
import { connectTls } from '../http/tls.ts';
import { certificateProblem } from '../http/verify.ts';
import type { StoreReader } from './status.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export interface BackendTlsGround {
  readonly store: StoreReader;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** Why a proxy does not take a backend's certificates, in words that go on `its certificate ...`; undefined: it does. */
export function backendCertificateProblem(
  certificates: readonly Uint8Array[],
  { authorities, subjectNames }: BackendTls,
  { store, now }: BackendTlsGround,
): string | undefined {
  const chain = certificates.map((der) => new X509Certificate(der));
  const [leaf] = chain;
  if (leaf === undefined) return 'is missing';
  const trusted = authorities === 'System' ? [] : authorities.flatMap((ref) => bundleOf(store, ref));
  const [host = ''] = subjectNames;
  const problem = certificateProblem(chain, {
    host,
    now: now(),
    authorities: trusted,
    onlyThese: authorities !== 'System',
  });
  if (problem?.kind === 'chain') return `is not trusted: ${problem.text}`;
  const uris = [...(leaf.subjectAltName ?? '').matchAll(/URI:([^,\s]+)/g)].map((match) => match[1]!);
  if (subjectNames.some((name) => uris.includes(name) || leaf.checkHost(name) !== undefined)) return undefined;
  const names = [...(leaf.subjectAltName ?? '').matchAll(/(?:DNS|URI):([^,\s]+)/g)].map((match) => `"${match[1]}"`);
  const wanted = subjectNames.map((name) => `"${name}"`).join(' or ');
  return `is for ${names.length === 0 ? 'no name' : names.join(', ')}, not for ${wanted}`;
}

function bundleOf(store: StoreReader, { namespace, name }: { namespace: string; name: string }): X509Certificate[] {
  const text = store.get<ConfigMap>('ConfigMap', namespace, name)?.data?.['ca.crt'] ?? '';
  return (text.match(PEM) ?? []).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

/**
 * Begins TLS on a connection to a backend. Without a policy any certificate is taken and no server name is sent (ingress-nginx:
 * `proxy_ssl_verify off`). `done` gets the stream inside, or the status for its lack.
 */
export function secureBackend(
  below: Stream,
  tls: BackendTls | undefined,
  ground: BackendTlsGround & { readonly timeout: number },
  done: (result: Stream | 502 | 504) => void,
): void {
  const { clock } = below.connection.netns.world;
  let over = false;
  const settle = (result: Stream | 502 | 504): void => {
    if (over) return;
    over = true;
    timer.cancel();
    done(result);
  };
  const timer = clock.schedule(clock.now + ground.timeout, () => {
    below.abort();
    settle(504);
  });
  connectTls(below, {
    serverName: tls?.serverName,
    accept: (certificates) => {
      const taken = tls === undefined || backendCertificateProblem(certificates, tls, ground) === undefined;
      if (!taken) settle(502);
      return taken;
    },
    ready: settle,
    failed: () => settle(502),
  });
}

import { X509Certificate } from 'node:crypto';
import type { GatewayRouter, IngressRouter, Router, ServerCertificate } from '@netsim/ingress';
import type { ObjectStore, Secret } from '@netsim/manifest';
import { certificateDer } from '../http/der.ts';
import { dnsNames } from '../http/verify.ts';

/** What a controller has compiled: where requests go, and with which certificate TLS ends. */
export interface CompiledDoor {
  readonly router: Router;
  /** For connections of a Gateway, which its listeners choose among before any byte of HTTP. */
  readonly gateway?: GatewayRouter;
  /** For the server name of a handshake; undefined: the handshake fails. */
  certificate(serverName: string | undefined, port: number): ServerCertificate | undefined;
  /** Whether a header field of the client with this name is read at all. */
  takesField(name: string): boolean;
}

export function ingressDoor(router: IngressRouter): CompiledDoor {
  return {
    router,
    certificate: (serverName) => router.certificate(serverName),
    takesField: (name) => router.takesField?.(name) ?? true,
  };
}

/** A Gateway names the Secrets of each listener; the first of them that can be read is shown. */
export function gatewayDoor(router: GatewayRouter, store: ObjectStore): CompiledDoor {
  return {
    router,
    gateway: router,
    takesField: () => true,
    certificate: (sni, port) => {
      const plan = router.connect({ port, transport: 'TCP', ...(sni === undefined ? {} : { sni }) }, 0);
      if (plan.kind !== 'https' && plan.kind !== 'stream') return undefined;
      for (const { namespace, name } of plan.certificates ?? []) {
        const secret = store.get<Secret>('Secret', namespace, name);
        const read = secret === undefined ? undefined : readCertificate(secret);
        if (read !== undefined) return { ...factsOf(read), secret: { namespace, name } };
      }
      return undefined;
    },
  };
}

/** What is sent in the handshake: the certificates of the Secret, else one that says the same. */
export function certificateChain(certificate: ServerCertificate, store: ObjectStore): Uint8Array[] {
  const { secret } = certificate;
  const found = secret === undefined ? undefined : store.get<Secret>('Secret', secret.namespace, secret.name);
  const blocks = found === undefined ? [] : (textOf(found).match(PEM) ?? []);
  if (blocks.length === 0) return [certificateDer(certificate)];
  return blocks.map((block) => new X509Certificate(block).raw);
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function textOf({ data, stringData }: Secret): string {
  return stringData?.['tls.crt'] ?? Buffer.from(data?.['tls.crt'] ?? '', 'base64').toString('latin1');
}

/** The first certificate of a Secret of type kubernetes.io/tls. */
export function readCertificate(secret: Secret): X509Certificate | undefined {
  try {
    return new X509Certificate(textOf(secret));
  } catch {
    return undefined;
  }
}

/** A certificate as a client sees it. */
function factsOf(certificate: X509Certificate): ServerCertificate {
  const { subject, issuer, validFrom, validTo } = certificate;
  const names = dnsNames(certificate);
  const common = /^CN=(.*)$/m.exec(subject)?.[1];
  return {
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    names: names.length > 0 || common === undefined ? names : [common],
    validFrom: Date.parse(validFrom),
    validTo: Date.parse(validTo),
  };
}

/** Node.js writes each part of a name on a line of its own. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}

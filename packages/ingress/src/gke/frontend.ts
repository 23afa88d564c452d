import type { Ingress, Secret } from '@netsim/manifest';
import { objectOf } from '../ingress/classes.ts';
import type { IngressView } from '../ingress/view.ts';
import type { RouteFinding, ServerCertificate } from '../model.ts';
import { covers, readCertificate } from '../tls/certificate.ts';
import { customObject } from './custom-objects.ts';

const ALLOW_HTTP = 'kubernetes.io/ingress.allow-http';
const FRONTEND_CONFIG = 'networking.gke.io/v1beta1.FrontendConfig';
const MANAGED = 'networking.gke.io/managed-certificates';
const PRE_SHARED = 'ingress.gcp.kubernetes.io/pre-shared-cert';
const STATIC_IPS = ['kubernetes.io/ingress.global-static-ip-name', 'kubernetes.io/ingress.regional-static-ip-name'];
/** A certificate of which nothing but its names is known is taken to be good for so long, in milliseconds. */
const STAND_IN_LIFE = 90 * 24 * 3_600_000;

const redirectCodes: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY_DEFAULT: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

/** Where the load balancer listens, and what it shows there. */
export interface GkeFrontend {
  readonly http: boolean;
  /** The first is shown to who asks for no name that one of them is for; empty: port 443 is closed. */
  readonly certificates: readonly ServerCertificate[];
  /** Plain HTTP is sent to HTTPS with this status. */
  readonly redirect: number | undefined;
}

/** Reads what annotations, TLS section and FrontendConfig of an Ingress say; what is wrong goes to `findings`. */
export function gkeFrontend(view: IngressView, ingress: Ingress, now: number, findings: RouteFinding[]): GkeFrontend {
  const { annotations = {}, namespace = 'default' } = ingress.metadata;
  const tell = (code: string, field: readonly (string | number)[], message: string): void => {
    findings.push({ code, severity: 'warning', object: objectOf(ingress), field, message });
  };
  const named = (key: string): string[] =>
    (annotations[key] ?? '')
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
  const hosts = (ingress.spec.rules ?? []).flatMap(({ host }) => host ?? []);
  const standIn = (names: readonly string[]): ServerCertificate => ({
    subject: `CN=${names[0] ?? 'unknown'}`,
    issuer: 'C=US, O=Google Trust Services, CN=WR3',
    names,
    validFrom: now,
    validTo: now + STAND_IN_LIFE,
  });
  const certificates: ServerCertificate[] = [];
  for (const name of named(PRE_SHARED)) {
    tell(
      'gke-certificate',
      ['metadata', 'annotations', PRE_SHARED],
      `the pre-shared certificate "${name}" is known to Google Cloud only: it is taken to be good for the hosts of the rules`,
    );
    certificates.push(standIn(hosts));
  }
  for (const name of named(MANAGED)) {
    const field = ['metadata', 'annotations', MANAGED];
    const object = customObject(view, 'ManagedCertificate', namespace, name);
    if (object === undefined) {
      tell('gke-certificate', field, `no ManagedCertificate "${name}" in namespace "${namespace}"`);
      continue;
    }
    const { domains = [] } = (object.spec ?? {}) as { domains?: string[] };
    tell(
      'gke-certificate',
      field,
      `whether Google has provisioned ManagedCertificate "${name}" cannot be known from manifests: it is taken to be active for ${domains.join(', ')}`,
    );
    certificates.push(standIn(domains));
  }
  ingress.spec.tls?.forEach(({ secretName = '' }, i) => {
    if (secretName === '') return;
    const secret = view.get<Secret>('Secret', namespace, secretName);
    const found = secret === undefined ? 'does not exist' : readCertificate(secret);
    if (typeof found !== 'string') {
      certificates.push(found);
      const unserved = hosts.filter((host) => !covers(found, host));
      if (unserved.length > 0 && ingress.spec.tls?.length === 1) {
        tell(
          'ingress-tls-mismatch',
          ['spec', 'tls', i, 'secretName'],
          `the certificate in Secret "${secretName}" is for ${found.names.map((each) => `"${each}"`).join(', ') || 'no name'}, not for "${unserved[0]}"`,
        );
      }
      if (found.validTo < now) {
        const day = new Date(found.validTo).toISOString().slice(0, 10);
        tell(
          'ingress-tls-expired',
          ['spec', 'tls', i, 'secretName'],
          `the certificate in Secret "${secretName}" expired ${day}`,
        );
      }
      return;
    }
    const code = secret === undefined ? 'ingress-tls-secret-missing' : 'ingress-tls-secret-malformed';
    tell(
      code,
      ['spec', 'tls', i, 'secretName'],
      `Secret "${namespace}/${secretName}" ${found}: the load balancer gets no certificate of it`,
    );
  });
  const http = !/^(0|f|F|false|FALSE|False)$/.test(annotations[ALLOW_HTTP] ?? '');
  if (!http && certificates.length === 0) {
    tell(
      'gke-no-port',
      ['metadata', 'annotations', ALLOW_HTTP],
      'HTTP is not allowed and there is no certificate for HTTPS: the load balancer listens nowhere',
    );
  }
  for (const key of STATIC_IPS) {
    if (annotations[key] === undefined || (ingress.status?.loadBalancer?.ingress ?? []).length > 0) continue;
    tell(
      'gke-static-ip',
      ['metadata', 'annotations', key],
      `the address reserved as "${annotations[key]}" is known to Google Cloud only: another one stands for it (status.loadBalancer.ingress tells netsim the real one)`,
    );
  }
  return { http, certificates, redirect: redirectOf(view, annotations[FRONTEND_CONFIG], namespace, tell) };
}

function redirectOf(
  view: IngressView,
  name: string | undefined,
  namespace: string,
  tell: (code: string, field: readonly (string | number)[], message: string) => void,
): number | undefined {
  if (name === undefined) return undefined;
  const config = customObject(view, 'FrontendConfig', namespace, name);
  const field = ['metadata', 'annotations', FRONTEND_CONFIG];
  if (config === undefined) {
    tell('gke-frontend-config', field, `no FrontendConfig "${name}" in namespace "${namespace}"`);
    return undefined;
  }
  const { redirectToHttps } = (config.spec ?? {}) as {
    redirectToHttps?: { enabled?: boolean; responseCodeName?: string };
  };
  if (redirectToHttps?.enabled !== true) return undefined;
  return redirectCodes[redirectToHttps.responseCodeName ?? 'MOVED_PERMANENTLY_DEFAULT'] ?? 301;
}

import { nearest } from '@netsim/manifest';
import type { RouteFinding } from '../../model.ts';

export const PREFIX = 'nginx.ingress.kubernetes.io/';

/** What netsim does with an annotation of the controller. */
type Part = 'modelled' | 'no part in routing' | 'not modelled' | 'gone' | 'snippet';

const KNOWN: ReadonlyMap<string, Part> = new Map([
  ...names(
    'modelled',
    `affinity affinity-canary-behavior affinity-mode allowlist-source-range app-root auth-always-set-cookie auth-cache-duration auth-cache-key
     auth-method auth-proxy-set-headers auth-request-redirect auth-response-headers auth-signin
     auth-signin-redirect-param auth-url backend-protocol canary canary-by-cookie canary-by-header canary-by-header-pattern
     canary-by-header-value canary-weight canary-weight-total cors-allow-credentials cors-allow-headers cors-allow-methods
     cors-allow-origin cors-expose-headers cors-max-age custom-http-errors default-backend denylist-source-range
     disable-proxy-intercept-errors enable-cors enable-global-auth
     force-ssl-redirect from-to-www-redirect limit-allowlist limit-burst-multiplier limit-connections limit-rpm limit-rps
     limit-whitelist load-balance mirror-host mirror-request-body mirror-target permanent-redirect permanent-redirect-code preserve-trailing-slash
     proxy-body-size proxy-connect-timeout proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries
     proxy-read-timeout proxy-send-timeout relative-redirects rewrite-target satisfy server-alias service-upstream
     session-cookie-change-on-failure
     session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-partitioned
     session-cookie-path session-cookie-samesite session-cookie-secure ssl-redirect temporal-redirect temporal-redirect-code upstream-hash-by
     upstream-hash-by-subset upstream-hash-by-subset-size upstream-vhost use-port-in-redirects use-regex whitelist-source-range x-forwarded-prefix`,
  ),
  ...names(
    'no part in routing',
    `enable-access-log enable-opentelemetry enable-rewrite-log opentelemetry-operation-name
     opentelemetry-trust-incoming-span proxy-buffer-size proxy-buffering
     proxy-buffers-number proxy-busy-buffers-size proxy-http-version proxy-max-temp-file-size proxy-request-buffering
     client-body-buffer-size ssl-ciphers ssl-prefer-server-ciphers http2-push-preload connection-proxy-header
     proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols proxy-ssl-secret proxy-ssl-server-name proxy-ssl-verify
     proxy-ssl-verify-depth`,
  ),
  ...names(
    'not modelled',
    `auth-keepalive auth-keepalive-requests auth-keepalive-share-vars auth-keepalive-timeout auth-realm auth-secret
     auth-secret-type auth-tls-error-page auth-tls-match-cn auth-tls-pass-certificate-to-upstream auth-tls-secret
     auth-tls-verify-client auth-tls-verify-depth auth-type custom-headers enable-modsecurity enable-owasp-core-rules
     fastcgi-index fastcgi-params-configmap limit-rate limit-rate-after modsecurity-transaction-id proxy-cookie-domain
     proxy-cookie-path proxy-redirect-from proxy-redirect-to session-cookie-conditional-samesite-none ssl-passthrough`,
  ),
  // Release 1.12 has no global limits any more, and the others are from before 1.0.
  ...names(
    'gone',
    `global-rate-limit global-rate-limit-header-name global-rate-limit-ignored-cidrs global-rate-limit-key
     global-rate-limit-window secure-backends secure-verify-ca-secret grpc-backend add-base-url base-url-scheme
     enable-influxdb influxdb-measurement influxdb-port influxdb-host influxdb-server-name lua-resty-waf
     enable-opentracing opentracing-trust-incoming-span`,
  ),
  ...names('snippet', 'auth-snippet configuration-snippet modsecurity-snippet server-snippet stream-snippet'),
]);

function names(part: Part, list: string): [string, Part][] {
  return list.split(/\s+/).map((name) => [name, part]);
}

/** Tells what to think of the names of annotations; their values are read elsewhere. */
export function annotationNameProblem(
  name: string,
  snippets: boolean,
): Omit<RouteFinding, 'object' | 'field'> | undefined {
  if (!name.startsWith(PREFIX)) {
    const slash = name.indexOf('/');
    const bare = name.slice(slash + 1);
    const prefix = name.slice(0, slash + 1);
    // `ingress.kubernetes.io/rewrite-target` is what old pages show, `nginx.org/` is another controller.
    if (KNOWN.has(bare) && (prefix === '' || /(^|\.)(ingress|nginx)\b/.test(prefix))) {
      return {
        code: 'ingress-annotation-unknown',
        severity: 'warning',
        message: `annotation "${name}" is not one of ingress-nginx (did you mean "${PREFIX}${bare}"?)`,
      };
    }
    return undefined;
  }
  const bare = name.slice(PREFIX.length);
  switch (KNOWN.get(bare)) {
    case undefined: {
      const meant = nearest(bare, KNOWN.keys());
      return {
        code: 'ingress-annotation-unknown',
        severity: 'warning',
        message: `unknown annotation "${name}"${meant === undefined ? '' : ` (did you mean "${PREFIX}${meant}"?)`}: the controller passes it over in silence`,
      };
    }
    case 'snippet':
      return {
        code: 'ingress-annotation-snippet',
        severity: 'warning',
        message: `annotation "${name}" is not modelled: its nginx directives are left out here${snippets ? '' : ', and the webhook of the controller refuses the Ingress unless its ConfigMap has allow-snippet-annotations: "true" and annotations-risk-level: Critical'}`,
      };
    case 'gone':
      return {
        code: 'ingress-annotation-unknown',
        severity: 'warning',
        message: `annotation "${name}" is of older releases: the controller (1.12) passes it over in silence`,
      };
    case 'not modelled':
      return {
        code: 'ingress-annotation-not-modelled',
        severity: 'info',
        message: `annotation "${name}" is known but not modelled: it changes nothing here`,
      };
    default:
      return undefined;
  }
}

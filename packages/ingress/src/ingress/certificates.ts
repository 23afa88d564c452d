import type { Ingress, Secret } from '@netsim/manifest';
import type { RouteFinding, ServerCertificate } from '../model.ts';
import { covers, readCertificate } from '../tls/certificate.ts';
import { objectOf } from './classes.ts';
import type { IngressView } from './view.ts';

/** Reads the Secrets that Ingresses name for TLS, each once, and tells what is wrong with them. */
export class SecretReader {
  readonly #view: IngressView;
  readonly #findings: RouteFinding[];
  readonly #now: number;
  readonly #read = new Map<string, ServerCertificate | string>();

  constructor(view: IngressView, findings: RouteFinding[], now: number) {
    this.#view = view;
    this.#findings = findings;
    this.#now = now;
  }

  /** Undefined: there is none, or it cannot be used. */
  certificate(namespace: string, name: string): ServerCertificate | undefined {
    const result = this.#result(namespace, name);
    return typeof result === 'string' ? undefined : result;
  }

  #result(namespace: string, name: string): ServerCertificate | string {
    const key = `${namespace}/${name}`;
    let result = this.#read.get(key);
    if (result === undefined) {
      const secret = this.#view.get<Secret>('Secret', namespace, name);
      result = secret === undefined ? 'does not exist' : readCertificate(secret);
      this.#read.set(key, result);
    }
    return result;
  }

  /** Findings on the TLS section of one Ingress. */
  check(ingress: Ingress): void {
    const object = objectOf(ingress);
    const hosts = new Set(ingress.spec.rules?.map(({ host = '' }) => host.toLowerCase()));
    ingress.spec.tls?.forEach((entry, i) => {
      const { hosts: named = [], secretName = '' } = entry;
      const tell = (code: string, field: readonly (string | number)[], message: string, soft = false): void => {
        this.#findings.push({
          code,
          severity: soft ? 'info' : 'warning',
          object,
          field: ['spec', 'tls', i, ...field],
          message,
        });
      };
      if (named.length === 0) {
        tell(
          'ingress-tls-no-hosts',
          [],
          'names no hosts: the certificate serves the hosts that stand in it, if any',
          true,
        );
      }
      named.forEach((host, j) => {
        if (hosts.has(host.toLowerCase())) return;
        tell('ingress-tls-host-without-rule', ['hosts', j], `no rule of this Ingress is for host "${host}"`, true);
      });
      if (secretName === '') return;
      const result = this.#result(object.namespace, secretName);
      if (typeof result === 'string') {
        const code = result === 'does not exist' ? 'ingress-tls-secret-missing' : 'ingress-tls-secret-malformed';
        tell(
          code,
          ['secretName'],
          `Secret "${object.namespace}/${secretName}" ${result}: clients get the controller's own certificate`,
        );
        return;
      }
      if (result.validTo < this.#now) {
        tell(
          'ingress-tls-expired',
          ['secretName'],
          `the certificate in Secret "${secretName}" expired ${day(result.validTo)}`,
        );
      } else if (result.validFrom > this.#now) {
        tell(
          'ingress-tls-expired',
          ['secretName'],
          `the certificate in Secret "${secretName}" is not valid before ${day(result.validFrom)}`,
        );
      }
      named.forEach((host, j) => {
        if (covers(result, host)) return;
        const names = result.names.map((name) => `"${name}"`).join(', ');
        tell(
          'ingress-tls-mismatch',
          ['hosts', j],
          `the certificate in Secret "${secretName}" is for ${names || 'no name'}, not for "${host}"`,
        );
      });
    });
  }
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

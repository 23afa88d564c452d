import { X509Certificate } from 'node:crypto';
import { tryParseIp } from '@netsim/wire';
import type { HttpFailure } from '../../http/client.ts';
import type { Stream } from '../../http/stream.ts';
import { connectTls } from '../../http/tls.ts';
import { certificateProblem, fitsHost } from '../../http/verify.ts';
import { readAuthorities } from '../authorities.ts';
import type { ExecContext } from '../tool.ts';
import type { Failed } from './failed.ts';
import type { Log } from './log.ts';
import type { Options } from './options.ts';

/** What --ca-certificate adds to the authorities that are trusted anyway. */
export function authoritiesOf({ caFile }: Options, { files }: ExecContext, log: Log): readonly X509Certificate[] {
  if (caFile === undefined) return [];
  const found = readAuthorities(caFile, files);
  log.gnu(
    found === undefined ? `ERROR: Failed to open cert ${caFile}: (-64).\n` : `Loaded CA certificate '${caFile}'\n`,
  );
  return found ?? [];
}

/** TLS of one connection, with what GNU's wget (built with GnuTLS) says of it. BusyBox's own TLS checks no certificates. */
export class TlsSession {
  readonly #host: string;
  readonly #options: Options;
  readonly #context: ExecContext;
  readonly #authorities: readonly X509Certificate[];
  /** Warnings about a certificate that is taken all the same. */
  said = '';
  failed: Failed | undefined;

  constructor(host: string, options: Options, context: ExecContext, authorities: readonly X509Certificate[]) {
    this.#host = host;
    this.#options = options;
    this.#context = context;
    this.#authorities = authorities;
  }

  open(stream: Stream, ready: (stream: Stream | HttpFailure) => void): void {
    const give = (failed: Failed): void => {
      this.failed = failed;
      ready({ code: 'EPROTO', phase: 'read', message: failed.gnu });
    };
    connectTls(stream, {
      serverName: tryParseIp(this.#host) === undefined ? this.#host : undefined,
      accept: (certificates) => {
        const words = this.#judge(certificates.map((der) => new X509Certificate(der)));
        const taken = words === '' || !this.#options.checkCertificate || this.#context.userland === 'busybox';
        if (taken) this.said = words;
        else give({ gnu: words, busybox: 'error getting response', code: 5, again: false });
        return taken;
      },
      ready,
      failed: ({ reason, error }) => {
        const why = {
          'wrong version number': 'An unexpected TLS packet was received.',
          'alert handshake failure': 'A TLS fatal alert has been received.',
          closed: error === '' ? 'The TLS connection was non-properly terminated.' : 'Error in the pull function.',
        }[reason];
        const gnu = `GnuTLS: ${why}\nUnable to establish SSL connection.\n`;
        give({ gnu, busybox: 'error getting response: Connection reset by peer', code: 4, again: false });
      },
    });
  }

  #judge(chain: readonly X509Certificate[]): string {
    const now = this.#context.dns?.now().getTime() ?? this.#context.netns.world.clock.now;
    const host = this.#host;
    const problem = certificateProblem(chain, { host, now, authorities: this.#authorities });
    if (problem === undefined) return '';
    const owner = `The certificate's owner does not match hostname ‘${host}’\n`;
    if (problem.kind === 'name') return owner;
    const level = this.#options.checkCertificate ? 'ERROR' : 'WARNING';
    const why = { 9: 'is not yet activated', 10: 'has expired' }[problem.code] ?? "doesn't have a known issuer";
    const fits = chain[0] === undefined || fitsHost(chain[0], host);
    return `${level}: The certificate of ‘${host}’ is not trusted.\n${level}: The certificate of ‘${host}’ ${why}.\n${fits ? '' : owner}`;
  }
}

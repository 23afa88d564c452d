import { X509Certificate } from 'node:crypto';
import type { TcpConnection } from '@netsim/kernel';
import { tryParseIp } from '@netsim/wire';
import { acceptedStream, type Stream } from '../../http/stream.ts';
import { connectTls, type TlsFailure } from '../../http/tls.ts';
import { certificateProblem, dnsNames } from '../../http/verify.ts';
import type { Inbox } from '../tcp-attempt.ts';

/** What curl's handshake came to: a stream to speak through, or its exit status and message. */
type Handshake = Stream | { readonly code: number; readonly error: string };

export interface HandshakeOptions {
  readonly host: string;
  /** `-k`. */
  readonly insecure: boolean;
  /** `--cacert`, and what it holds: undefined where it cannot be read. */
  readonly caFile: string | undefined;
  readonly authorities: readonly X509Certificate[] | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
  log(line: string): void;
  /** Waits in virtual time until something has come of it. */
  settle(done: () => boolean): Promise<void>;
}

const openssl: Readonly<Record<TlsFailure['reason'], string>> = {
  'wrong version number': 'OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number',
  'alert handshake failure': 'OpenSSL/3.0.19: error:0A000410:SSL routines::sslv3 alert handshake failure',
  closed: 'OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to ',
};

const MORE = `More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the web page mentioned above.`;

/** TLS on a connection that was made, with the lines that curl 7.88 writes for -v; what comes through goes into the inbox. */
export async function handshake(
  connection: TcpConnection,
  inbox: Inbox,
  options: HandshakeOptions,
): Promise<Handshake> {
  const { host, insecure, caFile, authorities, log, settle } = options;
  let result: Handshake | undefined;
  log('* ALPN: offers http/1.1');
  log('* TLSv1.2 (OUT), TLS handshake, Client hello (1):');
  if (authorities === undefined) {
    const error = `error setting certificate file: ${caFile}`;
    log(`* ${error}`);
    return { code: 77, error };
  }
  if (!insecure) {
    log(`*  CAfile: ${caFile ?? '/etc/ssl/certs/ca-certificates.crt'}`);
    log('*  CApath: /etc/ssl/certs');
  }
  connectTls(acceptedStream(connection), {
    serverName: tryParseIp(host) === undefined ? host : undefined,
    accept: (certificates) => {
      const chain = certificates.map((der) => new X509Certificate(der));
      const refused = judge(chain, options);
      if (refused !== undefined) result = { code: 60, error: refused };
      return refused === undefined;
    },
    ready: (stream) => {
      result = stream;
    },
    failed: ({ reason, error: errno }) => {
      if (reason === 'closed' && errno === 'ECONNRESET') {
        log('* Recv failure: Connection reset by peer');
        log(`* OpenSSL SSL_connect: Connection reset by peer in connection to ${host}:${connection.remotePort} `);
        result = { code: 35, error: 'Recv failure: Connection reset by peer' };
        return;
      }
      if (reason === 'alert handshake failure') log('* TLSv1.2 (IN), TLS alert, handshake failure (552):');
      const error = reason === 'closed' ? `${openssl.closed}${host}:${connection.remotePort} ` : openssl[reason];
      log(`* ${error}`);
      result = { code: 35, error };
    },
  });
  await settle(() => result !== undefined);
  if (result === undefined) return { code: 28, error: 'SSL connection timeout' };
  if ('code' in result) return result;
  result.onData = (bytes) => inbox.chunks.push(bytes);
  result.onEnd = () => {
    inbox.ended = true;
  };
  result.onClose = (error) => {
    inbox.closed = true;
    inbox.error = error;
  };
  return result;
}

/** The message of a refusal; undefined where curl goes on. */
function judge(
  chain: readonly X509Certificate[],
  { host, insecure, now, authorities = [], log }: HandshakeOptions,
): string | undefined {
  const [leaf] = chain;
  const problem = certificateProblem(chain, { host, now, authorities });
  log('* TLSv1.2 (IN), TLS handshake, Server hello (2):');
  log('* TLSv1.2 (IN), TLS handshake, Certificate (11):');
  if (problem?.kind === 'chain' && !insecure) {
    const expired = problem.code === 10;
    log(`* TLSv1.2 (OUT), TLS alert, ${expired ? 'certificate expired (557)' : 'unknown CA (560)'}:`);
    log(`* SSL certificate problem: ${problem.text}`);
    return `SSL certificate problem: ${problem.text}\n${MORE}`;
  }
  for (const line of [
    'TLSv1.2 (IN), TLS handshake, Server key exchange (12):',
    'TLSv1.2 (IN), TLS handshake, Server finished (14):',
    'TLSv1.2 (OUT), TLS handshake, Client key exchange (16):',
    'TLSv1.2 (OUT), TLS change cipher, Change cipher spec (1):',
    'TLSv1.2 (OUT), TLS handshake, Finished (20):',
    'TLSv1.2 (IN), TLS handshake, Finished (20):',
    'SSL connection using TLSv1.2 / ECDHE-RSA-AES128-GCM-SHA256',
    'ALPN: server accepted http/1.1',
    'Server certificate:',
    ` subject: ${named(leaf?.subject)}`,
    ` start date: ${leaf?.validFrom ?? ''}`,
    ` expire date: ${leaf?.validTo ?? ''}`,
  ]) {
    log(`* ${line}`);
  }
  if (problem?.kind === 'name' && !insecure) {
    const message = `SSL: no alternative certificate subject name matches target host name '${host}'`;
    log(`*  subjectAltName does not match ${host}`);
    log(`* ${message}`);
    return `${message}\n${MORE}`;
  }
  if (!insecure) {
    const match = dnsNames(leaf!).find((name) => leaf!.checkHost(host) !== undefined && fits(name, host)) ?? host;
    log(`*  subjectAltName: host "${host}" matched cert's "${match}"`);
  }
  log(`*  issuer: ${named(leaf?.issuer)}`);
  const verdict = problem?.kind === 'chain' ? `result: ${problem.text} (${problem.code}), continuing anyway.` : 'ok.';
  log(`*  SSL certificate verify ${verdict}`);
  log('* using HTTP/1.1');
  return undefined;
}

function fits(name: string, host: string): boolean {
  return name.startsWith('*.') ? host.slice(host.indexOf('.')) === name.slice(1) : name === host;
}

function named(lines: string | undefined): string {
  return (lines ?? '').split('\n').join('; ');
}

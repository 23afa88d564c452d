import { podIPs } from '@netsim/control';
import type { Netns } from '@netsim/kernel';
import type { Pod } from '@netsim/manifest';
import { formatEndpoint, tryParseIp } from '@netsim/wire';
import { askStream } from '../http/client.ts';
import { connectStream } from '../http/stream.ts';
import { type ProbeSpec, probePort } from './probe-spec.ts';

/** A failure in the kubelet's words, or undefined for success. */
export type ProbeFailure = string | undefined;

/**
 * Sends a probe from the node over the network, as its kubelet does: a TCP connection for tcpSocket and grpc, one GET for httpGet, where
 * a status of 200 to 399 is success. Source: pkg/probe/http, pkg/probe/tcp.
 */
export function sendProbe(
  netns: Netns,
  pod: Pod,
  { probe, container, timeout }: ProbeSpec,
  done: (failure: ProbeFailure) => void,
): void {
  const { httpGet, tcpSocket, grpc } = probe;
  const target = httpGet ?? tcpSocket ?? grpc;
  const port = probePort(container, target?.port);
  const host = (httpGet ?? tcpSocket)?.host || podIPs(pod)[0] || '';
  const ip = tryParseIp(host === 'localhost' ? '127.0.0.1' : host);
  if (ip === undefined || port === undefined) {
    done(`no address or port to connect to: ${host}`);
    return;
  }
  const where = formatEndpoint(ip, port);
  connectStream({ netns, ip, port, program: 'kubelet', timeout }, (stream) => {
    if (typeof stream === 'string') {
      const why =
        stream === 'ECONNREFUSED' ? 'connect: connection refused' : stream === 'ETIMEDOUT' ? 'i/o timeout' : stream;
      done(`dial tcp ${where}: ${why}`);
      return;
    }
    if (httpGet === undefined || httpGet.scheme?.toUpperCase() === 'HTTPS') {
      // What serves TLS in a pod is not emulated: that it listens has to do.
      stream.close();
      done(undefined);
      return;
    }
    const given = httpGet.httpHeaders ?? [];
    const host = given.find(({ name }) => name.toLowerCase() === 'host')?.value;
    const others = given.filter(({ name }) => name.toLowerCase() !== 'host');
    const path = httpGet.path ?? '/';
    askStream(
      stream,
      {
        method: 'GET',
        target: path.startsWith('/') ? path : `/${path}`,
        version: '1.1',
        fields: [
          ['Host', host ?? where],
          ['User-Agent', 'kube-probe/1.36'],
          ['Accept', '*/*'],
          ['Connection', 'close'],
          ...others.map(({ name, value }) => [name, value] as const),
        ],
        body: new Uint8Array(0),
      },
      timeout,
      (result) => {
        stream.close();
        if ('code' in result) {
          const late = result.code === 'ETIMEDOUT';
          done(`Get "http://${where}${path}": ${late ? 'context deadline exceeded' : result.message}`);
        } else if (result.status >= 200 && result.status < 400) done(undefined);
        else done(`HTTP probe failed with statuscode: ${result.status}`);
      },
    );
  });
}

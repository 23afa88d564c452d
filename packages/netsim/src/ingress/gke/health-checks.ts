import type { GkeBackendService } from '@netsim/ingress';
import type { Netns } from '@netsim/kernel';
import { askStream } from '../../http/client.ts';
import { connectStream } from '../../http/stream.ts';
import type { ProxyEndpoint } from '../endpoints.ts';
import type { HealthOf } from './backends.ts';

/** Virtual milliseconds; what is not answered at once is not answered at all. */
const TIMEOUT = 5_000;

export interface HealthTarget {
  readonly service: GkeBackendService;
  readonly endpoint: ProxyEndpoint;
}

/** The health checks of one load balancer: requests over the network, of which 200 is the only good answer. */
export class GkeHealthChecks implements HealthOf {
  /** By endpoint and path, why it fails; undefined: it passes. What was never asked is not here. */
  readonly #results = new Map<string, string | undefined>();

  problem(service: GkeBackendService, endpoint: ProxyEndpoint): string | undefined {
    return this.#results.get(keyOf(service, endpoint));
  }

  /**
   * Asks all at once; what has not come back when the returned function is called is no answer. That is told whether an answer may be
   * late for another reason than that there is none, such as a program that takes real time.
   */
  begin(netns: Netns, targets: readonly HealthTarget[]): (mayBeLate: boolean) => void {
    const { world } = netns;
    this.#results.clear();
    const open = new Map<string, { connected: boolean; readonly what: string; stop(): void }>();
    for (const { service, endpoint } of targets) {
      const key = keyOf(service, endpoint);
      if (open.has(key) || this.#results.has(key)) continue;
      const { path, protocol, host, port = endpoint.port } = service.healthCheck;
      const what = `GET ${path}`;
      const done = (problem: string | undefined): void => {
        open.delete(key);
        this.#results.set(key, problem);
      };
      const stop = connectStream(
        { netns, ip: endpoint.ip, port, program: 'health-check', timeout: TIMEOUT },
        (stream) => {
          if (typeof stream === 'string') {
            const refused = stream === 'ECONNREFUSED' ? 'refuses the connection' : `cannot be reached (${stream})`;
            done(port === endpoint.port ? refused : `${refused} on port ${port}`);
            return;
          }
          // What serves TLS in a pod is not emulated: that it listens has to do.
          if (protocol !== 'HTTP') {
            stream.close();
            done(undefined);
            return;
          }
          const giveUp = askStream(
            stream,
            {
              method: 'GET',
              target: path,
              version: '1.1',
              fields: [
                ['Host', host ?? endpoint.text.replace(/:\d+$/, '')],
                ['User-Agent', 'GoogleHC/1.0'],
                ['Connection', 'close'],
              ],
              body: new Uint8Array(0),
            },
            TIMEOUT,
            (result) => {
              stream.close();
              if ('code' in result) done(`does not answer ${what} with HTTP`);
              else
                done(result.status === 200 ? undefined : `answers ${result.status} to ${what}, and only 200 will do`);
            },
          );
          open.set(key, {
            connected: true,
            what,
            stop: () => {
              giveUp();
              stream.abort();
            },
          });
        },
      );
      if (!this.#results.has(key) && !open.has(key)) open.set(key, { connected: false, what, stop });
    }
    world.advance(0);
    return (mayBeLate) => {
      for (const [key, { connected, what, stop }] of open) {
        stop();
        const silent = connected ? `does not answer ${what}` : 'does not answer';
        this.#results.set(key, connected && mayBeLate ? undefined : silent);
      }
      world.run();
    };
  }
}

function keyOf({ healthCheck: { path, port, host } }: GkeBackendService, { text }: ProxyEndpoint): string {
  return JSON.stringify([text, path, port, host]);
}

import type { Chain, ChainLinks, Match, Rule } from '@netsim/kernel';
import type { Endpoint } from '../endpoints.ts';
import type { ServicePort } from '../service-map.ts';
import { comment, host, jump, MARK_MASQ_CHAIN, protocolNumber } from './rule-parts.ts';

const portMatches = { tcp: { kind: 'tcp' }, udp: { kind: 'udp' }, sctp: { kind: 'sctp' } } as const;

const endpointLinks: ChainLinks = { jumps: [MARK_MASQ_CHAIN], kinds: ['DNAT'] };

/** KUBE-SEP: translates to one endpoint. A cluster has very many of them, so the rules are made when first looked at. */
export class EndpointChain implements Chain {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly #port: ServicePort;
  readonly #commented: boolean;
  readonly #origin: string;
  #rules: readonly Rule[] | undefined;

  constructor(port: ServicePort, endpoint: Endpoint, name: string, commented: boolean, origin: string) {
    this.name = name;
    this.endpoint = endpoint;
    this.#port = port;
    this.#commented = commented;
    this.#origin = origin;
  }

  get rules(): readonly Rule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  get links(): ChainLinks {
    return endpointLinks;
  }

  #make(): Rule[] {
    const { protocol, affinitySeconds } = this.#port;
    const { ip, port } = this.endpoint;
    const origin = this.#origin;
    const comments: Match[] = this.#commented ? [comment(this.#port.name)] : [];
    const affinity: Match[] =
      affinitySeconds === 0
        ? []
        : [{ kind: 'recent', command: 'set', name: this.name, mask: mask(ip), side: 'source' }];
    return [
      // A pod that is sent back to itself would drop a packet from its own address.
      { source: { value: host(ip) }, matches: comments, target: jump(MARK_MASQ_CHAIN), origin },
      {
        protocol: { value: protocolNumber(protocol) },
        matches: [...comments, ...affinity, portMatches[protocol]],
        target: { kind: 'DNAT', range: { minAddress: ip, maxAddress: ip, minPort: port, maxPort: port } },
        origin,
      },
    ];
  }
}

/** KUBE-SVC and KUBE-SVL: choose an endpoint, by affinity where there is some, else at random with equal chances. */
export class BalancerChain implements Chain {
  readonly name: string;
  readonly endpoints: readonly EndpointChain[];
  readonly #port: ServicePort;
  readonly #before: readonly Rule[];
  readonly #commented: boolean;
  readonly #origin: string;
  #rules: readonly Rule[] | undefined;

  constructor(
    name: string,
    port: ServicePort,
    before: readonly Rule[],
    endpoints: readonly EndpointChain[],
    commented: boolean,
    origin: string,
  ) {
    this.name = name;
    this.endpoints = endpoints;
    this.#port = port;
    this.#before = before;
    this.#commented = commented;
    this.#origin = origin;
  }

  get rules(): readonly Rule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  /** Made at each use: few ask, and once. */
  get links(): ChainLinks {
    const jumps: string[] = [];
    for (const { target } of this.#before) if (target?.kind === 'jump') jumps.push(target.chain);
    for (const chain of this.endpoints) jumps.push(chain.name);
    return { jumps, kinds: [] };
  }

  #make(): Rule[] {
    const { affinitySeconds, name } = this.#port;
    const origin = this.#origin;
    const rules = [...this.#before];
    const comments = this.endpoints.map(({ endpoint }) =>
      this.#commented ? [comment(`${name} -> ${endpoint.text}`)] : [],
    );
    if (affinitySeconds !== 0) {
      this.endpoints.forEach((chain, i) => {
        const recent: Match = {
          kind: 'recent',
          command: 'rcheck',
          seconds: affinitySeconds,
          reap: true,
          name: chain.name,
          mask: mask(chain.endpoint.ip),
          side: 'source',
        };
        rules.push({ matches: [...comments[i]!, recent], target: jump(chain.name), origin });
      });
    }
    const count = this.endpoints.length;
    this.endpoints.forEach((chain, i) => {
      const left = count - i;
      const chance: Match[] = left > 1 ? [{ kind: 'statistic', mode: 'random', probability: oneOf(left) }] : [];
      rules.push({ matches: [...comments[i]!, ...chance], target: jump(chain.name), origin });
    });
    return rules;
  }
}

/** 1/n as iptables hands it to the kernel: written with ten decimals by kube-proxy, then a fraction of 2^31. */
function oneOf(n: number): number {
  return Math.round(Number((1 / n).toFixed(10)) * 0x80000000);
}

/** `recent` looks at whole addresses. */
function mask(ip: Endpoint['ip']): string {
  return typeof ip === 'number' ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
}

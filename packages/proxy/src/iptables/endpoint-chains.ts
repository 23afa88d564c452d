import type { Chain, ChainLinks, Match, Rule } from '@netsim/kernel';
import type { Endpoint } from '../endpoints.ts';
import type { ServicePort } from '../service-map.ts';
import { comment, host, jump, MARK_MASQ_CHAIN, protocolNumber } from './rule-parts.ts';

const portMatches = { tcp: { kind: 'tcp' }, udp: { kind: 'udp' }, sctp: { kind: 'sctp' } } as const;

const endpointLinks: ChainLinks = { jumps: [MARK_MASQ_CHAIN], kinds: ['DNAT'] };

/** What the chains of one service port have in common. */
export interface PortOrigin {
  readonly port: ServicePort;
  /** As rules name it. */
  readonly origin: string;
  /** Name of the chain of an endpoint. */
  endpointName(endpoint: Endpoint): string;
  /** Chain of an endpoint. */
  endpoint(endpoint: Endpoint, commented: boolean): EndpointChain;
}

/** KUBE-EXT and KUBE-FW: rules that are made when first looked at. */
export class EntryChain implements Chain {
  readonly name: string;
  readonly #make: () => readonly Rule[];
  #rules: readonly Rule[] | undefined;

  constructor(name: string, make: () => readonly Rule[]) {
    this.name = name;
    this.#make = make;
  }

  get rules(): readonly Rule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }
}

/** KUBE-SEP: translates to one endpoint. A cluster has very many of them, so name and rules are made when first looked at. */
export class EndpointChain implements Chain {
  readonly endpoint: Endpoint;
  readonly #of: PortOrigin;
  readonly #commented: boolean;
  #name: string | undefined;
  #rules: readonly Rule[] | undefined;

  constructor(of: PortOrigin, endpoint: Endpoint, commented: boolean) {
    this.#of = of;
    this.endpoint = endpoint;
    this.#commented = commented;
  }

  get name(): string {
    this.#name ??= this.#of.endpointName(this.endpoint);
    return this.#name;
  }

  get rules(): readonly Rule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  get links(): ChainLinks {
    return endpointLinks;
  }

  #make(): Rule[] {
    const { origin } = this.#of;
    const { protocol, affinitySeconds, name } = this.#of.port;
    const { ip, port } = this.endpoint;
    const comments: Match[] = this.#commented ? [comment(name)] : [];
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
  readonly #of: PortOrigin;
  readonly #before: () => readonly Rule[];
  readonly #endpoints: readonly Endpoint[];
  readonly #commented: boolean;
  #rules: readonly Rule[] | undefined;

  /** `before`: the rules that come first. */
  constructor(
    name: string,
    of: PortOrigin,
    before: () => readonly Rule[],
    endpoints: readonly Endpoint[],
    commented: boolean,
  ) {
    this.name = name;
    this.#of = of;
    this.#before = before;
    this.#endpoints = endpoints;
    this.#commented = commented;
  }

  get rules(): readonly Rule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  /** Made at each use: few ask, and once. */
  get links(): ChainLinks {
    const jumps: string[] = [];
    for (const { target } of this.#before()) if (target?.kind === 'jump') jumps.push(target.chain);
    for (const chain of this.#chains()) jumps.push(chain.name);
    return { jumps, kinds: [] };
  }

  #chains(): EndpointChain[] {
    return this.#endpoints.map((endpoint) => this.#of.endpoint(endpoint, this.#commented));
  }

  #make(): Rule[] {
    const { origin } = this.#of;
    const { affinitySeconds, name } = this.#of.port;
    const endpoints = this.#chains();
    const rules = [...this.#before()];
    const comments = endpoints.map(({ endpoint }) => (this.#commented ? [comment(`${name} -> ${endpoint.text}`)] : []));
    if (affinitySeconds !== 0) {
      endpoints.forEach((chain, i) => {
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
    const count = endpoints.length;
    endpoints.forEach((chain, i) => {
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

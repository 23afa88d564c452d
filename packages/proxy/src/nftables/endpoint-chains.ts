import type { NftChain, NftRule } from '@netsim/kernel';
import type { Family } from '@netsim/wire';
import type { Endpoint } from '../endpoints.ts';
import type { ServicePort } from '../service-map.ts';
import { MARK_CHAIN, nftEndpointNames } from './names.ts';
import {
  dnatTo,
  dnatToAny,
  from,
  goto,
  gotoAny,
  inSet,
  jump,
  ProxyRule,
  protocolIs,
  rememberSource,
} from './rule-parts.ts';

/** endpoint-: translates to one endpoint. Only there for affinity, or before 1.36. Made when first looked at. */
export class NftEndpointChain implements NftChain {
  readonly name: string;
  /** Set of clients that stay with the endpoint. */
  readonly affinity: string;
  readonly endpoint: Endpoint;
  /** Has a rule that masquerades what comes from the endpoint itself, as before 1.36. */
  readonly hairpin: boolean;
  readonly family: Family;
  readonly #port: ServicePort;
  readonly #origin: string;
  #rules: readonly NftRule[] | undefined;

  constructor(port: ServicePort, endpoint: Endpoint, family: Family, hairpin: boolean, origin: string) {
    const names = nftEndpointNames(port, endpoint);
    this.name = names.chain;
    this.affinity = names.affinity;
    this.endpoint = endpoint;
    this.hairpin = hairpin;
    this.family = family;
    this.#port = port;
    this.#origin = origin;
  }

  get rules(): readonly NftRule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  #make(): NftRule[] {
    const { family } = this;
    const origin = this.#origin;
    const rules: NftRule[] = [];
    if (this.hairpin) {
      rules.push(new ProxyRule([from(family, 'saddr', this.endpoint.ip), jump(MARK_CHAIN)], origin));
    }
    if (this.#port.affinitySeconds !== 0) rules.push(new ProxyRule([rememberSource(family, this.affinity)], origin));
    rules.push(new ProxyRule([protocolIs(this.#port.protocol), dnatTo(this.endpoint)], origin));
    return rules;
  }
}

/** service- and local-: choose an endpoint, by affinity where there is some, else at random with equal chances. */
export class AnyEndpointChain implements NftChain {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  readonly #port: ServicePort;
  readonly #family: Family;
  readonly #before: readonly NftRule[];
  readonly #via: readonly NftEndpointChain[] | undefined;
  readonly #origin: string;
  #rules: readonly NftRule[] | undefined;

  constructor(
    name: string,
    port: ServicePort,
    family: Family,
    before: readonly NftRule[],
    endpoints: readonly Endpoint[],
    via: readonly NftEndpointChain[] | undefined,
    origin: string,
  ) {
    this.name = name;
    this.endpoints = endpoints;
    this.#port = port;
    this.#family = family;
    this.#before = before;
    this.#via = via;
    this.#origin = origin;
  }

  get rules(): readonly NftRule[] {
    this.#rules ??= this.#make();
    return this.#rules;
  }

  #make(): NftRule[] {
    const family = this.#family;
    const origin = this.#origin;
    const rules = [...this.#before];
    if (this.#via === undefined) {
      const parts = [protocolIs(this.#port.protocol), dnatToAny(family, this.endpoints)];
      return [...rules, new ProxyRule(parts, origin)];
    }
    if (this.#port.affinitySeconds !== 0) {
      for (const chain of this.#via) {
        rules.push(new ProxyRule([inSet(family, 'saddr', chain.affinity), goto(chain.name)], origin));
      }
    }
    rules.push(new ProxyRule([gotoAny(this.#via.map((chain) => chain.name))], origin));
    return rules;
  }
}

import type { PortState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import { SmallMap } from '../small-map.ts';
import type { EndpointChoice } from '../topology.ts';
import type { ChainOwners, PortRules, PortRulesConfig } from './port-rules.ts';
import { PortRulesCache, portRules, portRulesProfile } from './port-rules.ts';

/**
 * Rules of service ports, written once for every combination of configuration and choice of endpoints that occurs.
 * Nodes that come to the same choice get the same objects.
 */
export class RuleBook {
  readonly #profiles = new WeakMap<PortRulesConfig, string>();
  readonly owners: ChainOwners = new Map();
  readonly #ports = new WeakMap<ServicePort, PortRulesCache>();
  readonly #rules = new WeakMap<PortState, SmallMap<PortRules>>();

  /** Rules that differ between nodes: `key` tells apart what they depend on, beside the configuration. */
  rulesOfNode(
    state: PortState,
    choice: EndpointChoice,
    config: PortRulesConfig,
    commented: boolean,
    key: string,
  ): PortRules {
    let variants = this.#rules.get(state);
    if (variants === undefined) {
      variants = new SmallMap();
      this.#rules.set(state, variants);
    }
    const id = `${this.#profileOf(config)}${key}${commented ? '' : '#'}`;
    return variants.getOrMake(id, () => this.rules(state, choice, config, commented));
  }

  /** Rules that are the same everywhere; made anew at each use. */
  rules(state: PortState, choice: EndpointChoice, config: PortRulesConfig, commented: boolean): PortRules {
    let cache = this.#ports.get(state.port);
    if (cache === undefined) {
      cache = new PortRulesCache(state.port, this.owners);
      this.#ports.set(state.port, cache);
    }
    const rules = portRules(state, choice, config, commented, this.#profileOf(config), cache);
    cache.retain(state.endpoints);
    return rules;
  }

  #profileOf(config: PortRulesConfig): string {
    let profile = this.#profiles.get(config);
    if (profile === undefined) {
      profile = portRulesProfile(config);
      this.#profiles.set(config, profile);
    }
    return profile;
  }
}

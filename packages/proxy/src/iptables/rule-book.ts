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

  rules(state: PortState, choice: EndpointChoice, config: PortRulesConfig, commented: boolean, key: string): PortRules {
    let variants = this.#rules.get(state);
    if (variants === undefined) {
      variants = new SmallMap();
      this.#rules.set(state, variants);
    }
    const profile = this.#profileOf(config);
    const id = `${profile}${key}${commented ? '' : '#'}`;
    const known = variants.get(id);
    if (known !== undefined) return known;
    let cache = this.#ports.get(state.port);
    if (cache === undefined) {
      cache = new PortRulesCache(state.port, this.owners);
      this.#ports.set(state.port, cache);
    }
    const rules = portRules(state, choice, config, commented, profile, cache);
    cache.retain(state.endpoints);
    variants.set(id, rules);
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

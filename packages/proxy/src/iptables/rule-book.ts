import type { PortState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import type { EndpointChoice } from '../topology.ts';
import type { ChainOwners, PortRules, PortRulesConfig } from './port-rules.ts';
import { PortRulesCache, portRules, portRulesProfile } from './port-rules.ts';

/**
 * Rules of service ports, written once for every combination of configuration and choice of endpoints that occurs.
 * Nodes that come to the same choice get the same objects.
 */
export class RuleBook {
  readonly owners: ChainOwners = new Map();
  readonly #ports = new WeakMap<ServicePort, PortRulesCache>();
  readonly #rules = new WeakMap<PortState, Map<string, PortRules>>();

  rules(state: PortState, choice: EndpointChoice, config: PortRulesConfig, commented: boolean, key: string): PortRules {
    let variants = this.#rules.get(state);
    if (variants === undefined) {
      variants = new Map();
      this.#rules.set(state, variants);
    }
    const profile = portRulesProfile(config);
    const id = `${profile}${key}${commented ? '' : '#'}`;
    let rules = variants.get(id);
    if (rules === undefined) {
      let cache = this.#ports.get(state.port);
      if (cache === undefined) {
        cache = new PortRulesCache(state.port, this.owners);
        this.#ports.set(state.port, cache);
      }
      rules = portRules(state, choice, config, commented, profile, cache);
      cache.retain(state.endpoints);
      variants.set(id, rules);
    }
    return rules;
  }
}

import { formatIp } from '@netsim/wire';
import { dependsOnNodeIP } from '../iptables/port-rules.ts';
import type { PortState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import { SmallMap } from '../small-map.ts';
import type { EndpointChoice } from '../topology.ts';
import type { NftPortRules, NftPortRulesConfig } from './port-rules.ts';
import { NftPortRulesCache, nftPortRules, nftPortRulesProfile } from './port-rules.ts';

/**
 * Rules of service ports, written once for every combination of configuration and choice of endpoints that occurs.
 * Nodes that come to the same choice get the same objects.
 */
export class NftPortBook {
  readonly #profiles = new WeakMap<NftPortRulesConfig, string>();
  readonly #ports = new WeakMap<ServicePort, NftPortRulesCache>();
  readonly #rules = new WeakMap<PortState, SmallMap<NftPortRules>>();

  rules(state: PortState, choice: EndpointChoice, config: NftPortRulesConfig, ofNode: boolean): NftPortRules {
    let variants = this.#rules.get(state);
    if (variants === undefined) {
      variants = new SmallMap();
      this.#rules.set(state, variants);
    }
    const nodeIP = ofNode && config.nodeIP !== undefined && dependsOnNodeIP(state.port, config);
    const profile = `${this.#profileOf(config)}${nodeIP ? formatIp(config.nodeIP!) : ''}|`;
    const id = ofNode ? `${profile}${choiceKey(choice)}` : profile;
    let rules = variants.get(id);
    if (rules === undefined) {
      let cache = this.#ports.get(state.port);
      if (cache === undefined) {
        cache = new NftPortRulesCache(state.port);
        this.#ports.set(state.port, cache);
      }
      rules = nftPortRules(state, choice, config, profile, cache);
      cache.retain(state.endpoints);
      variants.set(id, rules);
    }
    return rules;
  }

  #profileOf(config: NftPortRulesConfig): string {
    let profile = this.#profiles.get(config);
    if (profile === undefined) {
      profile = nftPortRulesProfile(config);
      this.#profiles.set(config, profile);
    }
    return profile;
  }
}

/** Tells apart what differs between nodes. */
function choiceKey({ cluster, local, reachable, hasEndpoints }: EndpointChoice): string {
  const texts = (list: EndpointChoice['cluster']) => list.map((endpoint) => endpoint.text).join();
  return `${hasEndpoints};${texts(cluster)};${texts(local)};${reachable.length}`;
}

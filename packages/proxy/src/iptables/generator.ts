import type { Chain, Rule, Ruleset, Table, TableName } from '@netsim/kernel';
import { formatIp, formatPrefix } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import { LayeredMap } from '../layered-map.ts';
import type { ProxyState } from '../proxy-state.ts';
import { comparePorts } from '../service-map.ts';
import {
  filterBuiltins,
  forwardRules,
  localnetRule,
  markMasqChain,
  natBuiltins,
  nodePortTail,
  postroutingRules,
} from './base-rules.ts';
import type { HeadRules, PortRules } from './port-rules.ts';
import { RuleBook } from './rule-book.ts';
import type { SectionSync } from './section.ts';
import { RuleSection } from './section.ts';

/** kube-proxy's rules on one node, and what its last sync did to them. */
export interface IptablesRules {
  /** kube-proxy's own chains and jumps; to be merged with those of kubelet and the network plugin. */
  readonly ruleset: Ruleset;
  readonly sync: {
    /** Everything was written, not only what changed. */
    readonly full: boolean;
    /** Service ports whose chains were written. */
    readonly written: readonly PortRules[];
    /** Chains of the nat table that were deleted. */
    readonly deleted: readonly string[];
  };
}

export interface SyncOptions {
  /** Write everything again, as kube-proxy does at its start, after an error and every hour. */
  readonly full?: boolean;
  /** False: leave stale chains where they are, as kube-proxy in a large cluster does for up to 30 seconds. */
  readonly cleanup?: boolean;
}

/**
 * The iptables mode of the kube-proxies of all nodes. Each node has its own rules in name; what is equal is the same
 * object. The rules of services that look the same from every node (no policy Local, no hints) are kept once for all nodes
 * with an equal configuration, and a node's own part holds only the others.
 */
export class IptablesGenerator {
  readonly #state: ProxyState;
  readonly #book = new RuleBook();
  readonly #shared = new Map<string, RuleSection>();
  readonly #nodes = new Map<string, NodeRules>();

  constructor(state: ProxyState) {
    this.#state = state;
  }

  /** Brings a node's rules up to date and returns them: the very same ruleset where nothing changed. */
  sync(config: NodeProxyConfig, options: SyncOptions = {}): IptablesRules {
    let node = this.#nodes.get(config.nodeName);
    if (node === undefined || node.config !== config) {
      const profile = configProfile(config);
      let shared = this.#shared.get(profile);
      if (shared === undefined) {
        shared = new RuleSection(this.#state, this.#book, config, 'same everywhere');
        this.#shared.set(profile, shared);
      }
      node = new NodeRules(config, shared, new RuleSection(this.#state, this.#book, config, 'of this node'));
      this.#nodes.set(config.nodeName, node);
    }
    return node.sync(options);
  }

  /** Forgets a node. */
  deleteNode(nodeName: string): void {
    this.#nodes.delete(nodeName);
  }
}

interface FixedChains {
  readonly filter: ReadonlyMap<string, Chain>;
  readonly nat: ReadonlyMap<string, Chain>;
}

class NodeRules {
  readonly config: NodeProxyConfig;
  readonly #shared: RuleSection;
  readonly #own: RuleSection;
  readonly #tail: readonly Rule[];
  #last: { shared: SectionSync; own: SectionSync; fixed: FixedChains; rules: IptablesRules } | undefined;

  constructor(config: NodeProxyConfig, shared: RuleSection, own: RuleSection) {
    this.config = config;
    this.#shared = shared;
    this.#own = own;
    this.#tail = nodePortTail(config);
  }

  sync(options: SyncOptions): IptablesRules {
    const shared = this.#shared.sync(options);
    const own = this.#own.sync(options);
    const last = this.#last;
    if (last !== undefined && last.shared === shared && last.own === own) return last.rules;
    const fixed =
      last !== undefined && last.shared.heads === shared.heads && last.own.heads === own.heads
        ? last.fixed
        : this.#fixedChains(shared, own, last?.fixed);
    const ruleset =
      last !== undefined &&
      fixed === last.fixed &&
      last.shared.chains === shared.chains &&
      last.own.chains === own.chains
        ? last.rules.ruleset
        : this.#ruleset(fixed, shared, own);
    const rules: IptablesRules = {
      ruleset,
      sync: {
        full: shared.full || own.full,
        written: [...shared.written, ...own.written],
        // A service may have moved from one section to the other.
        deleted: [...shared.deleted, ...own.deleted].filter((name) => !ruleset.tables.get('nat')!.chains.has(name)),
      },
    };
    this.#last = { shared, own, fixed, rules };
    return rules;
  }

  /** The chains that every kube-proxy has, with the rules that services add to them. */
  #fixedChains(shared: SectionSync, own: SectionSync, old: FixedChains | undefined): FixedChains {
    const { config } = this;
    const list = (pick: (heads: HeadRules) => readonly Rule[]) => joinHeads(shared, own, pick);
    const filter: Chain[] = [
      ...filterBuiltins,
      { name: 'KUBE-EXTERNAL-SERVICES', rules: list((heads) => heads.filter.externalServices) },
      { name: 'KUBE-FIREWALL', rules: config.family === 4 && config.localhostNodePorts ? [localnetRule] : [] },
      { name: 'KUBE-FORWARD', rules: forwardRules(config) },
      { name: 'KUBE-NODEPORTS', rules: list((heads) => heads.filter.nodePorts) },
      { name: 'KUBE-PROXY-FIREWALL', rules: list((heads) => heads.filter.firewall) },
      { name: 'KUBE-SERVICES', rules: list((heads) => heads.filter.services) },
    ];
    const nat: Chain[] = [
      ...natBuiltins,
      markMasqChain(config),
      { name: 'KUBE-NODEPORTS', rules: list((heads) => heads.nat.nodePorts) },
      { name: 'KUBE-POSTROUTING', rules: postroutingRules(config) },
      { name: 'KUBE-SERVICES', rules: [...list((heads) => heads.nat.services), ...this.#tail] },
    ];
    return { filter: chainMap(filter, old?.filter), nat: chainMap(nat, old?.nat) };
  }

  #ruleset(fixed: FixedChains, shared: SectionSync, own: SectionSync): Ruleset {
    const nat = new LayeredMap<Chain>([fixed.nat, shared.chains, own.chains]);
    const tables = new Map<TableName, Table>();
    tables.set('filter', { name: 'filter', chains: fixed.filter });
    tables.set('nat', { name: 'nat', chains: nat });
    return { family: this.config.family, tables };
  }
}

/** Rules of both sections for one chain, in the order of service names. */
function joinHeads(
  shared: SectionSync,
  own: SectionSync,
  pick: (heads: HeadRules) => readonly Rule[],
): readonly Rule[] {
  const rules: Rule[] = [];
  const mine = own.heads;
  let next = 0;
  for (const heads of shared.heads) {
    while (next < mine.length && comparePorts(mine[next]!.port, heads.port) < 0) rules.push(...pick(mine[next++]!));
    for (const rule of pick(heads)) rules.push(rule);
  }
  while (next < mine.length) rules.push(...pick(mine[next++]!));
  return rules;
}

/** Keeps the chain object that was there before where its rules are the same ones. */
function chainMap(chains: readonly Chain[], before: ReadonlyMap<string, Chain> | undefined): Map<string, Chain> {
  return new Map(
    chains.map((chain) => {
      const old = before?.get(chain.name);
      const same = old !== undefined && old.policy === chain.policy && sameRules(old.rules, chain.rules);
      return [chain.name, same ? old : chain];
    }),
  );
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return a.length === b.length && a.every((rule, i) => rule === b[i]);
}

/** Text that is equal for configurations whose node-independent rules are. */
function configProfile(config: NodeProxyConfig): string {
  const { detectLocal: detector } = config;
  const local =
    detector.kind === 'cidr' ? formatPrefix(detector.prefix) : detector.kind === 'interface' ? detector.name : '';
  const nodeIP = config.nodeIP === undefined ? '' : formatIp(config.nodeIP);
  return JSON.stringify([
    config.family,
    config.masqueradeAll,
    detector.kind,
    local,
    config.localhostNodePorts,
    config.nfacctCounters,
    config.largeClusterThreshold,
    nodeIP === '' ? 'no address' : 'address',
  ]);
}

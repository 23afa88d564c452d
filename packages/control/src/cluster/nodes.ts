import type { Node } from '@netsim/manifest';
import {
  addressAt,
  type Family,
  familyBits,
  familyOf,
  formatIp,
  formatPrefix,
  type Prefix,
  parseIp,
  subnet,
  subnetCount,
  tryParsePrefix,
} from '@netsim/wire';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { internalIPs } from './default-cluster.ts';
import { healthyConditions } from './node-lifecycle.ts';

/** The first address for nodes that give none: the ones of the default cluster come first on the same network. */
const firstNodeAddress = { 4: parseIp('192.168.1.101'), 6: parseIp('fd00:192:168:1::101') } as const;

/**
 * Nodes: the default ones where none are given, and for each the pod CIDRs of node IPAM, an InternalIP of every family
 * the cluster has, and the conditions of a healthy kubelet, wherever the input says nothing else.
 */
export class Nodes extends Controller {
  /** Pod CIDRs in use, by text. */
  readonly #blocks = new Map<string, string>();
  readonly #firstFree = new Map<string, number>();
  readonly #addresses = new Map<string, string>();
  readonly #defaults: readonly Node[];
  #started = false;

  constructor(context: Context, defaults: readonly Node[]) {
    super(context);
    this.#defaults = defaults;
    this.watch('Node', ({ type, object, old }) => {
      const node = object as Node;
      if (old !== undefined) this.#release(old as Node);
      if (type === 'DELETED') this.#release(node);
      else {
        this.#reserve(node);
        this.queue.add(node.metadata.name);
      }
    });
  }

  override sync(): boolean {
    if (!this.#started) {
      this.#started = true;
      const { store } = this.context;
      if (store.list('Node').length === 0) for (const node of this.#defaults) store.put(node);
    }
    return super.sync();
  }

  protected override reconcile(name: string): void {
    const node = this.context.store.get<Node>('Node', undefined, name);
    if (node === undefined) return;
    const spec = this.#podCIDRs(node);
    const status = this.#status(node);
    if (spec === node.spec && status === node.status && node.metadata.labels?.['kubernetes.io/hostname']) return;
    const labels = { 'kubernetes.io/hostname': name, ...node.metadata.labels };
    this.context.store.put({ ...node, metadata: { ...node.metadata, labels }, spec, status } as Node);
  }

  #podCIDRs(node: Node): Node['spec'] {
    const { config } = this.context;
    const given = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
    if (given.length > 0) {
      if (node.spec?.podCIDR !== undefined && node.spec.podCIDRs !== undefined) return node.spec;
      return { ...node.spec, podCIDR: given[0]!, podCIDRs: given };
    }
    const blocks: string[] = [];
    for (const range of config.podCIDRs) {
      const block = this.#freeBlock(range, config.nodeMaskSize[familyOf(range.address)]);
      // Node IPAM gives a node either all of its blocks or none.
      if (block === undefined) {
        for (const each of blocks) this.#blocks.delete(each);
        this.#firstFree.clear();
        return node.spec;
      }
      blocks.push(block);
    }
    if (blocks.length === 0) return node.spec;
    return { ...node.spec, podCIDR: blocks[0]!, podCIDRs: blocks };
  }

  #freeBlock(range: Prefix, length: number): string | undefined {
    const count = subnetCount(range, length);
    // Blocks before the first free one are remembered, not tried again.
    const key = formatPrefix(range);
    for (let i = this.#firstFree.get(key) ?? 0; i < count; i++) {
      const text = formatPrefix(subnet(range, length, i));
      if (!this.#blocks.has(text)) {
        this.#blocks.set(text, '');
        this.#firstFree.set(key, i + 1);
        return text;
      }
    }
    return undefined;
  }

  #status(node: Node): Node['status'] {
    const families = new Set<Family>(this.context.config.podCIDRs.map(({ address }) => familyOf(address)));
    const given = internalIPs(node);
    const have = new Set<Family>(given.map((text) => (text.includes(':') ? 6 : 4)));
    let { addresses = [] } = node.status ?? {};
    for (const family of families) {
      if (have.has(family) || (given.length > 0 && families.size === 1)) continue;
      addresses = [...addresses, { type: 'InternalIP', address: this.#freeAddress(family, node.metadata.name) }];
    }
    if (!addresses.some(({ type }) => type === 'Hostname')) {
      addresses = [...addresses, { type: 'Hostname', address: node.metadata.name }];
    }
    const { conditions = healthyConditions(this.context.time()) } = node.status ?? {};
    if (addresses === node.status?.addresses && conditions === node.status.conditions) return node.status;
    return { ...node.status, addresses, conditions };
  }

  #freeAddress(family: Family, name: string): string {
    for (let i = 0; ; i++) {
      const text = formatIp(addressAt({ address: firstNodeAddress[family], length: familyBits(family) }, i));
      if (!this.#addresses.has(text)) {
        this.#addresses.set(text, name);
        return text;
      }
    }
  }

  #reserve(node: Node): void {
    const { name } = node.metadata;
    for (const text of node.spec?.podCIDRs ?? [node.spec?.podCIDR ?? '']) {
      const prefix = tryParsePrefix(text);
      if (prefix !== undefined) this.#blocks.set(formatPrefix(prefix), name);
    }
    for (const address of internalIPs(node)) this.#addresses.set(address, name);
  }

  #release(node: Node): void {
    for (const text of node.spec?.podCIDRs ?? [node.spec?.podCIDR ?? '']) {
      if (this.#blocks.delete(text)) this.#firstFree.clear();
    }
    for (const address of internalIPs(node)) this.#addresses.delete(address);
  }
}

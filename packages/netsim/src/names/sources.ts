import { internalIPs } from '@netsim/control';
import type { Node, ObjectStore, Pod } from '@netsim/manifest';
import { nearest } from '@netsim/manifest';
import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import type { AddressIndex } from '../address-index.ts';
import { UsageError } from '../errors.ts';
import type { NamedObjects } from './objects.ts';
import type { SourceRef } from './refs.ts';
import { isWorkload, kindWords, unknownKind } from './words.ts';

/** The machine outside the cluster that is always there. */
const EXTERNAL = 'external';

/** What the sources of packets are read with. */
export interface SourceContext {
  readonly objects: NamedObjects;
  readonly store: ObjectStore;
  readonly addresses: AddressIndex;
  /** The address of a machine outside the cluster, which is put there at its first use. */
  hostAddress(name: string): Ip | undefined;
}

/** Reads where a packet starts: a pod, `deploy/NAME`, `node/NAME`, `host/NAME`, an address, `external`. */
export class Sources {
  readonly #objects: NamedObjects;
  readonly #store: ObjectStore;
  readonly #addresses: AddressIndex;
  readonly #hostAddress: (name: string) => Ip | undefined;

  constructor(context: SourceContext) {
    this.#objects = context.objects;
    this.#store = context.store;
    this.#addresses = context.addresses;
    this.#hostAddress = (name) => context.hostAddress(name);
  }

  source(text: string): SourceRef {
    if (text === '') throw new UsageError('the source is empty', 'write a pod, node/NAME, host/NAME or external');
    const ip = tryParseIp(text);
    if (ip !== undefined) return this.#sourceAddress(ip, text);
    if (text === EXTERNAL) return this.#host(EXTERNAL);
    const slash = text.indexOf('/');
    if (slash < 0) return { kind: 'Pod', pod: this.#pod(text) };
    const kind = kindWords[text.slice(0, slash).toLowerCase()];
    const name = text.slice(slash + 1);
    switch (kind) {
      case 'Pod':
        return { kind: 'Pod', pod: this.#objects.pod(name) };
      case 'Node':
        return { kind: 'Node', node: this.#objects.find('Node', name) as Node };
      case 'Host':
        return this.#host(name);
      case 'Service':
        throw new UsageError(
          `a service sends nothing: ${text}`,
          'name a pod, deploy/NAME, node/NAME, host/NAME or external',
        );
      default:
        if (isWorkload(kind)) return { kind: 'Pod', pod: this.#objects.podOf(kind, name) };
        if (this.#objects.isNamespace(text.slice(0, slash))) return { kind: 'Pod', pod: this.#objects.pod(text) };
        throw unknownKind(text.slice(0, slash));
    }
  }

  /** A pod by its bare name; of what else has that name, the error says how it is written. */
  #pod(text: string): Pod {
    const meant = this.#objects.withKind(text);
    if (meant === undefined && /^[0-9.]+$/.test(text))
      throw new UsageError(`${JSON.stringify(text)} is no address`, 'an IPv4 address has four numbers up to 255');
    if (meant !== undefined && meant !== `pod/${text}`)
      throw new UsageError(`there is no pod ${JSON.stringify(text)}`, `did you mean "${meant}"?`);
    return this.#objects.pod(text);
  }

  #sourceAddress(ip: Ip, text: string): SourceRef {
    const wanted = formatIp(ip);
    const pod = this.#addresses.pod(wanted);
    if (pod !== undefined) return { kind: 'Pod', pod };
    for (const node of this.#store.list<Node>('Node')) {
      if (internalIPs(node).includes(wanted)) return { kind: 'Node', node };
    }
    return { kind: 'Host', name: text, ip, anywhere: true };
  }

  #host(name: string): SourceRef {
    const address = tryParseIp(name);
    if (address !== undefined) return this.#sourceAddress(address, name);
    const nodes = this.#store.list<Node>('Node').map(({ metadata }) => metadata.name);
    if (nodes.includes(name))
      throw new UsageError(`${JSON.stringify(name)} is a node of the cluster`, `write node/${name}`);
    const node = nearest(name, nodes);
    if (node !== undefined)
      throw new UsageError(`there is no node ${JSON.stringify(name)}`, `did you mean "node/${node}"?`);
    // `external2` is a name of one's own, `extrenal` is not.
    if (!name.startsWith(EXTERNAL) && nearest(name, [EXTERNAL]) !== undefined)
      throw new UsageError(`host ${JSON.stringify(name)} not found`, `did you mean "${EXTERNAL}"?`);
    if (name.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name))
      throw new UsageError(
        `${JSON.stringify(name)} cannot be the name of a machine`,
        'write small letters, digits and -, 63 at most',
      );
    const ip = this.#hostAddress(name);
    if (ip === undefined) throw new UsageError('the cluster has no node, so no machine is on its network');
    return { kind: 'Host', name, ip, anywhere: false };
  }
}

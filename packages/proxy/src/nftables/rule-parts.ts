import type { NftElement, NftExpression, NftRule, NftScalar, NftStatement, NftVerdict } from '@netsim/kernel';
import { mergeIntervals, NftElements } from '@netsim/kernel';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyBits, familyOf, formatIp, formatPrefix, IpProto } from '@netsim/wire';
import type { LocalDetector } from '../config.ts';
import type { Endpoint } from '../endpoints.ts';
import type { ServicePort } from '../service-map.ts';

/**
 * Pieces that kube-proxy's nftables rules are put together from. Each knows how kube-proxy writes it, which is not always how
 * nft lists it, and what it is for the kernel.
 */
export interface RulePart {
  readonly text: string | (() => string);
  readonly statements: readonly NftStatement[];
}

/** A rule of kube-proxy's: the kernel's, with the text that kube-proxy would hand to `nft -f`. */
export class ProxyRule implements NftRule {
  readonly statements: readonly NftStatement[];
  readonly comment?: string;
  readonly origin: string;
  readonly #parts: readonly RulePart[];

  constructor(parts: readonly RulePart[], origin: string, comment?: string) {
    this.#parts = parts;
    this.statements = parts.flatMap((part) => part.statements);
    this.origin = origin;
    if (comment !== undefined) this.comment = comment;
  }

  /** As kube-proxy writes it; marks stand in it in the form that the mark part was given. */
  get text(): string {
    const words = this.#parts.map(({ text }) => (typeof text === 'string' ? text : text()));
    if (this.comment !== undefined) words.push(`comment "${this.comment}"`);
    return words.join(' ');
  }
}

export const protocolNumbers = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

/** nft's `ip` or `ip6`. */
export function ipWord(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

const CT_STATE_NEW = 8;
const CT_STATUS_DNAT = 32;
const RTN_LOCAL = 2;

const mark: NftExpression = { kind: 'meta', key: 'mark' };
const l4proto: NftExpression = { kind: 'meta', key: 'l4proto' };
const thDport: NftExpression = { kind: 'payload', field: 'th dport' };

function value(scalar: NftScalar): NftExpression {
  return { kind: 'value', value: scalar };
}

function address(family: Family, side: 'saddr' | 'daddr'): NftExpression {
  return { kind: 'payload', field: `${ipWord(family)} ${side}` };
}

function same(left: NftExpression, right: NftScalar | Prefix, not = false): NftStatement {
  return { kind: 'match', left, operator: not ? '!=' : '==', right: { kind: 'value', value: [right] } };
}

function verdict(kind: 'drop' | 'return'): RulePart {
  return { text: kind, statements: [{ kind: 'verdict', verdict: { kind } }] };
}

export const drop: RulePart = verdict('drop');
export const returns: RulePart = verdict('return');
export const reject: RulePart = { text: 'reject', statements: [{ kind: 'reject' }] };
export const masquerade: RulePart = {
  text: 'masquerade fully-random',
  statements: [{ kind: 'masquerade', flags: ['fully-random'] }],
};

export function jump(chain: string): RulePart {
  return { text: `jump ${chain}`, statements: [{ kind: 'verdict', verdict: { kind: 'jump', chain } }] };
}

export function goto(chain: string): RulePart {
  return { text: `goto ${chain}`, statements: [{ kind: 'verdict', verdict: gotoVerdict(chain) }] };
}

export function gotoVerdict(chain: string): NftVerdict {
  return { kind: 'goto', chain };
}

export const ctStateNew: RulePart = {
  text: 'ct state new',
  statements: [
    {
      kind: 'match',
      left: { kind: 'ct', key: 'state' },
      operator: 'any',
      right: { kind: 'value', value: [CT_STATE_NEW] },
    },
  ],
};

export const ctStatusDnat: RulePart = {
  text: 'ct status dnat',
  statements: [
    {
      kind: 'match',
      left: { kind: 'ct', key: 'status' },
      operator: 'any',
      right: { kind: 'value', value: [CT_STATUS_DNAT] },
    },
  ],
};

/** The bit that asks for masquerade, and how it is written (`0x00004000`). */
export interface MasqueradeMark {
  readonly value: number;
  readonly text: string;
}

export function setMark({ value: bit, text }: MasqueradeMark): RulePart {
  return changeMark('|', bit, `mark set mark or ${text}`);
}

export function clearMark({ value: bit, text }: MasqueradeMark): RulePart {
  return changeMark('^', bit, `mark set mark xor ${text}`);
}

function changeMark(operator: '|' | '^', bit: number, text: string): RulePart {
  const result: NftExpression = { kind: 'binary', operator, left: mark, right: value(bit) };
  return { text, statements: [{ kind: 'set mark', target: 'meta', value: result }] };
}

export function marked({ value: bit, text }: MasqueradeMark, not = false): RulePart {
  const left: NftExpression = { kind: 'binary', operator: '&', left: mark, right: value(bit) };
  return { text: `mark and ${text} ${not ? '==' : '!='} 0`, statements: [same(left, 0, !not)] };
}

export function inSet(family: Family, side: 'saddr' | 'daddr', name: string): RulePart {
  return {
    text: `${ipWord(family)} ${side} @${name}`,
    statements: [{ kind: 'match', left: address(family, side), operator: '==', right: { kind: 'set', name } }],
  };
}

/** A block of one address is that address, to nft. */
function block(of: Ip | Prefix): Ip | Prefix {
  return typeof of === 'object' && of.length === familyBits(familyOf(of.address)) ? of.address : of;
}

/** One address or block. */
export function from(family: Family, side: 'saddr' | 'daddr', source: Ip | Prefix, not = false): RulePart {
  const text = typeof source === 'object' ? formatPrefix(source) : formatIp(source);
  return {
    text: `${ipWord(family)} ${side} ${not ? '!= ' : ''}${text}`,
    statements: [same(address(family, side), block(source), not)],
  };
}

/** Several of them in braces, with what kube-proxy puts between. nft makes a plain comparison of a single one. */
export function among(
  family: Family,
  side: 'saddr' | 'daddr',
  blocks: readonly (Ip | Prefix)[],
  between: string,
  not = false,
): RulePart {
  const texts = blocks.map((one) => (typeof one === 'object' ? formatPrefix(one) : formatIp(one)));
  const left = address(family, side);
  const only = blocks.length === 1 ? blocks[0] : undefined;
  const type = [`ipv${family}_addr`] as const;
  const elements = blocks.map((one) => ({ key: [block(one)] }));
  const statement: NftStatement =
    only !== undefined
      ? same(left, block(only), not)
      : {
          kind: 'match',
          left,
          operator: not ? '!=' : '==',
          right: {
            kind: 'elements',
            elements: NftElements.of(type, mergeIntervals(type, elements), true),
          },
        };
  return {
    text: `${ipWord(family)} ${side} ${not ? '!= ' : ''}{ ${texts.join(between)} }`,
    statements: [statement],
  };
}

/** The part of a rule that says "from a pod of this node", or the opposite; nothing where that cannot be told. */
export function fromLocal(detector: LocalDetector, family: Family, not: boolean): RulePart[] {
  switch (detector.kind) {
    case 'none':
      return [];
    case 'cidr':
      return [from(family, 'saddr', detector.prefix, not)];
    case 'interface': {
      const name = detector.name.replace(/\+$/, '*');
      return [
        { text: `iifname ${not ? '!= ' : ''}${name}`, statements: [same({ kind: 'meta', key: 'iifname' }, name, not)] },
      ];
    }
  }
}

export function fibLocal(side: 'saddr' | 'daddr'): RulePart {
  return {
    text: `fib ${side} type local`,
    statements: [same({ kind: 'fib', selectors: [side], result: 'type' }, RTN_LOCAL)],
  };
}

export function protocolIs(protocol: ServicePort['protocol']): RulePart {
  return { text: `meta l4proto ${protocol}`, statements: [same(l4proto, protocolNumbers[protocol])] };
}

export function dportIs(protocol: ServicePort['protocol'], port: number): RulePart {
  return {
    text: `${protocol} dport ${port}`,
    statements: [same({ kind: 'payload', field: `${protocol} dport` }, port)],
  };
}

/** Where to, by the destination's address, protocol and port. */
export function serviceVmap(family: Family, map: string): RulePart {
  const key: NftExpression = { kind: 'concat', parts: [address(family, 'daddr'), l4proto, thDport] };
  return {
    text: `${ipWord(family)} daddr . meta l4proto . th dport vmap @${map}`,
    statements: [{ kind: 'vmap', key, map: { kind: 'set', name: map } }],
  };
}

/** Where to, by protocol and port. */
export function nodePortVmap(map: string): RulePart {
  const key: NftExpression = { kind: 'concat', parts: [l4proto, thDport] };
  return {
    text: `meta l4proto . th dport vmap @${map}`,
    statements: [{ kind: 'vmap', key, map: { kind: 'set', name: map } }],
  };
}

/** A packet that went out of a pod and came back to it. */
export function hairpin(family: Family, set: string): RulePart {
  const left: NftExpression = {
    kind: 'concat',
    parts: [address(family, 'saddr'), address(family, 'daddr'), l4proto, thDport],
  };
  const word = ipWord(family);
  return {
    text: `${word} saddr . ${word} daddr . meta l4proto . th dport @${set}`,
    statements: [{ kind: 'match', left, operator: '==', right: { kind: 'set', name: set } }],
  };
}

/** Any of the endpoints with equal chances. */
export function dnatToAny(family: Family, endpoints: readonly Endpoint[]): RulePart {
  const word = ipWord(family);
  const elements: NftElement[] = endpoints.map(({ ip, port }, i) => ({ key: [i], data: [ip, port] }));
  const text = () => {
    const list = endpoints.map(({ ip, port }, i) => `${i} : ${formatIp(ip)} . ${port}`);
    return `dnat ${word} addr . port to numgen random mod ${endpoints.length} map { ${list.join(' , ')} }`;
  };
  const drawn: NftExpression = {
    kind: 'map',
    key: { kind: 'numgen', mode: 'random', mod: endpoints.length },
    map: { kind: 'elements', elements: NftElements.of(['integer'], elements) },
  };
  return { text, statements: [{ kind: 'dnat', family: word, addressAndPort: drawn }] };
}

/** Any of the chains with equal chances. */
export function gotoAny(chains: readonly string[]): RulePart {
  const text = () =>
    `numgen random mod ${chains.length} vmap { ${chains.map((chain, i) => `${i} : goto ${chain}`).join(' , ')} }`;
  const elements = NftElements.of(
    ['integer'],
    chains.map((chain, i) => ({ key: [i], data: gotoVerdict(chain) })),
  );
  return {
    text,
    statements: [
      {
        kind: 'vmap',
        key: { kind: 'numgen', mode: 'random', mod: chains.length },
        map: { kind: 'elements', elements },
      },
    ],
  };
}

export function dnatTo({ ip, port, text }: Endpoint): RulePart {
  return {
    text: `dnat to ${text}`,
    statements: [{ kind: 'dnat', address: { from: value(ip) }, port: { from: value(port) } }],
  };
}

/** Remembers the client in a set, or starts its time anew. */
export function rememberSource(family: Family, set: string): RulePart {
  return {
    text: `update @${set} { ${ipWord(family)} saddr }`,
    statements: [{ kind: 'set update', operation: 'update', set, key: address(family, 'saddr') }],
  };
}

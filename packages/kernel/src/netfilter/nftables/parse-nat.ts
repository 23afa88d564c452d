import type { NftDataType } from './datatype.ts';
import type { TokenReader } from './lexer.ts';
import { expressionWords, parseMapped } from './parse-expression.ts';
import { parseScalar } from './parse-value.ts';
import type { NftExpression, NftNatFlag, NftNatRange, NftStatement } from './ruleset.ts';

const flagNames = ['random', 'fully-random', 'persistent'] as const;

export function parseNatFlags(reader: TokenReader): { readonly flags?: readonly NftNatFlag[] } {
  const found = new Set<NftNatFlag>();
  for (;;) {
    const flag = flagNames.find((name) => reader.is(name));
    if (flag === undefined) break;
    reader.next();
    found.add(flag);
    if (!reader.take(',')) break;
  }
  return found.size === 0 ? {} : { flags: flagNames.filter((name) => found.has(name)) };
}

/** `:80` or `:1024-2000`, or an expression that gives a port. */
export function parseNatPort(reader: TokenReader): NftNatRange {
  reader.expect(':');
  return parseRange(reader, 'inet_service');
}

function parseRange(reader: TokenReader, type: NftDataType): NftNatRange {
  const from = parseOperand(reader, type);
  if (from.kind !== 'value' || !reader.take('-')) return { from };
  return { from, to: parseOperand(reader, type) };
}

function parseOperand(reader: TokenReader, type: NftDataType): NftExpression {
  if (reader.peek().kind === 'word' && expressionWords.includes(reader.peek().text)) return parseMapped(reader, [type]);
  return { kind: 'value', value: parseScalar(reader, type) };
}

interface NatHead {
  readonly kind: 'snat' | 'dnat';
  readonly family?: 'ip' | 'ip6';
}

/** After `snat` or `dnat`: `[ip|ip6] [addr . port] to ...`. */
export function parseNat(reader: TokenReader, kind: 'snat' | 'dnat'): NftStatement {
  const family = reader.take('ip') ? 'ip' : reader.take('ip6') ? 'ip6' : undefined;
  let both = false;
  if (reader.take('addr')) {
    reader.expect('.');
    reader.expect('port');
    both = true;
  }
  reader.expect('to');
  const head: NatHead = { kind, ...(family === undefined ? {} : { family }) };
  const token = reader.peek();
  const written = token.kind === 'address' || reader.is('[') || reader.is(':');
  if (!written) {
    const wide = family === 'ip6';
    const addressType: NftDataType = wide ? 'ipv6_addr' : 'ipv4_addr';
    const data = new AddressData(addressType, both);
    const value = data.read(reader);
    if (data.both) return { ...head, addressAndPort: value, ...parseNatFlags(reader) };
    return { ...head, address: { from: value }, ...parsePortAfter(reader), ...parseNatFlags(reader) };
  }
  if (reader.is(':')) return { ...head, port: parseNatPort(reader), ...parseNatFlags(reader) };
  return { ...head, address: parseAddress(reader), ...parsePortAfter(reader), ...parseNatFlags(reader) };
}

/** A map to addresses; in a map written out, a dot after the first address tells that a port follows. */
class AddressData {
  readonly #address: NftDataType;
  both: boolean;
  constructor(address: NftDataType, both: boolean) {
    this.#address = address;
    this.both = both;
  }
  read(reader: TokenReader): NftExpression {
    let type = this.#address;
    for (let ahead = 0; ; ahead++) {
      const token = reader.peek(ahead);
      if (token.kind === 'end' || token.kind === 'newline' || reader.is('}', ahead)) break;
      if (!reader.is(':', ahead)) continue;
      const data = reader.peek(ahead + 1);
      if (data.kind === 'address') {
        type = data.text.includes(':') ? 'ipv6_addr' : 'ipv4_addr';
        if (reader.is('.', ahead + 2)) this.both = true;
      }
      break;
    }
    return parseMapped(reader, this.both ? [type, 'inet_service'] : [type]);
  }
}

function parsePortAfter(reader: TokenReader): { readonly port?: NftNatRange } {
  return reader.is(':') ? { port: parseNatPort(reader) } : {};
}

function parseAddress(reader: TokenReader): NftNatRange {
  const from = parseBracketed(reader);
  return reader.take('-') ? { from, to: parseBracketed(reader) } : { from };
}

function parseBracketed(reader: TokenReader): NftExpression {
  const bracket = reader.take('[');
  const type = reader.peek().text.includes(':') ? 'ipv6_addr' : 'ipv4_addr';
  const value = parseScalar(reader, type);
  if (bracket) reader.expect(']');
  return { kind: 'value', value };
}

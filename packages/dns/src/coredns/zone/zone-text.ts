import { tryParseIp } from '@netsim/wire';
import type { ResourceRecord } from '../message.ts';
import { fqdn } from '../names.ts';
import { typeCodeOf } from '../wire.ts';

/** Thrown for master file text that cannot be read; `line` counts from 1. */
export class ZoneError extends Error {
  override readonly name = 'ZoneError';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

export interface ZoneTextOptions {
  /** Name that relative names are completed with. */
  readonly origin: string;
  /** TTL in seconds where neither record nor `$TTL` says one. */
  readonly ttl?: number;
  /** Text of a file named by `$INCLUDE`; without it `$INCLUDE` is an error. */
  readonly include?: (path: string) => string | undefined;
}

const MAX_INCLUDES = 7;
const MAX_RECORDS = 1_000_000;
const MAX_GENERATED = 65_536;

/** Reads the records of a master file (RFC 1035, section 5), with `$ORIGIN`, `$TTL`, `$INCLUDE` and `$GENERATE`. */
export function parseZoneText(text: string, options: ZoneTextOptions): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  const state: State = { origin: fqdn(options.origin), ttl: options.ttl, owner: undefined };
  parseInto(records, text, state, options, 0);
  return records;
}

/** One record in a line, as the `template` plugin makes it. */
export function parseRecordText(text: string, ttl = 3600): ResourceRecord {
  const [record] = parseZoneText(`${text}\n`, { origin: '.', ttl });
  if (record === undefined) throw new ZoneError(1, 'no record');
  return record;
}

interface State {
  origin: string;
  ttl: number | undefined;
  owner: string | undefined;
}
interface Word {
  readonly text: string;
  readonly quoted: boolean;
}
interface Entry {
  readonly line: number;
  /** Whether the entry begins with white space: it belongs to the owner before. */
  readonly indented: boolean;
  readonly words: readonly Word[];
}

function parseInto(
  records: ResourceRecord[],
  text: string,
  state: State,
  options: ZoneTextOptions,
  depth: number,
): void {
  for (const entry of entriesOf(text)) {
    const [first, ...rest] = entry.words as [Word, ...Word[]];
    const args = rest.map((word) => word.text);
    switch (first.quoted ? '' : first.text.toUpperCase()) {
      case '$ORIGIN':
        state.origin = absolute(required(args[0], entry, '$ORIGIN'), state.origin);
        break;
      case '$TTL': {
        const ttl = ttlOf(required(args[0], entry, '$TTL'));
        if (ttl === undefined) throw new ZoneError(entry.line, `bad TTL: "${args[0]}"`);
        state.ttl = ttl;
        break;
      }
      case '$INCLUDE': {
        if (depth >= MAX_INCLUDES) throw new ZoneError(entry.line, 'too deeply nested $INCLUDE');
        const path = required(args[0], entry, '$INCLUDE');
        const included = options.include?.(path);
        if (included === undefined) throw new ZoneError(entry.line, `failed to open "${path}"`);
        const origin = args[1] === undefined ? state.origin : absolute(args[1], state.origin);
        parseInto(records, included, { ...state, origin }, options, depth + 1);
        break;
      }
      case '$GENERATE':
        for (const line of generated(args, entry)) parseInto(records, line, { ...state }, options, MAX_INCLUDES);
        break;
      default:
        records.push(recordOf(entry, state));
        if (records.length > MAX_RECORDS) throw new ZoneError(entry.line, 'too many records');
    }
  }
}

/** Splits the text into entries: parentheses join lines, `;` begins a comment. */
function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  let words: Word[] = [];
  let line = 1;
  let start = 1;
  let indented = false;
  let depth = 0;
  let at = 0;
  let fresh = true;
  const end = () => {
    if (words.length > 0) entries.push({ line: start, indented, words });
    words = [];
    fresh = true;
  };
  while (at <= text.length) {
    const char = text[at] ?? '\n';
    if (fresh && char !== '\n') {
      start = line;
      indented = char === ' ' || char === '\t';
      fresh = false;
    }
    if (char === '\n') {
      if (depth === 0) end();
      line++;
      at++;
    } else if (char === ' ' || char === '\t' || char === '\r') {
      at++;
    } else if (char === ';') {
      while (at < text.length && text[at] !== '\n') at++;
    } else if (char === '(' || char === ')') {
      depth += char === '(' ? 1 : -1;
      if (depth < 0) throw new ZoneError(line, 'extra closing brace');
      at++;
    } else if (char === '"') {
      let word = '';
      at++;
      while (at < text.length && text[at] !== '"' && text[at] !== '\n') {
        if (text[at] === '\\') word += text[at++];
        word += text[at++] ?? '';
      }
      if (text[at] !== '"') throw new ZoneError(line, 'unbalanced quotes');
      at++;
      words.push({ text: word, quoted: true });
    } else {
      const from = at;
      while (at < text.length && !/[\s;()"]/.test(text[at]!)) at += text[at] === '\\' ? 2 : 1;
      words.push({ text: text.slice(from, at), quoted: false });
    }
  }
  if (depth > 0) throw new ZoneError(line, 'unbalanced brace');
  return entries;
}

const CLASSES = new Set(['IN', 'CH', 'CS', 'HS', 'ANY', 'NONE']);

function recordOf(entry: Entry, state: State): ResourceRecord {
  const words = entry.words.map((word) => word.text);
  let at = 0;
  if (!entry.indented) {
    state.owner = absolute(words[at++]!, state.origin);
    checkName(state.owner, entry);
  }
  const name = state.owner;
  if (name === undefined) throw new ZoneError(entry.line, 'record without an owner');
  let ttl: number | undefined;
  let klass = 'IN';
  for (; at < words.length; at++) {
    const word = words[at]!.toUpperCase();
    const seconds = ttl === undefined ? ttlOf(word) : undefined;
    if (seconds !== undefined) ttl = seconds;
    else if (CLASSES.has(word)) klass = word;
    else break;
  }
  const type = words[at++]?.toUpperCase();
  if (type === undefined) throw new ZoneError(entry.line, 'record without a type');
  const data = entry.words.slice(at);
  const owner = { name, class: klass, ttl: ttl ?? state.ttl ?? 3600 };
  if (state.ttl === undefined && type === 'SOA') state.ttl = owner.ttl;
  return dataOf(type, owner, data, entry, state.origin);
}

function dataOf(
  type: string,
  owner: { readonly name: string; readonly class: string; readonly ttl: number },
  words: readonly Word[],
  entry: Entry,
  origin: string,
): ResourceRecord {
  const bad = (): never => {
    throw new ZoneError(entry.line, `bad ${type} record: "${words.map((word) => word.text).join(' ')}"`);
  };
  const text = (index: number): string => words[index]?.text ?? bad();
  const name = (index: number): string => {
    const target = absolute(text(index), origin);
    checkName(target, entry);
    return target;
  };
  const number = (index: number, most = 0xffff): number => {
    const value = /^[0-9]+$/.test(text(index)) ? Number(text(index)) : bad();
    return value > most ? bad() : value;
  };
  const seconds = (index: number): number => ttlOf(text(index)) ?? bad();
  switch (type) {
    case 'A':
    case 'AAAA': {
      const ip = tryParseIp(text(0));
      if (ip === undefined || (typeof ip === 'number') !== (type === 'A')) return bad();
      return { ...owner, type, data: text(0) };
    }
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      return { ...owner, type, data: name(0) };
    case 'MX':
      return { ...owner, type, data: { preference: number(0), exchange: name(1) } };
    case 'SRV':
      return {
        ...owner,
        type,
        data: { priority: number(0), weight: number(1), port: number(2), target: name(3) },
      };
    case 'SOA': {
      const names = { mname: name(0), rname: name(1) };
      // All may have units but the serial.
      const times = { refresh: seconds(3), retry: seconds(4), expire: seconds(5), minimum: seconds(6) };
      return { ...owner, type, data: { ...names, serial: number(2, 0xffff_ffff), ...times } };
    }
    case 'TXT':
    case 'SPF':
      if (words.length === 0) return bad();
      return { ...owner, type: 'TXT', data: words.flatMap((word) => chunks(unescapeText(word.text))) };
    case 'HINFO':
      return { ...owner, type, data: { cpu: text(0), os: words[1]?.text ?? '' } };
    case 'CAA': {
      const tag = text(1);
      if (tag !== 'issue' && tag !== 'issuewild' && tag !== 'iodef') return bad();
      return { ...owner, type, data: { flags: number(0, 0xff), tag, value: text(2) } };
    }
    case 'NAPTR':
      return {
        ...owner,
        type,
        data: {
          order: number(0),
          preference: number(1),
          flags: text(2),
          services: text(3),
          regexp: text(4),
          replacement: name(5),
        },
      };
    default:
      return opaque(type, owner, words, bad);
  }
}

/** RFC 3597: `TYPE65 \# 3 abcdef`, also for types that are known by name. */
function opaque(
  type: string,
  owner: { readonly name: string; readonly class: string; readonly ttl: number },
  words: readonly Word[],
  bad: () => never,
): ResourceRecord {
  const typeCode = /^TYPE[0-9]{1,5}$/.test(type) ? Number(type.slice(4)) : typeCodeOf(type);
  if (typeCode === 0 || typeCode > 65535 || words[0]?.text !== '\\#') return bad();
  const hex = words
    .slice(2)
    .map((word) => word.text)
    .join('');
  if (!/^([0-9a-f]{2})*$/i.test(hex) || hex.length !== 2 * Number(words[1]?.text)) return bad();
  return { ...owner, type: 'OPAQUE', typeCode, data: Uint8Array.from(Buffer.from(hex, 'hex')) };
}

/** Seconds of a TTL in digits or with units (`1h30m`); undefined where the word is none. */
function ttlOf(word: string): number | undefined {
  if (/^[0-9]+$/.test(word)) return Number(word) <= 0xffff_ffff ? Number(word) : undefined;
  if (!/^([0-9]+[smhdw])+$/i.test(word)) return undefined;
  const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  let seconds = 0;
  for (const [, digits, unit] of word.toLowerCase().matchAll(/([0-9]+)([smhdw])/g)) {
    seconds += Number(digits) * UNITS[unit!]!;
  }
  return seconds <= 0xffff_ffff ? seconds : undefined;
}

function absolute(name: string, origin: string): string {
  if (name === '@') return origin;
  if (name.endsWith('.')) return name;
  return origin === '.' ? `${name}.` : `${name}.${origin}`;
}

function checkName(name: string, entry: Entry): void {
  const labels = name === '.' ? [] : name.slice(0, -1).split(/(?<!\\)\./);
  if (name.length > 254 || labels.some((label) => label === '' || label.length > 63)) {
    throw new ZoneError(entry.line, `bad owner name: "${name}"`);
  }
}

function required(word: string | undefined, entry: Entry, what: string): string {
  if (word === undefined) throw new ZoneError(entry.line, `expecting a value after ${what}`);
  return word;
}

function unescapeText(text: string): string {
  return text.replace(/\\(\d{3}|.)/g, (_, what: string) =>
    what.length === 3 ? String.fromCharCode(Number(what)) : what,
  );
}

/** A character string holds 255 octets at most; longer text becomes several. */
function chunks(text: string): string[] {
  const list: string[] = [];
  for (let at = 0; at < text.length || at === 0; at += 255) list.push(text.slice(at, at + 255));
  return list;
}

/** The lines that `$GENERATE 1-10 host$ A 10.0.0.$` stands for. */
function* generated(args: readonly string[], entry: Entry): Generator<string> {
  const range = /^([0-9]+)-([0-9]+)(?:\/([0-9]+))?$/.exec(args[0] ?? '');
  const [from, to, step] = [Number(range?.[1]), Number(range?.[2]), Number(range?.[3] ?? 1)];
  if (range === null || to < from || step < 1 || (to - from) / step > MAX_GENERATED) {
    throw new ZoneError(entry.line, `bad range in $GENERATE: "${args[0] ?? ''}"`);
  }
  const pattern = args.slice(1).join(' ');
  for (let value = from; value <= to; value += step) {
    yield pattern.replace(/\\\$|\$(?:\{(-?[0-9]+)(?:,([0-9]+))?(?:,([doxX]))?\})?/g, (match, offset, width, base) => {
      if (match === '\\$') return '$';
      const shifted = value + Number(offset ?? 0);
      const radix = base === 'o' ? 8 : base === 'x' || base === 'X' ? 16 : 10;
      const digits = shifted.toString(radix).padStart(Number(width ?? 0), '0');
      return base === 'X' ? digits.toUpperCase() : digits;
    });
  }
}

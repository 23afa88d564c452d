import type { Family } from '@netsim/wire';
import { RuleSyntaxError } from './error.ts';
import {
  addressTypes,
  ctStates,
  ctStatuses,
  icmpTypes,
  logLevels,
  protocolNames,
  protocolNumber,
  rejectTypes,
  tcpFlagBits,
} from './names.ts';
import type { CtState, Match, NatRange, Negatable, PortRange, Target } from './rule.ts';
import {
  readIp,
  readMark,
  readNatPorts,
  readNatTarget,
  readNumber,
  readPorts,
  readPrefix,
  readWords,
} from './values.ts';

/** Options given to one match or target, as words. */
export class Options {
  readonly family: Family;
  readonly #given: { readonly name: string; readonly not: boolean; readonly args: readonly string[] }[] = [];
  constructor(family: Family) {
    this.family = family;
  }
  add(name: string, not: boolean, args: readonly string[]): void {
    for (const given of this.#given) {
      if (given.name === name) throw new RuleSyntaxError(`option "${name}" given twice`, name);
    }
    this.#given.push({ name, not, args });
  }
  has(name: string): boolean {
    return this.find(name) !== undefined;
  }
  find(
    ...names: string[]
  ): { readonly name: string; readonly not: boolean; readonly args: readonly string[] } | undefined {
    for (const given of this.#given) if (names.includes(given.name)) return given;
    return undefined;
  }
  /** Argument of an option, read; the option may stand behind `!`. */
  negatable<T>(read: (text: string) => T, ...names: string[]): Negatable<T> | undefined {
    const given = this.find(...names);
    if (given === undefined) return undefined;
    const value = read(given.args[0] ?? '');
    return given.not ? { value, not: true } : { value };
  }
  /** Argument of an option that cannot be negated. */
  plain(...names: string[]): string | undefined {
    const given = this.find(...names);
    if (given?.not) throw new RuleSyntaxError(`option "${given.name}" cannot be inverted`, given.name);
    return given?.args[0];
  }
  flag(name: string): Negatable<true> | undefined {
    const given = this.find(name);
    if (given === undefined) return undefined;
    return given.not ? { value: true, not: true } : { value: true };
  }
}

/** One kind of match or target: number of arguments of each option, and what it makes of them. */
export interface Extension<T> {
  readonly options: Readonly<Record<string, number>>;
  build(options: Options): T;
}

/** Drops the fields that were not given, so that equal rules are equal values. */
function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  const out: Partial<T> = {};
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined) out[key] = value;
  }
  return out as T;
}

function required<T>(value: T | undefined, option: string, owner: string): T {
  if (value === undefined) throw new RuleSyntaxError(`${owner}: option "${option}" must be specified`, owner);
  return value;
}

const portOptions = { '--sport': 1, '--source-port': 1, '--dport': 1, '--destination-port': 1 };

function readPortOptions(options: Options): {
  sport: Negatable<PortRange> | undefined;
  dport: Negatable<PortRange> | undefined;
} {
  return {
    sport: options.negatable(readPorts, '--sport', '--source-port'),
    dport: options.negatable(readPorts, '--dport', '--destination-port'),
  };
}

function readFlagList(text: string): number {
  if (text.toUpperCase() === 'ALL') return 63;
  if (text.toUpperCase() === 'NONE') return 0;
  let bits = 0;
  for (const word of text.split(',')) {
    const found = tcpFlagBits.find(([name]) => name === word.toUpperCase());
    if (found === undefined) {
      throw new RuleSyntaxError(`unknown TCP flag "${word}"`, word, [
        ...tcpFlagBits.map(([name]) => name),
        'ALL',
        'NONE',
      ]);
    }
    bits |= found[1];
  }
  return bits;
}

type PortMatch = Extract<Match, { kind: 'tcp' | 'udp' | 'sctp' }>;

function readTcpFlags(options: Options): PortMatch['flags'] {
  const syn = options.find('--syn');
  const flags = options.find('--tcp-flags');
  const chosen = syn ?? flags;
  if (chosen === undefined) return undefined;
  const value =
    chosen === syn
      ? { mask: 23, comp: 2 }
      : { mask: readFlagList(chosen.args[0]!), comp: readFlagList(chosen.args[1]!) };
  return chosen.not ? { value, not: true } : { value };
}

function readIcmp(family: Family): (text: string) => { type: number; code?: number } {
  return (text) => {
    const names = icmpTypes(family);
    const named = Object.hasOwn(names, text) ? names[text] : undefined;
    if (named !== undefined) return named[1] === undefined ? { type: named[0] } : { type: named[0], code: named[1] };
    const numbers = /^([0-9]+)(?:\/([0-9]+))?$/.exec(text);
    if (numbers === null) throw new RuleSyntaxError(`Invalid ICMP type "${text}"`, text, Object.keys(names));
    const type = readNumber(numbers[1]!, 255, 'ICMP type');
    return numbers[2] === undefined ? { type } : { type, code: readNumber(numbers[2], 255, 'ICMP code') };
  };
}

function readProtocol(text: string): number {
  const value = protocolNumber(text);
  if (value === undefined) throw new RuleSyntaxError(`unknown protocol "${text}" specified`, text, protocolNames);
  return value;
}

/** In the order of printing, whatever the order written. */
function readStates(text: string, allowed: readonly CtState[]): readonly CtState[] {
  const words = readWords(text, allowed, 'ctstate');
  return allowed.filter((state) => words.includes(state));
}

const multiport: Extension<Match> = {
  options: { '--sports': 1, '--source-ports': 1, '--dports': 1, '--destination-ports': 1, '--ports': 1 },
  build(options) {
    const chosen = required(
      options.find('--sports', '--source-ports', '--dports', '--destination-ports', '--ports'),
      '--dports',
      'multiport',
    );
    const ports = chosen.args[0]!.split(',').map(readPorts);
    const slots = ports.reduce((sum, range) => sum + (range.from === range.to ? 1 : 2), 0);
    if (slots > 15) throw new RuleSyntaxError('multiport: too many ports specified (at most 15)', chosen.args[0]);
    const which = chosen.name === '--ports' ? 'either' : /^--s/.test(chosen.name) ? 'source' : 'destination';
    return chosen.not ? { kind: 'multiport', which, ports, not: true } : { kind: 'multiport', which, ports };
  },
};

const conntrack: Extension<Match> = {
  options: {
    '--ctstate': 1,
    '--ctproto': 1,
    '--ctorigsrc': 1,
    '--ctorigdst': 1,
    '--ctreplsrc': 1,
    '--ctrepldst': 1,
    '--ctorigsrcport': 1,
    '--ctorigdstport': 1,
    '--ctreplsrcport': 1,
    '--ctrepldstport': 1,
    '--ctstatus': 1,
    '--ctdir': 1,
  },
  build(options) {
    // The one place where host bits are kept, and printed.
    const prefix = (text: string) => ({
      address: readIp(text.split('/', 1)[0]!, options.family),
      length: readPrefix(text, options.family).length,
    });
    const direction = options.plain('--ctdir');
    return given<Extract<Match, { kind: 'conntrack' }>>({
      kind: 'conntrack',
      states: options.negatable((text) => readStates(text, ctStates), '--ctstate'),
      protocol: options.negatable(readProtocol, '--ctproto'),
      origSource: options.negatable(prefix, '--ctorigsrc'),
      origDestination: options.negatable(prefix, '--ctorigdst'),
      replSource: options.negatable(prefix, '--ctreplsrc'),
      replDestination: options.negatable(prefix, '--ctrepldst'),
      origSport: options.negatable(readPorts, '--ctorigsrcport'),
      origDport: options.negatable(readPorts, '--ctorigdstport'),
      replSport: options.negatable(readPorts, '--ctreplsrcport'),
      replDport: options.negatable(readPorts, '--ctrepldstport'),
      status: options.negatable((text) => {
        const words = readWords(text, [...ctStatuses, 'NONE'], 'ctstatus');
        return ctStatuses.filter((status) => words.includes(status));
      }, '--ctstatus'),
      direction: direction === undefined ? undefined : readWords(direction, ['ORIGINAL', 'REPLY'] as const, 'ctdir')[0],
    });
  },
};

const statistic: Extension<Match> = {
  options: { '--mode': 1, '--probability': 1, '--every': 1, '--packet': 1 },
  build(options) {
    const mode = required(options.plain('--mode'), '--mode', 'statistic');
    const chosen = options.find('--probability', '--every');
    const not = chosen?.not === true ? { not: true } : {};
    if (mode === 'random') {
      const text = required(options.find('--probability')?.args[0], '--probability', 'statistic');
      const value = Number(text);
      if (text === '' || !(value >= 0 && value <= 1)) {
        throw new RuleSyntaxError(`statistic: "${text}" is not a probability (0 to 1)`, text);
      }
      return { kind: 'statistic', mode: 'random', probability: Math.round(value * 0x80000000), ...not };
    }
    if (mode !== 'nth') throw new RuleSyntaxError(`statistic: bad mode "${mode}"`, mode, ['random', 'nth']);
    const every = readNumber(required(options.find('--every')?.args[0], '--every', 'statistic'), 0xffffffff, 'count');
    if (every === 0) throw new RuleSyntaxError('statistic: --every cannot be 0', '0');
    const packet = readNumber(required(options.plain('--packet'), '--packet', 'statistic'), 0xffffffff, 'count');
    if (packet >= every) throw new RuleSyntaxError('statistic: the --packet p must be 0 <= p <= n-1', String(packet));
    return { kind: 'statistic', mode: 'nth', every, packet, ...not };
  },
};

const recent: Extension<Match> = {
  options: {
    '--set': 0,
    '--rcheck': 0,
    '--update': 0,
    '--remove': 0,
    '--seconds': 1,
    '--reap': 0,
    '--hitcount': 1,
    '--name': 1,
    '--mask': 1,
    '--rsource': 0,
    '--rdest': 0,
  },
  build(options) {
    const chosen = required(options.find('--set', '--rcheck', '--update', '--remove'), '--set', 'recent');
    const name = options.plain('--name') ?? 'DEFAULT';
    if (name.length > 200) throw new RuleSyntaxError('recent: name too long', name);
    const seconds = options.plain('--seconds');
    const hitcount = options.plain('--hitcount');
    const mask = options.plain('--mask');
    if (mask !== undefined) readIp(mask, options.family);
    return given<Extract<Match, { kind: 'recent' }>>({
      kind: 'recent',
      command: chosen.name.slice(2) as 'set' | 'rcheck' | 'update' | 'remove',
      name,
      seconds: seconds === undefined ? undefined : readNumber(seconds, 0xffffffff, 'number of seconds'),
      hitcount: hitcount === undefined ? undefined : readNumber(hitcount, 65535, 'hit count'),
      reap: options.has('--reap') ? true : undefined,
      mask,
      side: options.has('--rdest') ? 'dest' : 'source',
      not: chosen.not ? true : undefined,
    });
  },
};

const addrtype: Extension<Match> = {
  options: { '--src-type': 1, '--dst-type': 1, '--limit-iface-in': 0, '--limit-iface-out': 0 },
  build(options) {
    const types = (text: string) => {
      const words = readWords(text, addressTypes, 'address type');
      return addressTypes.filter((type) => words.includes(type));
    };
    if (!options.has('--src-type') && !options.has('--dst-type')) {
      throw new RuleSyntaxError('addrtype: you must specify at least one of --src-type and --dst-type', 'addrtype');
    }
    return given<Extract<Match, { kind: 'addrtype' }>>({
      kind: 'addrtype',
      srcType: options.negatable(types, '--src-type'),
      dstType: options.negatable(types, '--dst-type'),
      limitIfaceIn: options.has('--limit-iface-in') ? true : undefined,
      limitIfaceOut: options.has('--limit-iface-out') ? true : undefined,
    });
  },
};

const limitUnits: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600, day: 86400 };

const limit: Extension<Match> = {
  options: { '--limit': 1, '--limit-burst': 1 },
  build(options) {
    const rate = options.plain('--limit') ?? '3/hour';
    const parts = /^([0-9]+)(?:\/([a-z]+))?$/.exec(rate);
    const word = parts?.[2] ?? 'second';
    const unit = Object.keys(limitUnits).find((name) => name.startsWith(word));
    const count = parts === null ? 0 : Number(parts[1]);
    if (unit === undefined || count === 0 || count > 10000 * limitUnits[unit]!) {
      throw new RuleSyntaxError(`limit: bad value for option "--limit": ${rate}`, rate, Object.keys(limitUnits));
    }
    const shortUnit = { second: 'sec', minute: 'min', hour: 'hour', day: 'day' }[unit];
    return {
      kind: 'limit',
      average: (count * 10000) / limitUnits[unit]!,
      text: `${count}/${shortUnit}`,
      burst: readNumber(options.plain('--limit-burst') ?? '5', 10000, 'burst'),
    };
  },
};

function markMatch(kind: 'mark' | 'connmark'): Extension<Match> {
  return {
    options: { '--mark': 1 },
    build(options) {
      const mark = required(options.negatable(readMark, '--mark'), '--mark', kind);
      const { value, mask } = mark.value;
      return mark.not ? { kind, mark: value, mask, not: true } : { kind, mark: value, mask };
    },
  };
}

const physdev: Extension<Match> = {
  options: {
    '--physdev-in': 1,
    '--physdev-out': 1,
    '--physdev-is-in': 0,
    '--physdev-is-out': 0,
    '--physdev-is-bridged': 0,
  },
  build(options) {
    const match = given<Extract<Match, { kind: 'physdev' }>>({
      kind: 'physdev',
      physIn: options.negatable((text) => text, '--physdev-in'),
      isIn: options.flag('--physdev-is-in'),
      physOut: options.negatable((text) => text, '--physdev-out'),
      isOut: options.flag('--physdev-is-out'),
      isBridged: options.flag('--physdev-is-bridged'),
    });
    if (Object.keys(match).length === 1) throw new RuleSyntaxError('PHYSDEV: no physdev option specified', 'physdev');
    return match;
  },
};

const set: Extension<Match> = {
  options: { '--match-set': 2 },
  build(options) {
    const chosen = required(options.find('--match-set'), '--match-set', 'set');
    const flags = readWords(chosen.args[1]!, ['SRC', 'DST'] as const, 'set direction');
    const name = chosen.args[0]!;
    const directions = flags.map((flag) => (flag === 'SRC' ? 'src' : 'dst'));
    return chosen.not ? { kind: 'set', name, flags: directions, not: true } : { kind: 'set', name, flags: directions };
  },
};

/** Every match that netsim knows. `icmp6` is known in IPv6 only, `icmp` in IPv4 only. */
export const matchExtensions: Readonly<Record<string, Extension<Match>>> = {
  comment: {
    options: { '--comment': 1 },
    build(options) {
      const text = required(options.plain('--comment'), '--comment', 'comment');
      if (text.length > 255)
        throw new RuleSyntaxError('COMMENT must be shorter than 256 characters', text.slice(0, 40));
      return { kind: 'comment', text };
    },
  },
  tcp: {
    options: { ...portOptions, '--syn': 0, '--tcp-flags': 2, '--tcp-option': 1 },
    build(options) {
      return given<PortMatch>({
        kind: 'tcp',
        ...readPortOptions(options),
        flags: readTcpFlags(options),
        option: options.negatable((text) => readNumber(text, 255, 'TCP option'), '--tcp-option'),
      });
    },
  },
  udp: {
    options: portOptions,
    build: (options) =>
      given<PortMatch>({ kind: 'udp', ...readPortOptions(options), flags: undefined, option: undefined }),
  },
  sctp: {
    options: portOptions,
    build: (options) =>
      given<PortMatch>({ kind: 'sctp', ...readPortOptions(options), flags: undefined, option: undefined }),
  },
  icmp: {
    options: { '--icmp-type': 1 },
    build: (options) => ({
      kind: 'icmp',
      type: options.negatable(readIcmp(4), '--icmp-type') ?? { value: { type: 255 } },
    }),
  },
  icmp6: {
    options: { '--icmpv6-type': 1 },
    build: (options) => ({
      kind: 'icmp6',
      type: required(options.negatable(readIcmp(6), '--icmpv6-type'), '--icmpv6-type', 'icmp6'),
    }),
  },
  multiport,
  conntrack,
  state: {
    options: { '--state': 1 },
    build(options) {
      const allowed = ctStates.slice(0, 5);
      const states = required(
        options.negatable((text) => readStates(text, allowed), '--state'),
        '--state',
        'state',
      );
      return { kind: 'state', states };
    },
  },
  mark: markMatch('mark'),
  connmark: markMatch('connmark'),
  statistic,
  recent,
  addrtype,
  set,
  physdev,
  rpfilter: {
    options: { '--loose': 0, '--validmark': 0, '--accept-local': 0, '--invert': 0 },
    build: (options) =>
      given<Extract<Match, { kind: 'rpfilter' }>>({
        kind: 'rpfilter',
        loose: options.has('--loose') ? true : undefined,
        validmark: options.has('--validmark') ? true : undefined,
        acceptLocal: options.has('--accept-local') ? true : undefined,
        invert: options.has('--invert') ? true : undefined,
      }),
  },
  nfacct: {
    options: { '--nfacct-name': 1 },
    build: (options) => ({ kind: 'nfacct', name: required(options.plain('--nfacct-name'), '--nfacct-name', 'nfacct') }),
  },
  limit,
  ipvs: {
    options: { '--vproto': 1, '--vaddr': 1, '--vport': 1 },
    build(options) {
      const match = given<Extract<Match, { kind: 'ipvs' }>>({
        kind: 'ipvs',
        protocol: options.negatable(readProtocol, '--vproto'),
        address: options.negatable((text) => readPrefix(text, options.family), '--vaddr'),
        port: options.negatable((text) => readNumber(text, 65535, 'port'), '--vport'),
      });
      if (Object.keys(match).length === 1) throw new RuleSyntaxError('IPVS: At least one option is required', 'ipvs');
      return match;
    },
  },
};

const setMark = {
  '--set-mark': 1,
  '--set-xmark': 1,
  '--and-mark': 1,
  '--or-mark': 1,
  '--xor-mark': 1,
};

/** All five spellings come down to mark = (mark & ~mask) ^ value. */
function readSetMark(options: Options): { value: number; mask: number } | undefined {
  const chosen = options.find('--set-mark', '--set-xmark', '--and-mark', '--or-mark', '--xor-mark');
  if (chosen === undefined) return undefined;
  const { value, mask } = readMark(chosen.args[0]!);
  switch (chosen.name) {
    case '--set-mark':
      return { value, mask: (mask | value) >>> 0 };
    case '--and-mark':
      return { value: 0, mask: ~value >>> 0 };
    case '--or-mark':
      return { value, mask: value };
    case '--xor-mark':
      return { value, mask: 0 };
    default:
      return { value, mask };
  }
}

function natFlags(options: Options): NatRange {
  return given<NatRange>({
    minAddress: undefined,
    maxAddress: undefined,
    minPort: undefined,
    maxPort: undefined,
    random: options.has('--random') ? true : undefined,
    randomFully: options.has('--random-fully') ? true : undefined,
    persistent: options.has('--persistent') ? true : undefined,
  });
}

function natTarget(kind: 'DNAT' | 'SNAT', option: string): Extension<Target> {
  return {
    options: { [option]: 1, '--random': 0, '--persistent': 0, ...(kind === 'SNAT' ? { '--random-fully': 0 } : {}) },
    build(options) {
      const text = required(options.plain(option), option, kind);
      return { kind, range: { ...readNatTarget(text, options.family), ...natFlags(options) } };
    },
  };
}

function portTarget(kind: 'MASQUERADE' | 'REDIRECT'): Extension<Target> {
  return {
    options: { '--to-ports': 1, '--random': 0, ...(kind === 'MASQUERADE' ? { '--random-fully': 0 } : {}) },
    build(options) {
      const ports = options.plain('--to-ports');
      const range = { ...(ports === undefined ? {} : readNatPorts(ports)), ...natFlags(options) };
      return Object.keys(range).length === 0 ? { kind } : { kind, range };
    },
  };
}

const connmark: Extension<Target> = {
  options: { ...setMark, '--save-mark': 0, '--restore-mark': 0, '--mask': 1, '--nfmask': 1, '--ctmask': 1 },
  build(options) {
    const setting = readSetMark(options);
    if (setting !== undefined) return { kind: 'CONNMARK', mode: 'set', ...setting };
    const mode = options.has('--save-mark') ? 'save' : options.has('--restore-mark') ? 'restore' : undefined;
    const both = options.plain('--mask');
    const mask = (name: string) => readNumber(options.plain(name) ?? both ?? '0xffffffff', 0xffffffff, 'mask');
    return {
      kind: 'CONNMARK',
      mode: required(mode, '--set-xmark', 'CONNMARK'),
      value: 0,
      mask: mask('--ctmask'),
      nfmask: mask('--nfmask'),
    };
  },
};

const logSwitches = [
  '--log-tcp-sequence',
  '--log-tcp-options',
  '--log-ip-options',
  '--log-uid',
  '--log-macdecode',
] as const;

const log: Extension<Target> = {
  options: { '--log-prefix': 1, '--log-level': 1, ...Object.fromEntries(logSwitches.map((name) => [name, 0])) },
  build(options) {
    const prefix = options.plain('--log-prefix');
    if (prefix !== undefined && prefix.length > 29) {
      throw new RuleSyntaxError('LOG: maximum prefix length 29', prefix);
    }
    const text = options.plain('--log-level');
    const named = text === undefined ? undefined : logLevels[text.toLowerCase()];
    const level = text === undefined ? undefined : (named ?? readNumber(text, 7, 'log level'));
    const switches = logSwitches.filter((name) => options.has(name));
    return given<Extract<Target, { kind: 'LOG' }>>({
      kind: 'LOG',
      prefix: prefix === '' ? undefined : prefix,
      level: level === 4 ? undefined : level,
      options: switches.length === 0 ? undefined : switches,
    });
  },
};

/** Every target that netsim knows, besides jumps to user chains. */
export const targetExtensions: Readonly<Record<string, Extension<Target>>> = {
  ACCEPT: { options: {}, build: () => ({ kind: 'ACCEPT' }) },
  DROP: { options: {}, build: () => ({ kind: 'DROP' }) },
  RETURN: { options: {}, build: () => ({ kind: 'RETURN' }) },
  REJECT: {
    options: { '--reject-with': 1 },
    build(options) {
      const types = rejectTypes(options.family);
      const text = options.plain('--reject-with') ?? 'port-unreach';
      const found = Object.hasOwn(types, text) ? types[text] : undefined;
      if (found === undefined) throw new RuleSyntaxError(`unknown reject type "${text}"`, text, Object.keys(types));
      return { kind: 'REJECT', with: found };
    },
  },
  MARK: {
    options: setMark,
    build: (options) => ({ kind: 'MARK', ...required(readSetMark(options), '--set-xmark', 'MARK') }),
  },
  CONNMARK: connmark,
  DNAT: natTarget('DNAT', '--to-destination'),
  SNAT: natTarget('SNAT', '--to-source'),
  MASQUERADE: portTarget('MASQUERADE'),
  REDIRECT: portTarget('REDIRECT'),
  CT: {
    options: { '--notrack': 0 },
    build(options) {
      if (!options.has('--notrack')) throw new RuleSyntaxError('CT: netsim knows only --notrack', 'CT');
      return { kind: 'CT', notrack: true };
    },
  },
  NOTRACK: { options: {}, build: () => ({ kind: 'CT', notrack: true, alias: true }) },
  LOG: log,
  TRACE: { options: {}, build: () => ({ kind: 'TRACE' }) },
};

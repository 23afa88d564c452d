import type { Family, Prefix } from '@netsim/wire';
import { RuleSyntaxError } from './error.ts';
import { type Extension, matchExtensions, Options, targetExtensions } from './extensions.ts';
import { protocolNames, protocolNumber } from './names.ts';
import type { Match, Negatable, Rule, Target } from './rule.ts';
import { readPrefix } from './values.ts';

interface Loaded<T> {
  readonly name: string;
  readonly extension: Extension<T>;
  readonly options: Options;
}

/** Matches that `-p PROTO` lets one use without `-m`. */
const implicitMatches: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' };

const generalOptions = [
  '-s',
  '--source',
  '-d',
  '--destination',
  '-i',
  '--in-interface',
  '-o',
  '--out-interface',
  '-p',
  '--protocol',
  '-m',
  '--match',
  '-j',
  '--jump',
  '-g',
  '--goto',
  '-f',
  '--fragment',
];

/**
 * Reads the words of one rule (everything after `-A CHAIN`) in any order, as iptables does: an extension's options may come
 * before or after others', and `-p tcp` alone brings tcp's.
 *
 * @throws RuleSyntaxError naming the word at fault
 */
export function parseRuleWords(words: readonly string[], start: number, family: Family): Rule {
  const matches: Loaded<Match>[] = [];
  let target: Loaded<Target> | undefined;
  let jump: Target | undefined;
  let source: Negatable<Prefix> | undefined;
  let destination: Negatable<Prefix> | undefined;
  let inInterface: Negatable<string> | undefined;
  let outInterface: Negatable<string> | undefined;
  let protocol: Negatable<number> | undefined;
  let fragment: Negatable<true> | undefined;

  let not = false;
  let i = start;
  const argument = (option: string): string => {
    const word = words[++i];
    if (word === undefined) throw new RuleSyntaxError(`option "${option}" requires an argument`, option);
    return word;
  };
  const once = (earlier: unknown, option: string): void => {
    if (earlier !== undefined) throw new RuleSyntaxError(`multiple ${option} flags not allowed`, option);
  };

  for (; i < words.length; i++) {
    const word = words[i]!;
    if (word === '!') {
      if (not) throw new RuleSyntaxError('multiple consecutive ! not allowed', '!');
      not = true;
      continue;
    }
    switch (word) {
      case '-s':
      case '--source':
      case '--src':
        once(source, '-s');
        source = withNot(readPrefix(argument(word), family), not);
        break;
      case '-d':
      case '--destination':
      case '--dst':
        once(destination, '-d');
        destination = withNot(readPrefix(argument(word), family), not);
        break;
      case '-i':
      case '--in-interface':
        once(inInterface, '-i');
        inInterface = withNot(interfaceName(argument(word)), not);
        break;
      case '-o':
      case '--out-interface':
        once(outInterface, '-o');
        outInterface = withNot(interfaceName(argument(word)), not);
        break;
      case '-p':
      case '--protocol':
      case '--proto': {
        once(protocol, '-p');
        const text = argument(word);
        const number = protocolNumber(text);
        if (number === undefined)
          throw new RuleSyntaxError(`unknown protocol "${text}" specified`, text, protocolNames);
        if (number === 0 && not) throw new RuleSyntaxError('rule would never match protocol', text);
        protocol = withNot(number, not);
        break;
      }
      case '-f':
      case '--fragment':
        if (family === 6) throw new RuleSyntaxError('unknown option "-f"', word);
        fragment = withNot(true, not);
        break;
      case '-m':
      case '--match':
        if (not) throw new RuleSyntaxError('unexpected ! flag before --match', '!');
        matches.push(loadMatch(argument(word), family));
        break;
      case '-j':
      case '--jump': {
        once(target ?? jump, '-j');
        const name = argument(word);
        const extension = Object.hasOwn(targetExtensions, name) ? targetExtensions[name] : undefined;
        if (extension === undefined) jump = { kind: 'jump', chain: name };
        else target = { name, extension, options: new Options(family) };
        break;
      }
      case '-g':
      case '--goto':
        once(target ?? jump, '-g');
        jump = { kind: 'goto', chain: argument(word) };
        break;
      case '-c':
      case '--set-counters':
        argument(word);
        argument(word);
        break;
      default: {
        const owner = ownerOf(word, matches, target, protocol, family);
        const count = owner.extension.options[word]!;
        let args: string[] = noArguments;
        if (count > 0) {
          args = [];
          for (let n = 0; n < count; n++) args.push(argument(word));
        }
        owner.options.add(word, not, args);
      }
    }
    not = false;
  }
  if (not) throw new RuleSyntaxError('nothing after "!"', '!');

  const rule: { -readonly [K in keyof Rule]: Rule[K] } = { matches: matches.map(build) };
  if (source !== undefined && (source.value.length > 0 || source.not)) rule.source = source;
  if (destination !== undefined && (destination.value.length > 0 || destination.not)) rule.destination = destination;
  if (inInterface !== undefined && (inInterface.value !== '+' || inInterface.not)) rule.inInterface = inInterface;
  if (outInterface !== undefined && (outInterface.value !== '+' || outInterface.not)) rule.outInterface = outInterface;
  if (protocol !== undefined && protocol.value !== 0) rule.protocol = protocol;
  if (fragment !== undefined) rule.fragment = fragment;
  const action = target === undefined ? jump : target.extension.build(target.options);
  if (action !== undefined) rule.target = action;
  checkProtocols(rule);
  return rule;
}

const noArguments: string[] = [];

function build(loaded: Loaded<Match>): Match {
  return loaded.extension.build(loaded.options);
}

function withNot<T>(value: T, not: boolean): Negatable<T> {
  return not ? { value, not: true } : { value };
}

function interfaceName(text: string): string {
  if (text.length > 15) throw new RuleSyntaxError(`interface name "${text}" must be shorter than 16 characters`, text);
  if (text === '') throw new RuleSyntaxError('empty interface is likely to be undesired', text);
  return text;
}

function loadMatch(name: string, family: Family): Loaded<Match> {
  const known = name === 'icmpv6' ? 'icmp6' : name;
  const extension = Object.hasOwn(matchExtensions, known) ? matchExtensions[known] : undefined;
  if (extension === undefined || (known === 'icmp6' && family === 4)) {
    throw new RuleSyntaxError(`Couldn't load match "${name}"`, name, Object.keys(matchExtensions));
  }
  return { name: known, extension, options: new Options(family) };
}

/** The match or target that a word belongs to: the target first, then the matches from the last loaded to the first. */
function ownerOf(
  word: string,
  matches: Loaded<Match>[],
  target: Loaded<Target> | undefined,
  protocol: Negatable<number> | undefined,
  family: Family,
): Loaded<Match> | Loaded<Target> {
  if (target !== undefined && Object.hasOwn(target.extension.options, word)) return target;
  for (let m = matches.length - 1; m >= 0; m--) {
    if (Object.hasOwn(matches[m]!.extension.options, word)) return matches[m]!;
  }
  const implicit = protocol === undefined || protocol.not ? undefined : implicitMatches[protocol.value];
  if (implicit !== undefined && Object.hasOwn(matchExtensions[implicit]!.options, word)) {
    const loaded = loadMatch(implicit, family);
    matches.push(loaded);
    return loaded;
  }
  if (!word.startsWith('-')) throw new RuleSyntaxError(`Bad argument "${word}"`, word);
  throw new RuleSyntaxError(`unknown option "${word}"`, word, [
    ...generalOptions,
    ...Object.keys(target?.extension.options ?? {}),
    ...matches.flatMap((match) => Object.keys(match.extension.options)),
    ...(implicit === undefined ? [] : Object.keys(matchExtensions[implicit]!.options)),
  ]);
}

const protocolOfMatch: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmp6: 58 };
const portProtocols = new Set([6, 17, 33, 132, 136]);

/** What the kernel refuses: a match or target whose protocol the rule does not pin. */
function checkProtocols(rule: Rule): void {
  const pinned = rule.protocol === undefined || rule.protocol.not ? 0 : rule.protocol.value;
  for (const match of rule.matches) {
    const needed = protocolOfMatch[match.kind];
    if (needed !== undefined && needed !== pinned) {
      throw new RuleSyntaxError(
        `match "${match.kind}" needs "-p ${match.kind === 'icmp6' ? 'ipv6-icmp' : match.kind}"`,
        match.kind,
      );
    }
    if (match.kind === 'multiport' && !portProtocols.has(pinned)) {
      throw new RuleSyntaxError(
        "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'",
        'multiport',
      );
    }
  }
  const target = rule.target;
  if (target === undefined) return;
  if (target.kind === 'REJECT' && target.with === 'tcp-reset' && pinned !== 6) {
    throw new RuleSyntaxError('REJECT with tcp-reset needs "-p tcp"', 'tcp-reset');
  }
  if (target.kind === 'DNAT' || target.kind === 'SNAT' || target.kind === 'MASQUERADE' || target.kind === 'REDIRECT') {
    if (target.range?.minPort !== undefined && !portProtocols.has(pinned)) {
      throw new RuleSyntaxError('Need TCP, UDP, SCTP or DCCP with port specification', target.kind);
    }
  }
}

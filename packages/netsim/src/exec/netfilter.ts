import {
  builtinChains,
  type Conn,
  CtStatus,
  printConntrack,
  printIptablesSave,
  shownText,
  type TableName,
  tableNames,
} from '@netsim/kernel';
import { familyOf, type Ip, prefixContains, tryParsePrefix } from '@netsim/wire';
import { lastValue, parseArgs } from './args.ts';
import { fail, ok, type Tool } from './tool.ts';

/** `iptables-save` and `ip6tables-save`, without the comment lines that carry a date. */
function save(family: 4 | 6): Tool {
  const name = family === 4 ? 'iptables-save' : 'ip6tables-save';
  return (args, { netns }) => {
    const parsed = parseArgs(args, {
      short: 't:cM:f:',
      long: { table: 't:', counters: 'c', modprobe: 'M:', file: 'f:' },
    });
    if (parsed.problem !== undefined) {
      return fail(
        1,
        `${name}: unrecognized option '${parsed.problem.option}'\nTry \`${name} -h' for more information.`,
      );
    }
    const table = lastValue(parsed, 't');
    const known: readonly string[] = tableNames;
    if (table !== undefined && !known.includes(table)) {
      return fail(1, `${name} v1.8.9: Table does not exist`);
    }
    const { netfilter } = netns;
    if (netfilter === null) return ok('');
    const counters = parsed.flags.has('c');
    return ok(
      printIptablesSave(netfilter.ruleset(family), {
        counters,
        ...(table === undefined ? {} : { tables: [table as TableName] }),
      }),
    );
  };
}
export const iptablesSave = save(4);
export const ip6tablesSave = save(6);

/** `iptables -S`; the other forms of listing are not emulated. */
function list(family: 4 | 6): Tool {
  const name = family === 4 ? 'iptables' : 'ip6tables';
  return (args, { netns }) => {
    const parsed = parseArgs(args, {
      short: 't:SLnvxw',
      long: { table: 't:', 'list-rules': 'S', list: 'L', numeric: 'n', verbose: 'v', wait: 'w', 'line-numbers': 'l' },
    });
    const { flags, operands, problem } = parsed;
    if (problem !== undefined || !flags.has('S')) {
      return fail(1, `netsim: only "${name} [-t TABLE] -S [CHAIN]" is emulated; ${name}-save shows everything`);
    }
    const table = (lastValue(parsed, 't') ?? 'filter') as TableName;
    if (!tableNames.includes(table)) {
      return fail(
        3,
        `${name} v1.8.9 (nf_tables): table '${table}' does not exist\nPerhaps iptables or your kernel needs to be upgraded.`,
      );
    }
    const [chain] = operands;
    const save =
      netns.netfilter === null ? '' : printIptablesSave(netns.netfilter.ruleset(family), { tables: [table] });
    const lines = save.split('\n').filter((line) => line.startsWith(':') || line.startsWith('-A '));
    const declared = lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' '));
    const chains = declared.length > 0 ? declared : builtinChains[table].map((builtin) => [builtin, 'ACCEPT']);
    if (chain !== undefined && !chains.some(([own]) => own === chain)) {
      return fail(1, `${name}: No chain/target/match by that name.`);
    }
    const wanted = (own: string | undefined) => chain === undefined || own === chain;
    const heads = chains
      .filter(([own]) => wanted(own))
      .map(([own, policy]) => (policy === '-' ? `-N ${own}` : `-P ${own} ${policy}`));
    const rules = lines.filter((line) => line.startsWith('-A ') && wanted(line.split(' ')[1]));
    return ok([...heads, ...rules].map((line) => `${line}\n`).join(''));
  };
}
export const iptables = list(4);
export const ip6tables = list(6);

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, sctp: 132 };

/** `conntrack -L` with its filters, `-C`, and `-F`. */
export const conntrack: Tool = (args, { netns }) => {
  const parsed = parseArgs(args, {
    short: 'LFCEDGSp:s:d:r:q:f:o:m:jngz',
    long: {
      dump: 'L',
      flush: 'F',
      count: 'C',
      proto: 'p:',
      orig_src: 's:',
      'orig-src': 's:',
      src: 's:',
      'orig-dst': 'd:',
      dst: 'd:',
      'reply-src': 'r:',
      'reply-dst': 'q:',
      family: 'f:',
      output: 'o:',
      mark: 'm:',
      sport: 'sport:',
      dport: 'dport:',
      'orig-port-src': 'sport:',
      'orig-port-dst': 'dport:',
      'src-nat': 'n',
      'dst-nat': 'g',
      'any-nat': 'j',
    },
  });
  const bad = (message: string) =>
    fail(
      2,
      `conntrack v1.4.7 (conntrack-tools): ${message}\nTry \`conntrack -h' or 'conntrack --help' for more information.`,
    );
  const { flags, problem } = parsed;
  if (problem !== undefined) return bad(`unknown argument ${problem.option}`);
  const { netfilter } = netns;
  if (flags.has('F')) {
    netfilter?.flushConnections();
    return {
      stdout: '',
      stderr: 'conntrack v1.4.7 (conntrack-tools): connection tracking table has been emptied.\n',
      code: 0,
    };
  }
  const connections = netfilter?.connections() ?? [];
  if (flags.has('C')) return ok(`${connections.length}\n`);
  if (!flags.has('L')) return bad('netsim emulates -L, -C and -F');

  const protocol = lastValue(parsed, 'p');
  if (protocol !== undefined && !Object.hasOwn(protocols, protocol)) return bad(`\`${protocol}' unsupported protocol`);
  const family = lastValue(parsed, 'f') === 'ipv6' ? 6 : 4;
  const inside = (option: string, ip: Ip): boolean => {
    const text = lastValue(parsed, option);
    const prefix = text === undefined ? undefined : tryParsePrefix(text);
    return text === undefined || (prefix !== undefined && prefixContains(prefix, ip));
  };
  const equals = (option: string, value: number): boolean => {
    const text = lastValue(parsed, option);
    return text === undefined || Number(text) === value;
  };
  const wanted = ({ original, reply, protocol: number, mark, status }: Conn): boolean =>
    familyOf(original.src) === family &&
    (protocol === undefined || number === protocols[protocol]) &&
    inside('s', original.src) &&
    inside('d', original.dst) &&
    inside('r', reply.src) &&
    inside('q', reply.dst) &&
    equals('sport', original.sport) &&
    equals('dport', original.dport) &&
    equals('m', mark >>> 0) &&
    (!flags.has('n') || (status & CtStatus.SRC_NAT) !== 0) &&
    (!flags.has('g') || (status & CtStatus.DST_NAT) !== 0);
  const shown = connections.filter(wanted);
  const extended = (lastValue(parsed, 'o') ?? '').split(',').includes('extended');
  return { stdout: printConntrack(shown, netns.now(), { extended }), stderr: `${shownText(shown.length)}\n`, code: 0 };
};

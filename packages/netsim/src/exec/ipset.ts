import { type IpSet, ipsetListText, ipsetSaveText, type Netns } from '@netsim/kernel';
import { parseArgs } from './args.ts';
import { fail, ok, type Tool, type ToolResult } from './tool.ts';

const VERSION = 'ipset v7.17';
const TRY_HELP = "Try `ipset help' for more information.";

/** `ipset list`, `save` and `version`, as a kernel prints them that has just made the sets. */
export const ipset: Tool = (args, { netns }) => {
  const { flags, values, operands, problem } = parseArgs(args, {
    short: 'LSTVqsto:n',
    long: {
      list: 'L',
      save: 'S',
      test: 'T',
      version: 'V',
      quiet: 'q',
      sorted: 's',
      terse: 't',
      output: 'o:',
      name: 'n',
    },
  });
  if (problem !== undefined) return usage(`Unknown argument ${problem.option}`);
  const letter = ['L', 'S', 'T', 'V'].find((option) => flags.has(option));
  const [word, ...named] = letter === undefined ? operands : [letter, ...operands];
  const [name, extra] = named;
  if (word === undefined) return usage('No command specified.');
  switch (word) {
    case 'V':
    case 'version':
      return ok(`${VERSION}, protocol version: 7\n`);
    case 'L':
    case 'list':
    case 'S':
    case 'save': {
      if (extra !== undefined) return usage(`Unknown argument ${extra}`);
      const output = word === 'S' || word === 'save' ? 'save' : (values.get('o')?.at(-1) ?? 'plain');
      if (output !== 'save' && output !== 'plain') return usage(`Syntax error: unknown output mode '${output}'`);
      return show(netns, name, output, { namesOnly: flags.has('n'), terse: flags.has('t') });
    }
    case 'T':
    case 'test':
    case 'add':
    case 'create':
    case 'del':
    case 'destroy':
    case 'flush':
    case 'rename':
    case 'restore':
    case 'swap':
      return fail(2, `netsim: "ipset ${word}" is not emulated; "ipset list" and "ipset save" are`);
    default:
      return usage(`No command specified: unknown argument ${word}`);
  }
};

function usage(message: string): ToolResult {
  return fail(2, `${VERSION}: ${message}\n${TRY_HELP}`);
}

function noSuchSet(): ToolResult {
  return fail(1, `${VERSION}: The set with the given name does not exist`);
}

function show(
  netns: Netns,
  name: string | undefined,
  output: 'plain' | 'save',
  { namesOnly, terse }: { readonly namesOnly: boolean; readonly terse: boolean },
): ToolResult {
  const sets = netns.netfilter?.sets;
  const wanted = name === undefined ? [...(sets?.names() ?? [])] : [name];
  const found = wanted.map((each) => sets?.get(each)).filter((set) => set !== undefined);
  if (found.length < wanted.length) return noSuchSet();
  if (namesOnly) return ok(found.map((set) => `${set.name}\n`).join(''));
  if (output === 'save') return ok(found.map(ipsetSaveText).join(''));
  return ok(found.map((set) => ipsetListText(set, references(netns, set), !terse)).join('\n'));
}

/** How many rules of iptables ask a set. */
function references({ netfilter }: Netns, { name }: IpSet): number {
  return ([4, 6] as const)
    .flatMap((family) => [...(netfilter?.ruleset(family).tables.values() ?? [])])
    .flatMap(({ chains }) => [...chains.values()].flatMap(({ rules }) => rules))
    .flatMap(({ matches }) => matches.filter((match) => match.kind === 'set' && match.name === name)).length;
}

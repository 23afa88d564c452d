import { printNftChain, printNftRuleset, printNftSet, printNftTable } from '@netsim/kernel';
import { fail, ok, type Tool } from './tool.ts';

/**
 * `nft list ruleset|tables|table|chain|set|map`, without counters and handles (as `nft -s`). The rules of iptables are not among them:
 * `iptables-save` shows those.
 */
export const nft: Tool = (args, { netns }) => {
  const words = args.filter((word) => !/^-[snayjN]+$/.test(word));
  const [command, object, ...rest] = words;
  if (command !== 'list' || object === undefined) {
    return fail(1, 'netsim: only "nft list ruleset|tables|table|chain|set|map" is emulated');
  }
  const tables = netns.netfilter?.nftRuleset().tables ?? [];
  const [family, name] = ['ip', 'ip6', 'inet'].includes(rest[0] ?? '') ? [rest[0], rest[1]] : ['ip', rest[0]];
  const missing = fail(1, `Error: No such file or directory\n${[...args].join(' ')}`);
  const table = tables.find((each) => each.family === family && each.name === name);
  switch (object) {
    case 'ruleset':
      return ok(
        printNftRuleset({ tables: rest[0] === undefined ? tables : tables.filter((each) => each.family === rest[0]) }),
      );
    case 'tables':
      return ok(tables.map((each) => `table ${each.family} ${each.name}\n`).join(''));
    case 'table':
      return table === undefined ? missing : ok(printNftTable(table));
    case 'chain':
    case 'set':
    case 'map': {
      const wanted = rest.at(-1) ?? '';
      const text =
        object === 'chain'
          ? table?.chains.has(wanted) && printNftChain(table.chains.get(wanted)!)
          : table?.sets.has(wanted) && printNftSet(table.sets.get(wanted)!);
      return table === undefined || !text ? missing : ok(`table ${table.family} ${table.name} {\n${text}}\n`);
    }
    default:
      return fail(1, `Error: syntax error, unexpected ${object}`);
  }
};

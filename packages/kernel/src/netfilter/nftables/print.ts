import { elementsPerLine } from './datatype.ts';
import { printDuration, printElements, printNftRule } from './print-rule.ts';
import type { NftBase, NftChain, NftRuleset, NftSet, NftTable } from './ruleset.ts';

/** All tables as `nft -s list ruleset` prints them (nftables 1.0.6). */
export function printNftRuleset(ruleset: NftRuleset): string {
  return ruleset.tables.map(printNftTable).join('');
}

/** A table as `nft -s list table` prints it. */
export function printNftTable(table: NftTable): string {
  let text = `table ${table.family} ${table.name} {\n`;
  if (table.comment !== undefined) text += `\tcomment "${table.comment}"\n`;
  const blocks: string[] = [];
  for (const set of table.sets.values()) blocks.push(printNftSet(set));
  for (const chain of table.chains.values()) blocks.push(printNftChain(chain));
  return `${text}${blocks.join('\n')}}\n`;
}

/** A set or map as it stands in its table. */
export function printNftSet(set: NftSet): string {
  const kind = set.data === undefined ? 'set' : 'map';
  const data = set.data === undefined ? '' : ` : ${set.data === 'verdict' ? 'verdict' : set.data.join(' . ')}`;
  let text = `\t${kind} ${set.name} {\n\t\ttype ${set.type.join(' . ')}${data}\n`;
  if (set.size !== undefined) text += `\t\tsize ${set.size}\n`;
  if (set.flags.length > 0) text += `\t\tflags ${set.flags.join(',')}\n`;
  if (set.timeout !== undefined) text += `\t\ttimeout ${printDuration(set.timeout)}\n`;
  if (set.gcInterval !== undefined) text += `\t\tgc-interval ${printDuration(set.gcInterval)}\n`;
  if (set.counter === true) text += '\t\tcounter\n';
  if (set.comment !== undefined) text += `\t\tcomment "${set.comment}"\n`;
  if (set.elements.size > 0) text += `\t\telements = { ${wrapped(set)} }\n`;
  return `${text}\t}\n`;
}

function wrapped(set: NftSet): string {
  const perLine = set.type.length === 1 ? elementsPerLine(set.type[0]!) : 1;
  let text = '';
  printElements(set.elements, set.data).forEach((element, i) => {
    if (i > 0) text += i % perLine === 0 ? ',\n\t\t\t     ' : ', ';
    text += element;
  });
  return text;
}

/** A chain as it stands in its table. */
export function printNftChain(chain: NftChain): string {
  let text = `\tchain ${chain.name} {\n`;
  if (chain.comment !== undefined) text += `\t\tcomment "${chain.comment}"\n`;
  const { base } = chain;
  if (base !== undefined) {
    text += `\t\ttype ${base.type} hook ${base.hook} priority ${printPriority(base)}; policy ${base.policy};\n`;
  }
  for (const rule of chain.rules) text += `\t\t${printNftRule(rule)}\n`;
  return `${text}\t}\n`;
}

/** Names of priorities, and the hooks at which they are used. */
export const priorityNames: readonly { readonly name: string; readonly priority: number; readonly hook?: string }[] = [
  { name: 'raw', priority: -300 },
  { name: 'mangle', priority: -150 },
  { name: 'dstnat', priority: -100, hook: 'prerouting' },
  { name: 'filter', priority: 0 },
  { name: 'security', priority: 50 },
  { name: 'srcnat', priority: 100, hook: 'postrouting' },
];

/** A priority at most ten from a named one is printed relative to it. */
function printPriority({ hook, priority }: NftBase): string {
  const near = priorityNames.find(
    (named) => Math.abs(named.priority - priority) <= 10 && (named.hook === undefined || named.hook === hook),
  );
  if (near === undefined) return String(priority);
  const offset = priority - near.priority;
  if (offset === 0) return near.name;
  return `${near.name} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}`;
}

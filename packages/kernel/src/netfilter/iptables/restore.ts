import type { Family } from '@netsim/wire';
import { IptablesError, type IptablesProblem, nearest, RuleSyntaxError } from './error.ts';
import { targetExtensions } from './extensions.ts';
import { splitWords } from './lexer.ts';
import { builtinChains, isTableName, MAX_CHAIN_NAME, tableNames } from './names.ts';
import { parseRuleWords } from './parse-rule.ts';
import { printRule } from './print.ts';
import type { Chain, Rule, Ruleset, Table, TableName } from './rule.ts';
import { checkTable } from './verify.ts';

/** A chain while text is applied to it. */
interface OpenChain {
  readonly name: string;
  policy: 'ACCEPT' | 'DROP' | undefined;
  readonly rules: Rule[];
  /** Line of each rule; 0 for a rule that was there before. */
  readonly lines: number[];
}

/**
 * Reads what `iptables-save` prints or `iptables-restore` takes: a complete ruleset.
 *
 * @throws IptablesError with every problem found, each with its line
 */
export function parseIptablesSave(text: string, family: Family): Ruleset {
  return new Restore(family, undefined, false).run(text);
}

/**
 * Applies a text to a ruleset as `iptables-restore` does. Without `noflush` the tables that the text names are replaced;
 * with it they are added to, and only chains declared by a `:CHAIN` line are emptied. Tables that the text does not name stay.
 * Chains that the text leaves alone stay the same objects, so what was compiled for them is not lost.
 *
 * @throws IptablesError with every problem found; the base is never changed
 */
export function applyRestore(
  base: Ruleset | undefined,
  text: string,
  options: { readonly noflush?: boolean; readonly family?: Family } = {},
): Ruleset {
  return new Restore(base?.family ?? options.family ?? 4, base, options.noflush === true).run(text);
}

class Restore {
  readonly #family: Family;
  readonly #noflush: boolean;
  readonly #tables: Map<TableName, Table>;
  readonly #problems: IptablesProblem[] = [];
  #line = 0;
  /** The table between its `*name` line and COMMIT. */
  #table: TableName | undefined;
  #chains = new Map<string, Chain | OpenChain>();
  #rows: readonly string[] = [];

  constructor(family: Family, base: Ruleset | undefined, noflush: boolean) {
    this.#family = family;
    this.#noflush = noflush;
    this.#tables = new Map(base?.tables);
  }

  run(text: string): Ruleset {
    this.#rows = text.split('\n');
    for (const row of this.#rows) {
      this.#line++;
      const first = row.charCodeAt(0);
      if (Number.isNaN(first) || first === 35) continue;
      try {
        this.#readRow(row, first);
      } catch (error) {
        if (!(error instanceof RuleSyntaxError)) throw error;
        this.#report(error.message, error.token, error.suggestion);
      }
    }
    if (this.#table !== undefined) this.#report(`COMMIT expected at the end of table ${this.#table}`, 'COMMIT');
    if (this.#problems.length > 0) {
      throw new IptablesError(this.#problems.sort((a, b) => a.line - b.line));
    }
    return { family: this.#family, tables: this.#tables };
  }

  #report(message: string, token?: string, suggestion?: string, line = this.#line): void {
    this.#problems.push({
      line,
      message,
      ...(token === undefined ? {} : { token }),
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }

  #readRow(row: string, first: number): void {
    if (first === 42) {
      this.#openTable(row.slice(1).trim());
      return;
    }
    const trimmed = first === 32 || first === 9 || first === 13 ? row.trim() : row;
    if (trimmed === '' || trimmed.charCodeAt(0) === 35) return;
    if (trimmed.trimEnd() === 'COMMIT') {
      this.#commit();
      return;
    }
    if (this.#table === undefined) {
      throw new RuleSyntaxError(`"${trimmed.split(' ', 1)[0]}" stands outside a table`, trimmed.split(' ', 1)[0]);
    }
    if (first === 58) this.#declareChain(trimmed);
    else this.#command(splitWords(trimmed));
  }

  #openTable(name: string): void {
    if (this.#table !== undefined) {
      this.#report(`COMMIT expected before table ${name}`, name);
      this.#commit();
    }
    if (!isTableName(name)) throw new RuleSyntaxError(`table "${name}" does not exist`, name, tableNames);
    this.#table = name;
    const before = this.#tables.get(name);
    this.#chains = new Map(this.#noflush ? before?.chains : undefined);
    const missing = builtinChains[name].filter((chain) => !this.#chains.has(chain));
    if (missing.length > 0) {
      const builtins = builtinChains[name].map((chain): [string, Chain | OpenChain] => [
        chain,
        this.#chains.get(chain) ?? {
          name: chain,
          policy: before?.chains.get(chain)?.policy ?? 'ACCEPT',
          rules: [],
          lines: [],
        },
      ]);
      this.#chains = new Map([...builtins, ...this.#chains]);
    }
  }

  #commit(): void {
    const name = this.#table;
    if (name === undefined) throw new RuleSyntaxError('COMMIT stands outside a table', 'COMMIT');
    this.#table = undefined;
    const chains = new Map<string, Chain>();
    const lines = new Map<string, readonly number[]>();
    for (const [key, chain] of this.#chains) {
      if (isOpen(chain)) {
        lines.set(key, chain.lines);
        chains.set(
          key,
          chain.policy === undefined
            ? { name: key, rules: chain.rules }
            : { name: key, policy: chain.policy, rules: chain.rules },
        );
      } else chains.set(key, chain);
    }
    const table: Table = { name, chains };
    // A jump to a chain whose rules could not be read would only be said twice.
    if (this.#problems.length === 0) {
      for (const fault of checkTable(table)) {
        const line = lines.get(fault.chain)?.[fault.index] ?? 0;
        const suggestion = fault.token === undefined ? undefined : nearest(fault.token, fault.candidates ?? []);
        this.#report(fault.message, fault.token, suggestion, line === 0 ? this.#line : line);
      }
    }
    this.#tables.set(name, table);
  }

  /** `:NAME POLICY [packets:bytes]` */
  #declareChain(row: string): void {
    const [name = '', policy = ''] = row
      .slice(1)
      .trimStart()
      .split(/[ \t]+/);
    this.#checkName(name);
    if (this.#builtins().includes(name)) {
      const chain = this.#open(name);
      if (policy === 'ACCEPT' || policy === 'DROP') chain.policy = policy;
      else if (policy !== '-')
        throw new RuleSyntaxError(`Can't set policy "${policy}" on "${name}": Bad policy name`, policy, [
          'ACCEPT',
          'DROP',
        ]);
      return;
    }
    // A policy of a user chain is read over, as iptables-nft does.
    this.#chains.set(name, { name, policy: undefined, rules: [], lines: [] });
  }

  #builtins(): readonly string[] {
    return this.#table === undefined ? [] : builtinChains[this.#table];
  }

  #checkName(name: string): void {
    if (name === '' || /^[-!]/.test(name)) throw new RuleSyntaxError(`"${name}" is not a chain name`, name);
    if (name.length > MAX_CHAIN_NAME) {
      throw new RuleSyntaxError(`chain name "${name}" is too long (at most ${MAX_CHAIN_NAME} characters)`, name);
    }
    if (Object.hasOwn(targetExtensions, name)) {
      throw new RuleSyntaxError(`chain name "${name}" clashes with the name of a target`, name);
    }
  }

  /** The chain, made changeable. */
  #open(name: string): OpenChain {
    const chain = this.#chains.get(name);
    if (chain === undefined) {
      throw new RuleSyntaxError(`No chain by the name "${name}" in table ${this.#table}`, name, this.#chains.keys());
    }
    if (isOpen(chain)) return chain;
    const open = {
      name,
      policy: chain.policy,
      rules: [...chain.rules],
      lines: new Array<number>(chain.rules.length).fill(0),
    };
    this.#chains.set(name, open);
    return open;
  }

  #command(words: string[]): void {
    let at = 0;
    if (words[0]?.startsWith('[')) at = 1;
    const command = words[at] ?? '';
    const name = words[at + 1];
    switch (command) {
      case '-A':
      case '--append': {
        const chain = this.#open(chainArgument(command, name));
        const rule = parseRuleWords(words, at + 2, this.#family);
        chain.rules.push(rule);
        chain.lines.push(this.#line);
        return;
      }
      case '-I':
      case '--insert': {
        const chain = this.#open(chainArgument(command, name));
        const numbered = /^[0-9]+$/.test(words[at + 2] ?? '');
        const position = numbered ? Number(words[at + 2]) : 1;
        if (position < 1 || position > chain.rules.length + 1) {
          throw new RuleSyntaxError(`Index of insertion too big: ${position}`, words[at + 2]);
        }
        const rule = parseRuleWords(words, at + (numbered ? 3 : 2), this.#family);
        chain.rules.splice(position - 1, 0, rule);
        chain.lines.splice(position - 1, 0, this.#line);
        return;
      }
      case '-R':
      case '--replace': {
        const chain = this.#open(chainArgument(command, name));
        const position = ruleNumber(chain, words[at + 2]);
        chain.rules[position] = parseRuleWords(words, at + 3, this.#family);
        chain.lines[position] = this.#line;
        return;
      }
      case '-D':
      case '--delete':
        this.#delete(this.#open(chainArgument(command, name)), words, at + 2);
        return;
      case '-N':
      case '--new-chain': {
        const chain = chainArgument(command, name);
        this.#checkName(chain);
        if (this.#chains.has(chain)) throw new RuleSyntaxError('Chain already exists', chain);
        this.#chains.set(chain, { name: chain, policy: undefined, rules: [], lines: [] });
        return;
      }
      case '-X':
      case '--delete-chain':
        this.#deleteChain(name);
        return;
      case '-F':
      case '--flush': {
        for (const chain of name === undefined ? [...this.#chains.keys()] : [name]) {
          const open = this.#open(chain);
          open.rules.length = 0;
          open.lines.length = 0;
        }
        return;
      }
      case '-P':
      case '--policy': {
        const chain = chainArgument(command, name);
        const policy = words[at + 2] ?? '';
        if (!this.#builtins().includes(chain))
          throw new RuleSyntaxError(`Bad built-in chain name "${chain}"`, chain, this.#builtins());
        if (policy !== 'ACCEPT' && policy !== 'DROP')
          throw new RuleSyntaxError(`Bad policy name "${policy}"`, policy, ['ACCEPT', 'DROP']);
        this.#open(chain).policy = policy;
        return;
      }
      case '-Z':
      case '--zero':
        return;
      default:
        throw new RuleSyntaxError(`unknown command "${command}"`, command, [
          '-A',
          '-I',
          '-D',
          '-R',
          '-N',
          '-X',
          '-F',
          '-P',
          'COMMIT',
        ]);
    }
  }

  #delete(chain: OpenChain, words: string[], at: number): void {
    let position: number;
    if (/^[0-9]+$/.test(words[at] ?? '')) position = ruleNumber(chain, words[at]);
    else {
      const wanted = printRule(parseRuleWords(words, at, this.#family), { family: this.#family });
      position = chain.rules.findIndex((rule) => printRule(rule, { family: this.#family }) === wanted);
      if (position < 0) throw new RuleSyntaxError('Bad rule (does a matching rule exist in that chain?)', chain.name);
    }
    chain.rules.splice(position, 1);
    chain.lines.splice(position, 1);
  }

  #deleteChain(name: string | undefined): void {
    const builtins = this.#builtins();
    if (name === undefined) {
      for (const chain of [...this.#chains.keys()]) if (!builtins.includes(chain)) this.#chains.delete(chain);
      return;
    }
    const chain = this.#chains.get(name);
    if (chain === undefined)
      throw new RuleSyntaxError(`No chain by the name "${name}" in table ${this.#table}`, name, this.#chains.keys());
    if (builtins.includes(name)) throw new RuleSyntaxError(`built-in chain "${name}" cannot be deleted`, name);
    if (chain.rules.length > 0) throw new RuleSyntaxError(`chain "${name}" is not empty`, name);
    this.#chains.delete(name);
  }
}

function isOpen(chain: Chain | OpenChain): chain is OpenChain {
  return 'lines' in chain;
}

function chainArgument(command: string, name: string | undefined): string {
  if (name === undefined) throw new RuleSyntaxError(`option "${command}" requires an argument`, command);
  return name;
}

/** Index of the rule that a number from 1 names. */
function ruleNumber(chain: OpenChain, text: string | undefined): number {
  const number = /^[0-9]+$/.test(text ?? '') ? Number(text) : 0;
  if (number < 1 || number > chain.rules.length)
    throw new RuleSyntaxError(`no rule number ${text} in ${chain.name}`, text);
  return number - 1;
}

import type { NftCommand } from './command.ts';
import { NftError, type NftProblem, NftSyntaxError } from './error.ts';
import { TokenReader, tokenize } from './lexer.ts';
import { parseCommand } from './parse-command.ts';
import { PersistentMap } from './persistent-map.ts';
import {
  emptyNftRuleset,
  type NftChain,
  type NftFamily,
  type NftRule,
  type NftRuleset,
  type NftSet,
  type NftTable,
} from './ruleset.ts';
import { setNames, verdictChains, verifyChange } from './verify.ts';

/** Reads text as `nft list ruleset` prints it. @throws NftError */
export function parseNftRuleset(text: string): NftRuleset {
  return applyNft(emptyNftRuleset, text);
}

/**
 * The rules after `nft -f` has read a text: all of it, or none. What the text does not name is shared with the rules before.
 *
 * @throws NftError with every problem of the text, where nft or the kernel would refuse it
 */
export function applyNft(ruleset: NftRuleset, text: string): NftRuleset {
  const problems: NftProblem[] = [];
  const reader = new TokenReader(tokenize(text, problems), problems);
  const draft = new Draft(ruleset);
  for (reader.skipNewlines(); reader.peek().kind !== 'end'; reader.skipNewlines()) {
    try {
      if (reader.is('}')) {
        const { line } = reader.next();
        throw problem('this brace closes nothing', line, '}');
      }
      for (const command of parseCommand(reader, draft)) {
        try {
          draft.run(command);
        } catch (error) {
          if (!(error instanceof NftSyntaxError)) throw error;
          problems.push(error.problem);
        }
      }
      reader.endStatement();
    } catch (error) {
      reader.recover(error);
    }
  }
  const result = draft.result();
  if (problems.length === 0) problems.push(...verifyChange(ruleset, result, draft.lines));
  if (problems.length > 0) throw new NftError(problems.sort((a, b) => a.line - b.line));
  return result;
}

interface DraftTable {
  readonly head: Pick<NftTable, 'family' | 'name' | 'comment'>;
  sets: PersistentMap<NftSet>;
  chains: PersistentMap<NftChain>;
  /** Names of base chains. */
  readonly bases: Set<string>;
}

/** A ruleset being changed. */
class Draft {
  readonly #tables = new Map<string, NftTable | DraftTable>();
  /** Line of the last command that named a chain or set: `table chain name`. */
  readonly lines = new Map<string, number>();

  constructor(ruleset: NftRuleset) {
    for (const table of ruleset.tables) this.#tables.set(`${table.family} ${table.name}`, table);
  }

  result(): NftRuleset {
    return {
      tables: [...this.#tables.values()].map((table) =>
        'head' in table
          ? { ...table.head, sets: table.sets, chains: table.chains, baseChainNames: [...table.bases] }
          : table,
      ),
    };
  }

  syntax(family: NftFamily, table: string, set: string): NftSet | undefined {
    return this.#tables.get(`${family} ${table}`)?.sets.get(set);
  }

  setNames(family: NftFamily, table: string): Iterable<string> {
    return this.#tables.get(`${family} ${table}`)?.sets.keys() ?? [];
  }

  run(command: NftCommand): void {
    switch (command.verb) {
      case 'flush ruleset':
        for (const [key, table] of this.#tables) {
          const { family } = 'head' in table ? table.head : table;
          if (command.family === undefined || family === command.family) this.#tables.delete(key);
        }
        return;
      case 'add table':
        this.#addTable(command);
        return;
      case 'delete table': {
        if (!this.#tables.has(`${command.family} ${command.table}`) && command.destroy) return;
        this.#open(command);
        this.#tables.delete(`${command.family} ${command.table}`);
        return;
      }
      case 'flush table': {
        const table = this.#open(command);
        for (const chain of table.chains.values())
          if (chain.rules.length > 0) table.chains = table.chains.with(chain.name, { ...chain, rules: [] });
        return;
      }
      case 'add chain':
        this.#addChain(command);
        return;
      case 'delete chain': {
        const table = this.#open(command);
        if (command.destroy && !table.chains.has(command.name)) return;
        this.#chain(table, command, command.name);
        table.chains = table.chains.without(command.name);
        table.bases.delete(command.name);
        return;
      }
      case 'flush chain': {
        const table = this.#open(command);
        const chain = this.#chain(table, command, command.name);
        table.chains = table.chains.with(chain.name, { ...chain, rules: [] });
        return;
      }
      case 'add rule': {
        const table = this.#open(command);
        const chain = this.#chain(table, command, command.chain);
        const rules = [...chain.rules];
        const { index, insert } = command;
        for (const target of verdictChains(command.rule)) this.#chain(table, command, target);
        for (const name of setNames(command.rule)) this.#set(table, command, name);
        boundUpdatedSets(table, command.rule);
        if (index !== undefined && index >= rules.length) throw problem(`no rule ${index} in the chain`, command.line);
        const at = index === undefined ? (insert ? 0 : rules.length) : insert ? index : index + 1;
        rules.splice(at, 0, command.rule);
        table.chains = table.chains.with(chain.name, { ...chain, rules });
        return;
      }
      case 'add set': {
        const table = this.#open(command);
        const old = table.sets.get(command.set.name);
        this.lines.set(`${command.family} ${command.table} ${command.set.name}`, command.line);
        if (old === undefined) table.sets = table.sets.with(command.set.name, command.set);
        else if (command.create) throw problem(`set ${command.set.name} is there already`, command.line);
        else if (!sameShape(old, command.set))
          throw problem(`set ${command.set.name} is there already, and another one`, command.line);
        return;
      }
      case 'delete set': {
        const table = this.#open(command);
        if (command.destroy && !table.sets.has(command.name)) return;
        this.#set(table, command, command.name);
        table.sets = table.sets.without(command.name);
        return;
      }
      case 'flush set': {
        const table = this.#open(command);
        const set = this.#set(table, command, command.name);
        table.sets = table.sets.with(set.name, { ...set, elements: emptied(set) });
        return;
      }
      case 'add element':
        this.#addElements(command);
        return;
      case 'delete element': {
        const table = this.#open(command);
        const set = this.#set(table, command, command.set);
        let { elements } = set;
        for (const { key } of command.elements) {
          const next = elements.without(key);
          if (next === elements && !command.destroy) throw problem(`no such element in ${command.set}`, command.line);
          elements = next;
        }
        table.sets = table.sets.with(set.name, { ...set, elements });
      }
    }
  }

  #addTable({ family, table: name, create, comment, line }: Extract<NftCommand, { verb: 'add table' }>): void {
    const key = `${family} ${name}`;
    if (this.#tables.has(key)) {
      if (create) throw problem(`table ${key} is there already`, line);
      return;
    }
    const head = { family, name, ...(comment === undefined ? {} : { comment }) };
    this.#tables.set(key, { head, sets: PersistentMap.from([]), chains: PersistentMap.from([]), bases: new Set() });
  }

  #addChain(command: Extract<NftCommand, { verb: 'add chain' }>): void {
    const table = this.#open(command);
    const { name, base, policy, comment, line } = command;
    this.lines.set(`${command.family} ${command.table} ${name}`, line);
    const old = table.chains.get(name);
    if (old === undefined) {
      if (base !== undefined) table.bases.add(name);
      table.chains = table.chains.with(name, {
        name,
        ...(base === undefined ? {} : { base }),
        ...(comment === undefined ? {} : { comment }),
        rules: [],
      });
      return;
    }
    if (command.create) throw problem(`chain ${name} is there already`, line);
    if (base === undefined && policy === undefined) return;
    const before = old.base;
    if (before === undefined) throw problem(`chain ${name} is there already, and no base chain`, line);
    if (
      base !== undefined &&
      (base.type !== before.type || base.hook !== before.hook || base.priority !== before.priority)
    )
      throw problem(`chain ${name} is there already, at another place`, line);
    if (policy !== undefined) table.chains = table.chains.with(name, { ...old, base: { ...before, policy } });
  }

  #addElements(command: Extract<NftCommand, { verb: 'add element' }>): void {
    const table = this.#open(command);
    const set = this.#set(table, command, command.set);
    let { elements } = set;
    for (const element of command.elements) {
      if (!elements.interval && element.key.some((value) => typeof value === 'object'))
        throw problem(`${command.set} holds no intervals: it has not the flag interval`, command.line);
      if (element.timeout !== undefined && !set.flags.includes('timeout'))
        throw problem(`elements of ${command.set} have no timeout: it has not the flag timeout`, command.line);
      const { data } = element;
      if (data !== undefined && 'kind' in data && 'chain' in data) this.#chain(table, command, data.chain);
      const old = elements.conflict(element.key);
      if (old === undefined) {
        if (set.size !== undefined && elements.size >= set.size) throw problem(`${command.set} is full`, command.line);
        elements = elements.with(element);
        continue;
      }
      const same = elements.get(element.key);
      if (same === undefined) throw problem(`conflicting intervals in ${command.set}`, command.line);
      if (
        command.create ||
        JSON.stringify(same.data ?? null, jsonValue) !== JSON.stringify(element.data ?? null, jsonValue)
      )
        throw problem(`the element is in ${command.set} already`, command.line);
    }
    table.sets = table.sets.with(set.name, { ...set, elements });
  }

  #open({ family, table: name, line }: { family: NftFamily; table: string; line: number }): DraftTable {
    const key = `${family} ${name}`;
    const table = this.#tables.get(key);
    if (table === undefined)
      throw problem(
        `no table ${key}`,
        line,
        name,
        [...this.#tables.keys()].map((other) => other.split(' ')[1]!),
      );
    if ('head' in table) return table;
    const { family: _family, name: _name, comment, sets, chains } = table;
    const head = { family, name, ...(comment === undefined ? {} : { comment }) };
    const bases =
      table.baseChainNames ?? [...chains.values()].flatMap((chain) => (chain.base === undefined ? [] : [chain.name]));
    const open = { head, sets: PersistentMap.from(sets), chains: PersistentMap.from(chains), bases: new Set(bases) };
    this.#tables.set(key, open);
    return open;
  }

  #chain(table: DraftTable, command: { family: string; table: string; line: number }, name: string): NftChain {
    this.lines.set(`${command.family} ${command.table} ${name}`, command.line);
    const chain = table.chains.get(name);
    if (chain === undefined) throw problem(`no chain ${name}`, command.line, name, table.chains.keys());
    return chain;
  }

  #set(table: DraftTable, command: { family: string; table: string; line: number }, name: string): NftSet {
    this.lines.set(`${command.family} ${command.table} ${name}`, command.line);
    const set = table.sets.get(name);
    if (set === undefined) throw problem(`no set ${name}`, command.line, name, table.sets.keys());
    return set;
  }
}

function problem(message: string, line: number, token?: string, candidates?: Iterable<string>): NftSyntaxError {
  return new NftSyntaxError(message, line, token, candidates);
}

/** A set gets a bound when the first rule comes that fills it, and keeps it (Linux: nft_dynset_init). */
function boundUpdatedSets(table: DraftTable, rule: NftRule): void {
  for (const statement of rule.statements) {
    const set = statement.kind === 'set update' ? table.sets.get(statement.set) : undefined;
    if (set !== undefined && set.size === undefined) table.sets = table.sets.with(set.name, { ...set, size: 65535 });
  }
}

function emptied(set: NftSet): NftSet['elements'] {
  let { elements } = set;
  for (const { key } of elements) elements = elements.without(key);
  return elements;
}

function sameShape(a: NftSet, b: NftSet): boolean {
  return (
    a.type.join() === b.type.join() &&
    String(a.data) === String(b.data) &&
    a.flags.join() === b.flags.join() &&
    a.timeout === b.timeout
  );
}

function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

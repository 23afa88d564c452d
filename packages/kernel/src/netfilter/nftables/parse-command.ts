import type { NftCommand } from './command.ts';
import { dataTypeNames, isDataType, type NftDataType } from './datatype.ts';
import { NftElements } from './elements.ts';
import type { TokenReader } from './lexer.ts';
import { readRule } from './parse-rule.ts';
import { type ElementSyntax, parseDuration, parseElements } from './parse-value.ts';
import { priorityNames } from './print.ts';
import type { NftBase, NftElement, NftFamily, NftHook, NftSet, NftSetFlag } from './ruleset.ts';

/** What the reader of commands has to know of the rules so far: how elements of a set are written. */
export interface KnownSets {
  syntax(family: NftFamily, table: string, set: string): ElementSyntax | undefined;
  setNames(family: NftFamily, table: string): Iterable<string>;
}

const families: readonly NftFamily[] = ['ip', 'ip6', 'inet'];
const otherFamilies = ['arp', 'bridge', 'netdev'];
const hooks: readonly NftHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
const chainTypes = ['filter', 'nat', 'route'] as const;
const objects = ['table', 'chain', 'rule', 'set', 'map', 'element'];
const verbs = ['add', 'create', 'insert', 'delete', 'destroy', 'flush', 'table', 'replace', 'list', 'reset'];

/** Reads one command; a block `table ... { ... }` is several, in an order in which they can be carried out. */
export function parseCommand(reader: TokenReader, known: KnownSets): NftCommand[] {
  if (reader.is('table')) return parseAdd(reader, known, 'add');
  for (const verb of ['add', 'create', 'insert'] as const) if (reader.take(verb)) return parseAdd(reader, known, verb);
  for (const verb of ['delete', 'destroy'] as const) if (reader.take(verb)) return [parseDelete(reader, known, verb)];
  if (reader.take('flush')) return [parseFlush(reader)];
  if (reader.is('replace')) reader.fail('rules have no handles here, so none can be replaced by its handle');
  if (reader.is('list') || reader.is('reset')) reader.fail('not a command that changes rules');
  return reader.fail('unknown command', verbs);
}

interface Place {
  readonly family: NftFamily;
  readonly table: string;
  readonly line: number;
}

function parseFamily(reader: TokenReader): NftFamily | undefined {
  const family = families.find((name) => reader.is(name));
  if (family !== undefined) reader.next();
  else if (otherFamilies.some((name) => reader.is(name))) reader.fail('tables of this family are not modelled');
  return family;
}

function parsePlace(reader: TokenReader): Place {
  const { line } = reader;
  const family = parseFamily(reader) ?? 'ip';
  return { family, table: reader.name('table'), line };
}

function parseAdd(reader: TokenReader, known: KnownSets, verb: 'add' | 'create' | 'insert'): NftCommand[] {
  const create = verb === 'create';
  if (verb !== 'insert') {
    if (reader.take('table')) return parseTable(reader, create);
    if (reader.take('chain')) {
      const place = parsePlace(reader);
      const name = reader.name('chain');
      const { base, policy, comment } = reader.is('{') ? parseChainBlock(reader, place.family) : noChainSpec;
      return [{ verb: 'add chain', ...place, create, name, ...present({ base, policy, comment }) }];
    }
    for (const what of ['set', 'map'] as const) {
      if (!reader.take(what)) continue;
      const place = parsePlace(reader);
      const { set, elements } = parseSet(reader, what);
      return addSet(place, create, set, elements);
    }
    if (reader.take('element')) {
      const place = parsePlace(reader);
      const [set, elements] = parseElementCommand(reader, known, place, false);
      return [{ verb: 'add element', ...place, create, set, elements }];
    }
  }
  if (!reader.take('rule')) reader.fail(`unknown object to ${verb}`, objects);
  const place = parsePlace(reader);
  const chain = reader.name('chain');
  const index = reader.take('index') || reader.take('position') ? reader.number('an index') : undefined;
  const rule = readRule(reader, place.family);
  return [{ verb: 'add rule', ...place, chain, rule, insert: verb === 'insert', ...present({ index }) }];
}

function parseDelete(reader: TokenReader, known: KnownSets, verb: 'delete' | 'destroy'): NftCommand {
  const destroy = verb === 'destroy';
  if (reader.take('table')) return { verb: 'delete table', ...parsePlace(reader), destroy };
  if (reader.take('chain')) return { verb: 'delete chain', ...parsePlace(reader), destroy, name: reader.name('chain') };
  for (const what of ['set', 'map'] as const) {
    if (reader.take(what)) return { verb: 'delete set', ...parsePlace(reader), destroy, what, name: reader.name(what) };
  }
  if (reader.take('element')) {
    const place = parsePlace(reader);
    const [set, elements] = parseElementCommand(reader, known, place, true);
    return { verb: 'delete element', ...place, destroy, set, elements };
  }
  if (reader.is('rule')) reader.fail('rules have no handles here, so none can be deleted by its handle');
  return reader.fail(`unknown object to ${verb}`, objects);
}

function parseFlush(reader: TokenReader): NftCommand {
  const { line } = reader;
  if (reader.take('ruleset')) return { verb: 'flush ruleset', line, ...present({ family: parseFamily(reader) }) };
  if (reader.take('table')) return { verb: 'flush table', ...parsePlace(reader) };
  if (reader.take('chain')) return { verb: 'flush chain', ...parsePlace(reader), name: reader.name('chain') };
  for (const what of ['set', 'map'] as const) {
    if (reader.take(what)) return { verb: 'flush set', ...parsePlace(reader), what, name: reader.name(what) };
  }
  return reader.fail('unknown object to flush', ['ruleset', 'table', 'chain', 'set', 'map']);
}

function parseElementCommand(
  reader: TokenReader,
  known: KnownSets,
  { family, table }: Place,
  keysOnly: boolean,
): [string, NftElement[]] {
  const name = reader.peek().text;
  const syntax = known.syntax(family, table, name);
  if (syntax === undefined) reader.fail(`no such set in table ${family} ${table}`, known.setNames(family, table));
  reader.next();
  return [name, parseElements(reader, syntax, keysOnly)];
}

/** `{ comment "..."; chain ... { } set ... { } }`. Chains come before sets and rules, which may name them. */
function parseTable(reader: TokenReader, create: boolean): NftCommand[] {
  const place = parsePlace(reader);
  let comment: string | undefined;
  const chains: NftCommand[] = [];
  const sets: NftCommand[] = [];
  const elements: NftCommand[] = [];
  const rules: NftCommand[] = [];
  if (reader.take('{')) {
    while (reader.inBlock()) {
      try {
        const { line } = reader;
        const at = { ...place, line };
        if (reader.take('comment')) comment = reader.string('a comment');
        else if (reader.take('chain')) {
          const name = reader.name('chain');
          const spec = parseChainBlock(reader, place.family);
          const { base, policy } = spec;
          chains.push({
            verb: 'add chain',
            ...at,
            create: false,
            name,
            ...present({ base, policy, comment: spec.comment }),
          });
          for (const { rule, line: ruleLine } of spec.rules) {
            rules.push({ verb: 'add rule', ...place, line: ruleLine, chain: name, rule, insert: false });
          }
        } else if (reader.is('set') || reader.is('map')) {
          const what = reader.next().text === 'set' ? 'set' : 'map';
          const parsed = parseSet(reader, what);
          const [set, ...rest] = addSet(at, false, parsed.set, parsed.elements);
          sets.push(set!);
          elements.push(...rest);
        } else if (reader.take('flags')) {
          reader.fail('flags of a table are not modelled');
        } else reader.fail('expected a chain, set or map', ['chain', 'set', 'map', 'comment']);
        reader.endStatement();
      } catch (error) {
        reader.recover(error);
      }
    }
  }
  return [{ verb: 'add table', ...place, create, ...present({ comment }) }, ...sets, ...chains, ...elements, ...rules];
}

interface ChainSpec {
  readonly base?: NftBase | undefined;
  readonly policy?: NftBase['policy'] | undefined;
  readonly comment?: string | undefined;
  readonly rules: readonly { readonly rule: ReturnType<typeof readRule>; readonly line: number }[];
}
const noChainSpec: ChainSpec = { rules: [] };

function parseChainBlock(reader: TokenReader, family: NftFamily): ChainSpec {
  const rules: { rule: ReturnType<typeof readRule>; line: number }[] = [];
  let head: Omit<NftBase, 'policy'> | undefined;
  let policy: NftBase['policy'] | undefined;
  let comment: string | undefined;
  reader.expect('{');
  while (reader.inBlock()) {
    try {
      const { line } = reader;
      if (reader.take('type')) head = parseBase(reader);
      else if (reader.take('policy')) {
        if (reader.take('accept')) policy = 'accept';
        else if (reader.take('drop')) policy = 'drop';
        else reader.fail('unknown policy', ['accept', 'drop']);
      } else if (reader.is('comment')) {
        reader.next();
        comment = reader.string('a comment');
      } else rules.push({ rule: readRule(reader, family), line });
      reader.endStatement();
    } catch (error) {
      reader.recover(error);
    }
  }
  const base = head === undefined ? undefined : { ...head, policy: policy ?? 'accept' };
  return { base, policy, comment, rules };
}

function parseBase(reader: TokenReader): Omit<NftBase, 'policy'> {
  const type = chainTypes.find((name) => reader.is(name));
  if (type === undefined) reader.fail('unknown type of chain', chainTypes);
  reader.next();
  reader.expect('hook');
  const hook = hooks.find((name) => reader.is(name));
  if (hook === undefined) reader.fail('unknown hook', hooks);
  reader.next();
  if (reader.is('device') || reader.is('devices')) reader.fail('chains of a device are not modelled');
  reader.expect('priority');
  const priority = parsePriority(reader);
  if (type === 'nat' && hook === 'forward') reader.fail('a nat chain has no place at forward');
  if (type === 'route' && hook !== 'output') reader.fail('a route chain has its place at output only');
  if (type === 'nat' && priority <= -200)
    reader.fail('a nat chain comes after connection tracking: its priority is over -200');
  return { type, hook, priority };
}

function parsePriority(reader: TokenReader): number {
  if (reader.take('-')) return -reader.number('a priority');
  if (reader.peek().kind === 'number') return reader.number('a priority');
  const named = priorityNames.find(({ name }) => reader.is(name));
  if (named === undefined)
    reader.fail(
      'unknown priority',
      priorityNames.map(({ name }) => name),
    );
  reader.next();
  if (reader.take('+')) return named.priority + reader.number('an offset');
  if (reader.take('-')) return named.priority - reader.number('an offset');
  return named.priority;
}

const setFlags: readonly NftSetFlag[] = ['constant', 'interval', 'dynamic', 'timeout'];

function parseSet(
  reader: TokenReader,
  what: 'set' | 'map',
): { readonly set: NftSet; readonly elements: readonly NftElement[] } {
  const name = reader.name(what);
  let type: readonly NftDataType[] | undefined;
  let data: NftSet['data'];
  let flags: readonly NftSetFlag[] = [];
  let elements: readonly NftElement[] = [];
  let size: number | undefined;
  let timeout: number | undefined;
  let gcInterval: number | undefined;
  let comment: string | undefined;
  let counter: true | undefined;
  const { problems } = reader;
  reader.expect('{');
  while (reader.inBlock()) {
    try {
      if (reader.take('type')) {
        type = parseTypes(reader);
        if (what === 'map') {
          reader.expect(':');
          data = reader.take('verdict') ? 'verdict' : parseTypes(reader);
        }
      } else if (reader.take('flags')) flags = parseSetFlags(reader);
      else if (reader.take('timeout')) timeout = parseDuration(reader);
      else if (reader.take('gc-interval')) gcInterval = parseDuration(reader);
      else if (reader.take('size')) size = reader.number('a size');
      else if (reader.take('comment')) comment = reader.string('a comment');
      else if (reader.take('counter')) counter = true;
      else if (reader.take('elements')) {
        reader.expect('=');
        if (type === undefined) reader.fail('the type of a set comes before its elements');
        elements = parseElements(reader, { type, data });
      } else reader.fail(`unknown property of a ${what}`, ['type', 'flags', 'timeout', 'size', 'comment', 'elements']);
      reader.endStatement();
    } catch (error) {
      reader.recover(error);
    }
  }
  if (type === undefined) {
    if (reader.problems === problems) reader.fail(`a ${what} needs a type`);
    type = ['integer'];
  }
  if (timeout !== undefined && !flags.includes('timeout') && flags.length > 0) flags = [...flags, 'timeout'];
  const empty = NftElements.empty(type, flags.includes('interval'));
  const set: NftSet = {
    name,
    type,
    flags: setFlags.filter((flag) => flags.includes(flag)),
    elements: empty,
    ...present({ data, size, timeout, gcInterval, comment, counter }),
  };
  return { set, elements };
}

function parseTypes(reader: TokenReader): NftDataType[] {
  const found: NftDataType[] = [];
  do {
    const { text } = reader.peek();
    if (!isDataType(text)) reader.fail('unknown type', dataTypeNames);
    reader.next();
    found.push(text);
  } while (reader.take('.'));
  return found;
}

function parseSetFlags(reader: TokenReader): NftSetFlag[] {
  const found: NftSetFlag[] = [];
  do {
    const flag = setFlags.find((name) => reader.is(name));
    if (flag === undefined) reader.fail('unknown flag of a set', setFlags);
    reader.next();
    found.push(flag);
  } while (reader.take(','));
  return found;
}

function addSet(place: Place, create: boolean, set: NftSet, elements: readonly NftElement[]): NftCommand[] {
  const commands: NftCommand[] = [{ verb: 'add set', ...place, create, set }];
  if (elements.length > 0) commands.push({ verb: 'add element', ...place, create: false, set: set.name, elements });
  return commands;
}

/** Leaves out what is undefined. */
function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const out: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key of Object.keys(fields) as (keyof T)[]) {
    const value = fields[key];
    if (value !== undefined) out[key] = value as Exclude<T[keyof T], undefined>;
  }
  return out;
}

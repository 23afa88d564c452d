import type { NftProblem } from './error.ts';
import { NftSyntaxError } from './error.ts';
import type { NftExpression, NftRule, NftRuleset, NftSetOperand, NftTable, NftVerdict } from './ruleset.ts';

/** Chains that a packet may be in at once (Linux: NFT_JUMP_STACK_SIZE). */
export const MAX_JUMPS = 16;

/**
 * What the kernel would find wrong with a change: chains and sets that are named and not there, loops, jumps too deep.
 * Only what changed is looked at, and what could have named something that is gone.
 */
export function verifyChange(
  before: NftRuleset,
  after: NftRuleset,
  lines: ReadonlyMap<string, number> = new Map(),
): NftProblem[] {
  const problems: NftProblem[] = [];
  for (const table of after.tables) {
    const old = before.tables.find(({ family, name }) => family === table.family && name === table.name);
    if (old === table) continue;
    verifyTable(old, table, (name) => lines.get(`${table.family} ${table.name} ${name}`) ?? 0, problems);
  }
  return problems;
}

function verifyTable(
  old: NftTable | undefined,
  table: NftTable,
  lineOf: (name: string) => number,
  problems: NftProblem[],
): void {
  const lost =
    old !== undefined &&
    ([...old.chains.keys()].some((name) => !table.chains.has(name)) ||
      [...old.sets.keys()].some((name) => !table.sets.has(name)));
  let changed = lost;
  for (const chain of table.chains.values()) {
    if (!lost && old?.chains.get(chain.name) === chain) continue;
    changed = true;
    for (const rule of chain.rules) {
      for (const target of verdictChains(rule)) {
        if (!table.chains.has(target))
          problems.push(missing(`chain ${target}`, target, lineOf(chain.name), chain.name, table.chains.keys()));
      }
      for (const name of setNames(rule)) {
        if (!table.sets.has(name))
          problems.push(missing(`set ${name}`, name, lineOf(chain.name), chain.name, table.sets.keys()));
      }
    }
  }
  for (const set of table.sets.values()) {
    if (set.data !== 'verdict' || (!lost && old?.sets.get(set.name)?.elements === set.elements)) continue;
    changed = true;
    for (const { data } of set.elements) {
      const target = data !== undefined && 'kind' in data && 'chain' in data ? data.chain : undefined;
      if (target !== undefined && !table.chains.has(target))
        problems.push(missing(`chain ${target}`, target, lineOf(set.name), set.name, table.chains.keys()));
    }
  }
  if (changed && problems.length === 0) verifyDepth(table, lineOf, problems);
}

function missing(what: string, name: string, line: number, where: string, candidates: Iterable<string>): NftProblem {
  return new NftSyntaxError(`no ${what}, which ${where} names`, line, name, candidates).problem;
}

/** Loops that no packet can come into are not refused: the kernel looks from the base chains on. */
function verifyDepth(table: NftTable, lineOf: (name: string) => number, problems: NftProblem[]): void {
  const depths = new Map<string, number>();
  const open = new Set<string>();
  const depthOf = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    if (open.has(name)) return Number.POSITIVE_INFINITY;
    open.add(name);
    let depth = 1;
    if (open.size > MAX_JUMPS + 1) depth = Number.POSITIVE_INFINITY;
    else {
      for (const rule of table.chains.get(name)?.rules ?? []) {
        for (const target of [...verdictChains(rule), ...mapChains(table, rule)]) {
          depth = Math.max(depth, 1 + depthOf(target));
        }
      }
    }
    open.delete(name);
    depths.set(name, depth);
    return depth;
  };
  for (const { name, base } of table.chains.values()) {
    if (base !== undefined && depthOf(name) > MAX_JUMPS + 1) {
      problems.push({
        line: lineOf(name),
        message: `chain ${name}: jumps go round in a loop, or too deep`,
        token: name,
      });
      return;
    }
  }
}

function verdictTarget(verdict: NftVerdict): string[] {
  return 'chain' in verdict ? [verdict.chain] : [];
}

/** Chains that a rule itself names. */
export function verdictChains(rule: NftRule): string[] {
  return rule.statements.flatMap((statement) => {
    if (statement.kind === 'verdict') return verdictTarget(statement.verdict);
    if (statement.kind !== 'vmap' || statement.map.kind !== 'elements') return [];
    return [...statement.map.elements].flatMap(({ data }) =>
      data !== undefined && 'kind' in data ? verdictTarget(data) : [],
    );
  });
}

const mapTargets = new WeakMap<object, readonly string[]>();

/** Chains that a rule reaches by a map with a name. */
function mapChains(table: NftTable, rule: NftRule): string[] {
  return rule.statements.flatMap((statement) => {
    if (statement.kind !== 'vmap' || statement.map.kind !== 'set') return [];
    const elements = table.sets.get(statement.map.name)?.elements;
    if (elements === undefined) return [];
    let targets = mapTargets.get(elements);
    if (targets === undefined) {
      const found = new Set<string>();
      for (const { data } of elements)
        if (data !== undefined && 'kind' in data && 'chain' in data) found.add(data.chain);
      targets = [...found];
      mapTargets.set(elements, targets);
    }
    return targets;
  });
}

/** Sets and maps that a rule names. */
export function setNames(rule: NftRule): string[] {
  return rule.statements.flatMap((statement) => {
    switch (statement.kind) {
      case 'match':
        return [...inExpression(statement.left), ...(statement.right.kind === 'set' ? [statement.right.name] : [])];
      case 'vmap':
        return [...inExpression(statement.key), ...inOperand(statement.map)];
      case 'set update':
        return [statement.set];
      case 'set mark':
        return inExpression(statement.value);
      case 'snat':
      case 'dnat':
        return [statement.address?.from, statement.addressAndPort, statement.port?.from].flatMap((expression) =>
          expression === undefined ? [] : inExpression(expression),
        );
      default:
        return [];
    }
  });
}

function inOperand(operand: NftSetOperand): string[] {
  return operand.kind === 'set' ? [operand.name] : [];
}

function inExpression(expression: NftExpression): string[] {
  switch (expression.kind) {
    case 'concat':
      return expression.parts.flatMap(inExpression);
    case 'binary':
      return inExpression(expression.left);
    case 'map':
      return [...inExpression(expression.key), ...inOperand(expression.map)];
    default:
      return [];
  }
}

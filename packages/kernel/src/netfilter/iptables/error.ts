/** One thing wrong with a text of rules. */
export interface IptablesProblem {
  /** From 1; 0 where the rules did not come from text. */
  readonly line: number;
  readonly message: string;
  /** The word at fault, as written. */
  readonly token?: string;
  /** The nearest right word, where one is near. */
  readonly suggestion?: string;
}

/** Thrown for rules that iptables-restore or the kernel would refuse; all problems at once, in the order of lines. */
export class IptablesError extends Error {
  override readonly name = 'IptablesError';
  readonly problems: readonly IptablesProblem[];
  constructor(problems: readonly IptablesProblem[]) {
    const shown = problems.slice(0, 20).map(describe);
    if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
    super(shown.join('\n'));
    this.problems = problems;
  }
}

function describe(problem: IptablesProblem): string {
  const where = problem.line > 0 ? `line ${problem.line}: ` : '';
  const hint = problem.suggestion === undefined ? '' : ` (did you mean ${problem.suggestion}?)`;
  return `${where}${problem.message}${hint}`;
}

/** Thrown while one rule is read; the reader of the text adds the line. */
export class RuleSyntaxError extends Error {
  override readonly name = 'RuleSyntaxError';
  readonly token: string | undefined;
  readonly suggestion: string | undefined;
  constructor(message: string, token?: string, candidates?: Iterable<string>) {
    super(message);
    this.token = token;
    this.suggestion = token === undefined || candidates === undefined ? undefined : nearest(token, candidates);
  }
}

/** The candidate that needs fewest edits, if it is near enough to be meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestCost = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) >= bestCost) continue;
    const cost = editDistance(wanted, candidate.toLowerCase());
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  return best;
}

/** Edits (insert, delete, replace, swap of neighbours) that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

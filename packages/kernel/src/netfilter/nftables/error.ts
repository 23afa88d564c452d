import { nearest } from '../iptables/error.ts';

/** One thing wrong with a text of nft commands. */
export interface NftProblem {
  /** From 1; 0 where the rules did not come from text. */
  readonly line: number;
  readonly message: string;
  /** The word at fault, as written. */
  readonly token?: string;
  /** The nearest right word, where one is near. */
  readonly suggestion?: string;
}

/** Thrown for text that nft would refuse, or the kernel; all problems at once, in the order of lines. */
export class NftError extends Error {
  override readonly name = 'NftError';
  readonly problems: readonly NftProblem[];
  constructor(problems: readonly NftProblem[]) {
    const shown = problems.slice(0, 20).map(describe);
    if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
    super(shown.join('\n'));
    this.problems = problems;
  }
}

function describe(problem: NftProblem): string {
  const where = problem.line > 0 ? `line ${problem.line}: ` : '';
  const hint = problem.suggestion === undefined ? '' : ` (did you mean ${problem.suggestion}?)`;
  return `${where}${problem.message}${hint}`;
}

/** Thrown while one command is read or carried out; the reader of the text goes on with the next one. */
export class NftSyntaxError extends Error {
  override readonly name = 'NftSyntaxError';
  readonly problem: NftProblem;
  constructor(message: string, line: number, token?: string, candidates?: Iterable<string>) {
    super(message);
    const suggestion = token === undefined || candidates === undefined ? undefined : nearest(token, candidates);
    this.problem = {
      line,
      message,
      ...(token === undefined ? {} : { token }),
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }
}

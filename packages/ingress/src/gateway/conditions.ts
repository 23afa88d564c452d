/** A condition before it is written: no times, no generation. */
export interface Verdict {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** Why something is refused. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

export function yes(type: string, reason: string, message: string): Verdict {
  return { type, status: 'True', reason, message };
}

export function no(type: string, { reason, message }: Problem): Verdict {
  return { type, status: 'False', reason, message };
}

/** True with `reason`, or False for the problem. */
export function verdict(type: string, problem: Problem | undefined, reason: string, message: string): Verdict {
  return problem === undefined ? yes(type, reason, message) : no(type, problem);
}

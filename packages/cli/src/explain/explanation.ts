/** What `netsim explain CODE` says. */
export interface Explanation {
  /** What it is, in a sentence or two. */
  readonly meaning: string;
  /** What to look at and to change. */
  readonly mend: string;
}

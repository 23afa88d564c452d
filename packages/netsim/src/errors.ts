/** A caller's mistake: a name that does not exist, a port that is missing. The command line exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** The nearest right name, or what to write instead. */
  readonly suggestion: string | undefined;
  constructor(message: string, suggestion?: string) {
    super(suggestion === undefined ? message : `${message}; ${suggestion}`);
    this.suggestion = suggestion;
  }
}

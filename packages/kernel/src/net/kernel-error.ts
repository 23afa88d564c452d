/** Thrown where a netns is told something that the real tools would refuse: a caller's mistake, not a packet's fate. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** As Linux would answer: ENODEV, EEXIST, ENETUNREACH, ... */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

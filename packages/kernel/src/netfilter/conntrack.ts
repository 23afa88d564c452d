/** Placeholder shape until conntrack lands. */
export interface Conn {
  readonly id: number;
}

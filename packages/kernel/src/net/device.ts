/** Placeholder shape until the device model lands. */
export interface Device {
  readonly name: string;
}

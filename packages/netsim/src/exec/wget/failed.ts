/** What a try came to that may be repeated: GNU's words, BusyBox's, and GNU's exit status. */
export interface Failed {
  readonly gnu: string;
  readonly busybox: string;
  readonly code: number;
  readonly again: boolean;
}

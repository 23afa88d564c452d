/** Things to be done at a virtual time. Nothing runs by itself: {@link Timers.fire} is called when the clock has moved. */
export class Timers {
  readonly #pending = new Map<string, { at: number; run: () => void }>();

  /** Sets or moves the timer of this name. */
  set(name: string, at: number, run: () => void): void {
    this.#pending.set(name, { at, run });
  }

  cancel(name: string): void {
    this.#pending.delete(name);
  }

  /** The earliest time at which something is due. */
  next(): number | undefined {
    let next: number | undefined;
    for (const { at } of this.#pending.values()) if (next === undefined || at < next) next = at;
    return next;
  }

  /** Runs what is due, earliest first; true where there was something. */
  fire(now: number): boolean {
    if (this.#pending.size === 0) return false;
    const due = [...this.#pending].filter(([, timer]) => timer.at <= now).sort(([, a], [, b]) => a.at - b.at);
    for (const [name, timer] of due) {
      this.#pending.delete(name);
      timer.run();
    }
    return due.length > 0;
  }
}

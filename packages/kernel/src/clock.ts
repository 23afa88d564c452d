/** Something to happen at a virtual time. */
export interface Timer {
  readonly at: number;
  cancel(): void;
}

class Entry implements Timer {
  readonly at: number;
  readonly order: number;
  fn: (() => void) | null;
  constructor(at: number, order: number, fn: () => void) {
    this.at = at;
    this.order = order;
    this.fn = fn;
  }
  cancel(): void {
    this.fn = null;
  }
}

/** Virtual time in milliseconds. It stands still until somebody moves it, and timers fire in order of time, then of setting. */
export class Clock {
  now = 0;
  #order = 0;
  /** Binary heap, earliest first. */
  readonly #heap: Entry[] = [];
  /** Called after each timer that fired, to run the packets it made. */
  afterTimer: (() => void) | null = null;

  schedule(at: number, fn: () => void): Timer {
    const entry = new Entry(Math.max(at, this.now), this.#order++, fn);
    this.#push(entry);
    return entry;
  }

  /** Time of the next timer, if there is one. */
  next(): number | undefined {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.fn === null) this.#pop();
    return heap[0]?.at;
  }

  /** Moves time, firing all that becomes due; at most `maxTimers` of them (the rest fires at the next move). */
  advance(ms: number, maxTimers = 1_000_000): void {
    const target = this.now + Math.max(0, ms);
    for (let fired = 0; fired < maxTimers; fired++) {
      const at = this.next();
      if (at === undefined || at > target) break;
      this.fireNext();
    }
    this.now = Math.max(this.now, target);
  }

  /** Moves time to the next timer and fires it. False where there is none. */
  fireNext(): boolean {
    const at = this.next();
    if (at === undefined) return false;
    const entry = this.#pop();
    this.now = Math.max(this.now, at);
    const fn = entry.fn;
    entry.fn = null;
    if (fn !== null) fn();
    if (this.afterTimer !== null) this.afterTimer();
    return true;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    const size = heap.length;
    if (size > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++;
        if (!before(heap[child]!, last)) break;
        heap[at] = heap[child]!;
        at = child;
      }
      heap[at] = last;
    }
    return top;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

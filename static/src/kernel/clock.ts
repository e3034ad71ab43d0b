export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds: for spans, never for dates. */
  nowMs(): number;
  /** Milliseconds since 1970, as the system has it. A sleep passes here, and may not pass in `nowMs`. */
  wallMs(): number;
  after(delayMs: number, run: () => void): Cancel;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Waits `delayMs`, or less when `signal` aborts; the caller looks at the signal to know which. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal.addEventListener("abort", finish);
  });
}

/** A clock that moves only when told. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #sleptMs = 0;
  #sequence = 0;
  readonly #timers = new Map<number, { dueMs: number; run: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 10, 21) + this.#nowMs + this.#sleptMs;
  }

  /** The lid is closed: timers stand still, and so does the monotonic clock on most systems. */
  sleep(spanMs: number): void {
    this.#sleptMs += spanMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    this.#sequence += 1;
    const id = this.#sequence;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), run });
    return () => this.#timers.delete(id);
  }

  /** Milliseconds until the next timer is due, or null where none waits. */
  untilNextMs(): number | null {
    const next = this.#earliest();
    return next === null ? null : next.dueMs - this.#nowMs;
  }

  /** Runs what falls due within `spanMs`, each at its own time, earliest first. */
  advance(spanMs: number): void {
    const endMs = this.#nowMs + spanMs;
    for (let next = this.#earliest(); next !== null && next.dueMs <= endMs; next = this.#earliest()) {
      this.#nowMs = next.dueMs;
      this.#timers.delete(next.id);
      next.run();
    }
    this.#nowMs = endMs;
  }

  #earliest(): { id: number; dueMs: number; run: () => void } | null {
    let found: { id: number; dueMs: number; run: () => void } | null = null;
    for (const [id, timer] of this.#timers) {
      if (found === null || timer.dueMs < found.dueMs) found = { id, ...timer };
    }
    return found;
  }
}

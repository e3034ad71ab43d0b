type TaskScheduler = { postTask(run: () => void, options: { priority: "background" }): Promise<unknown> };

/** Resolves when the events and frames that were due have had their turn. Timers in a row wait 4 ms each. */
export function nextTurn(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: TaskScheduler };
  // Where there is none (Safari 18), timers.
  return new Promise((resolve) => {
    if (scheduler === undefined) setTimeout(resolve, 0);
    else void scheduler.postTask(resolve, { priority: "background" });
  });
}

/** Says of a long work when it is to wait for the next turn. */
export class Slice {
  readonly #lengthMs: number;
  #endMs: number;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
    this.#endMs = performance.now() + lengthMs;
  }

  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#endMs = performance.now() + this.#lengthMs;
  }
}

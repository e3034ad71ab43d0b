import type { Cancel, Clock } from "../kernel/clock.ts";

export type BatcherRules<Item> = {
  readonly clock: Clock;
  /** How long the first item waits for company; asked again whenever another comes. */
  readonly delayMs: () => number;
  /** From one call to the next, unless it is full or urgent. */
  readonly apartMs?: number;
  readonly maxItems: number;
  /** Items of one call belong to one group; null where all may go together. */
  readonly groupOf: (item: Item) => string | null;
  readonly send: (items: readonly Item[]) => Promise<void>;
};

/** Gathers what is to be asked and asks it in few calls, one at a time: what comes meanwhile gathers for the next. */
export class Batcher<Item> {
  readonly #rules: BatcherRules<Item>;
  #gathering: Item[] = [];
  /** Of the calls that are being made, one group after another. */
  #due: Item[] = [];
  #isSending = false;
  #isUrgent = false;
  #sinceMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: Cancel | null = null;
  #idleWaiters: (() => void)[] = [];

  constructor(rules: BatcherRules<Item>) {
    this.#rules = rules;
  }

  /** Items that wait for company. */
  get gatheringCount(): number {
    return this.#gathering.length;
  }

  add(item: Item): void {
    if (this.#gathering.length === 0) this.#sinceMs = this.#rules.clock.nowMs();
    this.#gathering.push(item);
    if (this.#gathering.length >= this.#rules.maxItems) this.flush();
    else this.reconsider();
  }

  /** The delay may be another by now. */
  reconsider(): void {
    if (this.#isSending || this.#gathering.length === 0) return;
    this.#cancelTimer?.();
    const { apartMs = 0, clock, delayMs } = this.#rules;
    const dueMs = Math.max(this.#sinceMs + delayMs(), this.#lastMs + apartMs);
    this.#cancelTimer = clock.after(Math.max(0, dueMs - clock.nowMs()), () => this.flush());
  }

  /** Does not wait for company any longer. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#isUrgent = true;
    if (!this.#isSending) void this.#sendAll();
  }

  /** Resolves when nothing is asked any more. */
  idle(): Promise<void> {
    if (!this.#isSending && this.#gathering.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.flush();
    });
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#isUrgent && this.#gathering.length > 0) {
      this.#isUrgent = false;
      this.#lastMs = this.#rules.clock.nowMs();
      this.#due = this.#gathering;
      this.#gathering = [];
      while (this.#due.length > 0) await this.#rules.send(this.#takeGroup());
      this.#isUrgent ||= this.#idleWaiters.length > 0;
    }
    this.#isUrgent = false;
    this.#isSending = false;
    if (this.#gathering.length > 0) this.reconsider();
    else this.#tellIdle();
  }

  #tellIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const goOn of waiters) goOn();
  }

  #takeGroup(): Item[] {
    const [first] = this.#due;
    if (first === undefined) return [];
    const group = this.#rules.groupOf(first);
    const taken: Item[] = [];
    const left: Item[] = [];
    for (const item of this.#due) {
      const isTaken = taken.length < this.#rules.maxItems && this.#rules.groupOf(item) === group;
      (isTaken ? taken : left).push(item);
    }
    this.#due = left;
    return taken;
  }
}

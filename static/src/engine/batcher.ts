import type { Cancel, Clock } from "../kernel/clock.ts";

export type BatcherRules<Item> = {
  readonly clock: Clock;
  /** How long the first item waits for company. */
  readonly delayMs: number;
  readonly maxItems: number;
  /** Items of one call belong to one group; null where all may go together. */
  readonly groupOf: (item: Item) => string | null;
  readonly send: (items: readonly Item[]) => Promise<void>;
};

/** Gathers what is to be asked and asks it in few calls, one at a time: what comes meanwhile goes with the next. */
export class Batcher<Item> {
  readonly #rules: BatcherRules<Item>;
  #pending: Item[] = [];
  #isSending = false;
  #cancelTimer: Cancel | null = null;
  #idleWaiters: (() => void)[] = [];

  constructor(rules: BatcherRules<Item>) {
    this.#rules = rules;
  }

  add(item: Item): void {
    this.#pending.push(item);
    if (this.#pending.length >= this.#rules.maxItems) this.flush();
    else this.#cancelTimer ??= this.#rules.clock.after(this.#rules.delayMs, () => this.flush());
  }

  drop(isDropped: (item: Item) => boolean): void {
    this.#pending = this.#pending.filter((item) => !isDropped(item));
  }

  has(isMeant: (item: Item) => boolean): boolean {
    return this.#pending.some(isMeant);
  }

  /** Does not wait for company any longer. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (!this.#isSending) void this.#sendAll();
  }

  /** Resolves when nothing is asked any more. */
  idle(): Promise<void> {
    if (!this.#isSending && this.#pending.length === 0) return Promise.resolve();
    this.flush();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#pending.length > 0) await this.#rules.send(this.#takeGroup());
    this.#isSending = false;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const goOn of waiters) goOn();
  }

  #takeGroup(): Item[] {
    const [first] = this.#pending;
    if (first === undefined) return [];
    const group = this.#rules.groupOf(first);
    const taken: Item[] = [];
    const left: Item[] = [];
    for (const item of this.#pending) {
      const isTaken = taken.length < this.#rules.maxItems && this.#rules.groupOf(item) === group;
      (isTaken ? taken : left).push(item);
    }
    this.#pending = left;
    return taken;
  }
}

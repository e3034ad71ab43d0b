import type { Cancel, Clock } from "../kernel/clock.ts";

/**
 * To hand a file to another tab takes a quarter of a millisecond (5,000 at once: 1.3 s, measured in Chromium, November
 * 2026), and photos on their way do not wait for that: they go a few at a time.
 */
export const FILES_AT_ONCE = 100;
const EVERY_MS = 250;

/** Says one thing after the other, until there is nothing more to say. */
export class Trickle {
  readonly #clock: Clock;
  readonly #sayNext: () => boolean;
  #cancel: Cancel | null = null;

  /** `sayNext` answers false where it had nothing to say. */
  constructor(clock: Clock, sayNext: () => boolean) {
    this.#clock = clock;
    this.#sayNext = sayNext;
  }

  start(): void {
    this.#cancel ??= this.#clock.after(0, () => this.#run());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #run(): void {
    this.#cancel = this.#sayNext() ? this.#clock.after(EVERY_MS, () => this.#run()) : null;
  }
}

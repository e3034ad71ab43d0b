// What arrives in this gallery from another device, for whoever has its page open here.

import { openCountOf, percentOfTotals } from "../domain/totals.ts";
import type { SocketMessage, Totals } from "../domain/wire.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import { setText } from "./element.ts";
import { formatBytes, formatCount, formatSpeed, formatTimeLeft } from "./quantities.ts";

/** Reports come while bytes move; without one for so long, nobody knows whether they still do. */
export const HEARD_WITHIN_MS = 15_000;

export class ElsewhereLine {
  readonly #page: HTMLElement;
  readonly #line: HTMLElement;
  readonly #clock: Clock;
  #totals: Totals | null = null;
  /** The figures heard last; null before the first. */
  #seen: string | null = null;
  #isBusyHere = false;
  #cancel: Cancel = () => {};

  constructor(page: HTMLElement, line: HTMLElement, clock: Clock) {
    this.#page = page;
    this.#line = line;
    this.#clock = clock;
  }

  heard(message: unknown): void {
    const { type, totals } = message as { type?: SocketMessage["type"]; totals?: Totals | null };
    if (totals === undefined || totals === null) {
      return;
    }
    if ((type === "progress" || type === "snapshot") && this.#isMoving(type, totals)) {
      this.#take(totals);
    }
  }

  /**
   * What moves has moved since the message before, whatever speed it tells. Of the first, nobody knows: progress is
   * told when something happens, but what was begun and left is in a snapshot as well.
   */
  #isMoving(type: "progress" | "snapshot", totals: Totals): boolean {
    const before = this.#seen;
    this.#seen = JSON.stringify([totals.bytes, totals.files]);
    return before === null ? type === "progress" || totals.bytesPerS !== null : before !== this.#seen;
  }

  #take(totals: Totals): void {
    this.#totals = totals;
    this.#cancel();
    this.#cancel = this.#clock.after(HEARD_WITHIN_MS, () => this.forget());
    this.#show();
  }

  /**
   * This browser uploads to the gallery itself: the dock tells, and counts more exactly. What was heard meanwhile was
   * of its own photos; another device is heard again by itself.
   */
  tellBusyHere(isBusyHere: boolean): void {
    if (isBusyHere !== this.#isBusyHere) {
      this.#isBusyHere = isBusyHere;
      this.forget();
    }
  }

  /** Nobody knows any more whether something arrives. */
  forget(): void {
    this.#totals = null;
    this.#show();
  }

  end(): void {
    this.#cancel();
  }

  #show(): void {
    const totals = this.#isBusyHere ? null : this.#totals;
    const isShown = totals !== null && openCountOf(totals) > 0;
    this.#line.hidden = !isShown;
    if (isShown) {
      this.#page.dataset["elsewherePercent"] = String(percentOfTotals(totals));
      setText(this.#line, elsewhereWords(totals));
    } else {
      delete this.#page.dataset["elsewherePercent"];
    }
  }
}

/** "Arriving from another device: 1,032 of 1,204 · 4.1 GB of 5.0 GB · 12 MB/s · about 3 min" */
export function elsewhereWords(totals: Totals): string {
  const arrived = totals.files["verified"] ?? 0;
  const figures = [
    `${formatCount(arrived)} of ${formatCount(arrived + openCountOf(totals))}`,
    `${formatBytes(totals.bytes)} of ${formatBytes(totals.bytesTotal)}`,
  ];
  if (totals.bytesPerS !== null && totals.bytesPerS > 0) {
    figures.push(formatSpeed(totals.bytesPerS));
  }
  if (totals.secondsLeft !== null) {
    figures.push(formatTimeLeft(totals.secondsLeft));
  }
  return `Arriving from another device: ${figures.join("\u00a0· ")}`;
}

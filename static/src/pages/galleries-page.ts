// The list of galleries, live: what arrives in each, and in all of them together, from whatever device.

import { visit } from "@hotwired/turbo";
import { openCountOf, percentOfTotals } from "../domain/totals.ts";
import { type OverallMessage, parseOverallMessage, type Totals } from "../domain/wire.ts";
import { type OpenSocket, openWebSocket, ProgressSocket } from "../io/progress-socket.ts";
import { type Cancel, type Clock, systemClock } from "../kernel/clock.ts";
import { setText } from "../ui/element.ts";
import {
  formatBytes,
  formatCount,
  formatSpeed,
  formatTimeLeft,
  photosOf,
  toBePublished,
} from "../ui/quantities.ts";
import { getJson } from "./site-api.ts";

/** Where no socket gets through, the list is asked for instead. */
const POLL_MS = 2_000;
const RENEWED_AFTER_MS = 300;
/** Turbo marks what it sends and what it fetches. */
const BUSY = "[aria-busy=true], input:focus, details[open]";

type Ports = { readonly clock: Clock; readonly open: OpenSocket };

export class GalleriesPage {
  readonly #main: HTMLElement;
  readonly #clock: Clock;
  readonly #socket: ProgressSocket<OverallMessage>;
  #cancelPoll: Cancel = () => {};
  #cancelRenewal: Cancel = () => {};
  #hasEnded = false;

  constructor(main: HTMLElement, { clock, open }: Ports = { clock: systemClock, open: openWebSocket }) {
    this.#main = main;
    this.#clock = clock;
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/progress/`;
    this.#socket = new ProgressSocket(
      url,
      { clock, open, random: Math.random },
      {
        parse: parseOverallMessage,
        onMessage: (message) => this.#take(message),
        onOpen: () => this.#cancelPoll(),
        onClose: () => this.#pollLater(),
      },
    );
    this.#pollLater();
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancelPoll();
    this.#cancelRenewal();
    this.#socket.close();
  }

  #pollLater(): void {
    this.#cancelPoll();
    if (!this.#hasEnded) this.#cancelPoll = this.#clock.after(POLL_MS, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    await this.#read();
    if (!this.#socket.isOpen) this.#pollLater();
  }

  async #read(): Promise<void> {
    const answer = await getJson("/api/galleries");
    if (this.#hasEnded || !answer.ok) return;
    const list = parseOverallMessage({ ...Object(answer.value), type: "snapshot" });
    if (list.ok) this.#take(list.value);
  }

  #take(message: OverallMessage): void {
    this.#showOverall(message.overall);
    if (message.type === "progress") {
      this.#show(message.galleryId, message.totals);
      return;
    }
    for (const { id, totals } of message.galleries) {
      if (totals !== null) this.#show(id, totals);
    }
    const shownIds = [...this.#main.querySelectorAll("[data-gallery-id]")].map((card) =>
      card.getAttribute("data-gallery-id"),
    );
    const ids = new Set(message.galleries.map(({ id }) => id));
    if (ids.size !== shownIds.length || shownIds.some((id) => !ids.has(id ?? ""))) this.#renew();
  }

  #show(galleryId: string, totals: Totals): void {
    const card = this.#main.querySelector<HTMLElement>(`[data-gallery-id="${CSS.escape(galleryId)}"]`);
    const line = card?.querySelector<HTMLElement>(".card-progress");
    if (card == null || line == null) return;
    const percent = percentOfTotals(totals);
    const hasEnded = !line.hidden && openCountOf(totals) === 0;
    card.dataset["galleryPercent"] = String(percent);
    line.hidden = openCountOf(totals) === 0;
    line.querySelector("progress")?.setAttribute("value", String(percent));
    setText(line.querySelector(".card-figures") ?? line, figuresOf(totals));
    const isPublished = this.#showStaged(card, totals.stagedCount);
    const isCoverWanted = this.#showPublished(card, totals);
    // Its cover and its state are the server's to say.
    if (hasEnded || isPublished || isCoverWanted) this.#renew();
  }

  /** Whether the first photo came, or the last one went: with it its cover. */
  #showPublished(card: HTMLElement, { photoCount, byteCount }: Totals): boolean {
    const photos = card.querySelector<HTMLElement>(".card-photos");
    const size = card.querySelector<HTMLElement>(".card-size");
    if (photoCount === null || byteCount === null || photos === null || size === null) return false;
    const before = Number(photos.dataset["count"] ?? 0);
    photos.dataset["count"] = String(photoCount);
    setText(photos, photosOf(photoCount));
    setText(size.querySelector(".card-bytes") ?? size, formatBytes(byteCount));
    size.hidden = byteCount === 0;
    return (before === 0) !== (photoCount === 0);
  }

  /** Whether fewer wait than before. */
  #showStaged(card: HTMLElement, count: number): boolean {
    const line = card.querySelector<HTMLElement>(".card-staged");
    if (line === null) return false;
    const before = Number(line.dataset["count"] ?? 0);
    line.dataset["count"] = String(count);
    line.hidden = count === 0;
    setText(line, toBePublished(count));
    return count < before;
  }

  #showOverall(overall: Totals): void {
    const line = this.#main.querySelector<HTMLElement>("#overall");
    if (line === null) return;
    line.hidden = openCountOf(overall) === 0;
    line.dataset["overallPercent"] = String(percentOfTotals(overall));
    setText(line, `Arriving: ${figuresOf(overall)} · ${bytesOf(overall)}`);
  }

  /** Not under the hands of somebody who writes, and not in the way of what was just sent. */
  #renew(): void {
    this.#cancelRenewal();
    this.#cancelRenewal = this.#clock.after(RENEWED_AFTER_MS, () => {
      if (document.querySelector(BUSY) !== null) this.#renew();
      else if (!this.#hasEnded) visit(location.href, { action: "replace" });
    });
  }
}

/** "43% · 12 of 30 · 12 MB/s · about 3 min" */
function figuresOf(totals: Totals): string {
  const arrived = totals.files["verified"] ?? 0;
  const figures = [
    `${percentOfTotals(totals)}%`,
    `${formatCount(arrived)} of ${formatCount(arrived + openCountOf(totals))}`,
  ];
  if (totals.bytesPerS !== null && totals.bytesPerS > 0) figures.push(formatSpeed(totals.bytesPerS));
  if (totals.secondsLeft !== null) figures.push(formatTimeLeft(totals.secondsLeft));
  return figures.join("\u00a0· ");
}

function bytesOf({ bytes, bytesTotal }: Totals): string {
  return `${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`;
}

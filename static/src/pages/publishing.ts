// Galleries that do not publish by themselves have a button for it; its publication is followed to its end.

import { announce } from "../ui/announcer.ts";
import { setText } from "../ui/element.ts";
import { formatCount, photosOf } from "../ui/quantities.ts";
import { sentenceOf } from "../ui/sentences.ts";
import { fieldOf, getJson, sendJson } from "./site-api.ts";

// The most that one page of a list holds.
const STAGED_COUNTED = 1_000;
// The socket tells sooner; asking is for where sockets are blocked.
const ASK_EVERY_MS = 2_000;
const COUNT_AFTER_MS = 1_000;

export type GalleryPhase = "form" | "publishing" | "complete";
export type GalleryOutcome = "all" | "some" | "none" | null;

const OUTCOMES: Readonly<Record<string, GalleryOutcome>> = {
  all_succeeded: "all",
  some_failed: "some",
  all_failed: "none",
};

export class Publishing {
  readonly #button: HTMLButtonElement;
  readonly #staged: HTMLElement;
  readonly #galleryId: string;
  readonly #onPhase: (phase: GalleryPhase, outcome: GalleryOutcome) => void;
  #publicationId: string | null = null;
  #timer = 0;
  #countTimer = 0;
  #isBusy = false;
  #isMoreComing = false;
  /** null until it was counted: then nothing is withheld. */
  #stagedCount: number | null = null;

  constructor(
    button: HTMLButtonElement,
    staged: HTMLElement,
    galleryId: string,
    onPhase: (phase: GalleryPhase, outcome: GalleryOutcome) => void,
  ) {
    this.#button = button;
    this.#staged = staged;
    this.#galleryId = galleryId;
    this.#onPhase = onPhase;
    button.addEventListener("click", () => this.#publish());
  }

  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#countTimer);
    this.#publicationId = null;
  }

  /** What is still on its way can be published too: it shows when it is safe. */
  tellMoreIsComing(isMoreComing: boolean): void {
    this.#isMoreComing = isMoreComing;
    this.#drawButton();
  }

  /** Tells how many photos are safe and not shown yet. */
  async countStaged(): Promise<void> {
    const answer = await getJson(
      `/api/galleries/${this.#galleryId}/photos?status=staged&limit=${STAGED_COUNTED}`,
    );
    const photos = answer.ok ? fieldOf(answer.value, "photos") : null;
    if (!Array.isArray(photos)) {
      return;
    }
    this.#stagedCount = photos.length;
    this.#drawButton();
    this.#staged.hidden = photos.length === 0;
    if (photos.length === 0) {
      setText(this.#staged, "");
      return;
    }
    const isMore = answer.ok && fieldOf(answer.value, "next_cursor") !== null;
    const count = isMore ? `More than ${formatCount(photos.length)} photos` : photosOf(photos.length);
    setText(this.#staged, `${count} ${photos.length === 1 ? "waits" : "wait"} to be published.`);
  }

  heard(message: unknown): void {
    if (["uploads", "photos"].includes(String(fieldOf(message, "type")))) {
      clearTimeout(this.#countTimer);
      this.#countTimer = window.setTimeout(() => this.countStaged(), COUNT_AFTER_MS);
    }
    if (fieldOf(message, "type") === "publication" && this.#publicationId !== null) {
      void this.#ask(this.#publicationId);
    }
  }

  #setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy;
    this.#drawButton();
  }

  #drawButton(): void {
    const isNothingThere = this.#stagedCount === 0 && !this.#isMoreComing;
    this.#button.disabled = this.#isBusy || isNothingThere;
  }

  async #publish(): Promise<void> {
    this.#setBusy(true);
    const answer = await sendJson("POST", `/api/galleries/${this.#galleryId}/publications`, {
      idempotency_key: crypto.randomUUID(),
    });
    if (!answer.ok) {
      this.#setBusy(false);
      announce(sentenceOf(answer.failure.code));
      return;
    }
    this.#follow(answer.value);
  }

  #follow(publication: unknown): void {
    const id = fieldOf(publication, "id");
    this.#publicationId = typeof id === "string" ? id : null;
    const state = String(fieldOf(publication, "state"));
    const outcome = OUTCOMES[state] ?? null;
    if (outcome !== null) {
      this.#finish(publication, outcome);
      return;
    }
    this.#onPhase("publishing", null);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#askAgain(), ASK_EVERY_MS);
  }

  #askAgain(): void {
    if (this.#publicationId !== null) {
      void this.#ask(this.#publicationId);
    }
  }

  async #ask(publicationId: string): Promise<void> {
    const answer = await getJson(`/api/publications/${publicationId}`);
    if (this.#publicationId !== publicationId) {
      return;
    }
    if (answer.ok) {
      this.#follow(answer.value);
    } else {
      this.#timer = window.setTimeout(() => this.#askAgain(), ASK_EVERY_MS);
    }
  }

  #finish(publication: unknown, outcome: GalleryOutcome): void {
    clearTimeout(this.#timer);
    this.#publicationId = null;
    this.#setBusy(false);
    const published = Number(fieldOf(fieldOf(publication, "counts"), "published") ?? 0);
    announce(`${photosOf(published)} published.`);
    void this.countStaged();
    this.#onPhase("complete", outcome);
  }
}

// Says that a gallery is full, and how many were left out; while it is full nothing can be chosen.

import { element, setText } from "./element.ts";
import { formatCount, photosOf } from "./quantities.ts";

export class RoomLine {
  readonly #page: HTMLElement;
  readonly #maxPhotos: number;
  readonly #words = element("p");
  readonly #dismiss = element(
    "button",
    { type: "button", class: "button button-small button-plain" },
    "Dismiss",
  );
  #isFull = false;

  constructor(page: HTMLElement, maxPhotos: number, onDismiss: () => void) {
    this.#page = page;
    this.#maxPhotos = maxPhotos;
    this.#dismiss.addEventListener("click", onDismiss);
    const line = this.#line();
    // The page comes with the line of a gallery that is full: nothing may jump.
    setText(this.#words, line?.textContent?.trim() ?? "");
    this.#dismiss.hidden = true;
    line?.replaceChildren(this.#words, this.#dismiss);
  }

  /** `heldCount`: photos that are there or on their way. */
  show(heldCount: number, leftOutCount: number): void {
    const isFull = heldCount >= this.#maxPhotos;
    const line = this.#line();
    if (line !== null) {
      line.hidden = !isFull && leftOutCount === 0;
    }
    setText(this.#words, roomWords(this.#maxPhotos, isFull, leftOutCount));
    this.#dismiss.hidden = leftOutCount === 0;
    if (isFull !== this.#isFull) {
      this.#isFull = isFull;
      for (const chooser of this.#page.querySelectorAll("[data-chooses], [data-chooser]")) {
        chooser.toggleAttribute("disabled", isFull);
      }
    }
  }

  #line(): HTMLElement | null {
    return this.#page.querySelector<HTMLElement>("[data-part='room']");
  }
}

export function roomWords(maxPhotos: number, isFull: boolean, leftOutCount: number): string {
  const full = isFull
    ? `This gallery is full (${photosOf(maxPhotos)}).`
    : `This gallery takes ${photosOf(maxPhotos)}.`;
  if (leftOutCount === 0) {
    return full;
  }
  return `${full} ${formatCount(leftOutCount)} ${leftOutCount === 1 ? "was" : "were"} left out.`;
}

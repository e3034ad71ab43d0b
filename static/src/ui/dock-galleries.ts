// One line for each gallery of the dock, where there are several: which is shown, how far it is, and its pause.

import type { GalleryTally } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { type IconName, icon } from "./icons.ts";
import { figuresOf, unsentCount } from "./upload-words.ts";

export type GalleryActions = Readonly<{
  onShow: (galleryId: string) => void;
  onVerb: (verb: "pause" | "resume" | "cancel", galleryId: string) => void;
}>;

type Line = Readonly<{
  box: HTMLElement;
  name: HTMLButtonElement;
  figures: HTMLElement;
  pause: HTMLButtonElement;
  resume: HTMLButtonElement;
  cancel: HTMLButtonElement;
}>;

export class DockGalleries {
  readonly element = element("ul", { class: "dock-galleries", "aria-label": "Galleries", hidden: true });
  readonly #lines = new Map<string, Line>();
  readonly #actions: GalleryActions;

  constructor(actions: GalleryActions) {
    this.#actions = actions;
  }

  show(galleries: readonly GalleryTally[], shownId: string | null): void {
    this.element.hidden = galleries.length < 2;
    const ids = new Set(galleries.map((tally) => tally.galleryId));
    for (const [id, line] of this.#lines) {
      if (!ids.has(id)) {
        line.box.remove();
        this.#lines.delete(id);
      }
    }
    for (const tally of this.element.hidden ? [] : galleries) {
      this.#draw(tally, tally.galleryId === shownId);
    }
  }

  #draw(tally: GalleryTally, isShown: boolean): void {
    const line = this.#lines.get(tally.galleryId) ?? this.#add(tally.galleryId);
    setText(line.name, tally.title);
    line.name.ariaCurrent = String(isShown);
    setText(line.figures, figuresOf(tally).slice(0, 2).join(" · "));
    const isSending = unsentCount(tally) > 0;
    line.pause.hidden = !isSending || tally.paused;
    line.resume.hidden = !isSending || !tally.paused;
    line.cancel.hidden = !isSending;
    line.pause.ariaLabel = `Hold ${tally.title}`;
    line.resume.ariaLabel = `Go on with ${tally.title}`;
    line.cancel.ariaLabel = `Stop ${tally.title}`;
  }

  #add(galleryId: string): Line {
    const name = element("button", { type: "button", class: "dock-gallery", dir: "auto" });
    name.addEventListener("click", () => this.#actions.onShow(galleryId));
    const figures = element("span");
    const pause = this.#button("pause", "pause", galleryId);
    const resume = this.#button("play", "resume", galleryId);
    const cancel = this.#button("close", "cancel", galleryId);
    const box = element("li", {}, name, figures, pause, resume, cancel);
    const line = { box, name, figures, pause, resume, cancel };
    this.#lines.set(galleryId, line);
    this.element.append(box);
    return line;
  }

  #button(picture: IconName, verb: "pause" | "resume" | "cancel", galleryId: string): HTMLButtonElement {
    const button = element(
      "button",
      { type: "button", class: "button button-small button-icon", hidden: true },
      icon(picture),
    );
    button.addEventListener("click", () => this.#actions.onVerb(verb, galleryId));
    return button;
  }
}

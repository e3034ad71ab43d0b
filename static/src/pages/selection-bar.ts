// What a person can do with the photos chosen on the wall: download, delete, and bring back what was deleted.

import { announce } from "../ui/announcer.ts";
import { element, setText } from "../ui/element.ts";
import { icon } from "../ui/icons.ts";
import { photosOf } from "../ui/quantities.ts";
import { sentenceAbout, sentenceOf } from "../ui/sentences.ts";
import { readPhoto, type WallPhoto } from "../ui/wall-photo.ts";
import { fieldOf, sendJson } from "./site-api.ts";

// The API takes this many in one call.
const BATCH = 100;

export type SelectionHooks = Readonly<{
  clear: () => void;
  changed: (photos: readonly WallPhoto[]) => void;
  galleryId: string;
  canDelete: boolean;
  canDownload: boolean;
}>;

export class SelectionBar {
  readonly #root: HTMLElement;
  readonly #hooks: SelectionHooks;
  readonly #count = element("strong", { "aria-live": "polite" });
  readonly #actions = element("div", { class: "actions" });
  #ids: readonly string[] = [];

  constructor(root: HTMLElement, hooks: SelectionHooks) {
    this.#root = root;
    this.#hooks = hooks;
    root.replaceChildren(this.#count, this.#actions);
    root.hidden = true;
  }

  show(selected: ReadonlySet<string>): void {
    this.#ids = Array.from(selected);
    if (this.#ids.length === 0) {
      this.#root.hidden = true;
      return;
    }
    this.#root.hidden = false;
    setText(this.#count, `${photosOf(this.#ids.length)} selected`);
    this.#actions.replaceChildren(
      ...(this.#hooks.canDownload ? [barButton("Download", "download", () => this.#download())] : []),
      ...(this.#hooks.canDelete ? [barButton("Delete", "trash", () => this.#delete())] : []),
      barButton("Clear selection", "close", this.#hooks.clear),
    );
  }

  async #download(): Promise<void> {
    const answer = await sendJson("POST", `/api/galleries/${this.#hooks.galleryId}/archives`, {
      photo_ids: this.#ids,
      variant: "original",
    });
    const url = answer.ok ? fieldOf(answer.value, "url") : null;
    if (typeof url === "string") {
      location.assign(url);
      this.#hooks.clear();
    } else {
      this.#say(sentenceOf(answer.ok ? "" : answer.failure.code));
    }
  }

  async #delete(): Promise<void> {
    const ids = this.#ids;
    const leftAs = await this.#change("delete", ids);
    this.#hooks.clear();
    if (leftAs !== null) {
      tellSettings(ids.length - leftAs.length);
      this.#root.hidden = false;
      setText(this.#count, `${photosOf(ids.length)} deleted. They can be brought back for 24 hours.`);
      announce(this.#count.textContent ?? "");
      this.#actions.replaceChildren(
        barButton("Undo", "retry", () => this.#restore(ids)),
        barButton("Close", "close", () => {
          this.#root.hidden = true;
        }),
      );
    }
  }

  async #restore(ids: readonly string[]): Promise<void> {
    const leftAs = await this.#change("restore", ids);
    if (leftAs === null) return;
    tellSettings(leftAs.length - ids.length);
    const [code] = leftAs;
    if (code === undefined) {
      this.#root.hidden = true;
      announce(`${photosOf(ids.length)} brought back.`);
    } else {
      this.#say(sentenceAbout(code, leftAs.length));
      announce(this.#count.textContent ?? "");
    }
  }

  /** Why some were left as they were, by code; null where nothing was done and it was said why. */
  async #change(verb: "delete" | "restore", ids: readonly string[]): Promise<readonly string[] | null> {
    const changed: WallPhoto[] = [];
    const leftAs: string[] = [];
    for (let start = 0; start < ids.length; start += BATCH) {
      const answer = await sendJson("POST", `/api/photos/${verb}`, { ids: ids.slice(start, start + BATCH) });
      if (!answer.ok) {
        this.#say(sentenceOf(answer.failure.code));
        return null;
      }
      const rows = fieldOf(answer.value, "photos");
      changed.push(...(Array.isArray(rows) ? rows.flatMap((row) => readPhoto(row) ?? []) : []));
      leftAs.push(...(Array.isArray(rows) ? rows.flatMap((row) => codeOf(row) ?? []) : []));
    }
    this.#hooks.changed(changed);
    return leftAs;
  }

  #say(sentence: string): void {
    setText(this.#count, sentence);
  }
}

/** The settings of the gallery offer to bring back what was deleted, also once this bar is gone. */
function tellSettings(moreDeleted: number): void {
  const form = document.querySelector<HTMLElement>("[data-part='deleted']");
  const words = form?.querySelector<HTMLElement>("[data-part='deleted-words']");
  if (!form || !words) return;
  const count = Math.max(0, Number(form.dataset["count"]) + moreDeleted);
  form.dataset["count"] = String(count);
  form.hidden = count === 0;
  setText(words, photosOf(count));
}

function codeOf(row: unknown): string | null {
  const code = fieldOf(fieldOf(row, "error"), "code");
  return typeof code === "string" ? code : null;
}

function barButton(
  label: string,
  picture: "download" | "trash" | "close" | "retry",
  act: () => void,
): HTMLElement {
  const button = element("button", { type: "button", class: "button button-small" }, icon(picture), label);
  button.addEventListener("click", act);
  return button;
}

// The gallery's line about an editor's notes (XMP): how many are beside their photos, and what became of the others.

import type { SidecarsReport } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { sidecarSentences } from "./sidecar-words.ts";

export class SidecarLine {
  readonly #line = element("p", { class: "quiet", "data-part": "sidecars", role: "status", hidden: true });

  /** `before`: the line stands behind it. */
  constructor(before: HTMLElement) {
    before.after(this.#line);
  }

  end(): void {
    this.#line.remove();
  }

  show(report: SidecarsReport): void {
    const words = sidecarSentences(report).join(" ");
    this.#line.hidden = words === "";
    setText(this.#line, words);
  }
}

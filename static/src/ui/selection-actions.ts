// What can be done with the selected rows of the list: one line, there only while some are selected.

import { element, setText } from "./element.ts";
import type { RowVerb } from "./file-row.ts";
import { filesOf } from "./quantities.ts";

const VERBS: readonly (readonly [RowVerb, string])[] = [
  ["pause", "Pause"],
  ["resume", "Resume"],
  ["retry", "Retry"],
  ["remove", "Remove"],
];

export class SelectionActions {
  readonly element: HTMLElement;
  readonly #count = element("strong", { role: "status" });

  constructor(onVerb: (verb: RowVerb) => void, onClear: () => void) {
    const buttons = VERBS.map(([verb, label]) => {
      const button = smallButton(label, `${label} selected files`);
      button.addEventListener("click", () => onVerb(verb));
      return button;
    });
    const clear = smallButton("Select none");
    clear.addEventListener("click", onClear);
    this.element = element(
      "div",
      { class: "list-selection", role: "toolbar", "aria-label": "Selected files", hidden: true },
      this.#count,
      ...buttons,
      clear,
    );
  }

  show(count: number): void {
    this.element.hidden = count === 0;
    setText(this.#count, count === 0 ? "" : `${filesOf(count)} selected`);
  }
}

function smallButton(label: string, name = label): HTMLButtonElement {
  return element(
    "button",
    { type: "button", class: "button button-small button-plain", "aria-label": name },
    label,
  );
}
